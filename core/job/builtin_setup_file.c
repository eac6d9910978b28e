/* Files that say which version of a toolchain a project wants: what setup actions read from each. */
#include "builtin_setup.h"
#include "runfs/str.h"

enum { FILE_MAX = 1024 * 1024 };

/* The rest of the first line that begins with this word. */
static bool line_of(const char *text, const char *word, struct buf *ret)
{
    size_t n = strlen(word);

    for (const char *line = text; *line; line += strcspn(line, "\n") + (line[strcspn(line, "\n")] == '\n')) {
        const char *at = line + strspn(line, " \t");
        if (strncmp(at, word, n) != 0 || !strchr(" \t=", at[n]) || !at[n])
            continue;
        at += n + strspn(at + n, " \t=\"'");
        size_t len = strcspn(at, "\r\n\"'#"), comment = 0;
        while (comment < len && strncmp(at + comment, "//", 2) != 0)
            comment++;
        buf_add(ret, at, comment);
        while (ret->len && strchr(" \t", ret->ptr[ret->len - 1]))
            ret->ptr[--ret->len] = '\0';
        return true;
    }
    return false;
}

/* The lines that are no comments. */
static void plain_lines(const char *text, struct buf *ret)
{
    for (const char *line = text; *line; line += strcspn(line, "\n") + (line[strcspn(line, "\n")] == '\n')) {
        const char *at = line + strspn(line, " \t\r");
        size_t n = strcspn(at, "#\r\n");
        while (n && strchr(" \t", at[n - 1]))
            n--;
        if (n)
            buf_addf(ret, "%s%.*s", ret->len ? "\n" : "", (int)n, at);
    }
}

/* package.json: volta, devEngines, engines. */
static bool package_json(const char *text, size_t len, struct buf *ret)
{
    _json_ json_t *json = json_loadb(text, len, 0, NULL);
    json_t *runtime = json_object_get(json_object_get(json, "devEngines"), "runtime"), *one;
    const char *version = json_string_value(json_object_get(json_object_get(json, "volta"), "node"));
    _json_ json_t *list = json_is_array(runtime) ? json_incref(runtime) : json_pack("[O?]", runtime);
    size_t i;

    json_array_foreach(list, i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        if (!version && name && str_eq_ascii_nocase(name, "node"))
            version = json_string_value(json_object_get(one, "version"));
    }
    if (!version)
        version = json_string_value(json_object_get(json_object_get(json, "engines"), "node"));
    buf_adds(ret, version);
    return json_is_object(json);
}

/* What .tool-versions, go.mod and others call each toolchain. */
static bool named_line(const struct toolchain *t, const char *name, const char *text, struct buf *ret)
{
    static const char *const words[][3] = {
        {".tool-versions", "Node.js", "nodejs"},
        {".tool-versions", "Node.js", "node"},
        {".tool-versions", "Python", "python"},
        {".tool-versions", "Go", "golang"},
        {".tool-versions", "Go", "go"},
        {".tool-versions", "Java", "java"},
        {"go.mod", "Go", "toolchain"},
        {"go.mod", "Go", "go"},
        {"go.work", "Go", "toolchain"},
        {"go.work", "Go", "go"},
        {"pyproject.toml", "Python", "requires-python"},
        {"pyproject.toml", "Python", "python"},
        {"Pipfile", "Python", "python_version"},
        {".sdkmanrc", "Java", "java"},
    };
    bool known = false;

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!str_eq(name, words[i][0]) || !str_eq(t->tool, words[i][1]))
            continue;
        known = true;
        if (line_of(text, words[i][2], ret))
            break;
    }
    return known;
}

/* "go1.22.0", "temurin-17.0.1", "node 20": the version alone. */
static void strip_name(struct buf *b)
{
    static const char *const names[] = {"node",       "nodejs", "go",       "temurin-",
                                        "openjdk64-", "zulu-",  "corretto-"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        size_t n = strlen(names[i]);
        if (str_starts(buf_str(b), names[i]) && strpbrk(buf_str(b) + n, "0123456789"))
            buf_drop(b, n + strspn(buf_str(b) + n, " \t"));
    }
}

int setup_version_file(struct running_step *s, const struct toolchain *t, const char *file, struct buf *ret,
                       struct err *err)
{
    const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
    _buf_ struct buf path = BUF_INIT, text = BUF_INIT;
    size_t which;

    builtin_path(s, file, &path);
    const char *const paths[] = {buf_str(&path)};
    int r = machine_read_first(s->job, paths, 1, FILE_MAX, &text, &which, err);
    if (r < 0)
        return r;
    if (!named_line(t, name, buf_str(&text), ret) &&
        !(str_eq(t->tool, "Node.js") && package_json(buf_str(&text), text.len, ret)))
        plain_lines(buf_str(&text), ret);
    strip_name(ret);
    return buf_ok(ret) ? 0 : err_errno(err, -ENOMEM, "%s", file);
}
