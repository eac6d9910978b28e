/* What is kept between two searches: the roles, the index of their files, their concepts. */
#include "runfs/str.h"
#include "search_internal.h"

int searcher_new(struct store *st, struct searcher **ret, struct err *err)
{
    struct searcher *s = calloc(1, sizeof(*s));

    if (!s)
        return err_errno(err, -ENOMEM, "cannot search");
    s->store = st;
    s->as_of = 1;
    pthread_mutex_init(&s->lock, NULL);
    *ret = s;
    return 0;
}

/* ------------------------------------------------------------------------------------------------- places */

static void place_free(struct place *p)
{
    watch_free(p->watch);
    arena_release(&p->arena);
    free(p);
}

static void free_places(struct place **list, bool unwanted_only)
{
    while (*list) {
        struct place *p = *list;
        if (unwanted_only && p->wanted) {
            list = &p->next;
            continue;
        }
        *list = p->next;
        place_free(p);
    }
}

static bool same_patterns(const struct haystack *a, const struct haystack *b)
{
    bool same = a->n_patterns == b->n_patterns;

    for (size_t i = 0; same && i < a->n_patterns; i++)
        same = str_eq(a->patterns[i], b->patterns[i]);
    return same;
}

static struct place *place_new(const struct haystack *h, const char *root)
{
    struct place *p = calloc(1, sizeof(*p));
    const char **patterns = p ? arena_array(&p->arena, const char *, h->n_patterns + 1) : NULL;
    bool ok = patterns && (p->root = arena_strdup(&p->arena, root)) && (p->watch = watch_new(root));

    for (size_t i = 0; ok && i < h->n_patterns; i++)
        ok = (patterns[i] = arena_strdup(&p->arena, h->patterns[i])) != NULL;
    if (!ok) {
        if (p)
            place_free(p);
        return NULL;
    }
    p->haystack = (struct haystack){.location = p->root, .patterns = patterns, .n_patterns = h->n_patterns};
    return p;
}

/* The place of a haystack's root, made where it is new. NULL: no memory. */
static struct place *get_place(struct place **list, const struct haystack *h, const char *root)
{
    for (; *list; list = &(*list)->next)
        if (str_eq((*list)->root, root) && same_patterns(&(*list)->haystack, h))
            return *list;
    return *list = place_new(h, root);
}

/* ------------------------------------------------------------------------------------------------ settings
 */

static void free_thesauri(struct searcher *s)
{
    while (s->thesauri) {
        struct thesaurus *t = s->thesauri;
        s->thesauri = t->next;
        free_places(&t->places, false);
        concepts_free(t->concepts);
        free(t->kg);
        free(t);
    }
}

void searcher_free(struct searcher *s)
{
    if (!s)
        return;
    role_list_release(&s->roles);
    free_thesauri(s);
    free_places(&s->places, false);
    documents_close(s->documents);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static uint64_t mix(uint64_t stamp, int64_t value)
{
    return (stamp ^ (uint64_t)value) * 0x9e3779b97f4a7c15u;
}

/* Another number whenever a linked repository came, went or changed. */
static uint64_t repos_stamp(struct store *st)
{
    uint64_t stamp = 1;
    int64_t id = 0;

    while (store_list_repos(st, id, &id, 1) == 1) {
        const struct repo_row *row = store_get_repo(st, id);
        stamp = mix(mix(stamp, id), row ? row->changed_at : 0);
        repo_row_unref(row);
    }
    return stamp;
}

int searcher_refresh(struct searcher *s, struct err *err)
{
    uint64_t stamp = repos_stamp(s->store);
    int r = role_list_refresh(&s->roles, s->store);

    if (r < 0)
        return err_errno(err, r, "cannot read the roles");
    if (r == 0 && stamp == s->repos_stamp)
        return 0;
    free_thesauri(s);
    s->swept = false;
    s->as_of++;
    s->repos_stamp = stamp;
    return 0;
}

/* --------------------------------------------------------------------------------------------------- files
 */

struct update {
    struct searcher *s;
    const struct haystack *haystack;
    uint64_t changed;
    bool only_mark; /* which places roles have */
    struct err *err;
};

static int update_root(void *data, const char *root)
{
    struct update *u = data;
    struct place *p = get_place(&u->s->places, u->haystack, root);

    if (!p)
        return err_errno(u->err, -ENOMEM, "search");
    p->wanted = true;
    if (u->only_mark)
        return 0;
    p->round = u->s->round;
    return haystack_update(u->s->documents, &p->haystack, root, p->watch, &u->changed, u->err);
}

static int update_role(struct update *u, const struct role *role)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < role->n_haystacks; i++) {
        u->haystack = &role->haystacks[i];
        r = haystack_each_root(u->s->store, u->haystack, update_root, u);
    }
    return r;
}

struct sweep {
    struct update u;
    struct buf gone; /* paths, each with its NUL */
};

static int take_unwanted(void *data, const char *path, int64_t changed_at, int64_t size)
{
    struct sweep *w = data;

    (void)changed_at, (void)size;
    if (!path)
        return -ENOMEM;
    for (const struct place *p = w->u.s->places; p; p = p->next)
        if (haystack_has(&p->haystack, p->root, path))
            return 0;
    buf_add(&w->gone, path, strlen(path) + 1);
    return buf_ok(&w->gone) ? 0 : -ENOMEM;
}

static int drop_all(struct searcher *s, const struct buf *paths, struct err *err)
{
    const char *end = buf_str(paths) + paths->len;
    int r = documents_begin(s->documents, err);

    for (const char *path = buf_str(paths); r == 0 && path < end; path += strlen(path) + 1)
        r = documents_drop(s->documents, path, err);
    if (r == 0)
        return documents_commit(s->documents, err);
    documents_rollback(s->documents);
    return r;
}

/* Drops what no role asks for any more. */
static int sweep(struct searcher *s, struct err *err)
{
    struct sweep w = {.u = {.s = s, .only_mark = true, .err = err}};
    int r = 0;

    for (struct place *p = s->places; p; p = p->next)
        p->wanted = false;
    for (size_t i = 0; r == 0 && i < s->roles.n_files; i++)
        for (size_t k = 0; r == 0 && k < s->roles.files[i].n; k++)
            r = update_role(&w.u, &s->roles.files[i].roles[k]);
    if (r == 0) {
        free_places(&s->places, true);
        r = documents_each(s->documents, take_unwanted, &w);
    }
    if (r == 0 && w.gone.len)
        r = drop_all(s, &w.gone, err);
    s->swept = r == 0;
    buf_release(&w.gone);
    return r;
}

bool searcher_has(const struct searcher *s, const char *path)
{
    for (const struct place *p = s->places; p; p = p->next)
        if (p->round == s->round && haystack_has(&p->haystack, p->root, path))
            return true;
    return false;
}

int searcher_update(struct searcher *s, const struct role *role, struct err *err)
{
    struct update u = {.s = s, .err = err};
    int r = 0;

    if (s->damaged) {
        documents_close(TAKE(s->documents));
        free_places(&s->places, false);
    }
    if (!s->documents)
        r = documents_open(store_dir(s->store), s->damaged, &s->documents, err);
    if (r == 0)
        s->damaged = false;
    if (r == 0 && !s->swept)
        r = sweep(s, err);
    s->round++;
    if (r == 0 && role)
        r = update_role(&u, role);
    if (r == 0 && u.changed)
        s->as_of++;
    s->damaged |= r == -EIO; /* what is damaged is made again from the files by the next search */
    return r;
}

/* ------------------------------------------------------------------------------------------------ concepts
 */

struct look {
    struct searcher *s;
    struct thesaurus *thesaurus;
    struct place *place;
    bool changed;
    size_t roots;
};

static int note_page(void *data, const char *path)
{
    struct look *look = data;

    look->changed |= concepts_is_page(look->place->root, path);
    return 0;
}

static int look_at_root(void *data, const char *root)
{
    static const struct haystack any = {0};
    struct look *look = data;

    look->place = get_place(&look->thesaurus->places, &any, root);
    if (!look->place)
        return -ENOMEM;
    look->place->round = look->s->round;
    look->roots++;
    int r = watch_look(look->place->watch, note_page, look);
    look->changed |= r == 1;
    return r < 0 ? r : 0;
}

static int read_concepts(struct searcher *s, struct thesaurus *t)
{
    struct concepts *new = calloc(1, sizeof(*new));
    int r = new ? 0 : -ENOMEM;

    for (struct place *p = t->places; r == 0 && p; p = p->next)
        if (p->round == s->round)
            r = concepts_read(new, p->root, p->watch);
    if (r == 0)
        r = concepts_compile(new);
    concepts_free(t->concepts);
    t->concepts = r == 0 ? TAKE(new) : NULL;
    concepts_free(new);
    s->as_of++;
    return r;
}

static struct thesaurus *get_thesaurus(struct searcher *s, const char *kg)
{
    struct thesaurus *t = s->thesauri;

    while (t && !str_eq(t->kg, kg))
        t = t->next;
    if (t)
        return t;
    t = calloc(1, sizeof(*t));
    if (!t || !(t->kg = strdup(kg))) {
        free(t);
        return NULL;
    }
    t->next = s->thesauri;
    return s->thesauri = t;
}

int searcher_concepts(struct searcher *s, const struct role *role, const struct concepts **ret)
{
    struct look look = {.s = s, .thesaurus = get_thesaurus(s, role->kg)};
    const struct haystack at = {.location = role->kg};

    if (!look.thesaurus)
        return -ENOMEM;
    s->round++;
    int r = haystack_each_root(s->store, &at, look_at_root, &look);
    look.changed |= !look.thesaurus->concepts || look.roots != look.thesaurus->n_roots;
    look.thesaurus->n_roots = look.roots;
    if (r == 0 && look.changed)
        r = read_concepts(s, look.thesaurus);
    *ret = look.thesaurus->concepts;
    return r;
}
