/*
 * Images from registries, archives and directories: what is not here is fetched into a place of its own
 * (oci_skopeo.c), and from there checked and unpacked (oci_take.c), and named.
 */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "core/image/oci_pull.h"
#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

enum { INSPECT_MS = 60 * 1000, COPY_MS = 60 * 60 * 1000, LOOK_US = 100000 };

void pulling_release(struct pulling *g)
{
    buf_release(&g->source);
    buf_release(&g->name);
    buf_release(&g->dir);
    cleanup_close(&g->place);
    json_decref(g->sizes);
}

void pulling_say(const struct pulling *g, const char *before, const char *what)
{
    char line[512];

    snprintf(line, sizeof(line), "%s%s", before, what);
    if (g->p->say)
        g->p->say(g->p->data, line);
}

int pulling_no_memory(const struct pulling *g)
{
    return err_errno(g->err, -ENOMEM, "cannot fetch the image");
}

/* ------------------------------------------------------------------------------------------------ sources */

/* `docker://NAME` or NAME; or what only skopeo has to understand, with a name of its own. */
static int understand(struct pulling *g)
{
    const char *source = g->p->source;
    bool other = str_starts(source, "oci:") || str_starts(source, "docker-archive:") ||
                 str_starts(source, "oci-archive:") || str_starts(source, "dir:");

    g->registry = !other;
    if (other && str_empty(g->p->name))
        return err_set(g->err, -EINVAL, "say what the image of %s is to be called: pull %s NAME", source,
                       source);
    if (other) {
        buf_adds(&g->source, source);
        return oci_reference(g->p->name, &g->name, g->err);
    }
    if (str_starts(source, OCI_REGISTRY))
        source += strlen(OCI_REGISTRY);
    buf_adds(&g->source, OCI_REGISTRY);
    int r = oci_reference(source, &g->source, g->err);
    if (r < 0)
        return r;
    return oci_reference(str_empty(g->p->name) ? source : g->p->name, &g->name, g->err);
}

/* --------------------------------------------------------------------------------------------- the whole */

int pulling_make_places(struct pulling *g)
{
    static const char *const dirs[] = {"", "/layers", "/images", "/names"};
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(dirs); i++) {
        _buf_ struct buf path = BUF_INIT;
        buf_addf(&path, "%s/containers%s", g->state_dir, dirs[i]);
        r = buf_ok(&path) ? make_dirs(path.ptr, i == 1 ? 0755 : 0700) : -ENOMEM;
        if (r == 0 && i <= 1 && chmod(path.ptr, i == 1 ? 0755 : 0700) < 0)
            r = -errno;
    }
    buf_addf(&g->dir, "%s/containers/" OCI_PULLING "%016llx", g->state_dir,
             (unsigned long long)str_hash_on(STR_HASH_START, buf_str(&g->source)));
    if (!buf_ok(&g->dir))
        r = -ENOMEM;
    return r < 0 ? err_errno(g->err, r, "cannot make %s/containers", g->state_dir) : 0;
}

/* What the registry has under that name now, without its layers. */
static int ask_registry(const struct pulling *g, char ret_id[OCI_HEX + 1])
{
    const char *const what[] = {"inspect", "--config", "--raw", buf_str(&g->source), NULL};
    _buf_ struct buf text = BUF_INIT;
    int r = skopeo_run(g, what, "--tls-verify=false", INSPECT_MS, &text);

    if (r == 0)
        oci_digest(&text, ret_id);
    return r;
}

/* The place where this source is fetched to: whoever wants the same meanwhile waits, and no one else does. */
int pulling_open_place(struct pulling *g)
{
    struct stat st;

    for (;;) {
        int r = make_dirs(g->dir.ptr, 0700);
        _close_ int fd = r < 0 ? -1 : open(g->dir.ptr, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && (r < 0 || errno != ENOENT))
            return err_errno(g->err, r < 0 ? r : -errno, "cannot make %s", g->dir.ptr);
        if (proc_unwanted())
            return err_set(g->err, -ECANCELED, "The operation was canceled.");
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
            if (fstat(fd, &st) == 0 && st.st_nlink > 0) {
                g->place = TAKE_FD(fd);
                return 0;
            }
            continue; /* it has just gone: another is made */
        }
        usleep(LOOK_US);
    }
}

struct watched {
    int dir;
    bool full;
};

static bool is_full(void *data)
{
    struct watched *w = data;

    return w->full = w->full || file_system_full(w->dir);
}

/* A registry may send what has no end: it is looked at how much room is left. */
static int copy_image(struct pulling *g)
{
    _buf_ struct buf image = BUF_INIT, layers = BUF_INIT, to = BUF_INIT;
    struct watched watched = {.dir = g->place};

    buf_addf(&image, "%s/image", g->dir.ptr);
    buf_addf(&layers, "%s/layers", g->dir.ptr);
    buf_addf(&to, "dir:%s", buf_str(&image));
    if (!buf_ok(&to) || !buf_ok(&layers) || !buf_ok(&image))
        return pulling_no_memory(g);
    int r = remove_tree(image.ptr); /* of one that was killed */
    if (r == 0)
        r = remove_tree(layers.ptr);
    if (r == 0)
        r = make_dirs(layers.ptr, 0700);
    if (r < 0)
        return err_errno(g->err, r, "cannot make %s", layers.ptr);
    const char *const what[] = {"--tmpdir", g->dir.ptr, "copy", "--quiet", buf_str(&g->source), to.ptr, NULL};
    pulling_say(g, "fetching ", buf_str(&g->name));
    proc_until_also(is_full, &watched);
    r = skopeo_run(g, what, "--src-tls-verify=false", COPY_MS, NULL);
    proc_until_also(NULL, NULL);
    return watched.full ? err_errno(g->err, -ENOSPC, "cannot fetch the image %s", buf_str(&g->name)) : r;
}

/* Without the lock, under which others make and remove images: a registry may be as slow as it likes. */
static int fetch(struct pulling *g, const char *id, struct oci_image *ret, bool *ret_here)
{
    *ret_here = oci_have(g, id, ret);
    if (*ret_here)
        return 0;
    int r = pulling_open_place(g);
    if (r < 0)
        return r;
    *ret_here = oci_have(g, id, ret); /* who fetched the same brought it */
    return *ret_here ? 0 : copy_image(g);
}

/* What is in use leaves it no room. */
static int give_back(const struct pulling *g, int64_t most, struct oci_image *image)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/containers/names/", g->state_dir);
    oci_name_file(buf_str(&g->name), &path);
    if (buf_ok(&path))
        (void)unlink(path.ptr);
    oci_release(image);
    oci_collect(g->state_dir);
    return err_set(g->err, -ENOSPC,
                   "the image %s has no room beside those that are in use: all together may take %lld MiB, "
                   "config/container_size_mib, of a worker --container-size-mib",
                   buf_str(&g->name), (long long)(most >> 20));
}

int pulling_trim(struct pulling *g, int64_t most, struct oci_image *image)
{
    return most && oci_trim_locked(g->state_dir, most) > most && g->by_job ? give_back(g, most, image) : 0;
}

static int pull(struct pulling *g, struct oci_image *ret)
{
    _oci_image_ struct oci_image image = {.lock = -1};
    char id[OCI_HEX + 1] = "";
    bool here = false;
    int r = understand(g);

    if (r == 0)
        r = buf_ok(&g->source) && buf_ok(&g->name) ? pulling_make_places(g) : pulling_no_memory(g);
    if (r == 0 && g->registry)
        r = ask_registry(g, id);
    if (r == 0)
        r = fetch(g, id, &image, &here);
    _close_ int lock = r == 0 ? oci_lock(g->state_dir, g->err) : -1;
    if (r == 0 && lock < 0)
        r = lock;
    if (r == 0 && !here)
        r = oci_take_in(g, id);
    if (g->place >= 0)
        (void)remove_tree(g->dir.ptr);
    if (r == 0)
        r = oci_put_name(g, id);
    if (r == 0 && !here) /* before others may take its name away */
        r = oci_open_id(g, id, &image);
    if (lock >= 0)
        oci_collect(g->state_dir); /* what had this name before, and layers of what failed */
    if (r == 0 && !here)
        r = pulling_trim(g, g->p->most, &image);
    if (r == 0)
        *ret = oci_take(&image);
    return r;
}

int oci_pull(const char *state_dir, const struct oci_pull *p, struct oci_image *ret, struct err *err)
{
    struct err own = {0};
    struct pulling g = {.p = p,
                        .state_dir = state_dir,
                        .place = -1,
                        .sizes = json_object(),
                        .by_job = p->agent != NULL,
                        .err = err ? err : &own};

    int r = g.sizes ? pull(&g, ret) : pulling_no_memory(&g);
    pulling_release(&g);
    return r;
}
