/* Listening sockets: TCP by number, or a unix socket that only its owner may use. */
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "http_internal.h"

enum { BACKLOG = 512 };

static int listen_tcp(const char *address, uint16_t port, struct err *err)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char service[8];
    int one = 1;

    snprintf(service, sizeof(service), "%u", port);
    if (getaddrinfo(address, service, &hints, &found) != 0)
        return err_set(err, -EINVAL, "'%s' is no address to listen on", address);
    _close_ int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r = fd < 0 ? -errno : 0;
    if (r == 0 && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
                   bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0))
        r = -errno;
    freeaddrinfo(found);
    return r < 0 ? err_errno(err, r, "cannot listen on %s:%u", address, port) : TAKE_FD(fd);
}

/* Takes away what a dead server left. -EADDRINUSE: it lives; -EEXIST: it is something else. */
static int clear_path(const struct sockaddr_un *address)
{
    struct stat st;

    if (lstat(address->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -EEXIST;
    _close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno != ECONNREFUSED)
        return -EADDRINUSE;
    return unlink(address->sun_path) < 0 ? -errno : 0;
}

static int listen_unix(const char *path, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path))
        return err_set(err, -ENAMETOOLONG, "'%s' is too long for the path of a socket", path);
    memcpy(address.sun_path, path, strlen(path));
    _close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r = fd < 0 ? -errno : clear_path(&address);
    /* Linux gives the socket file the mode that its inode has when it is bound: there is no moment in which
     * others may connect */
    if (r == 0 && (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
                   chmod(path, 0600) < 0 || listen(fd, BACKLOG) < 0))
        r = -errno;
    return r < 0 ? err_errno(err, r, "cannot listen on %s", path) : TAKE_FD(fd);
}

int http_listen(const char *address, uint16_t port, struct err *err)
{
    return *address == '/' ? listen_unix(address, err) : listen_tcp(address, port, err);
}
