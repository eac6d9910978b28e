/* The instructions of a Dockerfile between two FROMs: what each does to the stage at work, but COPY and ADD.
 */
#include "dockerfile_build.h"

#include "runfs/str.h"

static const char usual_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

json_t *build_variables(const json_t *env, const json_t *less)
{
    json_t *list = json_array(), *value;
    const char *key;

    json_object_foreach((json_t *)(uintptr_t)env, key, value)
        json_array_append_new(list, json_sprintf("%s=%s", key, json_string_value(value)));
    json_object_foreach((json_t *)(uintptr_t)less, key, value) if (!json_object_get(env, key))
        json_array_append_new(list, json_sprintf("%s=%s", key, json_string_value(value)));
    return list;
}

/* Above what ARG says stands what ENV does. */
static json_t *variables_of(const struct build *b)
{
    json_t *all = json_copy(b->args);

    if (all && json_object_update(all, b->env) < 0)
        json_decref(TAKE(all));
    return all;
}

/* NULL: err has the words. */
static char **words_of(struct build *b, const struct dockerfile_instruction *in)
{
    _json_ json_t *variables = variables_of(b);
    struct err err = {0};
    char **words = variables ? dockerfile_words(&b->d, in->text, variables, &err) : NULL;

    if (!words)
        (void)build_refuse(b, in, "%s", err.code ? err.msg : "out of memory");
    return words;
}

static char *word_of(struct build *b, const struct dockerfile_instruction *in, const char *text)
{
    _json_ json_t *variables = variables_of(b);
    struct err err = {0};
    char *word = variables ? dockerfile_word(&b->d, text, variables, &err) : NULL;

    if (!word)
        (void)build_refuse(b, in, "%s", err.code ? err.msg : "out of memory");
    return word;
}

static int set_pair(struct build *b, const struct dockerfile_instruction *in, json_t *into, const char *word)
{
    const char *equals = strchr(word, '=');
    _free_ char *name = equals && equals > word ? strndup(word, (size_t)(equals - word)) : NULL;

    if (!name || json_object_set_new(into, name, json_string(equals + 1)) < 0)
        return build_refuse(b, in, "'%.100s' is not NAME=value in UTF-8", word);
    return 0;
}

/* `ENV NAME=value ...`, and of old `ENV NAME value of many words`. */
static int do_env(struct build *b, const struct dockerfile_instruction *in)
{
    size_t name = strcspn(in->text, "= \t");
    int r = 0;

    if (in->text[name] != '=') {
        const char *rest = in->text + name + strspn(in->text + name, " \t");
        _buf_ struct buf pair = BUF_INIT;
        _free_ char *value = word_of(b, in, rest);
        if (!value)
            return b->err->code;
        buf_addf(&pair, "%.*s=%s", (int)name, in->text, value);
        return buf_ok(&pair) ? set_pair(b, in, b->env, pair.ptr) : build_no_memory(b);
    }
    _strv_ char **words = words_of(b, in);
    for (char **word = words; word && *word && r == 0; word++)
        r = set_pair(b, in, b->env, *word);
    return words ? r : b->err->code;
}

int build_argument(struct build *b, const struct dockerfile_instruction *in, json_t *into, const char *word)
{
    json_t *value = json_object_get(b->globals, word);

    if (strchr(word, '='))
        return set_pair(b, in, into, word);
    return value && json_object_set(into, word, value) < 0 ? build_no_memory(b) : 0;
}

static int do_arg(struct build *b, const struct dockerfile_instruction *in)
{
    _strv_ char **words = words_of(b, in);
    int r = words ? 0 : b->err->code;

    for (char **word = words; r == 0 && *word; word++)
        r = build_argument(b, in, b->args, *word);
    return r;
}

char *build_path(const struct build *b, const char *path)
{
    _buf_ struct buf whole = BUF_INIT;
    const char *dir = b->directory ? b->directory : "/";

    if (*path != '/')
        buf_addf(&whole, "%s%s", dir, str_ends(dir, "/") ? "" : "/");
    buf_adds(&whole, path);
    return buf_steal(&whole);
}

static int do_workdir(struct build *b, const struct dockerfile_instruction *in)
{
    _free_ char *word = word_of(b, in, in->text);
    char *path = word ? build_path(b, word) : NULL;

    if (!path)
        return word ? build_no_memory(b) : b->err->code;
    free(b->directory);
    b->directory = path;
    int r = build_machine(b, "");
    return r == 0 ? machine_make_dirs(b->machine, path, b->err) : r;
}

static int do_user(struct build *b, const struct dockerfile_instruction *in)
{
    char *user = word_of(b, in, in->text);

    if (!user)
        return b->err->code;
    free(b->user);
    b->user = user;
    return 0;
}

/* A command as a list, or as a line for the shell. */
static json_t *command_of(const struct build *b, const char *text)
{
    json_t *list = dockerfile_list(text);

    if (list)
        return list;
    list = b->shell ? json_copy(b->shell) : json_pack("[s, s]", "/bin/sh", "-c");
    if (list && json_array_append_new(list, json_string(text)) < 0)
        json_decref(TAKE(list));
    return list;
}

static int do_command(struct build *b, const struct dockerfile_instruction *in)
{
    json_t *command = command_of(b, in->text);

    if (!command)
        return build_refuse(b, in, "it is not UTF-8");
    if (str_eq(in->name, "CMD")) {
        json_decref(b->command);
        b->command = command;
        b->own_command = true;
        return 0;
    }
    json_decref(b->entrypoint);
    b->entrypoint = command;
    if (!b->own_command) /* the base's was for the base's */
        json_decref(TAKE(b->command));
    return 0;
}

static int do_shell(struct build *b, const struct dockerfile_instruction *in)
{
    json_t *list = dockerfile_list(in->text);

    if (!json_array_size(list)) {
        json_decref(list);
        return build_refuse(b, in, "SHELL is a list, as in [\"/bin/bash\", \"-c\"]");
    }
    json_decref(b->shell);
    b->shell = list;
    return 0;
}

/* The text with its here-documents. One that is nothing but a here-document is that. */
static char *script_of(const struct dockerfile_instruction *in)
{
    _buf_ struct buf text = BUF_INIT;
    json_t *document;
    size_t i;

    if (json_array_size(in->documents) == 1 && str_starts(in->text, "<<") && !strpbrk(in->text, " \t"))
        return strdup(json_string_value(json_array_get(json_array_get(in->documents, 0), 1)));
    buf_adds(&text, in->text);
    json_array_foreach(in->documents, i, document)
        buf_addf(&text, "\n%s%s", json_string_value(json_array_get(document, 1)),
                 json_string_value(json_array_get(document, 0)));
    return buf_steal(&text);
}

/* A name that is not there yet, and its value. */
static void add_unless(json_t *list, const char *name, const char *value)
{
    size_t i, n = strlen(name);
    json_t *line;

    json_array_foreach(list, i, line) if (strncmp(json_string_value(line), name, n) == 0 &&
                                          json_string_value(line)[n] == '=') return;
    json_array_append_new(list, json_sprintf("%s=%s", name, value));
}

/* Borrows from the list; the array is to be freed. */
static const char **strings_of(const json_t *list)
{
    const char **strings = calloc(json_array_size(list) + 1, sizeof(*strings));

    for (size_t i = 0; strings && i < json_array_size(list); i++)
        strings[i] = json_string_value(json_array_get(list, i));
    return strings;
}

static int check_mounts(struct build *b, const struct dockerfile_instruction *in)
{
    const char *mount = json_string_value(json_object_get(in->options, "mount"));

    if (!mount || strstr(mount, "type=cache") || strstr(mount, "type=tmpfs"))
        return 0;
    return build_refuse(b, in, "--mount=%.100s cannot be had: only caches can, which begin empty", mount);
}

static int do_run(struct build *b, const struct dockerfile_instruction *in)
{
    static const char own_script[] = "/__b/script";
    _free_ char *text = script_of(in);
    _json_ json_t *env = build_variables(b->env, b->args);
    bool program = text && str_starts(text, "#!");
    struct machine_file file = {
        .path = own_script, .mode = 0755, .data = text, .len = text ? strlen(text) : 0};
    _json_ json_t *command = !text ? NULL : program ? json_pack("[s]", own_script) : command_of(b, text);

    add_unless(env, "PATH", usual_path);
    add_unless(env, "HOME", !b->user || str_eq(b->user, "root") || str_eq(b->user, "0") ? "/root" : "/");
    _free_ const char **argv = strings_of(command), **variables = strings_of(env);
    if (!command || !argv || !variables)
        return text && !command ? build_refuse(b, in, "it is not UTF-8") : build_no_memory(b);
    int r = check_mounts(b, in);
    if (r == 0)
        r = build_machine(b, b->user && geteuid() == 0 ? b->user : ""); /* an ordinary user's has one id */
    if (r < 0)
        return r;
    r = build_run(b, b->machine,
                  &(struct build_command){.argv = argv,
                                          .env = variables,
                                          .cwd = b->directory ? b->directory : "/",
                                          .put = program ? &file : NULL});
    return r > 0 ? build_refuse(b, in, "RUN %.200s: exit code %d", in->text, r) : r;
}

static int do_copy(struct build *b, const struct dockerfile_instruction *in)
{
    _json_ json_t *list = dockerfile_list(in->text);
    _strv_ char **words = list ? NULL : words_of(b, in);
    _free_ const char **listed = list ? strings_of(list) : NULL;

    if (!words && !listed)
        return list ? build_no_memory(b) : b->err->code;
    return build_copy(b, in, list ? (char *const *)(uintptr_t)listed : words);
}

/* What is of no account for an action. */
static int do_nothing(struct build *b, const struct dockerfile_instruction *in)
{
    (void)b;
    (void)in;
    return 0;
}

static int do_onbuild(struct build *b, const struct dockerfile_instruction *in)
{
    return build_refuse(b, in, "ONBUILD is for images that others begin with, which this one is not");
}

static const struct {
    const char *name;
    int (*run)(struct build *b, const struct dockerfile_instruction *in);
} instructions[] = {{"ADD", do_copy},           {"ARG", do_arg},
                    {"CMD", do_command},        {"COPY", do_copy},
                    {"ENTRYPOINT", do_command}, {"ENV", do_env},
                    {"EXPOSE", do_nothing},     {"HEALTHCHECK", do_nothing},
                    {"LABEL", do_nothing},      {"MAINTAINER", do_nothing},
                    {"ONBUILD", do_onbuild},    {"RUN", do_run},
                    {"SHELL", do_shell},        {"STOPSIGNAL", do_nothing},
                    {"USER", do_user},          {"VOLUME", do_nothing},
                    {"WORKDIR", do_workdir}};

int build_instruction(struct build *b, const struct dockerfile_instruction *in)
{
    _buf_ struct buf options = BUF_INIT;
    const char *key;
    json_t *value;

    json_object_foreach(in->options, key, value)
        buf_addf(&options, " --%s=%.100s", key, json_string_value(value));
    int r = build_say(b, "%s:%u: %s%s %.300s", b->of->file, in->line, in->name, buf_str(&options), in->text);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(instructions); i++)
        if (str_eq(instructions[i].name, in->name))
            r = instructions[i].run(b, in);
    return r;
}
