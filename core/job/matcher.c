/* Problem matchers: read from JSON, run over lines by PCRE2. */
#include "matcher.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <jansson.h>
#include <pcre2.h>

#include "runfs/io.h"
#include "runfs/str.h"

enum { PATTERNS_MAX = 16, MATCHERS_MAX = 256, EFFORT_MAX = 1000000 };

/* What all may take: some time at once, and some for each line. Who asks for more wants to hold the job, and
 * whoever waits for its end. */
static const int64_t busy_max = 5000000000LL, busy_of_line = 20000;

/* What a pattern's groups tell. */
enum part { PART_FILE, PART_FROM, PART_LINE, PART_COLUMN, PART_SEVERITY, PART_CODE, PART_MESSAGE, PARTS };
static const char *const part_names[PARTS] = {"file",     "fromPath", "line",   "column",
                                              "severity", "code",     "message"};

struct pattern {
    pcre2_code *code; /* owned */
    int group[PARTS]; /* -1: tells nothing of it */
    bool loop;
};

/* What the patterns so far have told; a part that was told stays. */
struct running {
    bool alive;
    struct buf parts[PARTS];
};

struct matcher {
    struct matcher *next;
    char *owner, *severity; /* owned; severity "" : error */
    struct pattern patterns[PATTERNS_MAX];
    size_t n;
    struct running state[PATTERNS_MAX]; /* by pattern: what matched up to it */
    bool costly;                        /* one of its patterns tried for too long */
};

struct matchers {
    struct matcher *first;
    pcre2_match_context *context;
    pcre2_match_data *data;
    int64_t busy, lines; /* nanoseconds that were spent, and on how many lines */
    struct buf dropped;  /* owners of what was too costly */
};

struct matchers *matchers_new(void)
{
    struct matchers *ms = calloc(1, sizeof(*ms));

    if (!ms)
        return NULL;
    ms->context = pcre2_match_context_create(NULL);
    ms->data = pcre2_match_data_create(100, NULL);
    if (!ms->context || !ms->data) {
        matchers_free(ms);
        return NULL;
    }
    pcre2_set_match_limit(ms->context, EFFORT_MAX);
    return ms;
}

static void running_clear(struct running *r)
{
    for (size_t i = 0; i < PARTS; i++)
        buf_release(&r->parts[i]);
    *r = (struct running){0};
}

static void matcher_reset(struct matcher *m)
{
    for (size_t i = 0; i < m->n; i++)
        running_clear(&m->state[i]);
}

static void matcher_free(struct matcher *m)
{
    if (!m)
        return;
    matcher_reset(m);
    for (size_t i = 0; i < m->n; i++)
        pcre2_code_free(m->patterns[i].code);
    free(m->owner);
    free(m->severity);
    free(m);
}

void matchers_free(struct matchers *ms)
{
    if (!ms)
        return;
    while (ms->first) {
        struct matcher *m = ms->first;
        ms->first = m->next;
        matcher_free(m);
    }
    pcre2_match_data_free(ms->data);
    pcre2_match_context_free(ms->context);
    buf_release(&ms->dropped);
    free(ms);
}

bool matchers_any(const struct matchers *ms)
{
    return ms && ms->first;
}

/* ------------------------------------------------------------------------------------------------- reading
 */

/* Which group of a pattern tells a part: at most one pattern of a matcher may say. */
static int parse_part(json_t *json, enum part part, bool *told, struct pattern *ret, struct err *err)
{
    json_t *group = json_object_get(json, part_names[part]);
    uint32_t groups = 0;

    ret->group[part] = -1;
    if (!group || json_is_null(group))
        return 0;
    if (*told)
        return err_set(err, -EINVAL, "The property '%s' is set twice", part_names[part]);
    (void)pcre2_pattern_info(ret->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    if (!json_is_integer(group) || json_integer_value(group) < 0 || json_integer_value(group) > groups)
        return err_set(err, -EINVAL, "The property '%s' is set to an invalid value", part_names[part]);
    ret->group[part] = (int)json_integer_value(group);
    *told = true;
    return 0;
}

/* told: which parts the patterns so far tell. */
static int parse_pattern(json_t *json, bool first, bool last, bool told[PARTS], struct pattern *ret,
                         struct err *err)
{
    const char *regexp = json_string_value(json_object_get(json, "regexp"));
    int code, r = 0;
    size_t at;

    if (!regexp)
        return err_set(err, -EINVAL, "a pattern has no regexp");
    ret->loop = json_is_true(json_object_get(json, "loop"));
    if (ret->loop && (first || !last))
        return err_set(err, -EINVAL, "Only the last pattern in a multiline matcher may set 'loop'");
    if (ret->loop && !json_is_integer(json_object_get(json, part_names[PART_MESSAGE])))
        return err_set(err, -EINVAL, "The loop pattern must set 'message'");
    ret->code = pcre2_compile((PCRE2_SPTR)regexp, PCRE2_ZERO_TERMINATED,
                              PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_ALT_BSUX, &code, &at, NULL);
    if (!ret->code) {
        PCRE2_UCHAR words[128];
        pcre2_get_error_message(code, words, sizeof(words));
        return err_set(err, -EINVAL, "the regexp '%s' is wrong at character %zu: %s", regexp, at + 1,
                       (char *)words);
    }
    (void)pcre2_jit_compile(ret->code, PCRE2_JIT_COMPLETE);
    for (size_t i = 0; i < PARTS && r == 0; i++)
        r = parse_part(json, (enum part)i, &told[i], ret, err);
    return r;
}

static const char *const levels[] = {"error", "warning", "notice"};

static const char *level_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        if (str_eq_ascii_nocase(name, levels[i]))
            return levels[i];
    return NULL;
}

static int parse_matcher(json_t *json, struct matcher **ret, struct err *err)
{
    const char *owner = json_string_value(json_object_get(json, "owner")),
               *severity = json_string_value(json_object_get(json, "severity"));
    json_t *patterns = json_object_get(json, "pattern"), *pattern;
    size_t i, n = json_array_size(patterns);
    struct matcher *m = calloc(1, sizeof(*m));
    bool told[PARTS] = {0};
    int r = 0;

    if (!m || !(m->owner = strdup(owner ? owner : "")) || !(m->severity = strdup(severity ? severity : "")))
        r = err_errno(err, -ENOMEM, "problem matcher");
    else if (!owner || !*owner)
        r = err_set(err, -EINVAL, "Owner must not be empty");
    else if (*m->severity && !level_named(m->severity))
        r = err_set(err, -EINVAL, "Matcher '%s' contains unexpected default severity '%s'", owner, severity);
    else if (n == 0)
        r = err_set(err, -EINVAL, "Matcher '%s' does not contain any patterns", owner);
    else if (n > PATTERNS_MAX)
        r = err_set(err, -EINVAL, "the problem matcher '%s' has more than %d patterns", owner, PATTERNS_MAX);
    json_array_foreach(patterns, i, pattern) if (r == 0)
    {
        r = parse_pattern(pattern, i == 0, i == n - 1, told, &m->patterns[i], err);
        m->n = i + 1;
    }
    if (r == 0 && !told[PART_MESSAGE])
        r = err_set(err, -EINVAL, "At least one pattern must set 'message'");
    if (r < 0) {
        matcher_free(m);
        return r;
    }
    *ret = m;
    return 0;
}

void matchers_remove(struct matchers *ms, const char *owner)
{
    for (struct matcher **at = &ms->first; *at;) {
        struct matcher *m = *at;
        if (!str_eq_ascii_nocase(m->owner, owner)) {
            at = &m->next;
            continue;
        }
        *at = m->next;
        matcher_free(m);
    }
}

/* The file and its list. */
static int read_list(const char *text, size_t len, json_t **ret, json_t **ret_list, struct err *err)
{
    json_error_t at;

    *ret = json_loadb(text, len, 0, &at);
    *ret_list = json_object_get(*ret, "problemMatcher");
    if (!*ret)
        return err_set(err, -EINVAL, "no JSON (Line: %d, Col: %d): %s", at.line, at.column, at.text);
    if (json_array_size(*ret_list) > MATCHERS_MAX)
        return err_set(err, -EINVAL, "there are more than %d problem matchers", MATCHERS_MAX);
    return 0;
}

int matchers_remove_all(struct matchers *ms, const char *text, size_t len, struct err *err)
{
    _json_ json_t *json = NULL;
    json_t *list, *one;
    size_t i;
    int r = read_list(text, len, &json, &list, err);

    json_array_foreach(list, i, one)
    {
        const char *owner = json_string_value(json_object_get(one, "owner"));
        if (r == 0 && owner)
            matchers_remove(ms, owner);
    }
    return r;
}

int matchers_add(struct matchers *ms, const char *text, size_t len, struct err *err)
{
    _json_ json_t *json = NULL;
    json_t *list, *one;
    struct matcher *made = NULL;
    size_t i;
    int r = read_list(text, len, &json, &list, err);

    json_array_foreach(list, i, one)
    {
        struct matcher *m = NULL;
        r = r == 0 ? parse_matcher(one, &m, err) : r;
        if (!m)
            continue;
        for (const struct matcher *other = made; other && r == 0; other = other->next)
            if (str_eq_ascii_nocase(other->owner, m->owner))
                r = err_set(err, -EINVAL, "Duplicate owner name '%s'", m->owner);
        m->next = made;
        made = m;
    }
    while (made) { /* the newest is asked first */
        struct matcher *m = made;
        made = m->next;
        if (r < 0) {
            matcher_free(m);
            continue;
        }
        matchers_remove(ms, m->owner);
        m->next = ms->first;
        ms->first = m;
    }
    return r;
}

/* ------------------------------------------------------------------------------------------------ matching
 */

/* What the groups tell, over what was told before. */
static void take_groups(struct matchers *ms, const struct pattern *p, const char *line,
                        const struct running *before, struct running *ret)
{
    const size_t *ends = pcre2_get_ovector_pointer(ms->data);
    uint32_t n = pcre2_get_ovector_count(ms->data);
    struct running now = {.alive = true};

    for (size_t i = 0; i < PARTS; i++) {
        int group = p->group[i];
        if (before)
            buf_add(&now.parts[i], buf_str(&before->parts[i]), before->parts[i].len);
        if (group < 0 || (uint32_t)group >= n || ends[2 * group] == PCRE2_UNSET ||
            ends[2 * group + 1] < ends[2 * group])
            continue;
        buf_reset(&now.parts[i]);
        buf_add(&now.parts[i], line + ends[2 * group], ends[2 * group + 1] - ends[2 * group]);
    }
    running_clear(ret);
    *ret = now;
}

static bool run_pattern(struct matchers *ms, struct matcher *m, size_t i, const char *line, size_t len)
{
    int n = pcre2_match(m->patterns[i].code, (PCRE2_SPTR)line, len, 0, 0, ms->data, ms->context);

    m->costly |= n == PCRE2_ERROR_MATCHLIMIT || n == PCRE2_ERROR_DEPTHLIMIT || n == PCRE2_ERROR_HEAPLIMIT;
    return n > 0;
}

/* One line through one matcher, its patterns from the last to the first. True: ret holds a problem's parts.
 */
static bool matcher_step(struct matchers *ms, struct matcher *m, const char *line, size_t len,
                         struct running *ret)
{
    for (size_t i = m->n; i-- > 0;) {
        struct running *before = i ? &m->state[i - 1] : NULL;
        bool last = i == m->n - 1;
        if (before && !before->alive)
            continue;
        if (!run_pattern(ms, m, i, line, len)) {
            if (!last)
                running_clear(&m->state[i]);
            else if (before)
                running_clear(before);
            continue;
        }
        if (!last) {
            take_groups(ms, &m->patterns[i], line, before, &m->state[i]);
            continue;
        }
        take_groups(ms, &m->patterns[i], line, before, ret);
        struct running kept = {0};
        if (before && m->patterns[i].loop) {
            kept = *before;
            *before = (struct running){0};
        }
        matcher_reset(m);
        if (before)
            *before = kept;
        return true;
    }
    return false;
}

/* Colours are no part of a line. */
static void strip_colours(const char *line, size_t len, struct buf *ret)
{
    for (size_t i = 0; i < len; i++) {
        if (line[i] != '\033' || i + 1 >= len || line[i + 1] != '[') {
            buf_addc(ret, line[i]);
            continue;
        }
        size_t end = i + 2 + strspn(line + i + 2, "0123456789;");
        i = end < len && line[end] == 'm' ? end : end - 1;
    }
}

static int number_of(const struct buf *text)
{
    uint64_t n;

    return parse_u64(buf_str(text), &n) == 0 && n <= INT32_MAX ? (int)n : 0;
}

static const char *level_of(const struct matcher *m, const struct running *parts)
{
    const char *text = parts->parts[PART_SEVERITY].len ? buf_str(&parts->parts[PART_SEVERITY]) : m->severity;

    return *text ? level_named(text) : levels[0];
}

void problem_release(struct problem *p)
{
    buf_release(&p->file);
    buf_release(&p->code);
    buf_release(&p->message);
    buf_release(&p->plain);
}

/* A file that is told from some other file's directory, as a project's are. */
static void put_from(const struct buf *from, struct buf *file)
{
    const char *path = buf_str(from), *slash = strrchr(path, '/');
    _buf_ struct buf whole = BUF_INIT;

    if (!slash || slash == path || !file->len || *buf_str(file) == '/')
        return;
    buf_add(&whole, path, (size_t)(slash - path) + 1);
    buf_add(&whole, buf_str(file), file->len);
    buf_reset(file);
    buf_add(file, buf_str(&whole), whole.len);
}

static bool make_problem(const struct matcher *m, struct running *parts, struct problem *ret)
{
    const char *level = level_of(m, parts);
    const struct buf *message = &parts->parts[PART_MESSAGE];

    if (!level || strspn(buf_str(message), " \t\v\f\r\n") == message->len)
        return false;
    put_from(&parts->parts[PART_FROM], &parts->parts[PART_FILE]);
    *ret = (struct problem){.level = level,
                            .file = parts->parts[PART_FILE],
                            .code = parts->parts[PART_CODE],
                            .message = parts->parts[PART_MESSAGE],
                            .line = number_of(&parts->parts[PART_LINE]),
                            .col = number_of(&parts->parts[PART_COLUMN])};
    parts->parts[PART_FILE] = parts->parts[PART_CODE] = parts->parts[PART_MESSAGE] = BUF_INIT;
    return true;
}

static bool match_line(struct matchers *ms, const char *line, size_t len, struct problem *ret)
{
    struct running parts = {0};
    bool found = false;

    for (struct matcher *m = ms->first; m && !found; m = m->next) {
        if (!matcher_step(ms, m, line, len, &parts))
            continue;
        found = make_problem(m, &parts, ret);
        for (struct matcher *other = ms->first; other; other = other->next)
            if (other != m)
                matcher_reset(other);
    }
    running_clear(&parts);
    return found;
}

static void drop_costly(struct matchers *ms)
{
    bool all = ms->busy > busy_max + ms->lines * busy_of_line;

    for (struct matcher **at = &ms->first; *at;) {
        struct matcher *m = *at;
        if (!m->costly && !all) {
            at = &m->next;
            continue;
        }
        buf_addf(&ms->dropped, "%s%s", ms->dropped.len ? ", " : "", m->owner);
        *at = m->next;
        matcher_free(m);
    }
}

bool matchers_match(struct matchers *ms, const char *line, size_t len, struct problem *ret)
{
    int64_t begin = mono_ns();
    _buf_ struct buf plain = BUF_INIT;

    strip_colours(line, len, &plain);
    bool found = buf_ok(&plain) && match_line(ms, buf_str(&plain), plain.len, ret);
    if (found) {
        ret->plain = plain;
        plain = BUF_INIT;
    }
    ms->busy += mono_ns() - begin;
    ms->lines++;
    drop_costly(ms);
    return found;
}

bool matchers_dropped(struct matchers *ms, struct buf *ret)
{
    bool any = ms->dropped.len;

    buf_add(ret, buf_str(&ms->dropped), ms->dropped.len);
    buf_reset(&ms->dropped);
    return any;
}
