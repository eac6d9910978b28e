/* Images are made by Debian's own tools (mmdebstrap, apt-get, dpkg-deb, tar, mke2fs) in a directory that gets
 * its name last. */
#include "core/image/image.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include "runfs/io.h"
#include "runfs/late_crypto.h"
#include "runfs/log.h"
#include "runfs/proc.h"
#include "runfs/str.h"

enum { TOOL_MS = 30 * 60 * 1000, OUTPUT_MAX = 1 << 20, DIGEST_CHARS = 64, ROOM_MIB = 64 };

/* What a kernel of Debian's for clouds needs to find its devices on qemu's microvm, as modprobe orders them;
 * what is built in is no file. */
static const char *const modules[] = {"virtio_ring",  "virtio",         "virtio_mmio",
                                      "virtio_blk",   "virtio_console", "failover",
                                      "net_failover", "virtio_net",     "overlay"};

/* What a CI step expects of any machine. */
static const char usual_packages[] = "bash,ca-certificates,git,iproute2,procps,python3-minimal";

struct build {
    const struct image_build *b;
    const char *dir; /* where it becomes what it will be */
    struct err *err;
};

/* ------------------------------------------------------------------------------------------------- tools */

/* The last line of what a program said. */
static int say_failure(const char *const argv[], const struct proc_result *r, struct err *err)
{
    const char *text = r->err.len ? buf_str(&r->err) : r->out.len ? buf_str(&r->out) : "";
    size_t end = strlen(text), begin;

    while (end && text[end - 1] == '\n')
        end--;
    for (begin = end; begin && text[begin - 1] != '\n'; begin--)
        ;
    return err_set(err, -EIO, "%s failed with exit code %d%s%.*s", argv[0], r->exit_code, end ? ": " : "",
                   (int)utf8_valid_prefix(text + begin, end - begin < 500 ? end - begin : 500), text + begin);
}

/* The package that a program is of, where that has another name. */
static const char *package_of(const char *tool)
{
    return str_eq(tool, "mke2fs")     ? "e2fsprogs"
           : str_starts(tool, "apt-") ? "apt"
           : str_eq(tool, "dpkg-deb") ? "dpkg"
           : str_eq(tool, "find")     ? "findutils"
           : str_eq(tool, "unshare")  ? "util-linux"
                                      : tool;
}

static int run(const char *const argv[], const char *cwd, struct buf *ret_out, struct err *err)
{
    /* the same packages give the same bytes, whenever */
    static const char *const set[] = {"SOURCE_DATE_EPOCH=1700000000", "E2FSPROGS_FAKE_TIME=1700000000",
                                      "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", NULL};
    _proc_result_ struct proc_result out = {0};
    int r = proc_run_set(argv, set, cwd, OUTPUT_MAX, TOOL_MS, &out, err);

    if (r == -ENOENT)
        return err_set(err, r, "the program %s is missing: install the package %s", argv[0],
                       package_of(argv[0]));
    if (r == 0 && out.exit_code)
        return say_failure(argv, &out, err);
    if (r == 0 && ret_out)
        buf_add(ret_out, buf_str(&out.out), out.out.len);
    return r;
}

/*
 * For what files of several users are touched by: an ordinary user is root of a user namespace there, with
 * the ids that /etc/subuid and /etc/subgid give him.
 */
static int run_as_root(const struct build *s, const char *const argv[], struct buf *ret_out)
{
    const char *all[24] = {"unshare", "--map-root-user", "--map-auto", "--"};
    size_t n = geteuid() == 0 ? 0 : 4;

    for (size_t i = 0; argv[i] && n < ARRAY_LEN(all) - 1; i++)
        all[n++] = argv[i];
    all[n] = NULL;
    return run(all, NULL, ret_out, s->err);
}

static int path_of(const struct build *s, const char *name, struct buf *ret)
{
    buf_addf(ret, "%s/%s", s->dir, name);
    return buf_ok(ret) ? 0 : err_errno(s->err, -ENOMEM, "image");
}

static void say(const struct build *s, const char *what)
{
    if (s->b->say)
        s->b->say(what);
}

/* -------------------------------------------------------------------------------------------------- parts */

static int unpack(const struct build *s, const char *tarball, const char *root)
{
    /* devices are the kernel's to make in the machine, and no ordinary user can */
    const char *const argv[] = {"tar",
                                "--numeric-owner",
                                "--exclude=./dev/*",
                                "--exclude=dev/*",
                                "-C",
                                root,
                                "-x",
                                "-p",
                                "-f",
                                tarball,
                                NULL};

    say(s, "unpacking the root");
    return mkdir(root, 0755) < 0 ? err_errno(s->err, -errno, "cannot make %s", root)
                                 : run_as_root(s, argv, NULL);
}

/* A directory where this is root's, else a tar archive: an ordinary user has mmdebstrap make its own ids. */
static int bootstrap(const struct build *s, const char *to)
{
    const struct image_build *b = s->b;
    _buf_ struct buf include = BUF_INIT;

    buf_addf(&include, "--include=%s%s%s", usual_packages, b->packages ? "," : "",
             b->packages ? b->packages : "");
    const char *const argv[] = {"mmdebstrap",
                                "--variant=minbase",
                                "--aptopt=APT::Install-Recommends \"false\"",
                                "--dpkgopt=path-exclude=/usr/share/doc/*",
                                "--dpkgopt=path-exclude=/usr/share/man/*",
                                geteuid() == 0 ? "--mode=auto" : "--mode=unshare",
                                buf_str(&include),
                                b->suite ? b->suite : "bookworm",
                                to,
                                b->mirror,
                                NULL};
    say(s, "making the root of Debian packages");
    return buf_ok(&include) ? run(argv, NULL, NULL, s->err) : err_errno(s->err, -ENOMEM, "image");
}

static int make_tree(const struct build *s)
{
    _buf_ struct buf root = BUF_INIT, tarball = BUF_INIT;

    if (path_of(s, "root", &root) < 0 || path_of(s, "root.tar", &tarball) < 0)
        return -ENOMEM;
    if (s->b->from)
        return unpack(s, s->b->from, root.ptr);
    if (geteuid() == 0)
        return bootstrap(s, root.ptr);
    int r = bootstrap(s, tarball.ptr);
    if (r == 0)
        r = unpack(s, tarball.ptr, root.ptr);
    (void)unlink(tarball.ptr);
    return r;
}

static int remove_root(const struct build *s)
{
    _buf_ struct buf root = BUF_INIT;

    if (path_of(s, "root", &root) < 0)
        return -ENOMEM;
    const char *const argv[] = {"rm", "-rf", "--one-file-system", root.ptr, NULL};
    return run_as_root(s, argv, NULL);
}

/* A number of `du` about the tree. */
static int measure(const struct build *s, const char *root, const char *what, unsigned long long *ret)
{
    const char *const argv[] = {"du", "-s", "-x", what, root, NULL};
    _buf_ struct buf out = BUF_INIT;
    int r = run_as_root(s, argv, &out);

    *ret = strtoull(buf_str(&out), NULL, 10);
    return r;
}

static int make_rootfs(const struct build *s)
{
    _buf_ struct buf root = BUF_INIT, fs = BUF_INIT;
    unsigned long long kib = 0, inodes = 0;
    char size[32];

    if (path_of(s, "root", &root) < 0 || path_of(s, "rootfs.ext4", &fs) < 0)
        return -ENOMEM;
    int r = measure(s, root.ptr, "--block-size=1K", &kib);
    if (r == 0)
        r = measure(s, root.ptr, "--inodes", &inodes);
    if (r < 0)
        return r;
    snprintf(size, sizeof(size), "%lluM", (kib + inodes / 2) / 1024 * 6 / 5 + ROOM_MIB);
    const char *const argv[] = {"mke2fs",
                                "-q",
                                "-F",
                                "-t",
                                "ext4",
                                "-m",
                                "0",
                                "-O",
                                "^has_journal,^metadata_csum,^64bit",
                                "-U",
                                "6b7f0c1e-6a0e-4b8e-9e57-2f0d5a3c9b11",
                                "-E",
                                "hash_seed=6b7f0c1e-6a0e-4b8e-9e57-2f0d5a3c9b11,lazy_itable_init=0",
                                "-d",
                                root.ptr,
                                fs.ptr,
                                size,
                                NULL};
    say(s, "making its file system");
    r = run_as_root(s, argv, NULL);
    return r == 0 ? remove_root(s) : r;
}

/* The package with the kernel: fetched into dir/deb unless it is given. */
static int find_kernel_package(const struct build *s, struct buf *ret)
{
    static const char *const depends[] = {"apt-cache", "depends", "linux-image-cloud-amd64", NULL};
    _buf_ struct buf dir = BUF_INIT, out = BUF_INIT;

    if (s->b->kernel) {
        buf_adds(ret, s->b->kernel);
        return 0;
    }
    say(s, "fetching the kernel");
    int r = path_of(s, "deb", &dir);
    if (r == 0 && mkdir(dir.ptr, 0755) < 0)
        r = err_errno(s->err, -errno, "cannot make %s", dir.ptr);
    if (r == 0)
        r = run(depends, NULL, &out, s->err);
    const char *name = r == 0 ? strstr(buf_str(&out), "Depends: ") : NULL;
    if (r == 0 && !name)
        return err_set(s->err, -ENOENT,
                       "apt knows no package linux-image-cloud-amd64: run `apt-get update`, or give one by "
                       "--kernel FILE.deb");
    if (r < 0)
        return r;
    name += strlen("Depends: ");
    _free_ char *package = strndup(name, strcspn(name, "\n"));
    const char *const fetch[] = {"apt-get", "-q", "download", package, NULL};
    r = package ? run(fetch, dir.ptr, NULL, s->err) : err_errno(s->err, -ENOMEM, "image");
    _closedir_ DIR *d = r == 0 ? opendir(dir.ptr) : NULL;
    for (struct dirent *e; d && (e = readdir(d));)
        if (str_ends(e->d_name, ".deb"))
            buf_addf(ret, "%s/%s", dir.ptr, e->d_name);
    return r < 0 || ret->len ? r : err_set(s->err, -ENOENT, "apt-get fetched no package");
}

/* The path of the module in the kernel's tree below `at`, or "". */
static int find_module(const struct build *s, const char *at, const char *module, struct buf *ret)
{
    _buf_ struct buf name = BUF_INIT, out = BUF_INIT;

    buf_addf(&name, "%s.ko", module);
    const char *const argv[] = {"find", at, "-type", "f", "-name", buf_str(&name), NULL};
    int r = buf_ok(&name) ? run(argv, NULL, &out, s->err) : err_errno(s->err, -ENOMEM, "image");
    if (r == 0)
        buf_add(ret, buf_str(&out), strcspn(buf_str(&out), "\n"));
    return r;
}

static int take_modules(const struct build *s, const char *kernel_tree)
{
    _buf_ struct buf dir = BUF_INIT;
    int r = path_of(s, "modules", &dir);

    if (r == 0 && mkdir(dir.ptr, 0755) < 0)
        r = err_errno(s->err, -errno, "cannot make %s", dir.ptr);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(modules); i++) {
        _buf_ struct buf from = BUF_INIT, to = BUF_INIT;
        r = find_module(s, kernel_tree, modules[i], &from);
        buf_addf(&to, "%s/%02zu-%s.ko", dir.ptr, i, modules[i]);
        if (r == 0 && from.len && rename(from.ptr, buf_str(&to)) < 0)
            r = err_errno(s->err, -errno, "cannot take %s", from.ptr);
    }
    return r;
}

static int take_kernel(const struct build *s, struct buf *ret_version)
{
    _buf_ struct buf package = BUF_INIT, tree = BUF_INIT, boot = BUF_INIT, image = BUF_INIT, to = BUF_INIT;
    int r = find_kernel_package(s, &package);

    if (r == 0)
        r = path_of(s, "tree", &tree);
    if (r == 0) {
        const char *const argv[] = {"dpkg-deb", "-x", buf_str(&package), tree.ptr, NULL};
        say(s, "taking out the kernel and its modules");
        r = run(argv, NULL, NULL, s->err);
    }
    buf_addf(&boot, "%s/boot", buf_str(&tree));
    _closedir_ DIR *d = r == 0 ? opendir(buf_str(&boot)) : NULL;
    for (struct dirent *e; d && (e = readdir(d));)
        if (str_starts(e->d_name, "vmlinuz-")) {
            buf_addf(&image, "%s/%s", boot.ptr, e->d_name);
            buf_adds(ret_version, e->d_name + strlen("vmlinuz-"));
        }
    if (r == 0 && !image.len)
        return err_set(s->err, -EINVAL, "%s holds no kernel", buf_str(&package));
    if (r == 0)
        r = path_of(s, "kernel", &to);
    if (r == 0)
        r = kernel_extract(image.ptr, to.ptr, s->err);
    return r == 0 ? take_modules(s, tree.ptr) : r;
}

/* ------------------------------------------------------------------------------------------- what it is */

static int hash_file(const struct build *s, EVP_MD_CTX *ctx, const char *name)
{
    _buf_ struct buf path = BUF_INIT;
    char bytes[65536];
    ssize_t n = 1;

    if (path_of(s, name, &path) < 0)
        return -ENOMEM;
    _close_ int fd = open(path.ptr, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && n > 0)
        if ((n = read(fd, bytes, sizeof(bytes))) > 0 && !EVP_DigestUpdate(ctx, bytes, (size_t)n))
            return err_errno(s->err, -ENOMEM, "image");
    return fd < 0 || n < 0 ? err_errno(s->err, -errno, "cannot read %s", path.ptr) : 0;
}

static int hash_image(const struct build *s, char ret[DIGEST_CHARS + 1])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    int r = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) ? 0 : err_errno(s->err, -ENOMEM, "image");

    if (r == 0)
        r = hash_file(s, ctx, "kernel");
    if (r == 0)
        r = hash_file(s, ctx, "rootfs.ext4");
    if (r == 0 && !EVP_DigestFinal_ex(ctx, digest, &len))
        r = err_errno(s->err, -ENOMEM, "image");
    for (size_t i = 0; r == 0 && i < len && i < DIGEST_CHARS / 2; i++)
        snprintf(ret + 2 * i, 3, "%02x", digest[i]);
    EVP_MD_CTX_free(ctx);
    return r;
}

static int describe(const struct build *s, const char *kernel)
{
    _buf_ struct buf path = BUF_INIT, time = BUF_INIT;
    const struct image_build *b = s->b;

    buf_add_time(&time, now_ns());
    _json_ json_t *json =
        json_pack("{s:s, s:s, s:s, s:s?}", "created", buf_str(&time), "kernel", kernel, "root",
                  b->from    ? b->from
                  : b->suite ? b->suite
                             : "bookworm",
                  "packages", b->from ? NULL : b->packages);
    _free_ char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
    if (!text || path_of(s, "image.json", &path) < 0)
        return err_errno(s->err, -ENOMEM, "image");
    return write_file_atomic(path.ptr, text, strlen(text), 0644, s->err);
}

static int remove_below(const struct build *s, const char *name)
{
    _buf_ struct buf path = BUF_INIT;
    int r = path_of(s, name, &path);

    return r < 0 ? r : remove_tree(path.ptr);
}

/* Gives what was built its place and its name, in the place of a former one. */
static int publish(const struct build *s, const char *images, const char *digest)
{
    _buf_ struct buf target = BUF_INIT, link = BUF_INIT, name = BUF_INIT, content = BUF_INIT;

    buf_addf(&target, "%s/sha256-%s", images, digest);
    buf_addf(&content, "sha256-%s", digest);
    buf_addf(&link, "%s/" IMAGE_LINKING, images);
    buf_addf(&name, "%s/%s", images, s->b->name);
    if (!buf_ok(&target) || !buf_ok(&content) || !buf_ok(&link) || !buf_ok(&name))
        return err_errno(s->err, -ENOMEM, "image");
    if (rename(s->dir, target.ptr) < 0 && errno != ENOTEMPTY && errno != EEXIST)
        return err_errno(s->err, -errno, "cannot name the image %s", target.ptr);
    if (symlink(content.ptr, link.ptr) < 0 || rename(link.ptr, name.ptr) < 0)
        return err_errno(s->err, -errno, "cannot name the image %s", name.ptr);
    return 0;
}

static int build(const struct build *s, char ret_digest[DIGEST_CHARS + 1])
{
    _buf_ struct buf kernel = BUF_INIT;
    int r = take_kernel(s, &kernel);

    if (r == 0)
        r = make_tree(s);
    if (r == 0)
        r = make_rootfs(s);
    if (r == 0)
        r = remove_below(s, "tree");
    if (r == 0)
        r = remove_below(s, "deb");
    if (r == 0)
        r = hash_image(s, ret_digest);
    if (r == 0)
        r = describe(s, buf_str(&kernel));
    return r;
}

/* Removes what is no image, also where some of it belongs to an ordinary user's other ids. */
static void clear(const struct build *s, const char *images)
{
    struct err ignored = {0};
    const struct build quiet = {.b = s->b, .dir = s->dir, .err = &ignored};

    if (geteuid() != 0 && access(s->dir, F_OK) == 0)
        (void)remove_root(&quiet);
    images_collect(images);
}

int image_build(const char *state_dir, const struct image_build *b, struct err *err)
{
    _buf_ struct buf images = BUF_INIT, dir = BUF_INIT;
    char digest[DIGEST_CHARS + 1] = "";
    int r = image_name_check(b->name, err);

    if (r == 0 && b->from && access(b->from, R_OK) < 0)
        r = err_errno(err, -errno, "cannot read %s (--from)", b->from);
    if (r == 0 && b->kernel && access(b->kernel, R_OK) < 0)
        r = err_errno(err, -errno, "cannot read %s (--kernel)", b->kernel);
    if (r == 0 && geteuid() != 0 && !proc_in_path("newuidmap"))
        r = err_set(err, -ENOENT,
                    "the files of an image belong to several users, whose ids an ordinary user has from "
                    "/etc/subuid, by the program newuidmap: install the package uidmap");
    buf_addf(&images, "%s/images", state_dir);
    buf_addf(&dir, "%s/" IMAGE_BUILDING, buf_str(&images));
    if (r == 0 && (!buf_ok(&images) || !buf_ok(&dir)))
        r = err_errno(err, -ENOMEM, "image");
    if (r == 0 && (r = make_dirs(images.ptr, 0755)) < 0)
        err_errno(err, r, "cannot make %s", images.ptr);
    if (r < 0)
        return r;
    _close_ int lock = images_lock(images.ptr, err);
    if (lock < 0)
        return lock;
    const struct build s = {.b = b, .dir = dir.ptr, .err = err};
    clear(&s, images.ptr); /* what a killed one left */
    if (mkdir(dir.ptr, 0755) < 0)
        return err_errno(err, -errno, "cannot make %s", dir.ptr);
    r = build(&s, digest);
    if (r == 0 && syncfs(lock) < 0)
        r = err_errno(err, -errno, "cannot keep the image");
    if (r == 0)
        r = publish(&s, images.ptr, digest);
    clear(&s, images.ptr);
    return r;
}
