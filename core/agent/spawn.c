/* Starts a program the fast way: vfork, the few calls that set it up, exec. */
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "core/agent/agent.h"

/* Shared with the child until its exec: it runs in this process's memory. */
struct spawn_state {
    const struct spawn_command *c;
    char *const *candidates; /* paths to try, NULL-terminated */
    volatile int error;
    const char *volatile stage;
};

/* This process alone: libc's own calls would tell all threads, and they are those of the parent now. */
static int become_user(void)
{
    const struct user *u = &agent_user;

    if (syscall(SYS_setgroups, u->n_groups, u->groups) < 0 ||
        syscall(SYS_setresgid, u->gid, u->gid, u->gid) < 0)
        return -1;
    return (int)syscall(SYS_setresuid, u->uid, u->uid, u->uid);
}

static void spawn_child(struct spawn_state *s) __attribute__((noreturn));
static void spawn_child(struct spawn_state *s)
{
    static const int reset[] = {SIGINT, SIGQUIT, SIGPIPE};
    struct sigaction plain = {.sa_handler = SIG_DFL};
    int error = ENOENT;
    sigset_t none;

    s->stage = "cannot set up";
    setsid();
    for (size_t i = 0; i < ARRAY_LEN(reset); i++)
        sigaction(reset[i], &plain, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int in = s->c->in >= 0 ? s->c->in : open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (in < 0 || dup2(in, 0) < 0 || dup2(s->c->out, 1) < 0 || dup2(s->c->err, 2) < 0)
        goto out;
    if (s->c->terminal && ioctl(0, TIOCSCTTY, 0) < 0)
        goto out;
    guest_begin_child();
    s->stage = "cannot enter";
    if (chdir(s->c->cwd) < 0)
        goto out;
    s->stage = "cannot become the machine's user for";
    if (agent_user.set && become_user() < 0)
        goto out;
    s->stage = "cannot start";
    for (char *const *path = s->candidates; *path; path++) {
        execve(*path, (char *const *)s->c->argv, (char *const *)s->c->env);
        if (errno == ENOENT || errno == ENOTDIR)
            continue;
        error = errno; /* as a shell does: a later directory may have one that can be executed */
        if (errno != EACCES)
            break;
    }
    s->error = error;
    _exit(127);
out:
    s->error = errno;
    _exit(127);
}

static __attribute__((noinline)) pid_t spawn_vfork(struct spawn_state *s)
{
    pid_t pid = vfork();

    if (pid == 0)
        spawn_child(s);
    return pid;
}

static const char *env_path(const char **env)
{
    for (; *env; env++)
        if (strncmp(*env, "PATH=", 5) == 0)
            return *env + 5;
    return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

/* argv[0] itself when it has a slash, else one path for each directory of PATH: one block, to be freed. */
static char **spawn_candidates(const struct spawn_command *c)
{
    const char *name = c->argv[0], *path = env_path(c->env);
    size_t n = 1, name_len = strlen(name);

    if (strchr(name, '/') || !*name)
        path = "";
    for (const char *p = path; *p; p++)
        n += *p == ':';
    size_t table = (n + 1) * sizeof(char *);
    char **list = malloc(table + strlen(path) + n * (name_len + 3));
    char *to = (char *)list + table;
    if (!list)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t len = strcspn(path, ":");
        list[i] = to;
        if (*path || n > 1) {
            memcpy(to, len ? path : ".", len ? len : 1);
            to += len ? len : 1;
            *to++ = '/';
        }
        memcpy(to, name, name_len + 1);
        to += name_len + 1;
        path += len + (path[len] == ':');
    }
    list[n] = NULL;
    return list;
}

int spawn_command(const struct spawn_command *c, pid_t *ret, const char **ret_stage)
{
    _free_ char **candidates = spawn_candidates(c);
    struct spawn_state s = {.c = c, .candidates = candidates, .stage = "cannot start"};

    *ret_stage = "cannot start";
    if (!candidates)
        return -ENOMEM;
    pid_t pid = spawn_vfork(&s);
    if (pid < 0)
        return -errno;
    if (s.error) { /* SIGCHLD is blocked and the loop's reaper takes the child */
        *ret_stage = s.stage;
        return -s.error;
    }
    *ret = pid;
    return 0;
}
