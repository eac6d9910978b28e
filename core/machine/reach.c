/* One port of this host for a machine that has a network of its own: the runner's services, whatever else its
 * label keeps from it. */
#include "core/machine/machine_internal.h"

int machine_reach(struct machine *m, uint16_t port, struct err *err)
{
    struct fds with = {.list = {m->net_fd}, .n = 1};
    _buf_ struct buf ports = BUF_INIT;
    _close_ int pidfd = -1;
    char text[64];
    const char *forwards[] = {text, NULL};

    if (m->network == MACHINE_NET_HOST || (m->reach.control >= 0 && m->reach.port == port))
        return 0;
    if (m->net_fd < 0)
        return err_set(err, -ENOTSUP, "a machine of %s with a network of its own reaches no port of the host",
                       m->ops->name);
    cleanup_close(&m->reach.control);
    snprintf(text, sizeof(text), "%u 127.0.0.1 %u", port, port);
    m->reach.port = port;
    return spawner_forward(&m->ms->sandboxes, SPAWN_REACH, forwards, &with, &m->reach.control, &pidfd, &ports,
                           err);
}
