/* roles/R: the roles of all files in roles/, a directory each. */
#include "fs.h"
#include "runfs/concepts.h"
#include "runfs/proc.h"
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

/* ----------------------------------------------------------------------------------------------- haystacks
 */

/* A haystack's number, from 1, below that of its role. */
enum { HAYSTACK_BITS = 7 };
_Static_assert(HAYSTACKS_MAX < 1 << HAYSTACK_BITS, "each haystack of a role has a number");

static int64_t haystack_id(int64_t role, size_t number)
{
    return role << HAYSTACK_BITS | (int64_t)number;
}

static size_t haystack_number(int64_t id)
{
    return (size_t)(id & ((1 << HAYSTACK_BITS) - 1));
}

static size_t count_haystacks(struct fs *fs, int64_t role)
{
    const struct listed_role *listed = role_list_by_id(roles_take(fs), role);
    size_t n = listed ? listed->role->n_haystacks : 0;

    roles_give(fs);
    return n;
}

static int64_t find_haystack(struct fs *fs, int64_t up, const char *name)
{
    uint64_t n;

    return *name != '0' && parse_u64(name, &n) == 0 && n >= 1 && n <= count_haystacks(fs, up)
               ? haystack_id(up, (size_t)n)
               : 0;
}

static ssize_t next_haystack(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    size_t all = count_haystacks(fs, up), n = 0;

    for (size_t i = 1; i <= all && n < max; i++)
        if (haystack_id(up, i) > after)
            ids[n++] = haystack_id(up, i);
    return (ssize_t)n;
}

static int name_haystack(struct fs *fs, int64_t id, struct buf *ret)
{
    if (haystack_number(id) > count_haystacks(fs, id >> HAYSTACK_BITS))
        return -ENOENT;
    buf_addf(ret, "%zu", haystack_number(id));
    return 0;
}

const struct name_class class_haystacks = {find_haystack, next_haystack, name_haystack};

static int show_haystack(struct fs *fs, int64_t id, void (*add)(const struct haystack *h, struct buf *ret),
                         struct buf *ret)
{
    const struct listed_role *role = role_list_by_id(roles_take(fs), id >> HAYSTACK_BITS);
    size_t number = haystack_number(id), before = ret->len;

    if (role && number >= 1 && number <= role->role->n_haystacks)
        add(&role->role->haystacks[number - 1], ret);
    roles_give(fs);
    return ret->len > before ? 0 : -ENOENT;
}

static void add_location(const struct haystack *h, struct buf *ret)
{
    buf_addf(ret, "%s\n", h->location);
}

static void add_patterns(const struct haystack *h, struct buf *ret)
{
    for (size_t i = 0; i < h->n_patterns; i++)
        buf_addf(ret, "%s\n", h->patterns[i]);
}

int show_haystack_location(struct fs *fs, int64_t id, struct buf *ret)
{
    return show_haystack(fs, id, add_location, ret);
}

int show_haystack_patterns(struct fs *fs, int64_t id, struct buf *ret)
{
    return show_haystack(fs, id, add_patterns, ret);
}

/* ------------------------------------------------------------------------------------------------ pictures
 */

static bool has_concepts(struct fs *fs, int64_t id)
{
    const struct listed_role *role = role_list_by_id(roles_take(fs), id);
    bool has = role && role->role->kg;

    roles_give(fs);
    return has;
}

typedef int picture_fn(struct searcher *s, const char *role, struct buf *ret);

static int show_picture(struct fs *fs, int64_t id, picture_fn *fn, struct buf *ret)
{
    _buf_ struct buf name = BUF_INIT;
    int r = fs->searcher && has_concepts(fs, id) ? fs_role_name(fs, id, &name) : -ENOENT;

    return r < 0 ? r : fn(fs->searcher, buf_str(&name), ret);
}

int show_role_dot(struct fs *fs, int64_t id, struct buf *ret)
{
    return show_picture(fs, id, concepts_dot, ret);
}

int show_role_json(struct fs *fs, int64_t id, struct buf *ret)
{
    return show_picture(fs, id, concepts_json, ret);
}

int show_role_svg(struct fs *fs, int64_t id, struct buf *ret)
{
    return show_picture(fs, id, concepts_svg, ret);
}

bool is_ontology_later(struct fs *fs, int64_t id)
{
    _buf_ struct buf name = BUF_INIT;

    return fs->searcher && has_concepts(fs, id) && fs_role_name(fs, id, &name) == 0 &&
           searcher_is_indexing(fs->searcher, buf_str(&name), NULL);
}

/* While its files are read, it is taken to be there: most roles that have concepts have files that name them.
 */
bool is_ontology_there(struct fs *fs, int64_t id)
{
    _buf_ struct buf dot = BUF_INIT;

    return proc_in_path("dot") && (is_ontology_later(fs, id) || show_role_dot(fs, id, &dot) == 0);
}

int show_role_index(struct fs *fs, int64_t id, struct buf *ret)
{
    _buf_ struct buf name = BUF_INIT;
    size_t files = 0;
    int r = fs->searcher ? fs_role_name(fs, id, &name) : -ENOENT;

    if (r < 0)
        return r;
    if (searcher_is_indexing(fs->searcher, buf_str(&name), &files))
        buf_addf(ret, "being indexed: %zu files so far\n", files);
    else
        buf_adds(ret, "indexed\n");
    return 0;
}
