/*
 * Images from registries, archives and directories: skopeo fetches them into a directory (its `dir:`, which
 * leaves manifest and configuration as they are), and from there they are checked, unpacked and named.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/xattr.h>

#include "core/machine/oci.h"
#include "runfs/io.h"
#include "runfs/late_crypto.h"
#include "runfs/proc.h"
#include "runfs/str.h"

enum { TEXT_MAX = 8 << 20, INSPECT_MS = 60 * 1000, COPY_MS = 60 * 60 * 1000, LOOK_US = 100000 };

static const char beginning[] = "docker://";

struct pulling {
    const struct oci_pull *p;
    const char *state_dir;
    struct buf source, name; /* owned: both complete */
    struct buf dir;          /* owned: STATE/containers/.pulling-NUMBER, of this source */
    int place;               /* owned: of that, locked; -1: nothing is fetched */
    bool registry;
    struct oci_totals totals;
    struct err *err;
};

static void pulling_release(struct pulling *g)
{
    buf_release(&g->source);
    buf_release(&g->name);
    buf_release(&g->dir);
    cleanup_close(&g->place);
}

static void say(const struct pulling *g, const char *fmt, const char *what)
{
    char line[512];

    snprintf(line, sizeof(line), "%s%s", fmt, what);
    if (g->p->say)
        g->p->say(g->p->data, line);
}

static int no_memory(const struct pulling *g)
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
    if (str_starts(source, beginning))
        source += strlen(beginning);
    buf_adds(&g->source, beginning);
    int r = oci_reference(source, &g->source, g->err);
    if (r < 0)
        return r;
    return oci_reference(str_empty(g->p->name) ? source : g->p->name, &g->name, g->err);
}

/* Registries of this host may do without TLS, as for Docker; others by registries.conf(5). 127.example.org is
 * one of those. */
static bool is_here(const char *source)
{
    _buf_ struct buf host = BUF_INIT;
    struct in_addr address;

    if (!str_starts(source, beginning))
        return false;
    source += strlen(beginning);
    buf_add(&host, source, *source == '[' ? strcspn(source, "]") : strcspn(source, ":/"));
    return str_eq(buf_str(&host), "localhost") || str_eq(buf_str(&host), "[::1") ||
           (inet_pton(AF_INET, buf_str(&host), &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

/* ------------------------------------------------------------------------------------------------- skopeo */

static bool has_policy(void)
{
    _buf_ struct buf own = BUF_INIT;

    buf_addf(&own, "%s/.config/containers/policy.json", getenv("HOME") ? getenv("HOME") : "");
    return access("/etc/containers/policy.json", R_OK) == 0 || (buf_ok(&own) && access(own.ptr, R_OK) == 0);
}

/* What it says last, without what it says of itself. */
static int skopeo_failed(const struct pulling *g, const struct proc_result *out)
{
    const char *text = buf_str(&out->err), *msg = strstr(text, "msg=\"");
    _buf_ struct buf words = BUF_INIT;

    for (const char *next = msg; next; next = strstr(next + 1, "msg=\""))
        msg = next;
    for (const char *p = msg ? msg + 5 : text; *p && *p != '\n' && !(msg && *p == '"'); p++) {
        p += msg && *p == '\\' && p[1];
        buf_addc(&words, *p);
    }
    return err_set(g->err, -EIO, "cannot fetch the image %s: %.*s", buf_str(&g->name),
                   (int)utf8_valid_prefix(buf_str(&words), words.len < 600 ? words.len : 600),
                   words.len ? words.ptr : "skopeo said nothing");
}

/* Credentials of this one image, in memory, under a name for who is this user: nothing of them is left if
 * this process is killed. A descriptor; -1: there are none. */
static int put_auth(const struct pulling *g, int *ret_fd)
{
    const char *host = buf_str(&g->source) + strlen(beginning);
    _buf_ struct buf both = BUF_INIT, code = BUF_INIT, key = BUF_INIT;

    *ret_fd = -1;
    if (str_empty(g->p->user) || !g->registry)
        return 0;
    buf_addf(&both, "%s:%s", g->p->user, g->p->password ? g->p->password : "");
    buf_add_base64(&code, buf_str(&both), both.len);
    buf_add(&key, host, strcspn(host, "/"));
    _json_ json_t *json = json_pack("{s:{s:{s:s}}}", "auths", buf_str(&key), "auth", buf_str(&code));
    _free_ char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (!text || !buf_ok(&both) || !buf_ok(&code) || !buf_ok(&key))
        return no_memory(g);
    _close_ int fd = memfd_create("auth", MFD_CLOEXEC);
    int r = fd < 0 ? -errno : write_all(fd, text, strlen(text));
    if (r < 0)
        return err_errno(g->err, r, "cannot write the credentials of the image");
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int run_skopeo(const struct pulling *g, const char *const what[], const char *verify, int timeout_ms,
                      struct buf *ret_out)
{
    _proc_result_ struct proc_result out = {0};
    const char *argv[16] = {"skopeo"};
    _close_ int auth = -1;
    char path[64];
    size_t n = 1;

    int r = put_auth(g, &auth);
    if (!has_policy())
        argv[n++] = "--insecure-policy"; /* there is none that it could be against */
    for (; *what && n < 11; what++)
        argv[n++] = *what;
    if (is_here(buf_str(&g->source)))
        argv[n++] = verify;
    if (auth >= 0) {
        snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), auth);
        argv[n++] = "--authfile";
        argv[n++] = path;
    }
    argv[n] = NULL;
    if (r == 0)
        r = proc_run(argv, NULL, TEXT_MAX, timeout_ms, &out, g->err);
    if (r == -ENOENT)
        return err_set(g->err, r,
                       "images of containers are fetched by skopeo, which is not there: install the "
                       "package skopeo");
    if (r == -ETIMEDOUT)
        return err_set(g->err, r, "cannot fetch the image %s: the registry takes too long",
                       buf_str(&g->name));
    if (r == 0 && out.exit_code)
        return skopeo_failed(g, &out);
    if (r == 0 && ret_out)
        buf_add(ret_out, buf_str(&out.out), out.out.len);
    return r;
}

/* ------------------------------------------------------------------------------------------- what it says */

static int load_json(const struct pulling *g, const char *what, const struct buf *text, json_t **ret)
{
    *ret = json_loadb(buf_str(text), text->len, 0, NULL);
    if (json_is_object(*ret))
        return 0;
    json_decref(TAKE(*ret));
    return err_set(g->err, -EINVAL, "the %s of the image %s cannot be read", what, buf_str(&g->name));
}

static void digest_of(const struct buf *text, char ret[OCI_HEX + 1])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)buf_str(text), text->len, digest);
    oci_hex(digest, ret);
}

/* "sha256:HEX" without what it begins with; "" for another. */
static const char *hex_of(const json_t *digest)
{
    const char *s = json_string_value(digest);

    return s && str_starts(s, "sha256:") && oci_is_hex(s + 7) ? s + 7 : "";
}

/* A processor's name in images. */
static const char *own_architecture(void)
{
    static struct utsname u;

    if (uname(&u) < 0)
        return "amd64";
    return str_eq(u.machine, "x86_64") ? "amd64" : str_eq(u.machine, "aarch64") ? "arm64" : u.machine;
}

static int check_platform(const struct pulling *g, const json_t *config)
{
    const char *arch = json_string_value(json_object_get(config, "architecture"));
    const char *os = json_string_value(json_object_get(config, "os"));

    if ((!arch || !*arch || str_eq(arch, own_architecture())) && (!os || !*os || str_eq(os, "linux")))
        return 0;
    return err_set(g->err, -EINVAL, "the image %s is for %s/%s, and this host is linux/%s", buf_str(&g->name),
                   os ? os : "?", arch ? arch : "?", own_architecture());
}

/* ------------------------------------------------------------------------------------------------- layers */

static int path_of(const struct pulling *g, struct buf *ret, const char *dir, const char *name)
{
    buf_addf(ret, "%s/%s/%s", buf_str(&g->dir), dir, name);
    return buf_ok(ret) ? 0 : no_memory(g);
}

static bool have_layer(const struct pulling *g, const char *hex)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/containers/layers/%s", g->state_dir, hex);
    return buf_ok(&path) && access(path.ptr, F_OK) == 0;
}

/* The blob is not needed any more when it is unpacked. */
static int unpack_layer(struct pulling *g, const char *blob, const char *hex)
{
    _buf_ struct buf from = BUF_INIT, to = BUF_INIT;
    int r = path_of(g, &from, "image", blob);

    if (r == 0)
        r = path_of(g, &to, "layers", hex);
    if (r < 0)
        return r;
    if (mkdir(to.ptr, 0755) < 0)
        return errno == EEXIST ? 0 /* twice in one image */
                               : err_errno(g->err, -errno, "cannot make %s", to.ptr);
    _close_ int fd = open(from.ptr, O_RDONLY | O_CLOEXEC);
    _close_ int root = open(to.ptr, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || root < 0)
        return err_errno(g->err, -errno, "cannot unpack the image %s", buf_str(&g->name));
    if (fchmod(root, 0755) < 0)
        return err_errno(g->err, -errno, "cannot make %s", to.ptr);
    r = oci_layer_unpack(fd, root, hex, &g->totals, g->err);
    return r;
}

static int move_layers(const struct pulling *g, const json_t *hexes)
{
    json_t *hex;
    size_t i;

    _close_ int fd = open(g->dir.ptr, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || syncfs(fd) < 0)
        return err_errno(g->err, -errno, "cannot write the image %s", buf_str(&g->name));
    json_array_foreach(hexes, i, hex)
    {
        _buf_ struct buf from = BUF_INIT, to = BUF_INIT;
        const char *name = json_string_value(hex);
        int r = path_of(g, &from, "layers", name);
        buf_addf(&to, "%s/containers/layers/%s", g->state_dir, name);
        if (r == 0 && !buf_ok(&to))
            r = no_memory(g);
        if (r == 0 && rename(from.ptr, to.ptr) < 0 && errno != ENOENT)
            r = err_errno(g->err, -errno, "cannot keep a layer of the image");
        if (r < 0)
            return r;
    }
    return 0;
}

/* A layer may take away all that is below it. An overlay does not look at that of its layers' own roots, so
 * what is below is none of the image's. */
static void drop_hidden(const struct pulling *g, json_t *hexes)
{
    size_t hidden = 0;
    json_t *hex;
    size_t i;

    json_array_foreach(hexes, i, hex)
    {
        _buf_ struct buf path = BUF_INIT;
        char opaque = '\0';
        buf_addf(&path, "%s/containers/layers/%s", g->state_dir, json_string_value(hex));
        if (buf_ok(&path) && getxattr(path.ptr, "user.overlay.opaque", &opaque, 1) == 1 && opaque == 'y')
            hidden = i;
    }
    while (hidden--)
        json_array_remove(hexes, 0);
}

static int take_layers(struct pulling *g, json_t *manifest, json_t *config, json_t **ret)
{
    json_t *blobs = json_object_get(manifest, "layers"), *blob;
    json_t *ids = json_object_get(json_object_get(config, "rootfs"), "diff_ids");
    _json_ json_t *hexes = json_array();
    size_t i, n = json_array_size(ids);
    int r = 0;

    if (n == 0 || n != json_array_size(blobs) || n > OCI_LAYERS_MAX)
        return err_set(g->err, -EINVAL,
                       "the image %s cannot be used: its manifest names %zu layers and its configuration %zu "
                       "(1 to %d are possible)",
                       buf_str(&g->name), json_array_size(blobs), n, OCI_LAYERS_MAX);
    json_array_foreach(blobs, i, blob)
    {
        const char *from = hex_of(json_object_get(blob, "digest")), *hex = hex_of(json_array_get(ids, i));
        char progress[160];
        if (!*from || !*hex)
            return err_set(g->err, -EINVAL, "the image %s cannot be used: a layer of it has no sha256 digest",
                           buf_str(&g->name));
        json_array_append_new(hexes, json_string(hex));
        if (have_layer(g, hex))
            continue;
        snprintf(progress, sizeof(progress), "layer %zu of %zu (sha256:%.12s)", i + 1, n, hex);
        say(g, "unpacking ", progress);
        r = unpack_layer(g, from, hex);
        if (r < 0)
            return r;
    }
    r = move_layers(g, hexes);
    if (r < 0)
        return r;
    drop_hidden(g, hexes);
    *ret = TAKE(hexes);
    return 0;
}

/* ------------------------------------------------------------------------------------------------- records
 */

static int write_json(const struct pulling *g, const char *dir, const char *name, json_t *json)
{
    _buf_ struct buf path = BUF_INIT;
    _free_ char *text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;

    buf_addf(&path, "%s/containers/%s/%s", g->state_dir, dir, name);
    if (!text || !buf_ok(&path))
        return no_memory(g);
    return write_file_atomic(path.ptr, text, strlen(text), 0600, g->err);
}

static int put_name(const struct pulling *g, const char *id)
{
    _buf_ struct buf file = BUF_INIT, now = BUF_INIT;

    oci_name_file(buf_str(&g->name), &file);
    buf_add_time(&now, now_ns());
    _json_ json_t *json =
        json_pack("{s:s, s:s, s:s}", "id", id, "source", buf_str(&g->source), "pulled", buf_str(&now));
    return buf_ok(&file) ? write_json(g, "names", buf_str(&file), json) : no_memory(g);
}

/* What is fetched of it. */
static json_int_t size_of(const json_t *manifest)
{
    json_int_t size = 0;
    json_t *layer;
    size_t i;

    json_array_foreach(json_object_get(manifest, "layers"), i, layer)
    {
        json_int_t n = json_integer_value(json_object_get(layer, "size"));
        size += n > 0 && n < (json_int_t)1 << 50 ? n : 0;
    }
    return size;
}

static int put_record(const struct pulling *g, const char *id, json_t *manifest, json_t *config,
                      json_t *layers)
{
    _buf_ struct buf file = BUF_INIT;
    json_t *own = json_object_get(config, "config"), *created = json_object_get(config, "created");
    _json_ json_t *none = json_object();
    _json_ json_t *json =
        json_pack("{s:s, s:O, s:O, s:O?, s:s, s:I}", "id", id, "layers", layers, "config",
                  json_is_object(own) ? own : none, "created", json_is_string(created) ? created : NULL,
                  "architecture", own_architecture(), "size", size_of(manifest));

    buf_addf(&file, "%s.json", id);
    return buf_ok(&file) ? write_json(g, "images", buf_str(&file), json) : no_memory(g);
}

/* Opened, it stays until it has its name. */
static bool have_image(const struct pulling *g, const char *id, struct oci_image *ret)
{
    _buf_ struct buf name = BUF_INIT;

    buf_addf(&name, "sha256:%s", id);
    return *id && buf_ok(&name) && oci_open(g->state_dir, name.ptr, ret, NULL) == 0;
}

/* --------------------------------------------------------------------------------------------- the whole */

static int make_places(struct pulling *g)
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
    int r = run_skopeo(g, what, "--tls-verify=false", INSPECT_MS, &text);

    if (r == 0)
        digest_of(&text, ret_id);
    return r;
}

/* The place where this source is fetched to: whoever wants the same meanwhile waits, and no one else does. */
static int open_place(struct pulling *g)
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
        return no_memory(g);
    int r = remove_tree(image.ptr); /* of one that was killed */
    if (r == 0)
        r = remove_tree(layers.ptr);
    if (r == 0)
        r = make_dirs(layers.ptr, 0700);
    if (r < 0)
        return err_errno(g->err, r, "cannot make %s", layers.ptr);
    const char *const what[] = {"--tmpdir", g->dir.ptr, "copy", "--quiet", buf_str(&g->source), to.ptr, NULL};
    say(g, "fetching ", buf_str(&g->name));
    proc_until_also(is_full, &watched);
    r = run_skopeo(g, what, "--src-tls-verify=false", COPY_MS, NULL);
    proc_until_also(NULL, NULL);
    return watched.full ? err_errno(g->err, -ENOSPC, "cannot fetch the image %s", buf_str(&g->name)) : r;
}

static int read_copy(struct pulling *g, const char *name, const char *what, struct buf *text, json_t **ret)
{
    _buf_ struct buf path = BUF_INIT;
    int r = path_of(g, &path, "image", name);

    if (r == 0)
        r = read_file(path.ptr, TEXT_MAX, text, g->err);
    return r == 0 ? load_json(g, what, text, ret) : r;
}

static int take_copy(struct pulling *g, char ret_id[OCI_HEX + 1])
{
    _json_ json_t *manifest = NULL, *config = NULL, *layers = NULL;
    _oci_image_ struct oci_image same = {.lock = -1};
    _buf_ struct buf manifest_text = BUF_INIT, text = BUF_INIT;
    char id[OCI_HEX + 1];

    int r = read_copy(g, "manifest.json", "manifest", &manifest_text, &manifest);
    if (r < 0)
        return r;
    const char *hex = hex_of(json_object_get(json_object_get(manifest, "config"), "digest"));
    if (!*hex)
        return err_set(g->err, -EINVAL,
                       "the image %s cannot be used: its manifest is of an old kind, without a configuration",
                       buf_str(&g->name));
    r = read_copy(g, hex, "configuration", &text, &config);
    if (r < 0)
        return r;
    digest_of(&text, id);
    if (!str_eq(id, hex))
        return err_set(g->err, -EINVAL,
                       "the image %s is refused: its configuration is not what its manifest says",
                       buf_str(&g->name));
    if (have_image(g, id, &same)) { /* its record stays: machines have locks on it */
        memcpy(ret_id, id, sizeof(id));
        return 0;
    }
    r = check_platform(g, config);
    if (r == 0)
        r = take_layers(g, manifest, config, &layers);
    if (r == 0)
        r = put_record(g, id, manifest, config, layers);
    if (r == 0)
        memcpy(ret_id, id, sizeof(id));
    return r;
}

/* Without the lock, under which others make and remove images: a registry may be as slow as it likes. */
static int fetch(struct pulling *g, const char *id, struct oci_image *ret, bool *ret_here)
{
    *ret_here = have_image(g, id, ret);
    if (*ret_here)
        return 0;
    int r = open_place(g);
    if (r < 0)
        return r;
    *ret_here = have_image(g, id, ret); /* who fetched the same brought it */
    return *ret_here ? 0 : copy_image(g);
}

static int pull(struct pulling *g, char ret_id[OCI_HEX + 1])
{
    _oci_image_ struct oci_image image = {.lock = -1};
    char id[OCI_HEX + 1] = "";
    bool here = false;
    int r = understand(g);

    if (r == 0)
        r = buf_ok(&g->source) && buf_ok(&g->name) ? make_places(g) : no_memory(g);
    if (r == 0 && g->registry)
        r = ask_registry(g, id);
    if (r == 0)
        r = fetch(g, id, &image, &here);
    _close_ int lock = r == 0 ? oci_lock(g->state_dir, g->err) : -1;
    if (r == 0 && lock < 0)
        r = lock;
    if (r == 0 && !here)
        r = take_copy(g, id);
    if (g->place >= 0)
        (void)remove_tree(g->dir.ptr);
    if (r == 0)
        r = put_name(g, id);
    if (lock >= 0)
        oci_collect(g->state_dir); /* what had this name before, and layers of what failed */
    if (r == 0)
        memcpy(ret_id, id, sizeof(id));
    return r;
}

int oci_pull(const char *state_dir, const struct oci_pull *p, char ret_id[OCI_HEX + 1], struct err *err)
{
    struct err own = {0};
    struct pulling g = {.p = p, .state_dir = state_dir, .place = -1, .err = err ? err : &own};

    int r = pull(&g, ret_id);
    pulling_release(&g);
    return r;
}
