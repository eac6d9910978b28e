/*
 * Takes in what skopeo brought: its `dir:`, which leaves manifest and configuration as they are. Both are the
 * registry's word, and nothing is kept of them before it was checked.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/xattr.h>

#include "core/image/oci_pull.h"
#include "runfs/io.h"
#include "runfs/late_crypto.h"
#include "runfs/str.h"

/* ------------------------------------------------------------------------------------------- what it says */

static int load_json(const struct pulling *g, const char *what, const struct buf *text, json_t **ret)
{
    *ret = json_loadb(buf_str(text), text->len, 0, NULL);
    if (json_is_object(*ret))
        return 0;
    json_decref(TAKE(*ret));
    return err_set(g->err, -EINVAL, "the %s of the image %s cannot be read", what, buf_str(&g->name));
}

void oci_digest(const struct buf *text, char ret[OCI_HEX + 1])
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
    return buf_ok(ret) ? 0 : pulling_no_memory(g);
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
    const struct oci_totals before = g->totals;
    r = oci_layer_unpack(fd, root, hex, &g->totals, g->err);
    json_int_t size = g->totals.bytes - before.bytes + 4096 * (g->totals.entries - before.entries);
    return r < 0 || json_object_set_new(g->sizes, hex, json_integer(size)) == 0 ? r : pulling_no_memory(g);
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
            r = pulling_no_memory(g);
        if (r == 0 && rename(from.ptr, to.ptr) < 0 && errno != ENOENT)
            r = err_errno(g->err, -errno, "cannot keep a layer of the image");
        if (r == 0 && json_object_get(g->sizes, name))
            oci_note_size(g->state_dir, name, json_integer_value(json_object_get(g->sizes, name)));
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
        pulling_say(g, "unpacking ", progress);
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
        return pulling_no_memory(g);
    return write_file_atomic(path.ptr, text, strlen(text), 0600, g->err);
}

int oci_put_name(struct pulling *g, const char *id)
{
    _buf_ struct buf file = BUF_INIT, now = BUF_INIT;

    _json_ json_t *former = NULL;
    bool had = oci_read_name(g->state_dir, buf_str(&g->name), &former, NULL) == 0;
    /* what somebody has named by hand stays that */
    g->by_job = g->by_job && (!had || json_is_true(json_object_get(former, "by_job")));
    oci_name_file(buf_str(&g->name), &file);
    buf_add_time(&now, now_ns());
    _json_ json_t *json = json_pack("{s:s, s:s, s:s, s:b}", "id", id, "source", buf_str(&g->source), "pulled",
                                    buf_str(&now), "by_job", g->by_job);
    return buf_ok(&file) ? write_json(g, "names", buf_str(&file), json) : pulling_no_memory(g);
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
    return buf_ok(&file) ? write_json(g, "images", buf_str(&file), json) : pulling_no_memory(g);
}

int oci_open_id(const struct pulling *g, const char *id, struct oci_image *ret)
{
    _buf_ struct buf name = BUF_INIT;

    buf_addf(&name, "sha256:%s", id);
    return buf_ok(&name) ? oci_open(g->state_dir, name.ptr, ret, g->err) : pulling_no_memory(g);
}

bool oci_have(const struct pulling *g, const char *id, struct oci_image *ret)
{
    struct err err = *g->err;
    bool have = *id && oci_open_id(g, id, ret) == 0;

    *g->err = err; /* it was a question only */
    return have;
}

static int read_copy(struct pulling *g, const char *name, const char *what, struct buf *text, json_t **ret)
{
    _buf_ struct buf path = BUF_INIT;
    int r = path_of(g, &path, "image", name);

    if (r == 0)
        r = read_file(path.ptr, OCI_TEXT_MAX, text, g->err);
    return r == 0 ? load_json(g, what, text, ret) : r;
}

int oci_take_in(struct pulling *g, char ret_id[OCI_HEX + 1])
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
    oci_digest(&text, id);
    if (!str_eq(id, hex))
        return err_set(g->err, -EINVAL,
                       "the image %s is refused: its configuration is not what its manifest says",
                       buf_str(&g->name));
    if (oci_have(g, id, &same)) { /* its record stays: machines have locks on it */
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
