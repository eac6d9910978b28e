/*
 * What the runner itself needs in a machine, for images that have none of it, or something smaller: this
 * host's tar, find and the like, and node for actions in JavaScript. Each lies beside this host's dynamic
 * linker and the libraries that it needs, so that it does not matter which libc an image has, and is started
 * by a script. node is told that it is that script: who starts `process.execPath` starts that again.
 */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "core/image/oci.h"
#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

enum { LIST_MAX = 65536, LIST_MS = 20000 };

static const char *const programs[] = {"chmod", "chown", "cp", "find",      "gzip", "mkdir",
                                       "node",  "rm",    "sh", "sha256sum", "tar",  "xargs"};
static const char itself[] = "process.execPath = '" OCI_TOOLS "/node';\n";

struct tool {
    char *path; /* owned; NULL: this host has none */
    struct stat st;
};
struct tools {
    struct tool list[ARRAY_LEN(programs)];
    const char *dir; /* borrowed: where they are put */
};

static void tools_release(struct tools *t)
{
    for (size_t i = 0; i < ARRAY_LEN(t->list); i++)
        free(t->list[i].path);
}

/* The program that PATH finds, without links. */
static void find_tool(const char *program, struct tool *ret)
{
    _free_ char *path = strdup(getenv("PATH") ? getenv("PATH") : "/usr/local/bin:/usr/bin:/bin");
    char *rest = NULL;

    for (char *dir = path ? strtok_r(path, ":", &rest) : NULL; dir; dir = strtok_r(NULL, ":", &rest)) {
        _buf_ struct buf name = BUF_INIT;
        buf_addf(&name, "%s/%s", dir, program);
        _free_ char *real = buf_ok(&name) && access(name.ptr, X_OK) == 0 ? realpath(name.ptr, NULL) : NULL;
        if (!real || stat(real, &ret->st) < 0 || !S_ISREG(ret->st.st_mode))
            continue;
        ret->path = TAKE(real);
        return;
    }
}

/* By what is found, and how old it is. */
static uint64_t number_of(const struct tools *t)
{
    uint64_t hash = STR_HASH_START;
    char text[96];

    for (size_t i = 0; i < ARRAY_LEN(t->list); i++) {
        const struct tool *tool = &t->list[i];
        if (!tool->path)
            continue;
        snprintf(text, sizeof(text), "%lld %lld", (long long)timespec_ns(tool->st.st_mtim),
                 (long long)tool->st.st_size);
        hash = str_hash_on(str_hash_on(hash, tool->path), text);
    }
    return hash;
}

static int copy_to(const struct tools *t, const char *from, const char *name)
{
    _buf_ struct buf to = BUF_INIT;
    struct stat st;

    buf_addf(&to, "%s%s/%s", t->dir, OCI_RUNNER, name);
    _close_ int in = open(from, O_RDONLY | O_CLOEXEC);
    _close_ int out = buf_ok(&to) ? open(to.ptr, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755) : -1;
    if (out < 0 && errno == EEXIST) /* another tool needs it, too */
        return 0;
    if (in < 0 || out < 0 || fstat(in, &st) < 0 || fchmod(out, 0755) < 0)
        return -errno;
    for (off_t left = st.st_size; left > 0;) {
        ssize_t n = sendfile(out, in, NULL, (size_t)(left < 1 << 30 ? left : 1 << 30));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        left -= n;
    }
    return 0;
}

static int write_to(const struct tools *t, const char *name, const struct buf *text)
{
    _buf_ struct buf to = BUF_INIT;

    buf_addf(&to, "%s%s/%s", t->dir, OCI_RUNNER, name);
    _close_ int fd =
        buf_ok(&to) && buf_ok(text) ? open(to.ptr, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755) : -1;
    return fd < 0 || fchmod(fd, 0755) < 0 ? -errno : write_all(fd, buf_str(text), text->len);
}

/* A line of ldd(1): "NAME => /PATH (ADDRESS)", and the dynamic linker's "/PATH (ADDRESS)". */
static int copy_library(const struct tools *t, char *line)
{
    char *arrow = strstr(line, "=> "), *path = arrow ? arrow + 3 : line + strspn(line, " \t");
    const char *name = line + strspn(line, " \t");
    _buf_ struct buf to = BUF_INIT;

    if (*path != '/')
        return 0; /* the kernel's own */
    path[strcspn(path, " \t")] = '\0';
    if (!arrow)
        return copy_to(t, path, "ld.so");
    buf_addf(&to, "lib/%.*s", (int)strcspn(name, " /\t"), name);
    return buf_ok(&to) ? copy_to(t, path, to.ptr) : -ENOMEM;
}

static int copy_libraries(const struct tools *t, const char *path, bool *ret_alone)
{
    const char *const argv[] = {"ldd", path, NULL};
    _proc_result_ struct proc_result out = {0};
    char *rest = NULL;
    int r = proc_run(argv, NULL, LIST_MAX, LIST_MS, &out, NULL);

    *ret_alone = r == 0 && (out.exit_code || !strstr(buf_str(&out.out), "=> /"));
    for (char *line = r == 0 && !*ret_alone ? strtok_r(out.out.ptr, "\n", &rest) : NULL; r == 0 && line;
         line = strtok_r(NULL, "\n", &rest))
        r = copy_library(t, line);
    return r;
}

static int put_tool(const struct tools *t, size_t i)
{
    bool node = str_eq(programs[i], "node"), alone;
    _buf_ struct buf real = BUF_INIT, script = BUF_INIT, name = BUF_INIT;
    int r = copy_libraries(t, t->list[i].path, &alone);

    buf_addf(&real, "real/%s", programs[i]);
    buf_addf(&name, "bin/%s", programs[i]);
    buf_adds(&script, "#!/bin/sh\nexec ");
    if (!alone)
        buf_addf(&script, "%s/ld.so --argv0 %s --library-path %s/lib ", OCI_RUNNER, programs[i], OCI_RUNNER);
    buf_addf(&script, "%s/%s %s\"$@\"\n", OCI_RUNNER, buf_str(&real),
             node ? "--require " OCI_RUNNER "/itself.js " : "");
    if (r == 0)
        r = buf_ok(&real) && buf_ok(&name) ? copy_to(t, t->list[i].path, real.ptr) : -ENOMEM;
    return r == 0 ? write_to(t, name.ptr, &script) : r;
}

static int fill(const struct tools *t)
{
    static const char *const places[] = {"bin", "lib", "real"};
    _buf_ struct buf text = BUF_INIT;
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(places); i++) {
        _buf_ struct buf path = BUF_INIT;
        buf_addf(&path, "%s%s/%s", t->dir, OCI_RUNNER, places[i]);
        r = buf_ok(&path) ? make_dirs(path.ptr, 0755) : -ENOMEM;
    }
    buf_adds(&text, itself);
    if (r == 0)
        r = write_to(t, "itself.js", &text);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(programs); i++)
        if (t->list[i].path)
            r = put_tool(t, i);
    return r;
}

static int make(const char *state_dir, struct tools *t, const char *to, struct err *err)
{
    _buf_ struct buf dir = BUF_INIT;

    _close_ int lock = oci_lock(state_dir, err);
    if (lock < 0 || access(to, F_OK) == 0)
        return lock < 0 ? lock : 0;
    buf_addf(&dir, "%s/containers/.tools", state_dir);
    int r = buf_ok(&dir) ? remove_tree(dir.ptr) : -ENOMEM;
    t->dir = buf_str(&dir);
    if (r == 0)
        r = fill(t);
    if (r == 0 && (chmod(dir.ptr, 0755) < 0 || rename(dir.ptr, to) < 0))
        r = -errno;
    if (r < 0)
        (void)remove_tree(buf_str(&dir));
    return r < 0 ? err_errno(err, r, "cannot copy this host's tools for containers") : 0;
}

static const char beginning[] = "tools-";

bool oci_is_tools(const char *layer)
{
    return str_starts(layer, beginning);
}

/* What was renamed meanwhile is on its way out. */
int oci_hold_tools(const char *state_dir, const char *name, struct err *err)
{
    _buf_ struct buf path = BUF_INIT;
    struct stat held, there;

    buf_addf(&path, "%s/containers/layers/%s", state_dir, name);
    _close_ int fd = buf_ok(&path) ? open(path.ptr, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) < 0 || fstat(fd, &held) < 0 || stat(path.ptr, &there) < 0 ||
        held.st_dev != there.st_dev || held.st_ino != there.st_ino)
        return err_set(err, -ENOENT, "this host's tools for containers have just gone: try again");
    (void)futimens(fd, NULL);
    return TAKE_FD(fd);
}

int oci_tools(const char *state_dir, char **ret, bool *ret_node, int *ret_lock, struct err *err)
{
    _cleanup_(tools_release) struct tools t = {0};
    _buf_ struct buf name = BUF_INIT, to = BUF_INIT;

    for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
        find_tool(programs[i], &t.list[i]);
        if (str_eq(programs[i], "node"))
            *ret_node = t.list[i].path != NULL;
    }
    buf_addf(&name, "%s%016llx", beginning, (unsigned long long)number_of(&t));
    buf_addf(&to, "%s/containers/layers/%s", state_dir, buf_str(&name));
    if (!buf_ok(&name) || !buf_ok(&to))
        return err_errno(err, -ENOMEM, "tools");
    int r = 0, lock = -ENOENT;
    for (int tries = 0; r == 0 && lock < 0 && tries < 10; tries++) {
        r = access(to.ptr, F_OK) == 0 ? 0 : make(state_dir, &t, to.ptr, err);
        lock = r < 0 ? r : oci_hold_tools(state_dir, buf_str(&name), err);
    }
    if (lock < 0)
        return lock;
    *ret_lock = lock;
    *ret = buf_steal(&name);
    return 0;
}
