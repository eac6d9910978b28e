/* Logging in to a host with a key, of a file or of an ssh-agent, and why it lets nobody in. */
#include "core/machine/ssh.h"
#include "runfs/str.h"

enum { WAIT_MS = 15000, KEYS_TRIED = 6 /* as many as sshd takes, MaxAuthTries */ };

/* What it takes, or would take next: "publickey,password". NULL: it asks for nothing, or it failed. */
static const char *ask_methods(const struct ssh_host *h, struct ssh_session *s)
{
    return ssh_await_pointer(s, libssh2_userauth_list(s->session, h->user, (unsigned)strlen(h->user)));
}

/* RFC 4252, 5.1: once a key was right, that is no longer among the methods that go on. */
static bool wants_more(const struct ssh_host *h, struct ssh_session *s, struct err *err)
{
    const char *methods = ask_methods(h, s);
    char more[100];

    if (!methods || strstr(methods, "publickey"))
        return false;
    snprintf(more, sizeof(more), "%s", methods);
    ssh_clean_words(more);
    err_set(err, -EACCES,
            "ssh %s: it takes the key of %s%.60s, and wants more: %s, which nobody is there for "
            "(AuthenticationMethods in its sshd_config)",
            s->where, h->agent ? "the ssh-agent" : "config/identities/", h->agent ? "" : h->identity, more);
    return true;
}

/* With a certificate too, a signature is of the key's own kind (PROTOCOL.certkeys); libssh2 knows that of
 * these. */
static bool names_signature(const char *kind)
{
    return str_starts(kind, "ecdsa-sha2-") ||
           !memmem(kind, strcspn(kind, " "), SSH_CERTIFICATE, strlen(SSH_CERTIFICATE));
}

static int not_let_in(const struct ssh_host *h, struct ssh_session *s, const char *private_key,
                      const char *certificate, struct err *err)
{
    char kind[SSH_KIND_MAX];

    if (wants_more(h, s, err))
        return -EACCES;
    if (certificate && !names_signature(certificate))
        return err_set(
            err, -EACCES,
            "ssh %s: it does not let the key and the certificate of config/identities/%.60s in: libssh2 "
            "%s names the signature after the certificate, %.*s, which OpenSSH refuses: use the key "
            "without, or one that is ecdsa (`ssh-keygen -t ecdsa`)",
            s->where, h->identity, libssh2_version(0), (int)strcspn(certificate, " "), certificate);
    if (certificate)
        return err_set(
            err, -EACCES,
            "ssh %s: it does not let the key and the certificate of config/identities/%.60s in (did "
            "one of its TrustedUserCAKeys sign that, for this user and for now? `ssh-keygen -Lf` "
            "shows what it is for)",
            s->where, h->identity);
    ssh_identity_kind(private_key, kind);
    if (str_eq(kind, "ssh-rsa") && !libssh2_version(LIBSSH2_SIGNS_SHA2))
        return err_set(
            err, -EACCES,
            "ssh %s: it does not let the key of config/identities/%.60s in: that is an RSA key, with "
            "which libssh2 %s signs only in a way that OpenSSH refuses: use one that is ed25519 "
            "(`ssh-keygen -t ed25519`) or ecdsa",
            s->where, h->identity, libssh2_version(0));
    return err_set(err, -EACCES,
                   "ssh %s: it does not let the key of config/identities/%.60s in (is its public half in "
                   "~/.ssh/authorized_keys there, or does it take certificates only?)",
                   s->where, h->identity);
}

/* What libssh2 returns of one that it cannot read. */
static bool of_key(int code)
{
    return code == LIBSSH2_ERROR_FILE || code == LIBSSH2_ERROR_PROTO || code == LIBSSH2_ERROR_METHOD_NONE ||
           code == LIBSSH2_ERROR_KEYFILE_AUTH_FAILED;
}

static int cannot_use(const struct ssh_host *h, struct ssh_session *s, const char *certificate,
                      struct err *err)
{
    int kind = certificate ? (int)strcspn(certificate, " ") : 0;

    if (certificate)
        return err_set(
            err, -EINVAL,
            "ssh %s: libssh2 %s cannot use the key in config/identities/%.60s with its certificate, "
            "%.*s: it is damaged, or of a kind that it does not know (it knows those of ecdsa keys: "
            "`ssh-keygen -t ecdsa`)",
            s->where, libssh2_version(0), h->identity, kind < 60 ? kind : 60, certificate);
    return err_set(err, -EINVAL,
                   "ssh %s: libssh2 %s cannot use the key in config/identities/%.60s: it is damaged, or of a "
                   "kind that it does not know (`ssh-keygen -t ed25519` makes one that it does)",
                   s->where, libssh2_version(0), h->identity);
}

static bool refused(int code)
{
    return code == LIBSSH2_ERROR_AUTHENTICATION_FAILED || code == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED;
}

static int by_file(const struct ssh_host *h, struct ssh_session *s, const char *private_key,
                   const char *certificate, struct err *err)
{
    int r = ssh_await(s, libssh2_userauth_publickey_frommemory(
                             s->session, h->user, strlen(h->user), certificate,
                             certificate ? strlen(certificate) : 0, private_key, strlen(private_key), NULL));

    return r == 0       ? 0
           : refused(r) ? not_let_in(h, s, private_key, certificate, err)
           : of_key(r)  ? cannot_use(h, s, certificate, err)
                        : ssh_failed(s, "cannot log in", err);
}

static bool can_sign(const char *kind)
{
    return (str_eq(kind, "ssh-ed25519") || str_starts(kind, "ecdsa-sha2-")) && names_signature(kind);
}

static int none_let_in(const struct ssh_host *h, struct ssh_session *s, unsigned tried, const char *left_out,
                       struct err *err)
{
    if (wants_more(h, s, err))
        return -EACCES;
    if (!tried && !*left_out)
        return err_set(err, -EACCES, "ssh %s: the ssh-agent has no keys (`ssh-add FILE` gives it one)",
                       s->where);
    return err_set(
        err, -EACCES, "ssh %s: it lets none of the %u keys of the ssh-agent in that were tried%s%s%s",
        s->where, tried, *left_out ? "; libssh2 cannot sign by " : "", left_out,
        *left_out ? ", which was left out: use keys of ed25519 or ecdsa, or certificates of ecdsa keys"
                  : " (is the public half of one in ~/.ssh/authorized_keys there?)");
}

static int by_keyring(const struct ssh_host *h, struct ssh_session *s, struct ssh_keyring *k, struct err *err)
{
    char kind[SSH_KIND_MAX], left_out[SSH_KIND_MAX] = "";
    void *abstract = k;
    unsigned tried = 0;

    while (tried < KEYS_TRIED && ssh_keyring_next(k)) {
        ssh_keyring_kind(k, kind);
        if (!can_sign(kind)) {
            snprintf(left_out, sizeof(left_out), "%s", kind);
            continue;
        }
        tried++;
        int r = ssh_await(
            s, libssh2_userauth_publickey(s->session, h->user, k->key, k->len, ssh_keyring_sign, &abstract));
        if (r == 0)
            return 0;
        if (!refused(r))
            return ssh_failed(s, "cannot log in with the keys of the ssh-agent", err);
    }
    return none_let_in(h, s, tried, left_out, err);
}

static int by_agent(const struct ssh_host *h, struct ssh_session *s, struct err *err)
{
    struct ssh_keyring k;
    int r = ssh_keyring_open(s, h->agent, &k, err);

    if (r == 0)
        r = by_keyring(h, s, &k, err);
    ssh_keyring_close(&k);
    return r;
}

/* A host that asks for nothing has let the user in already: RFC 4252, 5.2. */
int ssh_login(const struct ssh_host *h, struct ssh_session *s, const char *private_key,
              const char *certificate, struct err *err)
{
    char methods[100];

    (void)ssh_in_time(s, ssh_after_ms(WAIT_MS));
    const char *list = ask_methods(h, s);
    if (!list)
        return libssh2_userauth_authenticated(s->session) ? 0 : ssh_failed(s, "cannot log in", err);
    snprintf(methods, sizeof(methods), "%s", list);
    ssh_clean_words(methods);
    if (!strstr(list, "publickey"))
        return err_set(err, -EACCES,
                       "ssh %s: it takes no keys, but %s, and nobody is there to say that "
                       "(PubkeyAuthentication in its sshd_config)",
                       s->where, methods);
    return private_key ? by_file(h, s, private_key, certificate, err) : by_agent(h, s, err);
}
