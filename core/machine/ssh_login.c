/* Logging in to a host with a key, and why it lets nobody in. */
#include "core/machine/ssh.h"
#include "runfs/str.h"

enum { WAIT_MS = 15000 };

/* What it takes, or would take next: "publickey,password". NULL: it asks for nothing, or it failed. */
static const char *ask_methods(const struct ssh_host *h, struct ssh_session *s)
{
    return ssh_await_pointer(s, libssh2_userauth_list(s->session, h->user, (unsigned)strlen(h->user)));
}

static int not_let_in(const struct ssh_host *h, struct ssh_session *s, const char *private_key,
                      struct err *err)
{
    const char *methods = ask_methods(h, s);
    char kind[SSH_KIND_MAX], more[100];

    /* RFC 4252, 5.1: once a key was right, that is no longer among the methods that go on */
    if (methods && !strstr(methods, "publickey")) {
        snprintf(more, sizeof(more), "%s", methods);
        ssh_clean_words(more);
        return err_set(
            err, -EACCES,
            "ssh %s: it takes the key of config/identities/%.60s, and wants more: %s, which nobody "
            "is there for (AuthenticationMethods in its sshd_config)",
            s->where, h->identity, more);
    }
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

static int cannot_use(const struct ssh_host *h, struct ssh_session *s, struct err *err)
{
    return err_set(err, -EINVAL,
                   "ssh %s: libssh2 %s cannot use the key in config/identities/%.60s: it is damaged, or of a "
                   "kind that it does not know (`ssh-keygen -t ed25519` makes one that it does)",
                   s->where, libssh2_version(0), h->identity);
}

/* A host that asks for nothing has let the user in already: RFC 4252, 5.2. */
int ssh_login(const struct ssh_host *h, struct ssh_session *s, const char *private_key, struct err *err)
{
    unsigned user = (unsigned)strlen(h->user);
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
    int r = ssh_await(s, libssh2_userauth_publickey_frommemory(s->session, h->user, user, NULL, 0,
                                                               private_key, strlen(private_key), NULL));
    return r == 0 ? 0
           : r == LIBSSH2_ERROR_AUTHENTICATION_FAILED || r == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED
               ? not_let_in(h, s, private_key, err)
           : of_key(r) ? cannot_use(h, s, err)
                       : ssh_failed(s, "cannot log in", err);
}
