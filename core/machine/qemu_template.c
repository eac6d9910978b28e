/* Virtual machines that were booted once, for others to begin where they stopped: those of this process, and
 * of others after it. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "core/machine/qemu.h"
#include "runfs/image.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/proc.h"
#include "runfs/str.h"

#define END_NS (3 * 1000000000LL) /* so long the end of a process waits for what is being written */

enum { BOOT_S = 60, KVM_BOOT_S = 10, BOOTS = 2, MKFS_MS = 60000, QUIET_MS = 500 };

static bool same(const struct qemu_shape *a, const struct qemu_shape *b)
{
    return a->memory == b->memory && a->disk == b->disk && a->cpus == b->cpus && a->network == b->network &&
           str_eq(a->image, b->image);
}

static void close_parts(struct qemu_template *t)
{
    cleanup_close(&t->memory);
    cleanup_close(&t->state);
    cleanup_close(&t->disk);
}

static void template_free(struct qemu_template *t)
{
    close_parts(t);
    json_decref(t->identity);
    free(t->shape.image);
    free(t);
}

/* An empty file system on a file that has no name any more. */
static int make_disk(const char *dir, uint64_t size, struct err *err)
{
    _buf_ struct buf path = BUF_INIT;
    _proc_result_ struct proc_result out = {0};

    buf_addf(&path, "%s/disk", dir);
    _close_ int fd = buf_ok(&path) ? open(path.ptr, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
        return err_errno(err, fd < 0 && !buf_ok(&path) ? -ENOMEM : -errno, "cannot make a scratch disk");
    const char *const argv[] = {"mke2fs",
                                "-q",
                                "-F",
                                "-t",
                                "ext4",
                                "-m",
                                "0",
                                "-O",
                                "^has_journal,^metadata_csum,^64bit",
                                "-E",
                                "lazy_itable_init=1,nodiscard",
                                path.ptr,
                                NULL};
    int r = proc_run(argv, NULL, 65536, MKFS_MS, &out, err);
    (void)unlink(path.ptr);
    if (r == 0 && out.exit_code)
        r = err_set(err, -EIO, "mke2fs: %.400s", buf_str(&out.err));
    if (r == 0 && geteuid() == 0 && fchown(fd, machine_root_id(), machine_root_id()) < 0)
        r = err_errno(err, -errno, "cannot make a scratch disk");
    return r < 0 ? r : TAKE_FD(fd);
}

static int run_once(struct agent_client *c, const char *const *argv, struct err *err)
{
    static const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    struct machine_exec x = {.argv = argv, .env = env, .cwd = "/"};
    struct machine_result result = {0};
    int r = agent_client_exec(c, &x, &result, err);

    machine_result_release(&result);
    return r;
}

/* What the first steps of a job need is read already, and nothing is left to do behind the scenes, which each
 * copy would have to begin with. */
static int warm_up(struct agent_client *c, struct err *err)
{
    static const char *const bash[] = {
        "bash", "-c",
        "mkdir -p /home/runner/work/_temp/_runner_file_commands\n"
        "for p in true env ls cat cp mv rm mkdir chmod date id uname grep sed tar git; do\n"
        "    p=$(type -P $p) && cat $p\n"
        "done | cat >/dev/null\n"
        "sync",
        NULL};
    int r = run_once(c, bash, err);

    usleep(QUIET_MS * 1000);
    return r;
}

/* What one is booted with. */
struct origin {
    int kernel, initrd; /* owned */
    struct tsc tsc;
};

static void origin_release(struct origin *o)
{
    cleanup_close(&o->kernel);
    cleanup_close(&o->initrd);
}

static int boot(struct machines *ms, const char *dir, struct qemu_template *t, const struct origin *o,
                struct err *err)
{
    _close_ int console = open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0666);
    struct qemu_parts parts = {.memory = t->memory,
                               .memory_shared = true,
                               .disk = t->disk,
                               .console = console,
                               .kernel = o->kernel,
                               .initrd = o->initrd,
                               .tsc_khz = t->tsc_khz};
    static const char *const first[] = {"true", NULL};
    int64_t begin = mono_ns();
    struct agent_client c;
    struct qemu q;
    int agent = -1, r = console < 0 ? err_errno(err, -errno, "cannot make a console") : 0;

    if (r == 0 && geteuid() == 0 && fchown(console, machine_root_id(), machine_root_id()) < 0)
        r = err_errno(err, -errno, "cannot make a console");
    if (r < 0 || (r = qemu_start(ms, dir, &t->shape, &parts, &q, &agent, err)) < 0)
        return r;
    agent_client_init(&c);
    r = qemu_speak(&c, &agent, err);
    if (r == 0)
        r = agent_client_hello(&c, (t->shape.kvm ? KVM_BOOT_S : BOOT_S) * 1000, err);
    if (r == 0)
        r = run_once(&c, first, err);
    t->boot_ns = mono_ns() - begin;
    if (r == 0)
        r = qemu_wake(&c, NULL, NULL, 0, err); /* what that writes, each copy then only writes over */
    if (r == 0)
        r = warm_up(&c, err);
    if (r == 0)
        r = qemu_save(&q, t->state, err);
    qemu_stop(&q);
    agent_client_close(&c);
    agent_client_release(&c);
    cleanup_close(&agent);
    return r;
}

int qemu_memory_make(const char *name, uint64_t size, struct err *err)
{
    _close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
        return err_errno(err, -errno, "cannot make a machine's memory");
    return TAKE_FD(fd);
}

static int make_parts(struct qemu_template *t, const char *dir, struct err *err)
{
    t->memory = qemu_memory_make("memory", t->shape.memory, err);
    if (t->memory >= 0)
        t->state = qemu_memory_make("state", 0, err);
    if (t->state >= 0)
        t->disk = make_disk(dir, t->shape.disk, err);
    return t->memory < 0 || t->state < 0 || t->disk < 0 ? err->code : 0;
}

int qemu_template_seal(const struct qemu_template *t, struct err *err)
{
    enum { SEALS = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL };

    if (fcntl(t->memory, F_ADD_SEALS, SEALS) < 0 || fcntl(t->state, F_ADD_SEALS, SEALS) < 0)
        return err_errno(err, -errno, "cannot seal a machine's memory");
    return 0;
}

/* An emulated kernel may hang while it boots, now and then and under load: then there is another. */
static int boot_once(struct machines *ms, const char *dir, struct qemu_template *t, const struct origin *o,
                     struct err *err)
{
    int r = 0;

    for (int i = 1; i <= BOOTS; i++) {
        r = make_parts(t, dir, err);
        t->tsc_khz = tsc_khz_since(&o->tsc);
        if (r == 0)
            r = boot(ms, dir, t, o, err);
        bool hangs = r < 0 && !t->shape.kvm && t->boot_ns >= BOOT_S * 1000000000LL;
        if (!hangs || i == BOOTS)
            break;
        log_warning("machine", "a virtual machine said nothing for %d seconds: it is booted again", BOOT_S);
        close_parts(t);
        *err = (struct err){0};
    }
    return r == 0 ? qemu_template_seal(t, err) : r;
}

/* One that a former process has kept, if its state can be loaded. */
static int take_kept(struct machines *ms, const char *dir, struct qemu_template *t, const struct origin *o,
                     struct err *err)
{
    int64_t begin = mono_ns();
    int r = t->identity ? qemu_kept_load(t, dir, &o->tsc, err) : -ENOENT;

    t->load_ns = mono_ns() - begin;
    if (r == 0 && (r = qemu_ahead_try(ms, t, err)) < 0)
        err_prefix(err, "%s/templates/%s", t->shape.image, t->key);
    if (r < 0) {
        close_parts(t);
        t->load_ns = 0;
        t->kept_at = 0;
    }
    return r;
}

static int get_origin(struct machines *ms, struct qemu_template *t, struct origin *ret, struct err *err)
{
    _buf_ struct buf kernel = BUF_INIT;

    tsc_begin(&ret->tsc);
    buf_addf(&kernel, "%s/kernel", t->shape.image);
    if (!buf_ok(&kernel))
        return err_errno(err, -ENOMEM, "qemu");
    ret->kernel = open(kernel.ptr, O_RDONLY | O_CLOEXEC);
    if (ret->kernel < 0)
        return err_errno(err, -errno, "cannot open %s", kernel.ptr);
    ret->initrd = initrd_make(ms->agent, t->shape.image, err);
    if (ret->initrd < 0)
        return ret->initrd;
    if (qemu_identity(&t->shape, ret->initrd, &t->identity, NULL) == 0 &&
        qemu_identity_key(t->identity, t->key) < 0)
        json_decref(TAKE(t->identity));
    return 0;
}

/* In a directory of its own, of which nothing is left: all its files are descriptors. */
static int make_of(struct machines *ms, struct qemu_template *t, const struct origin *o, struct err *err)
{
    _buf_ struct buf dir = BUF_INIT;
    struct err why = {0};

    buf_addf(&dir, "%s/p%u", ms->scratch, atomic_fetch_add(&ms->serial, 1) + 1);
    if (!buf_ok(&dir))
        return err_errno(err, -ENOMEM, "qemu");
    int r = scratch_dir(ms, AT_FDCWD, dir.ptr, 0711, geteuid());
    if (r < 0)
        return err_errno(err, r, "cannot make %s", dir.ptr);
    int kept = take_kept(ms, dir.ptr, t, o, &why);
    if (kept < 0)
        r = boot_once(ms, dir.ptr, t, o, err);
    if (kept < 0 && kept != -ENOENT && r == 0) { /* else nothing can be started here */
        log_warning("machine", "a virtual machine was booted anew, not copied: %s", why.msg);
        qemu_kept_remove(t);
    }
    (void)scratch_remove(ms, dir.ptr);
    return r;
}

static struct qemu_template *template_new(const struct qemu_shape *shape, bool kvm)
{
    struct qemu_template *t = calloc(1, sizeof(*t));

    if (!t)
        return NULL;
    *t = (struct qemu_template){.shape = *shape, .memory = -1, .state = -1, .disk = -1, .n_most = 1};
    t->shape.kvm = kvm;
    t->shape.image = strdup(shape->image);
    if (t->shape.image)
        return t;
    free(t);
    return NULL;
}

static int make(struct machines *ms, const struct qemu_shape *shape, bool kvm, struct qemu_template **ret,
                struct err *err)
{
    _cleanup_(origin_release) struct origin origin = {.kernel = -1, .initrd = -1};
    struct qemu_template *t = template_new(shape, kvm);
    int r = t ? get_origin(ms, t, &origin, err) : err_errno(err, -ENOMEM, "qemu");

    if (r == 0)
        r = make_of(ms, t, &origin, err);
    if (r == 0)
        *ret = t;
    else if (t)
        template_free(t);
    return r;
}

/* As root, qemu is another user's, in the device's group unless that is root's: see add_tether(). */
static int check_kvm(struct err *why)
{
    _close_ int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(why, -errno, "/dev/kvm");
    mode_t need = st.st_gid && (st.st_mode & 060) == 060 ? 060 : 06;
    return geteuid() != 0 || (st.st_mode & need) == need
               ? 0
               : err_set(why, -EACCES, "/dev/kvm is for root only (chgrp kvm, chmod 660)");
}

/* There are hosts whose /dev/kvm opens and whose machines hang. */
static int make_either(struct machines *ms, const struct qemu_shape *shape, struct qemu_template **ret,
                       struct err *err)
{
    struct err why = {0};
    int kvm = ms->kvm_hangs ? -ENOENT : check_kvm(&why);
    bool tried = kvm == 0 || kvm == -EACCES;

    if (kvm == 0 && make(ms, shape, true, ret, &why) == 0)
        return 0;
    int r = make(ms, shape, false, ret, err);
    if (tried && r == 0) {
        ms->kvm_hangs = true;
        log_warning("machine", "KVM does not work here, so virtual machines are emulated: %s", why.msg);
    }
    return r;
}

/* It may be held for as long as one boots. */
static int lock(struct machines *ms, const struct machine_spec *spec, struct err *err)
{
    struct timespec until;

    for (;;) {
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        if (pthread_mutex_timedlock(&ms->templates_lock, &until) == 0)
            return 0;
        if (spec_cancelled(spec, err))
            return -ECANCELED;
    }
}

int qemu_template_get(struct machines *ms, const struct machine_spec *spec, struct qemu_shape *shape,
                      struct qemu_template **ret, struct err *err)
{
    struct qemu_template *t;
    int r = lock(ms, spec, err);

    if (r < 0)
        return r;
    for (t = ms->templates; t && !same(&t->shape, shape); t = t->next)
        ;
    if (!t && (r = make_either(ms, shape, &t, err)) == 0) {
        pthread_mutex_lock(&ms->ahead_lock);
        t->next = ms->templates;
        ms->templates = t;
        pthread_mutex_unlock(&ms->ahead_lock);
    }
    pthread_mutex_unlock(&ms->templates_lock);
    if (r < 0)
        return r;
    shape->kvm = t->shape.kvm;
    *ret = t;
    return 0;
}

/* -------------------------------------------------------------------------------------------- from outside
 */

static void say_shape(const struct qemu_shape *s, int64_t boot_ns, int64_t kept_at, struct buf *ret)
{
    char memory[24], disk[24];

    size_format(s->memory, memory);
    size_format(s->disk, disk);
    buf_addf(ret, "memory=%s cpu=%u disk=%s network=%s %s, booted in %lld ms", memory, s->cpus, disk,
             s->network ? "nat" : "none", s->kvm ? "by KVM" : "emulated", (long long)boot_ns / 1000000);
    if (kept_at)
        buf_adds(ret, ", kept since ");
    buf_add_time(ret, kept_at);
}

static void say_template(struct machines *ms, const struct qemu_template *t, struct buf *ret)
{
    say_shape(&t->shape, t->boot_ns, t->kept_at, ret);
    if (t->load_ns)
        buf_addf(ret, ", loaded in %lld ms", (long long)t->load_ns / 1000000);
    pthread_mutex_lock(&ms->ahead_lock);
    unsigned ahead = t->n_ahead;
    pthread_mutex_unlock(&ms->ahead_lock);
    if (ahead > 1)
        buf_addf(ret, ", %u ahead", ahead);
    buf_adds(ret, ahead == 1 ? ", one ahead\n" : "\n");
}

/* With the lock held. */
static bool is_loaded(const struct machines *ms, const char *image, const char *key)
{
    const struct qemu_template *t = ms->templates;

    while (t && !(str_eq(t->key, key) && str_eq(t->shape.image, image)))
        t = t->next;
    return t != NULL;
}

void machines_templates(struct machines *ms, const char *image, struct buf *ret)
{
    struct qemu_kept kept[QEMU_KEPT];

    if (pthread_mutex_trylock(&ms->templates_lock) != 0) {
        buf_adds(ret, "one is being made\n");
        return;
    }
    for (const struct qemu_template *t = ms->templates; t; t = t->next)
        if (str_eq(t->shape.image, image))
            say_template(ms, t, ret);
    for (size_t i = 0, n = qemu_kept_list(image, kept); i < n; i++) {
        if (is_loaded(ms, image, kept[i].key))
            continue;
        say_shape(&kept[i].shape, kept[i].boot_ns, kept[i].kept_at, ret);
        buf_adds(ret, ", not loaded\n");
    }
    pthread_mutex_unlock(&ms->templates_lock);
}

/* ---------------------------------------------------------------------------------------------- for others
 */

static bool is_late(void *data)
{
    const struct qemu_template *t = data;

    return t->until && mono_ns() > t->until;
}

static void *keep_run(void *data)
{
    struct qemu_template *t = data;
    struct err err = {0};

    /* it holds nobody up who has something to do */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), 19);
    proc_until(is_late, t);
    if (qemu_kept_save(t, &err) < 0)
        log_warning("machine", "virtual machines of this shape will be booted again: %s", err.msg);
    return NULL;
}

void qemu_template_keep(struct machines *ms, struct qemu_template *t)
{
    pthread_mutex_lock(&ms->ahead_lock);
    if (t->identity && !t->writes && !t->kept_at)
        t->writes = pthread_create(&t->writer, NULL, keep_run, t) == 0;
    pthread_mutex_unlock(&ms->ahead_lock);
}

void qemu_templates_free(struct machines *ms)
{
    while (ms->templates) {
        struct qemu_template *t = ms->templates;
        ms->templates = t->next;
        t->until = mono_ns() + END_NS;
        if (t->writes)
            pthread_join(t->writer, NULL);
        qemu_ahead_end(ms, t);
        template_free(t);
    }
}
