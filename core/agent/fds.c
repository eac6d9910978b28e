/* Datagrams with descriptors, between the daemon and its spawners. */
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/agent/proto.h"
#include "runfs/cleanup.h"

union control {
    char bytes[CMSG_SPACE(SPAWN_FDS * sizeof(int))];
    struct cmsghdr align;
};

void fds_release(struct fds *f)
{
    while (f->n)
        cleanup_close(&f->list[--f->n]);
}

void fds_add(struct fds *f, int fd_take)
{
    if (fd_take >= 0 && f->n < SPAWN_FDS)
        f->list[f->n++] = fd_take;
    else
        cleanup_close(&fd_take);
}

int fds_send(int socket_fd, const struct buf *b, const struct fds *fds)
{
    union control control = {0};
    struct iovec iov = {b->ptr, b->len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    if (!buf_ok(b))
        return -ENOMEM;
    if (fds->n) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_SPACE(fds->n * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(fds->n * sizeof(int));
        memcpy(CMSG_DATA(c), fds->list, fds->n * sizeof(int));
    }
    while ((n = sendmsg(socket_fd, &msg, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        ;
    return n < 0 ? -errno : 0;
}

ssize_t fds_receive(int socket_fd, void *to, size_t size, struct fds *ret)
{
    union control control;
    struct iovec iov = {to, size};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    ssize_t n;

    while ((n = recvmsg(socket_fd, &msg, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
        ;
    if (n < 0)
        return -errno;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
        for (size_t i = 0; c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
                           CMSG_LEN((i + 1) * sizeof(int)) <= c->cmsg_len;
             i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            fds_add(ret, fd);
        }
    return n;
}
