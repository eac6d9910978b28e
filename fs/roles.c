/* roles/R: the roles of all files in roles/, a directory each. */
#include "fs.h"
#include "runfs/concepts.h"
#include "runfs/str.h"

/* Under the lock, until it is given back. */
static const struct role_list *roles_take(struct fs *fs)
{
    pthread_mutex_lock(&fs->lock);
    (void)role_list_refresh(&fs->roles, fs->store);
    return &fs->roles;
}

static void roles_give(struct fs *fs)
{
    pthread_mutex_unlock(&fs->lock);
}

static int64_t find_role(struct fs *fs, int64_t up, const char *name)
{
    const struct listed_role *role = role_list_by_slug(roles_take(fs), name);
    int64_t id = role ? role->id : 0;

    (void)up;
    roles_give(fs);
    return id;
}

static ssize_t next_role(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    const struct role_list *list = roles_take(fs);
    size_t n = 0;

    (void)up;
    for (size_t i = 0; i < list->n && n < max; i++)
        if (list->roles[i].id > after)
            ids[n++] = list->roles[i].id;
    roles_give(fs);
    return (ssize_t)n;
}

typedef void say_fn(const struct listed_role *role, struct buf *ret);

static int say(struct fs *fs, int64_t id, say_fn *fn, struct buf *ret)
{
    const struct listed_role *role = role_list_by_id(roles_take(fs), id);
    size_t before = ret->len;

    if (role)
        fn(role, ret);
    roles_give(fs);
    return role && ret->len > before ? 0 : -ENOENT;
}

static void say_slug(const struct listed_role *role, struct buf *ret)
{
    buf_adds(ret, role->slug);
}

static int name_role(struct fs *fs, int64_t id, struct buf *ret)
{
    return say(fs, id, say_slug, ret);
}

const struct name_class class_listed_roles = {find_role, next_role, name_role};

static void say_name(const struct listed_role *role, struct buf *ret)
{
    buf_adds(ret, role->role->name);
}

int fs_role_name(struct fs *fs, int64_t id, struct buf *ret)
{
    return say(fs, id, say_name, ret);
}

int show_role_name(struct fs *fs, int64_t id, struct buf *ret)
{
    int r = fs_role_name(fs, id, ret);

    buf_addc(ret, '\n');
    return r;
}

static void say_relevance(const struct listed_role *role, struct buf *ret)
{
    buf_addf(ret, "%s\n", relevance_name(role->role->relevance));
}

int show_role_relevance(struct fs *fs, int64_t id, struct buf *ret)
{
    return say(fs, id, say_relevance, ret);
}

static void say_prompt(const struct listed_role *role, struct buf *ret)
{
    if (*role->role->system_prompt)
        buf_addf(ret, "%s\n", role->role->system_prompt);
}

int show_role_prompt(struct fs *fs, int64_t id, struct buf *ret)
{
    return say(fs, id, say_prompt, ret);
}

static void say_extra(const struct listed_role *role, struct buf *ret)
{
    const json_t *extra = json_object_get(role->role->json, "extra");
    _free_ char *text = json_object_size(extra) ? json_dumps(extra, JSON_INDENT(2)) : NULL;

    if (text)
        buf_addf(ret, "%s\n", text);
}

int show_role_extra(struct fs *fs, int64_t id, struct buf *ret)
{
    return say(fs, id, say_extra, ret);
}

static void say_haystacks(const struct listed_role *role, struct buf *ret)
{
    for (size_t i = 0; i < role->role->n_haystacks; i++) {
        const struct haystack *h = &role->role->haystacks[i];
        buf_adds(ret, h->location);
        for (size_t k = 0; k < h->n_patterns; k++)
            buf_addf(ret, " %s", h->patterns[k]);
        buf_addc(ret, '\n');
    }
}

int show_role_haystacks(struct fs *fs, int64_t id, struct buf *ret)
{
    return say(fs, id, say_haystacks, ret);
}

/* ------------------------------------------------------------------------------------------------ pictures
 */

typedef int picture_fn(struct searcher *s, const char *role, struct buf *ret);

static int show_picture(struct fs *fs, int64_t id, picture_fn *fn, struct buf *ret)
{
    _buf_ struct buf name = BUF_INIT;
    int r = fs->searcher ? fs_role_name(fs, id, &name) : -ENOENT;

    return r < 0 ? r : fn(fs->searcher, buf_str(&name), ret);
}

int show_role_dot(struct fs *fs, int64_t id, struct buf *ret)
{
    return show_picture(fs, id, concepts_dot, ret);
}

int show_role_svg(struct fs *fs, int64_t id, struct buf *ret)
{
    return show_picture(fs, id, concepts_svg, ret);
}
