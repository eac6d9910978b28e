/* Keys of a host that known_hosts has. */
#ifndef RUNFS_FS_KNOWN_HOSTS_H
#define RUNFS_FS_KNOWN_HOSTS_H

#include <stdbool.h>

#include "runfs/ssh.h"

/* "TYPE BASE64" a line. */
struct known_keys {
    struct buf known, revoked;
};
void known_keys_release(struct known_keys *k);
#define _known_keys_ _cleanup_(known_keys_release)

/* Of ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts, where they can be read and ssh-keygen(1) is installed.
 */
void known_keys_find(const struct ssh_host *h, struct known_keys *ret);
bool known_keys_have(const struct buf *keys, const char *key);

#endif
