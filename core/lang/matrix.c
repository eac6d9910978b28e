/*
 * The matrix: the product of its vectors in key order, without what `exclude` takes out, with what `include`
 * adds. Values are compared with the expression operator ==, so 18 and '18' agree, as they do on GitHub.
 * Where all is taken out, the job runs once, without a matrix (GitHub's runner, WorkflowTemplateConverter: no
 * configuration becomes one).
 */
#include "runfs/plan.h"

#include "runfs/str.h"

enum { MATRIX_MAX = 256, PRODUCT_MAX = 1000000, NAME_MAX_CHARS = 100 };

struct vector {
    const char *key; /* borrowed, as all that is JSON here */
    const json_t *values;
};

struct include {
    json_t *filter; /* owned: keys of the product, which must agree */
    json_t *extra;  /* owned: what is added where they do */
    bool used;
};

struct matrix {
    struct vector *vectors; /* owned */
    size_t n_vectors;
    json_t *keys;             /* owned object: the vectors' names, for lookups without regard to case */
    struct include *includes; /* owned */
    size_t n_includes;
    const json_t *excludes;
    size_t total; /* combinations made, those beyond the limit too */
};

static void matrix_release(struct matrix *m)
{
    for (size_t i = 0; i < m->n_includes; i++) {
        json_decref(m->includes[i].filter);
        json_decref(m->includes[i].extra);
    }
    free(m->includes);
    free(m->vectors);
    json_decref(m->keys);
}

void strategy_release(struct strategy *s)
{
    json_decref(s->combinations);
    json_decref(s->suffixes);
    *s = (struct strategy){0};
}

/* ------------------------------------------------------------------------------------------------ names */

static void suffix_add(const json_t *json, struct buf *segment, const char **separator, struct buf *ret)
{
    _value_ struct value v = {0};
    const char *key;
    json_t *item;
    size_t i;

    if (json_is_object(json)) {
        json_object_foreach((json_t *)json, key, item) suffix_add(item, segment, separator, ret);
        return;
    }
    if (json_is_array(json)) {
        json_array_foreach(json, i, item) suffix_add(item, segment, separator, ret);
        return;
    }
    v = value_from_json((json_t *)json);
    buf_reset(segment);
    value_to_string(&v, segment);
    if (segment->len == 0)
        return;
    buf_adds(ret, *separator);
    buf_add(ret, segment->ptr, segment->len);
    *separator = ", ";
}

/* Appends " (ubuntu, 18)", the values of a combination in order, those inside of objects and arrays too,
 * without empty strings and nulls; nothing when there is none. */
static void matrix_suffix(const json_t *combination, struct buf *ret)
{
    _buf_ struct buf segment = BUF_INIT;
    const char *separator = " (";

    suffix_add(combination, &segment, &separator, ret);
    if (separator[0] == ',')
        buf_addc(ret, ')');
}

void matrix_id(const char *suffix, struct buf *ret)
{
    size_t len = strlen(suffix), start = ret->len;

    if (len < 3) /* " (" and ")" */
        return;
    for (const char *p = suffix + 2; p < suffix + len - 1; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '_';
        bool plain = letter || (*p >= '0' && *p <= '9') || *p == '-';
        if (ret->len == start && !letter)
            buf_addc(ret, '_');
        if (p[0] == ',' && p[1] == ' ')
            p++;
        buf_addc(ret, plain ? *p : '_');
    }
}

void strategy_name(const struct strategy *s, size_t index, const char *job, struct buf *ret)
{
    size_t start = ret->len, chars = 0, cut = 0;

    buf_adds(ret, job);
    buf_adds(ret, json_string_value(json_array_get(s->suffixes, index)));
    if (!buf_ok(ret))
        return;
    for (size_t i = start; i < ret->len; i++) {
        if (((unsigned char)ret->ptr[i] & 0xc0) == 0x80)
            continue;
        if (++chars == NAME_MAX_CHARS - 2)
            cut = i;
    }
    if (chars <= NAME_MAX_CHARS)
        return;
    ret->ptr[ret->len = cut] = '\0';
    buf_adds(ret, "...");
}

/* -------------------------------------------------------------------------------------------- comparing */

/* Whether every scalar in `filter` equals the one at the same place in `value` (NULL: there is none). */
static bool filter_agrees(const json_t *filter, const json_t *value)
{
    const char *key;
    json_t *item;
    size_t i;

    if (json_is_object(filter)) {
        json_object_foreach(
            (json_t *)filter, key,
            item) if (!filter_agrees(item, json_is_object(value)
                                               ? json_object_get_nocase(value, key, strlen(key))
                                               : NULL)) return false;
        return true;
    }
    if (json_is_array(filter)) {
        json_array_foreach(filter, i, item) if (!filter_agrees(item, json_array_get(value, i))) return false;
        return true;
    }
    _value_ struct value a = value_from_json((json_t *)filter), b = value_from_json((json_t *)value);
    return value_equal(&a, &b);
}

static bool matrix_excludes(const struct matrix *m, const json_t *combination)
{
    json_t *filter;
    size_t i;

    json_array_foreach(m->excludes, i, filter) if (filter_agrees(filter, combination)) return true;
    return false;
}

/* ---------------------------------------------------------------------------------------------- reading */

static int read_include(struct matrix *m, const json_t *item, struct err *err)
{
    struct include *to = &m->includes[m->n_includes];
    const char *key;
    json_t *value;

    if (!json_is_object(item))
        return err_set(err, -EINVAL, "A mapping was expected");
    if (json_object_size(item) == 0)
        return err_set(err, -EINVAL, "Matrix include mapping does not contain any values");
    *to = (struct include){.filter = json_object(), .extra = json_object()};
    m->n_includes++;
    json_object_foreach((json_t *)item, key, value)
    {
        bool known = json_object_get_nocase(m->keys, key, strlen(key));
        if (json_object_set(known ? to->filter : to->extra, key, value) < 0)
            return err_errno(err, -ENOMEM, "matrix");
    }
    return 0;
}

static int read_includes(struct matrix *m, const json_t *list, struct err *err)
{
    json_t *item;
    size_t i;
    int r = 0;

    if (!list)
        return 0;
    if (!json_is_array(list))
        return err_set(err, -EINVAL, "A sequence was expected");
    m->includes = calloc(json_array_size(list) + 1, sizeof(*m->includes));
    if (!m->includes)
        return err_errno(err, -ENOMEM, "matrix");
    json_array_foreach(list, i, item) if ((r = read_include(m, item, err)) < 0) break;
    return r;
}

static int check_excludes(const struct matrix *m, struct err *err)
{
    const char *key;
    json_t *item, *value;
    size_t i;

    if (m->excludes && !json_is_array(m->excludes))
        return err_set(err, -EINVAL, "A sequence was expected");
    json_array_foreach(m->excludes, i, item)
    {
        if (!json_is_object(item))
            return err_set(err, -EINVAL, "A mapping was expected");
        if (json_object_size(item) == 0)
            return err_set(err, -EINVAL, "Matrix exclude filter must not be empty");
        json_object_foreach(
            item, key,
            value) if (!json_object_get_nocase(m->keys, key,
                                               strlen(
                                                   key))) return err_set(err, -EINVAL,
                                                                         "Matrix exclude key '%s' does not "
                                                                         "match any key within the matrix",
                                                                         key);
    }
    return 0;
}

static int read_vector(struct matrix *m, const char *key, json_t *values, struct err *err)
{
    if (!json_is_array(values))
        return err_set(err, -EINVAL, "A sequence was expected");
    if (json_array_size(values) == 0)
        return err_set(err, -EINVAL, "Matrix vector '%s' does not contain any values", key);
    m->vectors[m->n_vectors++] = (struct vector){key, values};
    return json_object_set(m->keys, key, values) < 0 ? err_errno(err, -ENOMEM, "matrix") : 0;
}

static int matrix_read(const json_t *json, struct matrix *m, struct err *err)
{
    const json_t *includes = NULL;
    const char *key;
    json_t *value;
    int r = 0;

    if (!json_is_object(json))
        return err_set(err, -EINVAL, "A mapping was expected");
    m->vectors = calloc(json_object_size(json) + 1, sizeof(*m->vectors));
    m->keys = json_object();
    if (!m->vectors || !m->keys)
        return err_errno(err, -ENOMEM, "matrix");
    json_object_foreach((json_t *)json, key, value)
    {
        if (str_eq_ascii_nocase(key, "include"))
            includes = value;
        else if (str_eq_ascii_nocase(key, "exclude"))
            m->excludes = value;
        else if ((r = read_vector(m, key, value, err)) < 0)
            return r;
    }
    r = read_includes(m, includes, err);
    if (r == 0)
        r = check_excludes(m, err);
    if (r == 0 && m->n_vectors == 0 && m->n_includes == 0)
        return err_set(err, -EINVAL, "Matrix must define at least one vector");
    return r;
}

/* -------------------------------------------------------------------------------------------- expanding */

/* Takes the combination. Its suffix is that of what it holds now; `extra` (may be NULL) comes after. */
static int strategy_add(struct strategy *s, json_t *combination_take, const json_t *extra)
{
    _json_ json_t *combination = combination_take;
    _buf_ struct buf suffix = BUF_INIT;

    if (!combination)
        return -ENOMEM;
    matrix_suffix(combination, &suffix);
    if (!buf_ok(&suffix) ||
        json_array_append_new(s->suffixes, json_stringn(buf_str(&suffix), suffix.len)) < 0)
        return -ENOMEM;
    if (extra && json_object_update(combination, (json_t *)extra) < 0)
        return -ENOMEM;
    return json_array_append(s->combinations, combination) < 0 ? -ENOMEM : 0;
}

/* What the includes that agree with a combination add to it; a later one wins over an earlier one. */
static json_t *matrix_extra(struct matrix *m, const json_t *combination)
{
    json_t *extra = json_object();

    for (size_t i = 0; extra && i < m->n_includes; i++) {
        if (!filter_agrees(m->includes[i].filter, combination))
            continue;
        m->includes[i].used = true;
        if (json_object_update(extra, m->includes[i].extra) < 0) {
            json_decref(extra);
            return NULL;
        }
    }
    return extra;
}

/* Number `index` of the product: the last vector changes fastest. */
static json_t *matrix_combination(const struct matrix *m, size_t product, size_t index)
{
    json_t *combination = json_object();
    size_t block = product;

    for (size_t i = 0; combination && i < m->n_vectors; i++) {
        size_t n = json_array_size(m->vectors[i].values);
        block /= n;
        if (json_object_set(combination, m->vectors[i].key,
                            json_array_get(m->vectors[i].values, index / block % n)) < 0) {
            json_decref(combination);
            return NULL;
        }
    }
    return combination;
}

static int matrix_product(struct matrix *m, struct strategy *s, size_t product)
{
    for (size_t i = 0; i < product; i++) {
        _json_ json_t *combination = matrix_combination(m, product, i);
        if (!combination)
            return -ENOMEM;
        if (matrix_excludes(m, combination))
            continue;
        _json_ json_t *extra = matrix_extra(m, combination);
        if (!extra)
            return -ENOMEM;
        if (m->total++ < MATRIX_MAX && strategy_add(s, json_incref(combination), extra) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* The includes that agreed with nothing are combinations of their own. */
static int matrix_rest(struct matrix *m, struct strategy *s)
{
    for (size_t i = 0; i < m->n_includes; i++) {
        const struct include *in = &m->includes[i];
        if (in->used || m->total++ >= MATRIX_MAX)
            continue;
        json_t *combination = json_copy(in->filter);
        if (combination && json_object_update(combination, in->extra) < 0)
            json_decref(TAKE(combination));
        if (strategy_add(s, combination, NULL) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int matrix_expand(struct matrix *m, struct strategy *s, struct err *err)
{
    size_t product = m->n_vectors ? 1 : 0;

    for (size_t i = 0; i < m->n_vectors; i++)
        if (__builtin_mul_overflow(product, json_array_size(m->vectors[i].values), &product) ||
            product > PRODUCT_MAX)
            return err_set(err, -EINVAL,
                           "Strategy produced more than %d configurations which exceeds the maximum of %d "
                           "configurations",
                           PRODUCT_MAX, MATRIX_MAX);
    if (matrix_product(m, s, product) < 0 || matrix_rest(m, s) < 0)
        return err_errno(err, -ENOMEM, "matrix");
    if (m->total > MATRIX_MAX)
        return err_set(err, -EINVAL,
                       "Strategy produced %zu configurations which exceeds the maximum of %d configurations",
                       m->total, MATRIX_MAX);
    return 0;
}

static int read_settings(const json_t *evaluated, struct strategy *s, struct err *err)
{
    const json_t *fail_fast = json_object_get(evaluated, "fail-fast");
    const json_t *max = json_object_get(evaluated, "max-parallel");

    if (fail_fast && !json_is_boolean(fail_fast))
        return err_set(err, -EINVAL, "fail-fast: a boolean was expected");
    if (max && !(json_is_number(max) && json_number_value(max) >= 1))
        return err_set(err, -EINVAL, "max-parallel: a number greater than zero was expected");
    s->fail_fast = !json_is_false(fail_fast);
    s->max_parallel = !max                                  ? 0
                      : json_number_value(max) < MATRIX_MAX ? (int)json_number_value(max)
                                                            : MATRIX_MAX;
    return 0;
}

int strategy_expand(const json_t *evaluated, struct strategy *ret, struct err *err)
{
    _strategy_ struct strategy s = {.combinations = json_array(), .suffixes = json_array()};
    _cleanup_(matrix_release) struct matrix m = {0};
    const json_t *matrix = json_object_get(evaluated, "matrix");
    int r;

    if (!s.combinations || !s.suffixes)
        return err_errno(err, -ENOMEM, "strategy");
    if (evaluated && !json_is_null(evaluated) && !json_is_object(evaluated))
        return err_set(err, -EINVAL, "A mapping was expected");
    if ((r = read_settings(evaluated, &s, err)) < 0)
        return r;
    if (matrix && !json_is_null(matrix)) {
        r = matrix_read(matrix, &m, err);
        if (r == 0)
            r = matrix_expand(&m, &s, err);
        if (r < 0)
            return r;
    }
    if (json_array_size(s.combinations) == 0 && strategy_add(&s, json_object(), NULL) < 0)
        return err_errno(err, -ENOMEM, "strategy");
    *ret = s;
    s = (struct strategy){0};
    return 0;
}
