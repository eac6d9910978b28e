/* The daemon's side of `runfs sh`: a listening socket, and a thread for each shell. */
#include "shell.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

enum { SHELLS_MAX = 32 };

struct shells {
    struct fs *fs; /* borrowed */
    int listening, stop;
    pthread_t listener;
    pthread_mutex_t lock; /* guards fds, n */
    pthread_cond_t none;
    int fds[SHELLS_MAX]; /* of those that are connected */
    int n;
};

struct visitor {
    struct shells *shells;
    int fd;
};

/* The socket's address, however long the directory's path: through a descriptor of it. */
static int socket_address(int dir_fd, struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/shells", dir_fd);

    return n > 0 && (size_t)n < sizeof(ret->sun_path) ? 0 : -ENAMETOOLONG;
}

/* -------------------------------------------------------------------------------------------- one shell */

static int read_line(int fd, char line[SHELL_LINE_MAX])
{
    for (size_t n = 0; n + 1 < SHELL_LINE_MAX;) {
        ssize_t r = recv(fd, line + n, 1, 0); /* a byte at a time: what follows is the terminal's */
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return r < 0 ? -errno : -ENODATA;
        if (line[n] == '\n') {
            line[n] = '\0';
            return 0;
        }
        n++;
    }
    return -E2BIG;
}

static int find_node(struct fs *fs, const char *path, struct node *ret)
{
    _free_ char *copy = strdup(path);
    struct node n = {ROW_ROOT, 0};
    int r = copy ? 0 : -ENOMEM;

    for (char *save = NULL, *name = r == 0 ? strtok_r(copy, "/", &save) : NULL; r == 0 && name;
         name = strtok_r(NULL, "/", &save))
        r = node_lookup(fs, n, name, &n);
    *ret = n;
    return r;
}

/* Whose machine a path means: a step's, a job's, that of a run with one job. */
static int find_job(struct fs *fs, const char *path, int64_t *ret_job, int *ret_step, struct err *err)
{
    struct node n;
    int64_t ids[2] = {0};

    if (find_node(fs, path, &n) < 0)
        return err_set(err, -ENOENT, "%s: there is no such file in the mount", path);
    *ret_step = 0;
    if (tree[n.row].owner == OWN_STEP) {
        const struct step_row *step = store_get_step(fs->store, n.id);
        *ret_job = step ? step->job_id : 0;
        *ret_step = step ? step->number : 0;
        step_row_unref(step);
    } else if (tree[n.row].owner == OWN_JOB) {
        *ret_job = n.id;
    } else if (tree[n.row].owner == OWN_RUN && n.id) {
        const struct run_row *run = store_get_run(fs->store, n.id);
        ssize_t jobs = run ? store_list_jobs(fs->store, n.id, run->attempt, 0, ids, 2) : 0;
        run_row_unref(run);
        if (jobs != 1)
            return err_set(err, -EINVAL, "%s has more than one job: name one (%s/jobs/JOB)", path, path);
        *ret_job = ids[0];
    } else {
        return err_set(err, -EINVAL, "%s is no step, no job and no run", path);
    }
    return *ret_job ? 0 : err_set(err, -ENOENT, "%s is gone", path);
}

static int send_piece(void *data, enum machine_stream stream, const char *bytes, size_t len)
{
    const struct visitor *v = data;
    uint32_t head = (uint32_t)len;

    (void)stream;
    int r = len ? write_all(v->fd, &head, sizeof(head)) : 0;
    return r == 0 ? write_all(v->fd, bytes, len) : r;
}

static int serve_shell(struct visitor *v, json_t *request, struct err *err)
{
    const char *path = json_string_value(json_object_get(request, "path")),
               *term = json_string_value(json_object_get(request, "term"));
    struct shell_request rq = {.term = term ? term : "", .output = send_piece, .data = v};
    uint32_t end[2] = {0, 0};
    int64_t job = 0;
    int step = 0;

    rq.terminal.rows = (unsigned)json_integer_value(json_object_get(request, "rows")) & 0xffff;
    rq.terminal.columns = (unsigned)json_integer_value(json_object_get(request, "columns")) & 0xffff;
    rq.terminal.input = v->fd;
    if (!path)
        return err_set(err, -EINVAL, "the request names no path");
    int r = find_job(v->shells->fs, path, &job, &step, err);
    if (r == 0)
        r = engine_can_shell(v->shells->fs->engine, job, step, err);
    if (r < 0)
        return r;
    (void)write_all(v->fd, "ok\n", 3);
    r = engine_shell(v->shells->fs->engine, job, step, &rq, err);
    end[1] = r < 0 ? 255 : (uint32_t)rq.result.exit_code;
    (void)write_all(v->fd, end, sizeof(end));
    machine_result_release(&rq.result);
    return 0;
}

static void leave(struct visitor *v)
{
    struct shells *s = v->shells;

    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < SHELLS_MAX; i++)
        if (s->fds[i] == v->fd)
            s->fds[i] = -1;
    close(v->fd);
    if (--s->n == 0)
        pthread_cond_broadcast(&s->none);
    pthread_mutex_unlock(&s->lock);
    free(v);
}

static void *visit(void *data)
{
    struct visitor *v = data;
    char line[SHELL_LINE_MAX];
    struct err err = {0};

    int r = read_line(v->fd, line);
    _json_ json_t *request = r == 0 ? json_loads(line, 0, NULL) : NULL;
    r = request ? serve_shell(v, request, &err) : err_set(&err, -EINVAL, "that is no request for a shell");
    if (r < 0) {
        _buf_ struct buf words = BUF_INIT;
        buf_addf(&words, "error %s\n", err.msg);
        (void)write_all(v->fd, buf_str(&words), words.len);
    }
    json_decref(TAKE(request));
    leave(v);
    return NULL;
}

/* ------------------------------------------------------------------------------------------- listening */

static bool is_allowed(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == getuid() || peer.uid == 0);
}

static void admit(struct shells *s, int fd)
{
    struct visitor *v = calloc(1, sizeof(*v));
    pthread_t thread;
    int place = 0;

    pthread_mutex_lock(&s->lock);
    while (place < SHELLS_MAX && s->fds[place] >= 0)
        place++;
    bool good = v && place < SHELLS_MAX && is_allowed(fd);
    if (good) {
        *v = (struct visitor){s, fd};
        s->fds[place] = fd;
        s->n++;
        good = pthread_create(&thread, NULL, visit, v) == 0;
        if (good)
            pthread_detach(thread);
        else
            s->fds[place] = -1, s->n--;
    }
    pthread_mutex_unlock(&s->lock);
    if (good)
        return;
    free(v);
    close(fd);
}

static void *listen_loop(void *data)
{
    struct shells *s = data;
    struct pollfd p[2] = {{.fd = s->listening, .events = POLLIN}, {.fd = s->stop, .events = POLLIN}};

    for (;;) {
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (p[1].revents)
            return NULL;
        int fd = p[0].revents ? accept4(s->listening, NULL, NULL, SOCK_CLOEXEC) : -1;
        if (fd >= 0)
            admit(s, fd);
    }
}

static int bind_socket(const struct fs *fs, struct err *err)
{
    const char *dir = store_dir(fs->store);
    _close_ int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    _close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address;

    if (dir_fd < 0 || fd < 0 || socket_address(dir_fd, &address) < 0)
        return err_errno(err, -errno, "%s: cannot listen for shells", dir);
    (void)unlinkat(dir_fd, "shells", 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 16) < 0)
        return err_errno(err, -errno, "%s/shells", dir);
    return TAKE_FD(fd);
}

int shells_new(struct fs *fs, struct shells **ret, struct err *err)
{
    struct shells *s = calloc(1, sizeof(*s));

    if (!s)
        return err_errno(err, -ENOMEM, "shells");
    s->fs = fs;
    for (int i = 0; i < SHELLS_MAX; i++)
        s->fds[i] = -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->none, NULL);
    s->stop = eventfd(0, EFD_CLOEXEC);
    s->listening = bind_socket(fs, err);
    int r = s->listening < 0 ? s->listening : s->stop < 0 ? -errno : 0;
    if (r == 0)
        r = -pthread_create(&s->listener, NULL, listen_loop, s);
    if (r < 0) {
        cleanup_close(&s->listening);
        cleanup_close(&s->stop);
        free(s);
        return err && err->code ? r : err_errno(err, r, "shells");
    }
    *ret = s;
    return 0;
}

void shells_free(struct shells *s)
{
    uint64_t one = 1;

    if (!s)
        return;
    (void)!write(s->stop, &one, sizeof(one));
    pthread_join(s->listener, NULL);
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < SHELLS_MAX; i++)
        if (s->fds[i] >= 0)
            shutdown(s->fds[i], SHUT_RDWR);
    while (s->n > 0)
        pthread_cond_wait(&s->none, &s->lock);
    pthread_mutex_unlock(&s->lock);
    close(s->listening);
    close(s->stop);
    free(s);
}

int shells_connect(const char *root, struct err *err)
{
    _buf_ struct buf path = BUF_INIT, status = BUF_INIT;
    struct sockaddr_un address;

    buf_addf(&path, "%s/status", root);
    int r = read_file(buf_str(&path), 65536, &status, err);
    const char *line = r == 0 ? strstr(buf_str(&status), "\nstate: ") : NULL;
    if (!line)
        return err_set(err, -ENOENT, "%s is no mount of runfs", root);
    _free_ char *dir = strndup(line + 8, strcspn(line + 8, "\n"));
    _close_ int dir_fd = dir ? open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    _close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (dir_fd < 0 || fd < 0 || socket_address(dir_fd, &address) < 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return err_errno(err, -errno, "cannot reach the daemon of %s", root);
    return TAKE_FD(fd);
}
