/*
 * Private keys to log in with: what can be told of one without its use. OpenSSH's own form is described in
 * PROTOCOL.key of its sources, those in PEM in RFC 7468 and RFC 5208.
 */
#include <sodium.h>

#include "core/machine/ssh.h"
#include "runfs/str.h"

enum { HEAD = 512 }; /* of a key: more than what says of what kind it is */

static const char openssh[] = "-----BEGIN OPENSSH PRIVATE KEY-----";

/* The first bytes of what stands between BEGIN and END; 0: that is no base64. */
static size_t decode_head(const char *text, unsigned char bytes[HEAD])
{
    char head[HEAD / 3 * 4];
    const char *at = strchr(text, '\n');
    size_t len = 0, n = 0;

    for (; at && *at && *at != '-' && len < sizeof(head); at++)
        if (!strchr(" \t\r\n=", *at))
            head[len++] = *at;
    return sodium_base642bin(bytes, HEAD, head, len, NULL, &n, NULL,
                             sodium_base64_VARIANT_ORIGINAL_NO_PADDING) == 0
               ? n
               : 0;
}

/* A string of RFC 4251, and what is behind it: NULL where it is not all here, or none for a person. */
static const unsigned char *take_string(const unsigned char *at, const unsigned char *end, char *ret,
                                        size_t size)
{
    size_t len = 0;

    if (!at || end - at < 4)
        return NULL;
    for (int i = 0; i < 4; i++)
        len = len << 8 | *at++;
    if (len > (size_t)(end - at))
        return NULL;
    snprintf(ret, size, "%.*s", (int)(len < size ? len : size - 1), (const char *)at);
    ssh_clean_words(ret);
    return at + len;
}

/* "openssh-key-v1", the cipher, how its key is made, with what, how many keys, and the first one's public
 * half, which begins with its kind. */
static bool read_openssh(const unsigned char *bytes, size_t n, char *cipher, char *kind)
{
    static const char magic[] = "openssh-key-v1";
    const unsigned char *end = bytes + n, *at = bytes + sizeof(magic);
    char passed[64];

    if (n < sizeof(magic) || memcmp(bytes, magic, sizeof(magic)) != 0)
        return false;
    at = take_string(at, end, cipher, SSH_KIND_MAX);
    at = take_string(at, end, passed, sizeof(passed));
    at = take_string(at, end, passed, sizeof(passed));
    return at && end - at > 8 && take_string(at + 8, end, kind, SSH_KIND_MAX);
}

static bool holds(const unsigned char *bytes, size_t n, const char *what, size_t len)
{
    return memmem(bytes, n, what, len);
}

void ssh_identity_kind(const char *text, char ret[SSH_KIND_MAX])
{
    static const char rsa[] = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"; /* 1.2.840.113549.1.1.1 */
    unsigned char bytes[HEAD];
    size_t n = decode_head(text, bytes);
    char cipher[SSH_KIND_MAX];

    *ret = '\0';
    if (str_starts(text, openssh)) {
        if (!read_openssh(bytes, n, cipher, ret))
            *ret = '\0';
    } else if (str_starts(text, "-----BEGIN RSA ") || holds(bytes, n, rsa, sizeof(rsa) - 1)) {
        snprintf(ret, SSH_KIND_MAX, "ssh-rsa");
    } else if (str_starts(text, "-----BEGIN DSA ")) {
        snprintf(ret, SSH_KIND_MAX, "ssh-dss");
    }
}

static int check_openssh(const char *text, struct err *err)
{
    unsigned char bytes[HEAD];
    size_t n = decode_head(text, bytes);
    char cipher[SSH_KIND_MAX] = "none", kind[SSH_KIND_MAX] = "";
    bool whole = read_openssh(bytes, n, cipher, kind);

    if (!str_eq(cipher, "none"))
        return err_set(err, -EINVAL,
                       "the key has a passphrase, and nobody to ask for it: write it without one");
    if (!whole)
        return err_set(err, -EINVAL, "that is no private key, or not all of one");
    if (str_starts(kind, "sk-"))
        return err_set(err, -EINVAL,
                       "the key is of a security key, which somebody has to touch: `ssh-keygen -t ed25519` "
                       "makes one that needs nobody");
    return 0;
}

/* "ssh-ed25519-cert-v01@openssh.com BASE64": PROTOCOL.certkeys of OpenSSH's sources. */
static bool is_certificate(const char *text)
{
    _buf_ struct buf print = BUF_INIT;
    size_t kind = strcspn(text, " "), suffix = strlen(SSH_CERTIFICATE);

    return kind > suffix && strncmp(text + kind - suffix, SSH_CERTIFICATE, suffix) == 0 &&
           !strchr(text, '\n') && ssh_fingerprint(text, &print) == 0;
}

int ssh_identity_check(const char *text, struct err *err)
{
    if (is_certificate(text))
        return 0;
    if (!str_starts(text, "-----BEGIN ") || !strstr(text, "PRIVATE KEY-----"))
        return err_set(err, -EINVAL, "that is no private key: `ssh-keygen -t ed25519` makes one");
    if (strstr(text, "ENCRYPTED"))
        return err_set(err, -EINVAL,
                       "the key has a passphrase, and nobody to ask for it: write it without one");
    return str_starts(text, openssh) ? check_openssh(text, err) : 0;
}
