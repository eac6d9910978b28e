/*
 * An image of another one and a layer over it, as a build makes it. What skopeo would have brought is laid
 * down where it would have, and taken in as that is: the layer may be a stranger's work.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "core/image/oci_pull.h"
#include "runfs/io.h"
#include "runfs/late_crypto.h"
#include "runfs/str.h"

int oci_digest_file(int fd, char ret[OCI_HEX + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    char block[65536];
    bool good = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    off_t at = 0;
    ssize_t n = 0;

    while (good && (n = pread(fd, block, sizeof(block), at)) > 0) {
        good = EVP_DigestUpdate(context, block, (size_t)n);
        at += n;
    }
    int r = n < 0 ? -errno : good && EVP_DigestFinal_ex(context, digest, NULL) ? 0 : -ENOMEM;
    EVP_MD_CTX_free(context);
    if (r == 0)
        oci_hex(digest, ret);
    return r;
}

static int put_layer(const struct pulling *g, int fd, char ret[OCI_HEX + 1])
{
    _buf_ struct buf path = BUF_INIT;
    char from[64];
    int r = oci_digest_file(fd, ret);

    if (r < 0)
        return err_errno(g->err, r, "cannot read the layer of %s", buf_str(&g->name));
    snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
    buf_addf(&path, "%s/image/%s", buf_str(&g->dir), ret);
    if (!buf_ok(&path))
        return pulling_no_memory(g);
    return linkat(AT_FDCWD, from, AT_FDCWD, path.ptr, AT_SYMLINK_FOLLOW) < 0
               ? err_errno(g->err, -errno, "cannot keep the layer of %s", buf_str(&g->name))
               : 0;
}

static int put_text(const struct pulling *g, const char *name, const struct buf *text)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/image/%s", buf_str(&g->dir), name);
    return buf_ok(&path) ? write_file_atomic(path.ptr, buf_str(text), text->len, 0600, g->err)
                         : pulling_no_memory(g);
}

static int dump(const struct pulling *g, const json_t *json, struct buf *ret)
{
    _free_ char *text = json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

    buf_adds(ret, text);
    return text && buf_ok(ret) ? 0 : pulling_no_memory(g);
}

/* "sha256:HEX" of each layer, from the lowest on. */
static json_t *digests_of(const struct oci_addition *a, const char *added)
{
    json_t *list = json_array(), *hex;
    size_t i;

    json_array_foreach(a->base ? json_object_get(a->base->record, "layers") : NULL, i, hex)
        json_array_append_new(list, json_sprintf("sha256:%s", json_string_value(hex)));
    if (*added)
        json_array_append_new(list, json_sprintf("sha256:%s", added));
    return list;
}

/* As `skopeo copy ... dir:` leaves it. */
static int lay_down(const struct pulling *g, const struct oci_addition *a, const char *added)
{
    _json_ json_t *digests = digests_of(a, added), *blobs = json_array();
    _buf_ struct buf config = BUF_INIT, manifest = BUF_INIT, now = BUF_INIT;
    char id[OCI_HEX + 1];
    json_t *digest;
    size_t i;

    buf_add_time(&now, now_ns());
    _json_ json_t *about = json_pack("{s:s, s:s, s:O, s:{s:s, s:O}}", "os", "linux", "created", buf_str(&now),
                                     "config", a->config, "rootfs", "type", "layers", "diff_ids", digests);
    int r = dump(g, about, &config);
    if (r < 0)
        return r;
    oci_digest(&config, id);
    json_array_foreach(digests, i, digest) json_array_append_new(blobs, json_pack("{s:O}", "digest", digest));
    _json_ json_t *all = json_pack("{s:{s:s+}, s:O}", "config", "digest", "sha256:", id, "layers", blobs);
    r = dump(g, all, &manifest);
    if (r == 0)
        r = put_text(g, id, &config);
    return r == 0 ? put_text(g, "manifest.json", &manifest) : r;
}

static int prepare(struct pulling *g, const struct oci_addition *a)
{
    static const char *const places[] = {"image", "layers"};
    char added[OCI_HEX + 1] = "";
    int r = oci_reference(a->name, &g->name, g->err);

    buf_adds(&g->source, a->source);
    if (r == 0)
        r = buf_ok(&g->source) && buf_ok(&g->name) ? pulling_make_places(g) : pulling_no_memory(g);
    if (r == 0)
        r = pulling_open_place(g);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(places); i++) {
        _buf_ struct buf path = BUF_INIT;
        buf_addf(&path, "%s/%s", buf_str(&g->dir), places[i]);
        r = buf_ok(&path) ? remove_tree(path.ptr) : -ENOMEM; /* of one that was killed */
        if (r == 0)
            r = make_dirs(path.ptr, 0700);
        if (r < 0)
            r = err_errno(g->err, r, "cannot make %s", buf_str(&path));
    }
    if (r == 0 && a->layer_fd >= 0)
        r = put_layer(g, a->layer_fd, added);
    return r == 0 ? lay_down(g, a, added) : r;
}

int oci_add(const char *state_dir, const struct oci_addition *a, struct oci_image *ret, struct err *err)
{
    const struct oci_pull none = {.source = a->source};
    struct err own = {0};
    struct pulling g = {.p = &none,
                        .state_dir = state_dir,
                        .place = -1,
                        .sizes = json_object(),
                        .by_job = true,
                        .err = err ? err : &own};
    char id[OCI_HEX + 1];

    int r = g.sizes ? prepare(&g, a) : pulling_no_memory(&g);
    _close_ int lock = r == 0 ? oci_lock(state_dir, g.err) : -1;
    if (r == 0 && lock < 0)
        r = lock;
    if (r == 0)
        r = oci_take_in(&g, id);
    if (r == 0)
        r = oci_put_name(&g, id);
    if (r == 0)
        r = oci_open_id(&g, id, ret);
    if (g.place >= 0)
        (void)remove_tree(buf_str(&g.dir));
    if (lock >= 0)
        oci_collect(state_dir);
    if (r == 0)
        r = pulling_trim(&g, a->most, ret);
    pulling_release(&g);
    return r;
}
