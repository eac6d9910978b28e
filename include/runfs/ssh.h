/*
 * Hosts that machines are made on by SSH, as config/hosts/NAME describes them:
 *
 *   runner@build1.example:22            user, host and port (22)
 *   hostkey ssh-ed25519 AAAA...         a key that it may show; one a line, at least one
 *   identity NAME                       the private key in config/identities/NAME (default), with the
 *                                       certificate in config/identities/NAME-cert.pub, if there is one
 *   agent [/PATH]                       instead: the keys of the ssh-agent at that socket (SSH_AUTH_SOCK's)
 *   jump NAME                           by way of the host config/hosts/NAME, which may have one itself
 *   directory /PATH                     where the agent and its machines are (~/.cache/runfs there)
 *
 * Empty lines and what begins with # are passed over. Any thread.
 */
#ifndef RUNFS_SSH_H
#define RUNFS_SSH_H

#include <stdint.h>

#include "runfs/buf.h"
#include "runfs/err.h"

enum { SSH_DIRECTORY_MAX = 200 };

struct ssh_host {
    char *user, *name; /* owned; the name may be an address */
    uint16_t port;
    char *identity;  /* owned */
    char *agent;     /* owned: its socket, "": the usual one; NULL: by the identity */
    char *jump;      /* owned; NULL: it is reached from here */
    char *directory; /* owned; NULL: the usual one */
    char **keys;     /* owned, NULL-terminated: "TYPE BASE64" */
};
/* Where the file says nothing of a key, `keys` is empty. -EINVAL with words. */
int ssh_host_parse(const char *text, struct ssh_host *ret, struct err *err);
/* The same of `USER@HOST[:PORT]` alone; IPv6 addresses stand in brackets. */
int ssh_address_parse(const char *text, struct ssh_host *ret, struct err *err);
void ssh_host_release(struct ssh_host *h);
#define _ssh_host_ _cleanup_(ssh_host_release)

/* The key that a host shows, "TYPE BASE64", appended: one of those that it is known by, if it is known. It is
 * not logged in to. */
int ssh_host_key(const struct ssh_host *h, struct buf *ret, struct err *err);
/* "SHA256:..." of a key, as ssh-keygen(1) -l prints it. -EINVAL: it is none. */
int ssh_fingerprint(const char *key, struct buf *ret);

/* What a private key may look like: one without a passphrase; or the certificate of one. */
int ssh_identity_check(const char *text, struct err *err);

#endif
