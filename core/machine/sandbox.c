/*
 * The sandbox: own namespaces, an overlay over the host's root or an image, its own process 1. This side
 * makes the directories that it writes to; core/agent/sandbox.c does the rest.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/oci.h"
#include "runfs/str.h"

/* The resolver of slirp4netns. */
static int put_resolver(int upper)
{
    static const char text[] = "nameserver 10.0.2.3\n";

    (void)unlinkat(upper, "etc/resolv.conf", 0); /* the host's, where masks are in each machine's own layer */
    _close_ int fd =
        openat(upper, "etc/resolv.conf", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

    if (fd < 0 || (geteuid() == 0 && fchown(fd, machine_root_id(), machine_root_id()) < 0))
        return -errno;
    return write_all(fd, text, sizeof(text) - 1);
}

/* An image of a container has none of its own, as Docker mounts one over it. */
static int put_hosts_resolver(int upper)
{
    _buf_ struct buf text = BUF_INIT;

    if (read_file("/etc/resolv.conf", 64 * 1024, &text, NULL) < 0)
        return 0;
    (void)unlinkat(upper, "etc/resolv.conf", 0);
    _close_ int fd =
        openat(upper, "etc/resolv.conf", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0 || (geteuid() == 0 && fchown(fd, machine_root_id(), machine_root_id()) < 0))
        return -errno;
    return write_all(fd, buf_str(&text), text.len);
}

static bool is_container(const struct machine_spec *spec)
{
    return spec->image && *spec->image != '/';
}

/* The places that GitHub mounts into the container of a job. */
static int make_container_places(const struct machine *m, int upper)
{
    const char *const paths[] = {m->paths.tool_cache, m->paths.temp, m->paths.home, "/github/workflow",
                                 "/__e"};
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(paths); i++)
        r = scratch_dirs(m->ms, upper, paths[i] + 1, machine_root_id());
    return r;
}

/* Its overlay follows renamed directories if its layers were written so; and what is written first is, where
 * the host's root can mount such a one. The mask has to be there by now. */
static int set_redirects(struct machine *m, const struct machine_spec *spec, int upper)
{
    bool possible = geteuid() == 0 && !layers_split(m->ms, spec->image) && !spec->limits.disk &&
                    !spec->for_image && /* another overlay would not follow them */
                    !atomic_load(&m->ms->no_redirects) && !atomic_load(&m->ms->redirects_refused);
    _buf_ struct buf below = BUF_INIT;

    m->redirects = false;
    if (m->chain.n) {
        layer_path(m->ms, m->chain.ids[0], &below);
        buf_adds(&below, "/upper");
        _close_ int fd = open(buf_str(&below), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            return -errno;
        if (!layer_redirects(fd))
            return 0;
        if (!possible || !layer_set_redirects(upper))
            return -EOPNOTSUPP;
    }
    m->redirects = possible && layer_set_redirects(upper);
    return 0;
}

/* A disk of limited size takes the place of the scratch directory. Without one there is no such limit. */
static void make_disk(struct machine *m)
{
    const struct spawn_request request = {.what = SPAWN_DISK, .disk = m->limits.want.disk};
    struct err err = {0};

    if (m->ms->no_masks)
        err_set(&err, -ENOTSUP, "before Linux 6.6, file systems in memory do not have what an overlay needs");
    else
        m->limits.disk = spawner_mount(&m->ms->sandboxes, &request, &err);
    snprintf(m->limits.disk_why, sizeof(m->limits.disk_why), "%.*s",
             (int)utf8_valid_prefix(err.msg, strnlen(err.msg, sizeof(m->limits.disk_why) - 1)), err.msg);
}

static int put_hosts(const struct machine_spec *spec, bool named, int upper)
{
    _buf_ struct buf others = BUF_INIT;

    if (named)
        machine_net_hosts(spec->net, &others);
    return buf_ok(&others) ? mask_hosts(upper, spec->name, buf_str(&others)) : -ENOMEM;
}

/* What a machine finds in its own layer that stands on no other. */
static int make_first(const struct machine *m, const struct machine_spec *spec, int upper, bool with_mask)
{
    uid_t id = machine_root_id();
    int r = with_mask ? mask_fill(m->ms, upper, spec->image != NULL, spec->name) : 0;

    if (r == 0 && m->ms->split) /* without an overlay over the whole root */
        r = mask_dirs(m->ms, upper);
    if (r == 0)
        r = scratch_dirs(m->ms, upper, spec->workspace + 1, id);
    if (r == 0)
        r = scratch_dirs(m->ms, upper, m->paths.files + 1, id);
    bool named = spec->net && is_container(spec);
    if (r == 0)
        r = scratch_dir(m->ms, upper, "etc", 0755, id);
    if (r == 0 && (named || (!with_mask && !str_eq(spec->name, usual_hostname))))
        r = put_hosts(spec, named, upper);
    if (r == 0 && (str_starts(spec->workspace, CONTAINER_WORK) || str_eq(spec->workspace, ACTION_WORK)))
        r = make_container_places(m, upper);
    if (r == 0 && is_container(spec) && spec->network == MACHINE_NET_HOST)
        r = put_hosts_resolver(upper);
    return r == 0 && spec->network == MACHINE_NET_NAT ? put_resolver(upper) : r;
}

static int make_layers(struct machine *m, const struct machine_spec *spec, bool with_mask)
{
    uid_t id = machine_root_id();
    bool first = m->chain.n == 0;
    bool framed = first && !with_mask && !spec->limits.disk && str_eq(m->paths.home, "/home/runner") &&
                  scratch_frame(m->ms, m->dir);
    int r = framed ? 0 : scratch_dir(m->ms, AT_FDCWD, m->dir, 0711, geteuid());

    if (r == 0 && spec->limits.disk)
        make_disk(m);
    _close_ int dir = r < 0 ? -1
                            : openat(m->limits.disk, m->limits.disk < 0 ? m->dir : ".",
                                     O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (r == 0 && dir < 0)
        r = -errno;
    if (r == 0 && !framed)
        r = scratch_dir(m->ms, dir, "work", 0700, id);
    if (r == 0 && !framed)
        r = scratch_dir(m->ms, dir, "upper", 0755, id);
    if (r == 0 && m->ms->split && !first)
        r = scratch_dir(m->ms, dir, "tops", 0755, id);
    if (r == 0 && m->ms->split && !first)
        r = scratch_dir(m->ms, dir, "tops-work", 0700, id);
    _close_ int upper = r < 0 ? -1 : openat(dir, "upper", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (r == 0 && upper < 0)
        r = -errno;
    if (r == 0)
        r = set_redirects(m, spec, upper);
    return r == 0 && first ? make_first(m, spec, upper, with_mask) : r;
}

static void why_no_layers(const struct machine *m, int r, struct err *err)
{
    if (r == -EOPNOTSUPP && !m->chain.n)
        err_set(
            err, r,
            "the file system of %s has no user attributes, which an overlay needs (one in memory has them "
            "since Linux 6.6): choose another by --state, or by TMPDIR where it is a temporary one",
            m->dir);
    else
        err_errno(err, r, "cannot make the machine's directories in %s", m->dir);
}

/* The names of its layers as the spawner wants them: one block, to be freed. NULL: no memory. */
static const char **layer_names(const struct chain *c)
{
    enum { NAME = 24 };
    const char **list = calloc(1, (c->n + 1) * sizeof(*list) + c->n * NAME);
    char *text = (char *)(list + c->n + 1);

    for (size_t i = 0; list && i < c->n; i++, text += NAME) {
        snprintf(text, NAME, "%lld", (long long)c->ids[i]);
        list[i] = text;
    }
    return list;
}

/* What is below an image of a container: where its layers are, and which, the highest first. */
struct below {
    struct buf path;   /* owned */
    const char **list; /* owned array of borrowed strings; NULL: none */
    struct oci_image image;
};

static void below_release(struct below *b)
{
    buf_release(&b->path);
    free(b->list);
    oci_release(&b->image);
}

/* The machine keeps the image from being removed, once it is there. */
static int find_below(struct machine *m, const struct machine_spec *spec, struct below *b, struct err *err)
{
    const char *images = m->ms->images;

    if (!is_container(spec))
        return 0;
    int r = oci_open(images, spec->image, &b->image, err);
    if (r < 0)
        return r;
    oci_used(&b->image);
    if (!str_empty(spec->over) && m->over_lock < 0) {
        m->over_lock = oci_hold_tools(images, spec->over, err);
        if (m->over_lock < 0)
            return m->over_lock;
    }
    json_t *layers = json_object_get(b->image.record, "layers");
    size_t n = json_array_size(layers);
    bool over = !str_empty(spec->over);
    b->list = calloc(n + over + 1, sizeof(*b->list));
    for (size_t i = 0; b->list && i < n; i++)
        b->list[over + i] = json_string_value(json_array_get(layers, n - 1 - i));
    if (b->list && over)
        b->list[0] = spec->over;
    buf_addf(&b->path, "%s/containers/layers", images);
    if (!b->list || !buf_ok(&b->path))
        return err_errno(err, -ENOMEM, "machine");
    if (m->image_lock < 0)
        m->image_lock = TAKE_FD(b->image.lock);
    return 0;
}

/* Whether it has directories of another machine. */
static bool shares(const struct machine_spec *spec)
{
    return spec->beside && spec->shared;
}

/* What its root is made of: the mask of the host's, the image, and layers of its own. */
static int lay(struct machines *ms, const struct machine_spec *spec, struct machine *m, char mask[64],
               struct below *below, struct err *err)
{
    int r = mask_ensure(ms, spec->image != NULL, mask, 64, err);

    if (r == 0)
        r = find_below(m, spec, below, err);
    if (r == 0 && (r = make_layers(m, spec, !mask[0])) < 0)
        why_no_layers(m, r, err);
    if (r == 0)
        m->mask = (unsigned)strtoul(mask, NULL, 10);
    return r;
}

/* What goes with the request, in the order in which it says what is there. */
static void add_descriptors(struct machines *ms, const struct machine_spec *spec, struct machine *m,
                            const struct spawn_request *request, struct fds *with)
{
    if (shares(spec)) {
        with->list[with->n++] = spec->beside->client.mounts;
        atomic_store(&m->lent, true);
        atomic_store(&spec->beside->lent, true);
        atomic_store(&ms->lends, true);
    }
    if (request->address)
        with->list[with->n++] = machine_net_fd(spec->net);
    if (request->disk)
        with->list[with->n++] = m->limits.disk;
    for (size_t i = 0; i < m->limits.procs.n && with->n < SPAWN_FDS - 1; i++)
        with->list[with->n++] = m->limits.procs.list[i];
}

static int sandbox_try(struct machines *ms, const struct machine_spec *spec, struct machine *m,
                       struct err *err)
{
    _cleanup_(fds_release) struct fds namespaces = {0};
    _cleanup_(below_release) struct below below = {.image.lock = -1};
    bool nat = spec->network == MACHINE_NET_NAT;
    char mask[64];
    int r = lay(ms, spec, m, mask, &below, err);
    _free_ const char **layers = layer_names(&m->chain);

    if (r < 0)
        return r;
    if (!layers)
        return err_errno(err, -ENOMEM, "machine");
    bool joins = spec->net && spec->network != MACHINE_NET_HOST;
    uint32_t address = joins ? machine_net_address(spec->net, spec->net_name) : 0;
    if (joins && !address)
        return err_set(err, -ENOSPC, "the job's network has no address left");
    /* what is the other machine's stays its user's */
    const char *own[] = {m->paths.files,      shares(spec) ? NULL : m->paths.workspace,
                         m->paths.temp,       m->paths.home,
                         m->paths.tool_cache, NULL};
    struct spawn_request request = {.scratch = m->id,
                                    .mask = mask,
                                    .image = below.list    ? buf_str(&below.path)
                                             : spec->image ? spec->image
                                                           : "",
                                    .below = below.list,
                                    .user = spec->user,
                                    .own = own,
                                    .mounts = true,
                                    .shared = (const char **)(uintptr_t)spec->shared,
                                    .layers = layers,
                                    .files = m->paths.files,
                                    .hostname = spec->name,
                                    .no_network = spec->network != MACHINE_NET_HOST,
                                    .filtered = nat,
                                    .address = address,
                                    .network = spec->network != MACHINE_NET_HOST,
                                    .namespaces = spec->namespaces,
                                    .redirects = m->redirects,
                                    .disk = m->limits.disk >= 0 ? m->limits.want.disk : 0};
    limits_request(&m->limits, &request);
    struct fds with = {0};
    add_descriptors(ms, spec, m, &request, &with);
    r = spawner_request(&ms->sandboxes, &request, &with, &namespaces, &m->client, err);
    if (r == 0 && namespaces.n)
        m->net_fd = fcntl(namespaces.list[0], F_DUPFD_CLOEXEC, 3);
    return r == 0 && nat ? nat_start(&m->nat, namespaces.list, false, err) : r;
}

static int sandbox_acquire(struct machines *ms, const struct machine_spec *spec, struct machine *m,
                           struct err *err)
{
    int r = machine_set_paths(m, "", spec->workspace, err);

    if (r == 0 && spec->network == MACHINE_NET_NAT)
        r = nat_works(err);
    if (r < 0)
        return r;
    r = sandbox_try(ms, spec, m, err);
    /* The kernel may refuse overlays with redirects: if none was made yet, it is asked for one without. */
    bool refused = r < 0 && m->redirects && !m->chain.n && !atomic_load(&ms->redirects);
    if (refused)
        atomic_store(&ms->redirects_refused, true);
    /* A spawner that had died took the mask with it. */
    pthread_mutex_lock(&ms->lock);
    bool lost = ms->mask_start && ms->mask_start != atomic_load(&ms->sandboxes.starts);
    pthread_mutex_unlock(&ms->lock);
    if (r < 0 && (lost || refused)) {
        agent_client_release(&m->client);
        agent_client_init(&m->client);
        (void)scratch_remove(ms, m->dir);
        cleanup_close(&m->limits.disk);
        r = sandbox_try(ms, spec, m, err);
    }
    if (r < 0 && refused) /* it was something else */
        atomic_store(&ms->redirects_refused, false);
    if (r == 0 && m->redirects)
        atomic_store(&ms->redirects, true);
    return r;
}

static bool sysctl_is(const char *path, char value)
{
    _buf_ struct buf b = BUF_INIT;

    return read_file(path, 64, &b, NULL) == 0 && buf_str(&b)[0] == value;
}

static const char *advice(const struct err *why)
{
    if (sysctl_is("/proc/sys/kernel/unprivileged_userns_clone", '0') && geteuid() != 0)
        return ". Ordinary users may not make user namespaces here: sysctl -w "
               "kernel.unprivileged_userns_clone=1";
    if (sysctl_is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", '1') && geteuid() != 0)
        return ". AppArmor keeps ordinary users from user namespaces here: sysctl -w "
               "kernel.apparmor_restrict_unprivileged_userns=0, or give runfs-agent an AppArmor profile with "
               "userns";
    if (sysctl_is("/proc/sys/user/max_user_namespaces", '0'))
        return ". User namespaces are switched off here: sysctl -w user.max_user_namespaces=10000";
    if (why->code == -EPERM)
        return ". In a container, it must be allowed to make namespaces and mounts (--privileged, or "
               "--cap-add "
               "SYS_ADMIN with seccomp and AppArmor unconfined)";
    return "";
}

static int sandbox_check_label(const struct machine_label *l, struct err *err)
{
    struct stat st;

    if (!l->image || (*l->image == '/' && stat(l->image, &st) == 0 && S_ISDIR(st.st_mode)))
        return 0;
    if (*l->image != '/') {
        _buf_ struct buf name = BUF_INIT;
        return oci_reference(l->image, &name, err);
    }
    return err_set(err, -EINVAL, "'%s' is not a directory that could be a root file system", l->image);
}

static void sandbox_explain(const struct machines *ms, const struct err *why, char *words, size_t size)
{
    if (why)
        snprintf(words, size, "%s%s", why->msg, advice(why));
    else if (geteuid() == 0)
        snprintf(words, size,
                 "user namespace with ids from 200000 on, overlay over the host's root, written to %s",
                 ms->scratch);
    else
        snprintf(words, size,
                 "user namespace with one id, overlays over the host's directories, written to %s",
                 ms->scratch);
}

const struct machine_ops machine_sandbox = {.name = "sandbox",
                                            .isolates = true,
                                            .one_kill = true,
                                            .layered = true,
                                            .images = true,
                                            .acquire = sandbox_acquire,
                                            .check_label = sandbox_check_label,
                                            .explain = sandbox_explain};
