/* knowledge/concepts and roles/R/concepts: the concepts of a role, a directory each. */
#include "runfs/concepts.h"

#include "fs.h"
#include "runfs/str.h"

/*
 * Ids in the mount are a concept's own (CONCEPT_ID_BITS), and above them the place of its role among those
 * that were looked at last, from 1; 0: whichever is selected. Ids of a concept's documents are those times
 * RANKS, and the rank.
 */
enum { RANKS = 64 };

_Static_assert((int)RANKS > (int)CONCEPT_DOCUMENTS_MAX, "each has a rank");
_Static_assert((CONCEPT_ROLES + 1LL) * RANKS << CONCEPT_ID_BITS <= NODE_UNBORN, "ids are below those");

/* What a function does with a concept: appends to a text, or collects ids. */
struct asked {
    struct buf *text;
    int64_t id, *ids;
    size_t n, max;
    bool found;
};

static int64_t own_id(int64_t id)
{
    return id & ((1LL << CONCEPT_ID_BITS) - 1);
}

static int64_t place_bits(int64_t id)
{
    return id - own_id(id);
}

/* The place of a role (its id, 0: whichever is selected), as it stands in ids. */
static int64_t place_of(struct fs *fs, int64_t role)
{
    size_t i = 0;

    if (!role)
        return 0;
    pthread_mutex_lock(&fs->lock);
    while (i < CONCEPT_ROLES && fs->concept_roles[i] != role)
        i++;
    if (i == CONCEPT_ROLES) {
        i = fs->next_concept_role++ % CONCEPT_ROLES;
        fs->concept_roles[i] = role;
    }
    pthread_mutex_unlock(&fs->lock);
    return (int64_t)(i + 1) << CONCEPT_ID_BITS;
}

/* The name of the role in a place; "" for the selected one. -ENOENT: it is gone. */
static int role_in(struct fs *fs, int64_t place, struct buf *ret)
{
    if (!fs->searcher)
        return -ENOENT;
    if (!place)
        return 0;
    pthread_mutex_lock(&fs->lock);
    int64_t role = fs->concept_roles[(place >> CONCEPT_ID_BITS) - 1];
    pthread_mutex_unlock(&fs->lock);
    return fs_role_name(fs, role, ret);
}

static const char *name_or_null(const struct buf *role)
{
    return role->len ? buf_str(role) : NULL;
}

static int look(struct fs *fs, int64_t id, enum concept_part part, concept_fn *fn, struct asked *asked)
{
    _buf_ struct buf role = BUF_INIT;
    int r = role_in(fs, place_bits(id), &role);

    return r < 0 ? r : concept_look(fs->searcher, name_or_null(&role), own_id(id), part, fn, asked);
}

static int64_t find_in(struct fs *fs, int64_t place, const char *name)
{
    _buf_ struct buf role = BUF_INIT;
    int64_t id = role_in(fs, place, &role) == 0 ? concept_find(fs->searcher, name_or_null(&role), name) : 0;

    return id ? place | id : 0;
}

static int64_t find_concept(struct fs *fs, int64_t up, const char *name)
{
    return find_in(fs, place_of(fs, up), name);
}

static ssize_t next_concept(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    int64_t place = place_of(fs, up);
    _buf_ struct buf role = BUF_INIT;

    if (role_in(fs, place, &role) < 0)
        return 0;
    ssize_t n = concept_list(fs->searcher, name_or_null(&role), own_id(after), ids, max);
    for (ssize_t i = 0; i < n; i++)
        ids[i] |= place;
    return n;
}

static void say_slug(void *data, const struct concept_view *c)
{
    buf_adds(((struct asked *)data)->text, c->slug);
}

static int name_concept(struct fs *fs, int64_t id, struct buf *ret)
{
    return look(fs, id, CONCEPT_KNOWN, say_slug, &(struct asked){.text = ret});
}

const struct name_class class_concepts = {find_concept, next_concept, name_concept};

/* --------------------------------------------------------------------------------------------------- texts
 */

static void say_name(void *data, const struct concept_view *c)
{
    buf_addf(((struct asked *)data)->text, "%s\n", c->name);
}

int show_concept_name(struct fs *fs, int64_t id, struct buf *ret)
{
    return look(fs, id, CONCEPT_PAGE, say_name, &(struct asked){.text = ret});
}

static void say_synonyms(void *data, const struct concept_view *c)
{
    for (size_t i = 0; i < c->n_synonyms; i++)
        buf_addf(((struct asked *)data)->text, "%s\n", c->synonyms[i]);
}

int show_concept_synonyms(struct fs *fs, int64_t id, struct buf *ret)
{
    return look(fs, id, CONCEPT_PAGE, say_synonyms, &(struct asked){.text = ret});
}

static void say_path(void *data, const struct concept_view *c)
{
    buf_adds(((struct asked *)data)->text, c->path);
}

int link_concept_page(struct fs *fs, int64_t id, struct buf *ret)
{
    return look(fs, id, CONCEPT_PAGE, say_path, &(struct asked){.text = ret});
}

static void say_count(void *data, const struct concept_view *c)
{
    buf_addf(((struct asked *)data)->text, "%zu\n", c->n_documents);
}

int show_concept_count(struct fs *fs, int64_t id, struct buf *ret)
{
    return look(fs, id, CONCEPT_WHOLE, say_count, &(struct asked){.text = ret});
}

static void say_edges(void *data, const struct concept_view *c)
{
    for (size_t i = 0; i < c->n_edges; i++)
        buf_addf(((struct asked *)data)->text, "%zu %s\n", c->edges[i].documents, c->edges[i].slug);
}

bool is_concept_later(struct fs *fs, int64_t id)
{
    _buf_ struct buf role = BUF_INIT;

    return role_in(fs, place_bits(id), &role) == 0 &&
           searcher_is_indexing(fs->searcher, name_or_null(&role), NULL);
}

int show_concept_edges(struct fs *fs, int64_t id, struct buf *ret)
{
    return look(fs, id, CONCEPT_WHOLE, say_edges, &(struct asked){.text = ret});
}

/* ---------------------------------------------------------------------------------------------- neighbours
 */

static void has_edge(void *data, const struct concept_view *c)
{
    struct asked *asked = data;

    for (size_t i = 0; i < c->n_edges; i++)
        asked->found |= c->edges[i].id == asked->id;
}

static int64_t find_related(struct fs *fs, int64_t up, const char *name)
{
    int64_t id = find_in(fs, place_bits(up), name);
    struct asked asked = {.id = own_id(id)};

    return id && look(fs, up, CONCEPT_WHOLE, has_edge, &asked) == 0 && asked.found ? id : 0;
}

/* Each in its place among those that are larger than asked->id: edges are by frequency, ids ascend. */
static void collect_edges(void *data, const struct concept_view *c)
{
    struct asked *asked = data;

    for (size_t i = 0; i < c->n_edges; i++) {
        int64_t id = c->edges[i].id;
        size_t at = asked->n;
        if (id <= asked->id)
            continue;
        while (at > 0 && asked->ids[at - 1] > id)
            at--;
        if (at == asked->max)
            continue;
        size_t keep = asked->n < asked->max ? asked->n : asked->max - 1;
        memmove(asked->ids + at + 1, asked->ids + at, (keep - at) * sizeof(*asked->ids));
        asked->ids[at] = id;
        asked->n = keep + 1;
    }
}

static ssize_t next_related(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    struct asked asked = {.id = own_id(after), .ids = ids, .max = max};

    if (look(fs, up, CONCEPT_WHOLE, collect_edges, &asked) < 0)
        return 0;
    for (size_t i = 0; i < asked.n; i++)
        ids[i] |= place_bits(up);
    return (ssize_t)asked.n;
}

const struct name_class class_related_concepts = {find_related, next_related, name_concept};

int link_related_concept(struct fs *fs, int64_t id, struct buf *ret)
{
    buf_adds(ret, "../../");
    return name_concept(fs, id, ret);
}

/* ----------------------------------------------------------------------------------------------- documents
 */

static void collect_documents(void *data, const struct concept_view *c)
{
    struct asked *asked = data;

    for (int64_t rank = asked->id; rank < (int64_t)c->n_ranked && asked->n < asked->max; rank++)
        asked->ids[asked->n++] = rank + 1;
}

static ssize_t next_document(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    struct asked asked = {.id = after % RANKS, .ids = ids, .max = max};

    if (look(fs, up, after ? CONCEPT_SEEN : CONCEPT_WHOLE, collect_documents, &asked) < 0)
        return 0;
    for (size_t i = 0; i < asked.n; i++)
        ids[i] += up * RANKS;
    return (ssize_t)asked.n;
}

static void say_document(void *data, const struct concept_view *c)
{
    struct asked *asked = data;

    asked->found = asked->id >= 1 && asked->id <= (int64_t)c->n_ranked;
    if (asked->found) {
        buf_addf(asked->text, "%02d-", (int)asked->id);
        buf_add_slug(asked->text, c->documents[asked->id - 1].title, 80);
    }
}

static int name_document(struct fs *fs, int64_t id, struct buf *ret)
{
    struct asked asked = {.id = id % RANKS, .text = ret};

    return look(fs, id / RANKS, CONCEPT_SEEN, say_document, &asked) == 0 && asked.found ? 0 : -ENOENT;
}

static int64_t find_document(struct fs *fs, int64_t up, const char *name)
{
    int64_t rank = name[0] >= '0' && name[0] <= '9' && name[1] >= '0' && name[1] <= '9'
                       ? (name[0] - '0') * 10 + name[1] - '0'
                       : 0;
    _buf_ struct buf full = BUF_INIT;

    return rank && name_document(fs, up * RANKS + rank, &full) == 0 && str_eq(buf_str(&full), name)
               ? up * RANKS + rank
               : 0;
}

const struct name_class class_concept_documents = {find_document, next_document, name_document};

static void say_document_path(void *data, const struct concept_view *c)
{
    struct asked *asked = data;

    asked->found = asked->id >= 1 && asked->id <= (int64_t)c->n_ranked;
    if (asked->found)
        buf_addf(asked->text, "%s%s", c->documents[asked->id - 1].path[0] == '/' ? "" : "../../../../",
                 c->documents[asked->id - 1].path);
}

int link_concept_document(struct fs *fs, int64_t id, struct buf *ret)
{
    struct asked asked = {.id = id % RANKS, .text = ret};

    return look(fs, id / RANKS, CONCEPT_SEEN, say_document_path, &asked) == 0 && asked.found ? 0 : -ENOENT;
}
