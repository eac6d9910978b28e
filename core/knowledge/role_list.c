/* The roles that lie in roles/: which there are, which is selected, and what their directories are called. */
#include "runfs/role_list.h"

#include "runfs/str.h"

enum { FILE_ROLES = 64 }; /* ids are that of the file times so many, and the how-manieth role it is */

_Static_assert((int)FILE_ROLES > (int)ROLES_MAX, "a role's id has room for its number");

void role_list_release(struct role_list *list)
{
    for (size_t i = 0; i < list->n_files; i++)
        role_file_release(&list->files[i]);
    free(list->files);
    free(list->selected);
    arena_release(&list->arena);
    *list = (struct role_list){0};
}

static uint64_t mix(uint64_t stamp, int64_t value)
{
    return (stamp ^ (uint64_t)value) * 0x9e3779b97f4a7c15u;
}

/* Another number whenever a role came, went or changed. */
static uint64_t stamp_of(struct store *st)
{
    uint64_t stamp = 1;
    int64_t id = 0;

    while (store_list_settings(st, SETTING_CONFIG, "roles/", id, &id, 1) == 1) {
        const struct setting_row *row = store_get_setting(st, SETTING_CONFIG, id);
        stamp = mix(mix(stamp, id), row ? row->changed_at : 0);
        setting_row_unref(row);
    }
    return stamp ? stamp : 1;
}

/* --------------------------------------------------------------------------------------------- directories
 */

/* That of a role is never the name of a file in roles/: role_file_read() sees to it. */
static const char *make_slug(struct role_list *list, const char *name)
{
    _buf_ struct buf slug = BUF_INIT;

    buf_add_slug(&slug, name, 80);
    size_t len = slug.len;
    for (int n = 2; buf_ok(&slug) && role_list_by_slug(list, buf_str(&slug)); n++) {
        slug.len = len;
        buf_addf(&slug, "-%d", n);
    }
    return buf_ok(&slug) ? arena_strdup(&list->arena, buf_str(&slug)) : NULL;
}

static bool is_listed(const struct role_list *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (str_eq(list->roles[i].role->name, name))
            return true;
    return false;
}

static int list_roles(struct role_list *list, const int64_t *ids)
{
    size_t max = 0;

    for (size_t i = 0; i < list->n_files; i++)
        max += list->files[i].n;
    list->roles = arena_array(&list->arena, struct listed_role, max + 1);
    if (!list->roles)
        return -ENOMEM;
    for (size_t i = 0; i < list->n_files; i++)
        for (size_t k = 0; k < list->files[i].n; k++) {
            const struct role *role = &list->files[i].roles[k];
            if (is_listed(list, role->name))
                continue;
            const char *slug = make_slug(list, role->name);
            if (!slug)
                return -ENOMEM;
            list->roles[list->n++] = (struct listed_role){ids[i] * FILE_ROLES + (int64_t)k + 1, slug, role};
        }
    return 0;
}

/* ------------------------------------------------------------------------------------------------- reading
 */

static int read_file_of(struct role_list *list, struct store *st, int64_t id, int64_t **ids)
{
    const struct setting_row *row = store_get_setting(st, SETTING_CONFIG, id);
    _buf_ struct buf text = BUF_INIT;
    struct err ignored = {0};
    bool is_file =
        row && str_ends(row->name, ".json") && store_setting(st, SETTING_CONFIG, row->name, &text) == 0;

    setting_row_unref(row);
    if (!is_file)
        return 0;
    struct role_file *files = reallocarray(list->files, list->n_files + 1, sizeof(*files));
    if (files)
        list->files = files;
    int64_t *more = reallocarray(*ids, list->n_files + 1, sizeof(*more));
    if (more)
        *ids = more;
    if (!files || !more)
        return -ENOMEM;
    more[list->n_files] = id;
    files[list->n_files] = (struct role_file){0};
    if (role_file_read("role", buf_str(&text), text.len, &files[list->n_files], &ignored) == 0)
        list->n_files++;
    else
        role_file_release(&files[list->n_files]);
    return 0;
}

static int read_all(struct role_list *list, struct store *st)
{
    _buf_ struct buf selected = BUF_INIT;
    _free_ int64_t *ids = NULL;
    int64_t id = 0;
    int r = 0;

    if (store_setting(st, SETTING_CONFIG, "roles/selected", &selected) == 0 && selected.len &&
        !(list->selected = buf_steal(&selected)))
        return -ENOMEM;
    while (r == 0 && store_list_settings(st, SETTING_CONFIG, "roles/", id, &id, 1) == 1)
        r = read_file_of(list, st, id, &ids);
    return r < 0 ? r : list_roles(list, ids);
}

int role_list_refresh(struct role_list *list, struct store *st)
{
    uint64_t as_of = store_as_of(st, CHANGE_CONFIG), stamp;

    if (list->stamp && list->as_of == as_of)
        return 0;
    stamp = stamp_of(st);
    if (stamp == list->stamp) { /* another setting changed */
        list->as_of = as_of;
        return 0;
    }
    role_list_release(list);
    int r = read_all(list, st);
    if (r < 0)
        return r;
    list->stamp = stamp;
    list->as_of = as_of;
    return 1;
}

/* ------------------------------------------------------------------------------------------------- finding
 */

static const struct role *role_of(const struct role_file *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (str_eq(f->roles[i].name, name) || str_eq(f->roles[i].shortname, name))
            return &f->roles[i];
    return NULL;
}

const struct role *role_list_get(const struct role_list *list, const char *asked)
{
    const char *wanted = asked ? asked : list->selected;

    for (size_t i = 0; i < list->n_files; i++) {
        const char *name = wanted ? wanted : list->files[i].selected;
        const struct role *role = name ? role_of(&list->files[i], name) : &list->files[i].roles[0];
        if (role)
            return role;
    }
    return NULL;
}

const struct listed_role *role_list_by_id(const struct role_list *list, int64_t id)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->roles[i].id == id)
            return &list->roles[i];
    return NULL;
}

const struct listed_role *role_list_by_slug(const struct role_list *list, const char *slug)
{
    for (size_t i = 0; i < list->n; i++)
        if (str_eq(list->roles[i].slug, slug))
            return &list->roles[i];
    return NULL;
}
