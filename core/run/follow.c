/* Following the workflow files of linked repositories, by inotify. */
#include "follow.h"

#include <sys/inotify.h>

#include "runfs/buf.h"
#include "runfs/forge.h"
#include "runfs/str.h"

/* The checkout, and for each folder of workflows what it lies in, and it. */
enum { LEVELS = 1 + 2 * FORGES, REPOS_MAX = 1024 };

static bool is_folder(int level)
{
    return level > 0 && level % 2 == 0;
}

static void add_directory(int level, const char *path, struct buf *ret)
{
    enum forge f = (enum forge)((level - 1) / 2);

    buf_addf(ret, "%s%s%s", path, level ? "/" : "",
             !level             ? ""
             : is_folder(level) ? forge_folder(f)
                                : forge_top(f));
}

/* Whether something of that name there may be a workflow, or lead to one. */
static bool matters(int level, const char *name)
{
    if (is_folder(level))
        return true;
    if (level > 0)
        return str_eq(name, "workflows");
    for (enum forge f = FORGE_GITHUB; f < FORGES; f++)
        if (str_eq(name, forge_top(f)))
            return true;
    return false;
}

struct watched {
    int64_t repo_id;
    int wd[LEVELS]; /* -1: none */
};

struct follow {
    int fd;
    struct watched repos[REPOS_MAX];
    size_t n;
};

struct follow *follow_new(void)
{
    struct follow *f = calloc(1, sizeof(*f));

    if (f && (f->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) < 0) {
        free(f);
        return NULL;
    }
    return f;
}

void follow_free(struct follow *f)
{
    if (!f)
        return;
    close(f->fd);
    free(f);
}

int follow_fd(const struct follow *f)
{
    return f->fd;
}

static struct watched *find(struct follow *f, int64_t repo_id)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->repos[i].repo_id == repo_id)
            return &f->repos[i];
    return NULL;
}

/* Two links may lead to one directory, which has one watch: it goes with the last of them. */
static bool shared(const struct follow *f, const struct watched *but, int wd)
{
    for (size_t i = 0; i < f->n; i++)
        for (int k = 0; k < LEVELS; k++)
            if (&f->repos[i] != but && f->repos[i].wd[k] == wd)
                return true;
    return false;
}

void follow_repo(struct follow *f, int64_t repo_id, const char *path)
{
    struct watched *w = find(f, repo_id);

    if (!w && f->n < REPOS_MAX) {
        w = &f->repos[f->n++];
        *w = (struct watched){.repo_id = repo_id};
        for (int k = 0; k < LEVELS; k++)
            w->wd[k] = -1;
    }
    for (int k = 0; w && k < LEVELS; k++) {
        _buf_ struct buf dir = BUF_INIT;
        add_directory(k, path, &dir);
        uint32_t events = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR | IN_MASK_ADD;
        if (is_folder(k))
            events |= IN_CLOSE_WRITE;
        w->wd[k] = inotify_add_watch(f->fd, buf_str(&dir), events);
    }
}

void follow_forget(struct follow *f, int64_t repo_id)
{
    struct watched *w = find(f, repo_id);

    if (!w)
        return;
    for (int k = 0; k < LEVELS; k++)
        if (w->wd[k] >= 0 && !shared(f, w, w->wd[k]))
            (void)inotify_rm_watch(f->fd, w->wd[k]);
    *w = f->repos[--f->n];
}

static void add_id(int64_t id, int64_t *ids, int max, int *n)
{
    for (int i = 0; i < *n; i++)
        if (ids[i] == id)
            return;
    if (*n < max)
        ids[(*n)++] = id;
}

static void take_event(const struct follow *f, const struct inotify_event *e, int64_t *ids, int max, int *n)
{
    for (size_t i = 0; i < f->n; i++)
        for (int k = 0; k < LEVELS; k++) {
            bool mine = e->wd == f->repos[i].wd[k] && (is_folder(k) || (e->len && matters(k, e->name)));
            if (mine || (e->mask & IN_Q_OVERFLOW))
                add_id(f->repos[i].repo_id, ids, max, n);
        }
}

int follow_read(struct follow *f, int64_t *ids, int max)
{
    _Alignas(struct inotify_event) char room[8192];
    ssize_t len;
    int n = 0;

    while ((len = read(f->fd, room, sizeof(room))) > 0)
        for (char *p = room; p < room + len;) {
            const struct inotify_event *e = (const struct inotify_event *)(const void *)p;
            take_event(f, e, ids, max, &n);
            p += sizeof(*e) + e->len;
        }
    return n;
}
