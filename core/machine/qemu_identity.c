/* What a machine was made of that was booted for others to begin as copies: its state is for machines of the
 * same only, whoever starts them and whenever. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "core/machine/qemu.h"
#include "runfs/io.h"
#include "runfs/oci.h"
#include "runfs/proc.h"
#include "runfs/str.h"

enum { FORMAT = 1, CPUINFO_MAX = 1 << 24 };

/* A file by its size and the time of its last change; what is written to it has another. */
static int add_file(json_t *to, const char *key, const char *path, struct err *err)
{
    char text[64];
    struct stat st;

    if (stat(path, &st) < 0)
        return err_errno(err, -errno, "cannot look at %s", path);
    snprintf(text, sizeof(text), "%lld %lld", (long long)st.st_size, (long long)timespec_ns(st.st_mtim));
    return json_object_set_new(to, key, json_string(text)) < 0 ? err_errno(err, -ENOMEM, "qemu") : 0;
}

static bool is_elf(const char *path)
{
    char magic[4];
    _close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

    return fd >= 0 && read_exact(fd, magic, sizeof(magic)) == 0 && memcmp(magic, "\177ELF", 4) == 0;
}

/* A script of that name may start any qemu, and another one tomorrow. */
static int add_qemu(json_t *to, struct err *err)
{
    _buf_ struct buf path = BUF_INIT;
    int r = proc_find(QEMU_PROGRAM, &path);

    if (r < 0)
        return err_errno(err, r, QEMU_PROGRAM);
    _free_ char *real = realpath(path.ptr, NULL);
    if (!real || !is_elf(real))
        return err_set(err, -ENOTSUP, "%s is no program itself", path.ptr);
    if (json_object_set_new(to, "qemu", json_string(real)) < 0)
        return err_errno(err, -ENOMEM, "qemu");
    return add_file(to, "qemu_file", real, err);
}

static int add_arguments(json_t *to, const struct qemu_shape *s, bool boots, const char *key, struct err *err)
{
    _buf_ struct buf text = BUF_INIT;

    if (qemu_arguments(s, boots, &text) < 0 || json_object_set_new(to, key, json_string(text.ptr)) < 0)
        return err_errno(err, -ENOMEM, "qemu");
    return 0;
}

/* Of the first processor what a machine by KVM sees or runs into. */
static void add_processor(struct buf *to)
{
    static const char *const lines[] = {"vendor_id", "cpu family", "model", "model name",
                                        "stepping",  "microcode",  "flags"};
    _buf_ struct buf text = BUF_INIT;

    if (read_file("/proc/cpuinfo", CPUINFO_MAX, &text, NULL) < 0)
        return;
    for (const char *line = buf_str(&text); *line && *line != '\n';) {
        const char *end = strchrnul(line, '\n');
        size_t len = strcspn(line, "\t:");
        for (size_t i = 0; i < ARRAY_LEN(lines); i++)
            if (strlen(lines[i]) == len && memcmp(line, lines[i], len) == 0)
                buf_add(to, line, (size_t)(end - line) + 1);
        line = *end ? end + 1 : end;
    }
}

static int add_host(json_t *to, struct err *err)
{
    _buf_ struct buf text = BUF_INIT;
    struct utsname u;

    if (uname(&u) < 0)
        return err_errno(err, -errno, "qemu");
    buf_addf(&text, "%s %s\n", u.release, u.version);
    add_processor(&text);
    return buf_ok(&text) && json_object_set_new(to, "host", json_string(text.ptr)) == 0
               ? 0
               : err_errno(err, -ENOMEM, "qemu");
}

/* One of this user's, of which the directory's name is the digest of what is in it. */
static int add_image(json_t *to, const char *image, struct err *err)
{
    _buf_ struct buf rootfs = BUF_INIT, kernel = BUF_INIT;
    const char *slash = strrchr(image, '/'), *name = slash ? slash + 1 : image;
    struct stat st;

    if (stat(image, &st) < 0 || st.st_uid != geteuid() || !str_starts(name, "sha256-"))
        return err_set(err, -ENOTSUP, "%s is no image that was built here", image);
    buf_addf(&rootfs, "%s/rootfs.ext4", image);
    buf_addf(&kernel, "%s/kernel", image);
    if (!buf_ok(&rootfs) || !buf_ok(&kernel) || json_object_set_new(to, "image", json_string(name)) < 0)
        return err_errno(err, -ENOMEM, "qemu");
    int r = add_file(to, "rootfs", rootfs.ptr, err);
    return r == 0 ? add_file(to, "kernel", kernel.ptr, err) : r;
}

int qemu_identity(const struct qemu_shape *s, int initrd, json_t **ret, struct err *err)
{
    char digest[OCI_HEX + 1] = "";
    int r = oci_digest_file(initrd, digest);

    if (r < 0)
        return err_errno(err, r, "initramfs");
    _json_ json_t *of =
        json_pack("{s:i, s:I, s:I, s:I, s:b, s:b, s:s}", "format", FORMAT, "memory", (json_int_t)s->memory,
                  "disk", (json_int_t)s->disk, "cpus", (json_int_t)s->cpus, "network", s->network, "kvm",
                  s->kvm, "initrd", digest);
    if (!of)
        return err_errno(err, -ENOMEM, "qemu");
    r = add_image(of, s->image, err);
    if (r == 0)
        r = add_qemu(of, err);
    if (r == 0)
        r = add_arguments(of, s, true, "boot", err);
    if (r == 0)
        r = add_arguments(of, s, false, "load", err);
    if (r == 0 && s->kvm)
        r = add_host(of, err);
    if (r == 0)
        *ret = TAKE(of);
    return r;
}

int qemu_identity_key(const json_t *identity, char ret[QEMU_KEY])
{
    _free_ char *text = json_dumps(identity, JSON_SORT_KEYS | JSON_COMPACT);

    if (!text)
        return -ENOMEM;
    snprintf(ret, QEMU_KEY, "%016llx", (unsigned long long)str_hash(text));
    return 0;
}
