/* config/hosts/NAME, and the keys that hosts and users are known by. */
#include <sodium.h>

#include "core/machine/ssh.h"
#include "runfs/str.h"

enum { PORT = 22, KEYS_MAX = 16, KEY_MAX = 4096 };

void ssh_host_release(struct ssh_host *h)
{
    for (char **k = h->keys; k && *k; k++)
        free(*k);
    free(h->keys);
    free(h->user);
    free(h->name);
    free(h->identity);
    free(h->agent);
    free(h->directory);
    free(h->jump);
    *h = (struct ssh_host){0};
}

/* ------------------------------------------------------------------------------------------- user@host:port
 */

static int take_port(const char *text, struct ssh_host *ret)
{
    uint64_t port = PORT;

    if (*text == ':' && (parse_u64(text + 1, &port) < 0 || port < 1 || port > 65535))
        return -EINVAL;
    ret->port = (uint16_t)port;
    return *text && *text != ':' ? -EINVAL : 0;
}

/* Nothing that a resolver, a log or a shell could take for anything else. */
static bool good_word(const char *s, size_t len, const char *more)
{
    static const char usual[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    for (size_t i = 0; i < len; i++)
        if (!strchr(usual, s[i]) && !strchr(more, s[i]))
            return false;
    return len > 0 && len < 256 && *s != '-';
}

int ssh_address_parse(const char *text, struct ssh_host *ret, struct err *err)
{
    const char *at = strrchr(text, '@'), *name = at ? at + 1 : text;
    bool bracket = *name == '[';
    const char *begin = name + bracket;
    size_t len = strcspn(begin, bracket ? "]" : ":");
    const char *rest = begin + len + (bracket && begin[len] == ']');
    _ssh_host_ struct ssh_host h = {0};

    if (!at || !good_word(text, (size_t)(at - text), "+$") || !good_word(begin, len, bracket ? ":%" : "") ||
        (bracket && begin[len] != ']') || take_port(rest, &h) < 0)
        return err_set(err, -EINVAL,
                       "'%.200s' is no host: it is USER@HOST or USER@HOST:PORT, with an IPv6 address in "
                       "brackets",
                       text);
    h.user = strndup(text, (size_t)(at - text));
    h.name = strndup(begin, len);
    h.identity = strdup("default");
    h.keys = calloc(1, sizeof(*h.keys));
    if (!h.user || !h.name || !h.identity || !h.keys)
        return err_errno(err, -ENOMEM, "host");
    *ret = h;
    h = (struct ssh_host){0};
    return 0;
}

/* ----------------------------------------------------------------------------------------------------- keys
 */

static int decode_key(const char *key, unsigned char *bytes, size_t size, size_t *ret_len)
{
    const char *space = strchr(key, ' ');
    const char *text = space ? space + 1 : "";
    size_t len = strcspn(text, " ");

    return space && sodium_base642bin(bytes, size, text, len, NULL, ret_len, NULL,
                                      sodium_base64_VARIANT_ORIGINAL) == 0
               ? 0
               : -EINVAL;
}

/* RFC 4253, 6.6: a key begins with the name of its kind. */
static bool is_key(const char *key)
{
    unsigned char bytes[KEY_MAX];
    size_t len = 0, type = strcspn(key, " ");

    return decode_key(key, bytes, sizeof(bytes), &len) == 0 && len > 4 + type && bytes[0] == 0 &&
           bytes[1] == 0 && bytes[2] == type >> 8 && bytes[3] == (type & 255) &&
           memcmp(bytes + 4, key, type) == 0;
}

int ssh_fingerprint(const char *key, struct buf *ret)
{
    unsigned char bytes[KEY_MAX], hash[crypto_hash_sha256_BYTES];
    char text[sodium_base64_ENCODED_LEN(sizeof(hash), sodium_base64_VARIANT_ORIGINAL_NO_PADDING)];
    size_t len;

    if (decode_key(key, bytes, sizeof(bytes), &len) < 0)
        return -EINVAL;
    crypto_hash_sha256(hash, bytes, len);
    sodium_bin2base64(text, sizeof(text), hash, sizeof(hash), sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    buf_addf(ret, "SHA256:%s", text);
    return buf_ok(ret) ? 0 : -ENOMEM;
}

/* ------------------------------------------------------------------------------------------------- the file
 */

static int add_key(struct ssh_host *h, const char *key, struct err *err)
{
    size_t n = 0;

    while (h->keys[n])
        n++;
    if (!is_key(key))
        return err_set(
            err, -EINVAL,
            "'%.80s' is no host key: `hostkey TYPE BASE64`, as `runfs host add` and ssh-keyscan(1) "
            "write it",
            key);
    if (n == KEYS_MAX)
        return err_set(err, -EINVAL, "a host has at most %d keys", KEYS_MAX);
    return strv_add(&h->keys, &n, strdup(key)) < 0 ? err_errno(err, -ENOMEM, "host") : 0;
}

static int take_word(const char *word, char **field, struct err *err)
{
    free(*field);
    *field = strdup(word);
    return *field ? 0 : err_errno(err, -ENOMEM, "host");
}

static int take_identity(struct ssh_host *h, const char *word, struct err *err)
{
    return name_check(word) < 0 ? err_set(err, -EINVAL, "'%.80s' is no name of config/identities", word)
                                : take_word(word, &h->identity, err);
}

/* It lies here; without a path it is the daemon's own. */
static int take_agent(struct ssh_host *h, const char *word, struct err *err)
{
    if (*word && *word != ' ')
        return err_set(err, -EINVAL, "'agent%.80s': it is `agent`, or `agent /PATH` of its socket", word);
    word += *word == ' ';
    return *word && *word != '/'
               ? err_set(err, -EINVAL, "'%.80s' is no socket of an ssh-agent: it begins with /", word)
               : take_word(word, &h->agent, err);
}

static int take_jump(struct ssh_host *h, const char *word, struct err *err)
{
    if (name_check(word) < 0 || strpbrk(word, "@: "))
        return err_set(
            err, -EINVAL,
            "'%.80s' is no name of config/hosts: a host on the way is added as others are (`runfs host "
            "add NAME USER@HOST`), and `jump NAME` goes by it",
            word);
    return take_word(word, &h->jump, err);
}

/* It stands in commands as it is. */
static int take_directory(struct ssh_host *h, const char *word, struct err *err)
{
    if (*word != '/' || strlen(word) >= SSH_DIRECTORY_MAX || !good_word(word, strlen(word), "/+@"))
        return err_set(err, -EINVAL,
                       "'%.80s' is no directory to use there: it begins with / and is of letters, digits and "
                       "any of ._-+@/",
                       word);
    return take_word(word, &h->directory, err);
}

/* "host TYPE BASE64" and "|1|...| TYPE BASE64" are what ssh-keyscan(1) and known_hosts say: by whom it is
 * known there is of no use here. */
static int take_key(struct ssh_host *h, const char *key, struct err *err)
{
    const char *space = strchr(key, ' ');

    return add_key(h, !is_key(key) && space && is_key(space + 1) ? space + 1 : key, err);
}

static int take_line(struct ssh_host *h, const char *line, struct err *err)
{
    static const struct {
        const char *word;
        int (*take)(struct ssh_host *, const char *, struct err *);
    } words[] = {{"hostkey ", take_key},
                 {"identity ", take_identity},
                 {"agent", take_agent},
                 {"jump ", take_jump},
                 {"directory ", take_directory}};

    if (!h->name)
        return ssh_address_parse(line, h, err);
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_starts(line, words[i].word))
            return words[i].take(h, line + strlen(words[i].word), err);
    return err_set(
        err, -EINVAL,
        "'%.80s': a line is `hostkey TYPE BASE64`, `identity NAME`, `agent [/PATH]`, `jump NAME` or "
        "`directory /PATH`",
        line);
}

int ssh_host_parse(const char *text, struct ssh_host *ret, struct err *err)
{
    _ssh_host_ struct ssh_host h = {0};
    _free_ char *copy = strdup(text);
    char *rest = copy;
    int r = copy ? 0 : err_errno(err, -ENOMEM, "host"), number = 0;

    for (char *line; r == 0 && (line = strsep(&rest, "\n"));) {
        struct err why = {0};
        number++;
        line[strcspn(line, "\r")] = '\0';
        r = *line && *line != '#' ? take_line(&h, line, &why) : 0;
        if (r < 0)
            return err_set(err, r, "line %d: %s", number, why.msg);
    }
    if (r == 0 && !h.name)
        r = err_set(err, -EINVAL, "it begins with USER@HOST[:PORT]: `runfs host add` writes it");
    if (r < 0)
        return r;
    *ret = h;
    h = (struct ssh_host){0};
    return 0;
}
