/*
 * The user that an image wants its commands run as. Names are looked up in the machine's own /etc/passwd and
 * /etc/group, which are whatever an image or a step made of them: read as files only, and not without end.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "core/agent/agent.h"
#include "runfs/err.h"
#include "runfs/io.h"

enum { LIST_MAX = 1024 * 1024, FIELDS = 7 };

struct user agent_user;

static int read_list(const char *path, struct buf *ret)
{
    struct stat st;

    _close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    return S_ISREG(st.st_mode) ? read_fd(fd, LIST_MAX, ret) : -EINVAL;
}

/* A number below 2^31, which Docker takes, too, without its standing in a list. */
static bool parse_id(const char *s, uint32_t *ret)
{
    uint64_t n = 0;

    if (!*s || strlen(s) > 10 || strspn(s, "0123456789") != strlen(s))
        return false;
    for (; *s; s++)
        n = n * 10 + (uint64_t)(*s - '0');
    *ret = (uint32_t)n;
    return n < INT32_MAX;
}

/* Cuts a line into its fields in place; how many there are. */
static size_t cut(char *line, char *fields[FIELDS])
{
    size_t n = 0;

    while (line && n < FIELDS) {
        fields[n++] = line;
        line = strchr(line, ':');
        if (line)
            *line++ = '\0';
    }
    return n;
}

static bool is_meant(char *const fields[FIELDS], const char *wanted)
{
    uint32_t a, b;

    return strcmp(fields[0], wanted) == 0 || (parse_id(wanted, &a) && parse_id(fields[2], &b) && a == b);
}

/* The first line whose name or number is that; its fields point into text. */
static bool find_line(struct buf *text, const char *wanted, char *fields[FIELDS])
{
    char *rest = NULL;

    for (char *line = text->ptr ? strtok_r(text->ptr, "\n", &rest) : NULL; line;
         line = strtok_r(NULL, "\n", &rest))
        if (cut(line, fields) >= 4 && is_meant(fields, wanted))
            return true;
    return false;
}

static int find_user(const char *wanted, struct user *u, char name[256], struct err *err)
{
    _buf_ struct buf text = BUF_INIT;
    char *fields[FIELDS] = {0};
    uint32_t uid, gid;

    (void)read_list("/etc/passwd", &text);
    if (find_line(&text, wanted, fields) && parse_id(fields[2], &uid) && parse_id(fields[3], &gid)) {
        u->uid = uid;
        u->gid = gid;
        snprintf(name, 256, "%s", fields[0]);
        return 0;
    }
    if (parse_id(wanted, &uid)) { /* without a name, of root's group */
        u->uid = uid;
        return 0;
    }
    return err_set(err, -ENOENT, "unable to find user %.100s: no matching entries in passwd file", wanted);
}

static int find_group(const char *wanted, struct user *u, struct err *err)
{
    _buf_ struct buf text = BUF_INIT;
    char *fields[FIELDS] = {0};
    uint32_t gid;

    (void)read_list("/etc/group", &text);
    if ((find_line(&text, wanted, fields) && parse_id(fields[2], &gid)) || parse_id(wanted, &gid)) {
        u->gid = gid;
        return 0;
    }
    return err_set(err, -ENOENT, "unable to find group %.100s: no matching entries in group file", wanted);
}

static bool lists(char *members, const char *name)
{
    char *rest = NULL;

    for (char *m = strtok_r(members, ",", &rest); m; m = strtok_r(NULL, ",", &rest))
        if (strcmp(m, name) == 0)
            return true;
    return false;
}

/* Where no group was asked for, those that have the user for a member. */
static void add_groups(struct user *u, const char *name)
{
    _buf_ struct buf text = BUF_INIT;
    char *rest = NULL, *fields[FIELDS];
    uint32_t gid;

    (void)read_list("/etc/group", &text);
    for (char *line = text.ptr ? strtok_r(text.ptr, "\n", &rest) : NULL; line && *name;
         line = strtok_r(NULL, "\n", &rest))
        if (cut(line, fields) >= 4 && parse_id(fields[2], &gid) && lists(fields[3], name) &&
            u->n_groups < ARRAY_LEN(u->groups))
            u->groups[u->n_groups++] = gid;
}

int user_become(const char *user, const char *const *own, struct err *err)
{
    struct user u = {.set = true};
    char name[256] = "";
    const char *colon = strchr(user, ':');
    _free_ char *first = strndup(user, colon ? (size_t)(colon - user) : strlen(user));

    int r = first ? find_user(*first ? first : "0", &u, name, err) : err_errno(err, -ENOMEM, "user");
    if (r == 0 && colon && colon[1])
        r = find_group(colon + 1, &u, err);
    else if (r == 0)
        add_groups(&u, name);
    for (; r == 0 && *own; own++)
        if (fchownat(AT_FDCWD, *own, u.uid, u.gid, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
            r = err_errno(err, -errno, "cannot give %s to the machine's user", *own);
    if (r == 0)
        agent_user = u;
    return r;
}
