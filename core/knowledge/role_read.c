/* Roles as JSON: what is in a configuration, and in words what is wrong with it. */
#include "runfs/roles.h"
#include "runfs/str.h"

/* Where in the file something stands, and what is to be said of it. */
struct reader {
    const char *file;
    char where[200];
    struct role_file *ret;
    struct err *err;
};

static const char *const relevance_names[] = {
    [RELEVANCE_TITLE] = "title-scorer", [RELEVANCE_BM25] = "bm25", [RELEVANCE_GRAPH] = "terraphim-graph"};

const char *relevance_name(enum relevance relevance)
{
    return relevance_names[relevance];
}

static int wrong(const struct reader *r, const char *key, const char *what)
{
    return err_set(r->err, -EINVAL, "%s: %s%s%s%s%s", r->file, r->where, *r->where && *key ? "." : "", key,
                   *r->where || *key ? ": " : "", what);
}

static int no_memory(const struct reader *r)
{
    return err_errno(r->err, -ENOMEM, "%s", r->file);
}

/* A text of a bounded length on one line. fallback NULL: it must be there. */
static int read_text(const struct reader *r, const json_t *object, const char *key, const char *fallback,
                     const char **ret)
{
    const json_t *value = json_object_get(object, key);

    if (!value || json_is_null(value)) {
        *ret = fallback;
        return fallback ? 0 : wrong(r, key, "this is missing: a text");
    }
    if (!json_is_string(value))
        return wrong(r, key, "this is to be a text");
    *ret = json_string_value(value);
    if (!fallback && !**ret)
        return wrong(r, key, "this is empty");
    if (json_string_length(value) > ROLE_TEXT_MAX)
        return wrong(r, key, "this is longer than 4096 bytes");
    for (const char *p = *ret; *p; p++)
        if ((unsigned char)*p < ' ' && *p != '\n' && *p != '\t')
            return wrong(r, key, "this has a control character in it");
    return 0;
}

static int check_flag(const struct reader *r, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return !value || json_is_null(value) || json_is_boolean(value)
               ? 0
               : wrong(r, key, "this is to be true or false");
}

static int check_text(const struct reader *r, const json_t *object, const char *key)
{
    const char *text;

    return read_text(r, object, key, "", &text);
}

/* --------------------------------------------------------------------------------------------- haystacks */

/* Shell patterns are matched by trying: a few stars are enough for a name, many cost without end. */
static bool is_pattern(const char *text)
{
    size_t stars = 0;

    for (const char *p = text; *p; p++)
        stars += *p == '*';
    return *text && strlen(text) <= 100 && stars <= 4;
}

static int read_patterns(struct reader *r, const json_t *list, struct haystack *ret)
{
    const char **patterns;

    if (!list || json_is_null(list))
        return 0;
    if (!json_is_array(list))
        return wrong(r, "file_patterns", "this is to be a list of patterns, such as [\"*.md\"]");
    if (json_array_size(list) > PATTERNS_MAX)
        return wrong(r, "file_patterns", "there are more than 32");
    patterns = arena_array(&r->ret->arena, const char *, json_array_size(list) + 1);
    if (!patterns)
        return no_memory(r);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text || !is_pattern(text))
            return wrong(
                r, "file_patterns",
                "each is to be a text of at most 100 characters with at most four stars, such as \"*.md\"");
        patterns[i] = text;
    }
    ret->patterns = patterns;
    ret->n_patterns = json_array_size(list);
    return 0;
}

static int read_haystack(struct reader *r, const json_t *object, struct haystack *ret)
{
    const json_t *extra = json_object_get(object, "extra_parameters");
    const char *service;

    if (!json_is_object(object))
        return wrong(r, "", "this is to be an object with a location");
    int code = read_text(r, object, "location", NULL, &ret->location);
    if (code == 0)
        code = read_text(r, object, "service", "Ripgrep", &service);
    if (code == 0)
        code = check_flag(r, object, "read_only");
    if (code == 0)
        code = check_text(r, object, "atomic_server_secret");
    if (code < 0)
        return code;
    if (!str_eq(service, "Ripgrep"))
        return wrong(r, "service", "only files are searched here: leave it out, or say \"Ripgrep\"");
    if (strchr(ret->location, '\n'))
        return wrong(r, "location", "this has a newline in it");
    if (extra && !json_is_null(extra) && !json_is_object(extra))
        return wrong(r, "extra_parameters", "this is to be an object");
    const json_t *own = json_object_get(object, "file_patterns");
    return read_patterns(r, own ? own : json_object_get(extra, "file_patterns"), ret);
}

static int read_haystacks(struct reader *r, const json_t *list, struct role *ret)
{
    struct haystack *all;
    int code = 0;

    if (!json_is_array(list))
        return wrong(r, "haystacks", list ? "this is to be a list" : "this is missing: a list of haystacks");
    if (json_array_size(list) > HAYSTACKS_MAX)
        return wrong(r, "haystacks", "there are more than 64");
    all = arena_array(&r->ret->arena, struct haystack, json_array_size(list) + 1);
    if (!all)
        return no_memory(r);
    size_t end = strlen(r->where);
    for (size_t i = 0; code == 0 && i < json_array_size(list); i++) {
        snprintf(r->where + end, sizeof(r->where) - end, "%shaystacks[%zu]", end ? "." : "", i);
        code = read_haystack(r, json_array_get(list, i), &all[i]);
    }
    r->where[end] = '\0';
    ret->haystacks = all;
    ret->n_haystacks = json_array_size(list);
    return code;
}

/* ------------------------------------------------------------------------------------------------- roles */

static int read_kg(struct reader *r, const json_t *kg, struct role *ret)
{
    const json_t *local = json_object_get(kg, "knowledge_graph_local"),
                 *automata = json_object_get(kg, "automata_path");
    const char *type;

    if (!kg || json_is_null(kg))
        return 0;
    if (!json_is_object(kg))
        return wrong(r, "kg", "this is to be an object or null");
    if (automata && !json_is_null(automata))
        return wrong(r, "kg.automata_path",
                     "a compiled thesaurus is not read here: give the pages that it is made of in "
                     "knowledge_graph_local");
    if (!local || json_is_null(local))
        return 0;
    if (!json_is_object(local))
        return wrong(r, "kg.knowledge_graph_local", "this is to be an object with input_type and path");
    int code = read_text(r, local, "input_type", "markdown", &type);
    if (code == 0)
        code = read_text(r, local, "path", NULL, &ret->kg);
    if (code == 0 && strcasecmp(type, "markdown") != 0)
        code = wrong(r, "kg.knowledge_graph_local.input_type", "only markdown is read here");
    return code;
}

static int read_relevance(struct reader *r, const json_t *object, struct role *ret)
{
    const char *text;
    int code = read_text(r, object, "relevance_function", NULL, &text);

    if (code < 0)
        return code;
    for (size_t i = 0; i < ARRAY_LEN(relevance_names); i++)
        if (str_eq(text, relevance_names[i])) {
            ret->relevance = (enum relevance)i;
            return 0;
        }
    return wrong(r, "relevance_function", "there are title-scorer, bm25 and terraphim-graph");
}

/* It names a directory, beside NAME.json and `selected`. */
static int check_name(const struct reader *r, const char *name)
{
    _buf_ struct buf slug = BUF_INIT;

    buf_add_slug(&slug, name, 80);
    if (strlen(name) > 80 || strchr(name, '\n') || !buf_ok(&slug))
        return wrong(r, "name", "this is to be one line of at most 80 bytes");
    if (str_eq(buf_str(&slug), "_") || str_eq(buf_str(&slug), "selected") ||
        str_ends(buf_str(&slug), ".json"))
        return wrong(r, "name",
                     "a directory cannot be called so: take letters, and not `selected` or NAME.json");
    return 0;
}

static int read_role(struct reader *r, json_t *object, struct role *ret)
{
    const json_t *extra = json_object_get(object, "extra");
    static const char *const texts[] = {"llm_provider", "ollama_base_url", "ollama_model", "llm_model", NULL};

    *ret = (struct role){.json = object};
    if (!json_is_object(object))
        return wrong(r, "", "this is to be an object: a role");
    int code = read_text(r, object, "name", NULL, &ret->name);
    if (code == 0)
        code = check_name(r, ret->name);
    if (code == 0)
        code = read_text(r, object, "shortname", ret->name, &ret->shortname);
    if (code == 0)
        code = read_relevance(r, object, ret);
    if (code == 0)
        code = read_text(r, object, "theme", "", &ret->theme);
    if (code == 0)
        code = read_kg(r, json_object_get(object, "kg"), ret);
    if (code == 0)
        code = read_haystacks(r, json_object_get(object, "haystacks"), ret);
    if (code == 0)
        code = read_text(r, object, "llm_system_prompt", "", &ret->system_prompt);
    for (size_t i = 0; code == 0 && texts[i]; i++)
        code = check_text(r, object, texts[i]);
    if (code == 0)
        code = check_flag(r, object, "llm_auto_summarize");
    if (code == 0 && extra && !json_is_null(extra) && !json_is_object(extra))
        code = wrong(r, "extra", "this is to be an object");
    if (code == 0 && ret->relevance == RELEVANCE_GRAPH && !ret->kg)
        code = wrong(r, "kg", "terraphim-graph ranks by concepts: give kg.knowledge_graph_local.path");
    return code;
}

static int check_twice(struct reader *r)
{
    for (size_t i = 0; i < r->ret->n; i++)
        for (size_t k = 0; k < i; k++) {
            _buf_ struct buf a = BUF_INIT, b = BUF_INIT;
            buf_add_slug(&a, r->ret->roles[i].name, 80);
            buf_add_slug(&b, r->ret->roles[k].name, 80);
            if (str_eq(buf_str(&a), buf_str(&b)))
                return wrong(r, "", "two roles have the same name");
        }
    return 0;
}

/* The one of several that is searched as, if the file says so. */
static int read_selected(struct reader *r)
{
    static const char *const keys[] = {"selected_role", "default_role"};
    const char *name = "";
    int code = 0;

    for (size_t k = 0; code == 0 && k < ARRAY_LEN(keys) && !*name; k++) {
        code = read_text(r, r->ret->json, keys[k], "", &name);
        for (size_t i = 0; code == 0 && *name && !r->ret->selected && i < r->ret->n; i++)
            if (str_eq(r->ret->roles[i].name, name) || str_eq(r->ret->roles[i].shortname, name))
                r->ret->selected = name;
        if (code == 0 && *name && !r->ret->selected)
            code = wrong(r, keys[k], "none of the roles is called so");
    }
    return code;
}

static int read_config(struct reader *r, json_t *roles)
{
    const char *name;
    json_t *role;
    int code = 0;

    if (!json_is_object(roles))
        return wrong(r, "roles", "this is to be an object: the roles by their names");
    if (json_object_size(roles) == 0 || json_object_size(roles) > ROLES_MAX)
        return wrong(r, "roles", "there are to be 1 to 60");
    r->ret->roles = arena_array(&r->ret->arena, struct role, json_object_size(roles));
    if (!r->ret->roles)
        return no_memory(r);
    json_object_foreach(roles, name, role)
    {
        snprintf(r->where, sizeof(r->where), "roles.%.80s", name);
        code = read_role(r, role, &r->ret->roles[r->ret->n++]);
        if (code < 0)
            return code;
    }
    r->where[0] = '\0';
    code = check_twice(r);
    return code < 0 ? code : read_selected(r);
}

int role_file_read(const char *file, const char *text, size_t len, struct role_file *ret, struct err *err)
{
    struct reader r = {.file = file, .ret = ret, .err = err};
    json_error_t where;

    ret->json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
    if (!ret->json)
        return err_set(err, -EINVAL, "%s (Line: %d, Col: %d): %s", file, where.line > 0 ? where.line : 1,
                       where.column > 0 ? where.column : 1, where.text);
    json_t *roles = json_object_get(ret->json, "roles");
    if (roles)
        return read_config(&r, roles);
    ret->roles = arena_new(&ret->arena, struct role);
    if (!ret->roles)
        return no_memory(&r);
    ret->n = 1;
    return read_role(&r, ret->json, &ret->roles[0]);
}

void role_file_release(struct role_file *f)
{
    json_decref(f->json);
    arena_release(&f->arena);
    *f = (struct role_file){0};
}

bool role_file_is_cut(const char *text, size_t len)
{
    bool in_string = false;
    long depth = 0;

    for (size_t i = 0; i < len; i++)
        if (in_string && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            in_string = !in_string;
        else if (!in_string)
            depth += (text[i] == '{' || text[i] == '[') - (text[i] == '}' || text[i] == ']');
    return depth > 0;
}
