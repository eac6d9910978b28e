/* vms/images: what `runfs image` made or fetched, and the directories that labels name. */
#include <limits.h>

#include "fs.h"
#include "runfs/image.h"
#include "runfs/machine.h"
#include "runfs/oci.h"
#include "runfs/str.h"

/* Numbers: of the label's setting, this one, and from the next on by the name of what was built. */
#define HOST_IMAGE (1LL << 40)
#define BUILT_IMAGE (1LL << 41)

/* --------------------------------------------------------------------------- what was built or fetched here
 */

/* The name of a container's image has a tag or a digest, that of a virtual machine's neither; for '/' it has
 * a
 * '+' here. */
static bool is_container(const char *name)
{
    return strpbrk(name, ":@") != NULL;
}

static char *replaced(const char *name, char from, char to)
{
    char *copy = strdup(name);

    for (char *p = copy; p && (p = strchr(p, from));)
        *p = to;
    return copy;
}

static int describe(struct fs *fs, const char *name, json_t **ret)
{
    _free_ char *real = replaced(name, '+', '/');

    return !real                ? -ENOMEM
           : is_container(name) ? oci_describe(store_dir(fs->store), real, ret, NULL)
                                : image_describe(store_dir(fs->store), name, ret, NULL);
}

static int64_t built_id(const char *name)
{
    return BUILT_IMAGE + (int64_t)(str_hash(name) % (1ULL << 40));
}

/* Of these names the first behind `after` and before *id (0: there is none yet); replaces *found. */
static void look_for_next(char **names, int64_t after, int64_t *id, char **found)
{
    for (char **n = names; n && *n; n++) {
        _free_ char *name = replaced(*n, '/', '+');
        int64_t i = name ? built_id(name) : 0;
        if (i <= after || (*id && i >= *id))
            continue;
        *id = i;
        free(*found);
        *found = TAKE(name);
    }
}

/* The first behind `after`, or 0; its name is appended. */
static int64_t next_built(struct fs *fs, int64_t after, struct buf *ret)
{
    _strv_ char **names = NULL, **containers = NULL;
    _free_ char *found = NULL;
    int64_t id = 0;

    if (image_names(store_dir(fs->store), &names, NULL) == 0)
        look_for_next(names, after, &id, &found);
    if (oci_names(store_dir(fs->store), &containers, NULL) == 0)
        look_for_next(containers, after, &id, &found);
    buf_adds(ret, found);
    return id;
}

/* The name of one that is still there. */
static bool name_built(struct fs *fs, int64_t id, struct buf *ret)
{
    return id > BUILT_IMAGE && next_built(fs, id - 1, ret) == id;
}

/* ---------------------------------------------------------------------------------- directories of labels */

static bool of_label(struct fs *fs, int64_t id, struct buf *ret_name, struct buf *ret_path)
{
    const struct setting_row *row = store_get_setting(fs->store, SETTING_CONFIG, id);
    _machine_label_ struct machine_label label = {0};
    bool has = row && str_starts(row->name, "labels/") &&
               machine_label_parse(row->value, &label, NULL) == 0 && label.image && *label.image == '/';

    if (has) {
        buf_adds(ret_name, row->name + strlen("labels/"));
        buf_adds(ret_path, label.image);
    }
    setting_row_unref(row);
    return has;
}

/* --------------------------------------------------------------------------------------------- all of them
 */

static int name_image(struct fs *fs, int64_t id, struct buf *ret)
{
    _buf_ struct buf path = BUF_INIT;

    if (id == HOST_IMAGE)
        buf_adds(ret, "host");
    else if (id > BUILT_IMAGE ? !name_built(fs, id, ret) : !of_label(fs, id, ret, &path))
        return -ENOENT;
    return 0;
}

static int64_t find_image(struct fs *fs, int64_t up, const char *name);

/* A label's directory whose name something else has already is not to be found by it. */
static bool has_its_name(struct fs *fs, int64_t id)
{
    _buf_ struct buf name = BUF_INIT;

    return name_image(fs, id, &name) == 0 && find_image(fs, 0, buf_str(&name)) == id;
}

static ssize_t next_image(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    size_t got = 0;
    int64_t id;

    (void)up;
    while (got < max && after < HOST_IMAGE &&
           store_list_settings(fs->store, SETTING_CONFIG, "labels/", after, &id, 1) == 1) {
        if (has_its_name(fs, id))
            ids[got++] = id;
        after = id;
    }
    if (got < max && after < HOST_IMAGE)
        ids[got++] = after = HOST_IMAGE;
    for (; got < max; after = ids[got++]) {
        _buf_ struct buf name = BUF_INIT;
        if ((id = next_built(fs, after > BUILT_IMAGE ? after : BUILT_IMAGE, &name)) == 0)
            break;
        ids[got] = id;
    }
    return (ssize_t)got;
}

static int64_t find_image(struct fs *fs, int64_t up, const char *name)
{
    _buf_ struct buf key = BUF_INIT, label = BUF_INIT, path = BUF_INIT, built = BUF_INIT;

    (void)up;
    if (str_eq(name, "host"))
        return HOST_IMAGE;
    if (name_built(fs, built_id(name), &built) && str_eq(buf_str(&built), name))
        return built_id(name);
    buf_addf(&key, "labels/%s", name);
    int64_t id = store_find_setting(fs->store, SETTING_CONFIG, buf_str(&key));
    return id > 0 && of_label(fs, id, &label, &path) ? id : 0;
}

const struct name_class class_images = {find_image, next_image, name_image};

/* -------------------------------------------------------------------------------------------- its files */

int show_image_path(struct fs *fs, int64_t id, struct buf *ret)
{
    _buf_ struct buf name = BUF_INIT;

    if (id == HOST_IMAGE)
        buf_addc(ret, '/');
    else if (name_built(fs, id, &name))
        buf_addf(ret, "%s/%s/%s", store_dir(fs->store),
                 is_container(name.ptr) ? "containers/names" : "images", name.ptr);
    else if (!of_label(fs, id, &name, ret))
        return -ENOENT;
    buf_addc(ret, '\n');
    return 0;
}

/* A word of its description, if it has one. */
static int show_word(struct fs *fs, int64_t id, const char *key, bool a_line_each, struct buf *ret)
{
    _buf_ struct buf name = BUF_INIT;
    _json_ json_t *image = NULL;

    if (!name_built(fs, id, &name))
        return id < BUILT_IMAGE ? 0 : -ENOENT;
    if (describe(fs, name.ptr, &image) < 0)
        return -ENOENT;
    if (is_container(name.ptr) && str_eq(key, "digest"))
        buf_adds(ret, "sha256:");
    if (is_container(name.ptr)) /* what it is of, and by what it is known */
        key = str_eq(key, "root") ? "source" : str_eq(key, "digest") ? "id" : key;
    const json_t *value = json_object_get(image, key);
    const char *text = json_string_value(value);
    if (json_is_integer(value))
        buf_addf(ret, "%lld\n", (long long)json_integer_value(value));
    for (const char *p = text; p && *p; p++)
        buf_addc(ret, a_line_each && *p == ',' ? '\n' : *p);
    if (text && *text)
        buf_addc(ret, '\n');
    return 0;
}

#define SHOW_WORD(function, key, a_line_each)                                                                \
    int function(struct fs *fs, int64_t id, struct buf *ret)                                                 \
    {                                                                                                        \
        return show_word(fs, id, key, a_line_each, ret);                                                     \
    }

SHOW_WORD(show_image_size, "size", false)
SHOW_WORD(show_image_created, "created", false)
SHOW_WORD(show_image_kernel, "kernel", false)
SHOW_WORD(show_image_root, "root", false)
SHOW_WORD(show_image_packages, "packages", true)
SHOW_WORD(show_image_digest, "digest", false)

int show_image_templates(struct fs *fs, int64_t id, struct buf *ret)
{
    _buf_ struct buf path = BUF_INIT;
    int r = show_image_path(fs, id, &path);

    if (r < 0 || id < BUILT_IMAGE)
        return r;
    path.ptr[path.len - 1] = '\0'; /* its newline */
    _free_ char *real = realpath(path.ptr, NULL);
    if (real)
        machines_templates(fs->machines, real, ret);
    return 0;
}
