/*
 * The schema table against GitHub's schema file, where that is beside the project: definition by definition,
 * every property, type, allowed value and context. Where ours differs on purpose, `known` says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/lang/schema.h"
#include "runfs/buf.h"
#include "runfs/cleanup.h"
#include "runfs/str.h"

enum { MAX_DEPTH = 24, MAX_LIST = 64 };

/* What runfs reads otherwise than the file says, because GitHub itself does. */
static const char *const known[] = {
    ".on.workflow_dispatch.inputs",      /* inputs that say nothing are strings */
    ".description",                      /* only the schema for what is not checked strictly has it */
    ".cache-mode", ".jobs.*.cache-mode", /* newer than the file */
};

struct walk {
    json_t *definitions; /* borrowed */
    struct buf path;
    int compared, differ;
};

static void differ(struct walk *w, const char *what, const char *name)
{
    w->differ++;
    print_error("%s: %s %s\n", buf_str(&w->path), what, name);
}

static const struct {
    const char *name;
    unsigned bit;
} contexts[] = {
    {"github", CTX_GITHUB},
    {"inputs", CTX_INPUTS},
    {"vars", CTX_VARS},
    {"needs", CTX_NEEDS},
    {"strategy", CTX_STRATEGY},
    {"matrix", CTX_MATRIX},
    {"secrets", CTX_SECRETS},
    {"steps", CTX_STEPS},
    {"job", CTX_JOB},
    {"runner", CTX_RUNNER},
    {"env", CTX_ENV},
    {"jobs", CTX_JOBS},
    {"always(0,0)", 0},
    {"cancelled(0,0)", 0},
    {"success(0,MAX)", FN_JOB_STATUS},
    {"failure(0,MAX)", FN_JOB_STATUS},
    {"success(0,0)", FN_STEP_STATUS},
    {"failure(0,0)", FN_STEP_STATUS},
    {"hashFiles(1,255)", FN_HASH_FILES},
};

static unsigned context_bits(struct walk *w, const json_t *list)
{
    unsigned bits = 0;
    json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        bool found = false;
        for (size_t k = 0; k < ARRAY_LEN(contexts); k++) {
            if (!str_eq(contexts[k].name, json_string_value(item)))
                continue;
            bits |= contexts[k].bit;
            found = true;
        }
        if (!found)
            differ(w, "has a context unknown here:", json_string_value(item));
    }
    return bits;
}

/* A definition by its name; the basic kinds are there without being defined. */
static json_t *definition(struct walk *w, const char *name)
{
    static const char *const basic[] = {"null", "boolean", "number", "string", "sequence", "mapping", "any"};
    json_t *found = json_object_get(w->definitions, name);

    if (found)
        return found;
    for (size_t i = 0; i < ARRAY_LEN(basic); i++)
        if (str_eq(basic[i], name))
            return NULL;
    differ(w, "names a definition that is not there:", name);
    return NULL;
}

static void compare(struct walk *w, const char *name, const struct schema *ours, unsigned theirs_context,
                    unsigned ours_context, int depth);

/* Every kind that a definition allows: {kind -> definition names}, one-ofs of one-ofs flattened. */
static void flatten(struct walk *w, const char *name, const char *into[], size_t *n)
{
    const json_t *def = definition(w, name), *list = json_object_get(def, "one-of");
    json_t *item;
    size_t i;

    if (!list)
        list = json_object_get(def, "allowed-values");
    if (!json_is_array(list) || json_object_get(def, "allowed-values")) {
        if (*n < MAX_LIST)
            into[(*n)++] = name;
        return;
    }
    json_array_foreach(list, i, item) flatten(w, json_string_value(item), into, n);
}

static enum schema_kind kind_of(struct walk *w, const char *name)
{
    static const char *const kinds[] = {
        [SCHEMA_NULL] = "null",     [SCHEMA_BOOLEAN] = "boolean",   [SCHEMA_NUMBER] = "number",
        [SCHEMA_STRING] = "string", [SCHEMA_SEQUENCE] = "sequence", [SCHEMA_MAPPING] = "mapping",
        [SCHEMA_ONE_OF] = "any"};
    const json_t *def = definition(w, name);

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (def ? json_object_get(def, kinds[i]) != NULL : str_eq(kinds[i], name))
            return (enum schema_kind)i;
    return SCHEMA_STRING; /* allowed-values */
}

static bool allows_value(const struct schema *ours, const char *value)
{
    for (const char *const *v = ours->values; v && *v; v++)
        if (str_eq(*v, value))
            return true;
    return false;
}

/* All strings that the definition allows must be among ours, and the other way round: counted. */
static void compare_strings(struct walk *w, const char *const names[], size_t n, const struct schema *ours)
{
    size_t constants = 0, mine = 0;

    for (size_t i = 0; i < n; i++) {
        const json_t *def = definition(w, names[i]), *list = json_object_get(def, "allowed-values");
        const json_t *string = json_object_get(def, "string");
        const char *constant = json_string_value(json_object_get(string, "constant"));
        json_t *item;
        size_t k;
        json_array_foreach(list, k, item)
        {
            constants++;
            if (!allows_value(ours, json_string_value(item)))
                differ(w, "does not allow", json_string_value(item));
        }
        if (constant) {
            constants++;
            if (!allows_value(ours, constant))
                differ(w, "does not allow", constant);
        }
        if (!list && !constant &&
            json_is_true(json_object_get(string, "require-non-empty")) != ours->non_empty)
            differ(w, "takes the empty string otherwise than", names[i]);
    }
    for (const char *const *v = ours->values; v && *v; v++)
        mine++;
    if (mine != constants)
        differ(w, "has more or fewer values than", names[0]);
}

static const struct schema *ours_of_kind(const struct schema *ours, enum schema_kind kind, size_t skip)
{
    if (ours->kind == kind && skip == 0)
        return ours;
    for (const struct schema *const *s = ours->one_of; s && *s; s++)
        if ((*s)->kind == kind && skip-- == 0)
            return *s;
    return NULL;
}

static const char *type_of(const json_t *property, bool *ret_required)
{
    *ret_required = json_is_true(json_object_get(property, "required"));
    return json_is_string(property) ? json_string_value(property)
                                    : json_string_value(json_object_get(property, "type"));
}

static bool is_known(const struct walk *w, const char *key)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s.%s", buf_str(&w->path), key);
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_eq(known[i], buf_str(&path)))
            return true;
    return false;
}

static void compare_mapping(struct walk *w, const char *name, const struct schema *ours,
                            unsigned theirs_context, unsigned ours_context, int depth)
{
    const json_t *map = json_object_get(definition(w, name), "mapping"), *property;
    const char *loose_key = json_string_value(json_object_get(map, "loose-key-type"));
    size_t mine = 0, theirs = json_object_size(json_object_get(map, "properties"));
    bool required;
    const char *key;
    json_t *value;

    if (!map) /* the basic one */
        return;
    for (const struct schema_property *q = ours->properties; q && q->name; q++)
        mine += !q->forge &&
                (json_object_get(json_object_get(map, "properties"), q->name) || !is_known(w, q->name));
    if (mine != theirs)
        differ(w, "has more or fewer properties than", name);
    json_object_foreach(json_object_get(map, "properties"), key, value)
    {
        const struct schema_property *q = ours->properties;
        size_t len = w->path.len;
        property = value;
        const char *type = type_of(property, &required);
        while (q && q->name && !str_eq(q->name, key))
            q++;
        if (!q || !q->name) {
            differ(w, "lacks", key);
            continue;
        }
        if (q->required != required)
            differ(w, "requires otherwise", key);
        bool skip = is_known(w, key);
        buf_addf(&w->path, ".%s", key);
        if (!skip)
            compare(w, type, q->type, theirs_context, ours_context, depth + 1);
        w->path.ptr[w->path.len = len] = '\0';
    }
    if (!!loose_key != !!ours->key)
        differ(w, "takes other keys otherwise than", name);
    if (!loose_key || !ours->key)
        return;
    size_t len = w->path.len;
    buf_adds(&w->path, ".*");
    compare(w, loose_key, ours->key, 0, 0, depth + 1);
    compare(w, json_string_value(json_object_get(map, "loose-value-type")), ours->value, theirs_context,
            ours_context, depth + 1);
    w->path.ptr[w->path.len = len] = '\0';
}

static void compare_sequence(struct walk *w, const char *name, const struct schema *ours,
                             unsigned theirs_context, unsigned ours_context, int depth)
{
    const char *item =
        json_string_value(json_object_get(json_object_get(definition(w, name), "sequence"), "item-type"));
    size_t len = w->path.len;

    if (!item)
        return;
    buf_adds(&w->path, "[]");
    compare(w, item, ours->item, theirs_context, ours_context, depth + 1);
    w->path.ptr[w->path.len = len] = '\0';
}

static void compare_kind(struct walk *w, enum schema_kind kind, const char *const names[], size_t n,
                         const struct schema *ours, unsigned theirs_context, unsigned ours_context, int depth)
{
    const char *of[MAX_LIST];
    size_t found = 0;

    for (size_t i = 0; i < n; i++)
        if (kind_of(w, names[i]) == kind)
            of[found++] = names[i];
    const struct schema *mine = ours_of_kind(ours, kind, 0);
    if ((found > 0) != (mine != NULL)) {
        differ(w, mine ? "takes a kind that is not in" : "lacks the kind", found ? of[0] : names[0]);
        return;
    }
    if (kind == SCHEMA_STRING && mine)
        compare_strings(w, of, found, mine);
    for (size_t i = 0; i < found; i++) {
        const struct schema *match = ours_of_kind(ours, kind, i);
        const json_t *def = definition(w, of[i]);
        if (!match) { /* several strings are one of ours */
            if (kind != SCHEMA_STRING)
                differ(w, "lacks", of[i]);
            continue;
        }
        unsigned more = context_bits(w, json_object_get(def, "context"));
        if (kind == SCHEMA_MAPPING)
            compare_mapping(w, of[i], match, theirs_context | more, ours_context | match->context, depth);
        if (kind == SCHEMA_SEQUENCE)
            compare_sequence(w, of[i], match, theirs_context | more, ours_context | match->context, depth);
    }
}

static void compare(struct walk *w, const char *name, const struct schema *ours, unsigned theirs_context,
                    unsigned ours_context, int depth)
{
    const char *names[MAX_LIST];
    size_t n = 0;

    if (depth > MAX_DEPTH || ours == &schema_any || str_eq(name, "any")) {
        if (depth <= MAX_DEPTH && (ours == &schema_any) != str_eq(name, "any"))
            differ(w, "is any, or is not, otherwise than", name);
        return;
    }
    w->compared++;
    theirs_context |= context_bits(w, json_object_get(definition(w, name), "context"));
    ours_context |= ours->context;
    if (theirs_context != ours_context)
        differ(w, "has other contexts than", name);
    flatten(w, name, names, &n);
    for (enum schema_kind kind = SCHEMA_NULL; kind <= SCHEMA_MAPPING; kind++)
        compare_kind(w, kind, names, n, ours, theirs_context, ours_context, depth);
}

static void test_workflow_schema(void **state)
{
    const char *shared = getenv("RUNFS_SHARED");
    _buf_ struct buf path = BUF_INIT;

    (void)state;
    buf_addf(&path, "%s/reference/workflow-schema.json", shared ? shared : "../shared");
    _json_ json_t *file = json_load_file(buf_str(&path), 0, NULL);
    if (!file) {
        print_message("no schema at %s: skipped\n", buf_str(&path));
        skip();
    }
    struct walk w = {.definitions = json_object_get(file, "definitions"), .path = BUF_INIT};
    compare(&w, "workflow-root-strict", &schema_workflow, 0, 0, 0);
    print_message("%d definitions compared\n", w.compared);
    buf_release(&w.path);
    assert_true(w.compared > 500);
    assert_int_equal(w.differ, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_workflow_schema)};

    return cmocka_run_group_tests_name("schema of workflow files", tests, NULL, NULL);
}
