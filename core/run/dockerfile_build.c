/* A Dockerfile, carried out: stage after stage, each in machines of what it has come to so far. */
#include "dockerfile_build.h"

#include <fcntl.h>

#include "containers.h"
#include "engine_internal.h"
#include "local.h"
#include "runfs/io.h"
#include "runfs/late_crypto.h"
#include "runfs/str.h"

#define NAME_BEGINS "runfs.local/dockerfile:"

static const char usual_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

int build_refuse(struct build *b, const struct dockerfile_instruction *in, const char *fmt, ...)
{
    _buf_ struct buf words = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_addv(&words, fmt, ap);
    va_end(ap);
    return err_set(b->err, -EINVAL, "%s:%u: %.*s", b->of->file, in->line,
                   (int)utf8_valid_prefix(buf_str(&words), words.len), buf_str(&words));
}

static int no_memory(const struct build *b)
{
    return err_errno(b->err, -ENOMEM, "%s", b->of->file);
}

static int say(struct build *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int say(struct build *b, const char *fmt, ...)
{
    _buf_ struct buf line = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_addv(&line, fmt, ap);
    va_end(ap);
    buf_addc(&line, '\n');
    return b->of->output(b->of->data, buf_str(&line), line.len);
}

int build_scratch(struct build *b)
{
    _buf_ struct buf dir = BUF_INIT;

    buf_addf(&dir, "%s/containers", b->place.dir);
    int fd = buf_ok(&dir) ? open(dir.ptr, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) : -1;
    return fd < 0 ? err_errno(b->err, -errno, "cannot make a file in %s", buf_str(&dir)) : fd;
}

/* ---------------------------------------------------------------------------------------------- machines */

void build_release_machine(struct build *b, struct machine *m)
{
    if (!m)
        return;
    containers_delist(b->job, m);
    machine_conclude(m, true, "");
    machine_release(m);
}

static int acquire(struct build *b, const char *image, const char *user, bool for_image, struct machine **ret)
{
    _buf_ struct buf title = BUF_INIT;

    buf_addf(&title, "run-%lld-%s-build", (long long)b->job->run->row.id, b->job->row.key);
    struct machine_spec spec = {.backend = "sandbox",
                                .image = image,
                                .over = b->tools,
                                .for_image = for_image,
                                .user = user,
                                .name = "build",
                                .workspace = "/github/workspace",
                                .title = buf_str(&title),
                                .run_id = b->job->run->row.id,
                                .job_id = b->job->row.id,
                                .cancelled = &b->job->cancelled};
    machine_bounds(b->of->beside, &spec);
    int r = machine_acquire(b->job->run->e->machines, &spec, ret, b->err);
    if (r == 0 && !containers_enlist(b->job, *ret)) {
        machine_release(TAKE(*ret));
        r = err_set(b->err, -EAGAIN, "too many machines of one job at once");
    }
    return r;
}

int build_open_image(struct build *b, const char *image, struct machine **ret)
{
    return acquire(b, image, "", false, ret);
}

struct output {
    struct build *b;
    int out_fd;
};

static int take_output(void *data, enum machine_stream stream, const char *bytes, size_t len)
{
    const struct output *o = data;

    if (o->out_fd > 0 && stream == MACHINE_STDOUT)
        return write_all(o->out_fd, bytes, len);
    return o->b->of->output(o->b->of->data, bytes, len);
}

int build_run(struct build *b, struct machine *m, const struct build_command *c)
{
    struct output output = {.b = b, .out_fd = c->out_fd};
    struct machine_exec x = {.argv = c->argv,
                             .env = c->env,
                             .cwd = c->cwd,
                             .put = c->put,
                             .n_put = c->put != NULL,
                             .output = take_output,
                             .data = &output,
                             .deadline_mono_ns = b->of->deadline_mono_ns,
                             .cancelled = &b->job->cancelled};
    struct machine_result result = {0};
    int r = machine_exec(m, &x, &result, b->err);

    if (r == 0 && result.start_error)
        r = err_set(b->err, -ENOENT, "%s", result.start_error);
    else if (r == 0 && result.timed_out)
        r = err_set(b->err, -ETIMEDOUT, "%s: its time is over", b->of->file);
    else if (r == 0 && result.cancelled)
        r = err_set(b->err, -ECANCELED, "The operation was canceled.");
    else if (r == 0 && *result.limit)
        r = err_set(b->err, -EIO, "%s", result.limit);
    else if (r == 0)
        r = result.exit_code;
    machine_result_release(&result);
    return r;
}

/* ------------------------------------------------------------------------------------------------ layers */

/* "NAME=value" of each; those of `less` that it does not have, too. Owned. */
static json_t *variable_list(const json_t *env, const json_t *less)
{
    json_t *list = json_array(), *value;
    const char *key;

    json_object_foreach((json_t *)(uintptr_t)env, key, value)
        json_array_append_new(list, json_sprintf("%s=%s", key, json_string_value(value)));
    json_object_foreach((json_t *)(uintptr_t)less, key, value) if (!json_object_get(env, key))
        json_array_append_new(list, json_sprintf("%s=%s", key, json_string_value(value)));
    return list;
}

static json_t *config_of(const struct build *b)
{
    return json_pack("{s:o, s:O*, s:O*, s:s*, s:s*}", "Env", variable_list(b->env, NULL), "Entrypoint",
                     b->entrypoint, "Cmd", b->command, "User", b->user, "WorkingDir", b->directory);
}

/* What an image without layers begins with: a tar of nothing. */
static int write_nothing(struct build *b, int fd)
{
    static const char ends[1024];
    int r = write_all(fd, ends, sizeof(ends));

    return r < 0 ? err_errno(b->err, r, "%s", b->of->file) : 0;
}

/* What the machine has written, and what was said of the image, become one of that name. */
static int keep(struct build *b, const char *name)
{
    struct oci_image made = {.lock = -1};
    bool layer = b->machine || !b->image.record;
    _close_ int fd = layer ? build_scratch(b) : -1;
    _json_ json_t *config = config_of(b);
    int r = layer && fd < 0 ? fd : config ? 0 : no_memory(b);

    if (r == 0 && layer)
        r = b->machine ? machine_write_layer(b->machine, fd, b->err) : write_nothing(b, fd);
    build_release_machine(b, TAKE(b->machine));
    free(TAKE(b->machine_user));
    b->context = false;
    if (r < 0)
        return r;
    const struct oci_addition a = {.base = b->image.record ? &b->image : NULL,
                                   .layer_fd = fd,
                                   .config = config,
                                   .name = name,
                                   .source = b->of->name,
                                   .most = b->place.most};
    r = oci_add(b->place.dir, &a, &made, b->err);
    if (r < 0)
        return r;
    oci_release(&b->image);
    b->image = made;
    return 0;
}

/* What a stage has come to before it is whole has a name of its own, which goes with the build. */
static void passing_name(const struct build *b, size_t stage, struct buf *ret)
{
    buf_addf(ret, NAME_BEGINS "%.32s-%zu", b->key, stage);
}

int build_machine(struct build *b, const char *user)
{
    _buf_ struct buf name = BUF_INIT, image = BUF_INIT;
    bool other = b->machine && !str_eq(b->machine_user, user);
    int r = 0;

    passing_name(b, b->stage, &name);
    if (!buf_ok(&name))
        return no_memory(b);
    if (other || !b->image.record)
        r = keep(b, name.ptr);
    if (r < 0 || b->machine)
        return r;
    buf_addf(&image, "sha256:%s", b->image.id);
    b->machine_user = strdup(user);
    if (!buf_ok(&image) || !b->machine_user)
        return no_memory(b);
    return acquire(b, image.ptr, user, true, &b->machine);
}

/* ------------------------------------------------------------------------------------------ instructions */

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
        return buf_ok(&pair) ? set_pair(b, in, b->env, pair.ptr) : no_memory(b);
    }
    _strv_ char **words = words_of(b, in);
    for (char **word = words; word && *word && r == 0; word++)
        r = set_pair(b, in, b->env, *word);
    return words ? r : b->err->code;
}

/* One without a value has that of the ARG before the first FROM, or none. */
static int take_argument(struct build *b, const struct dockerfile_instruction *in, json_t *into,
                         const char *word)
{
    json_t *value = json_object_get(b->globals, word);

    if (strchr(word, '='))
        return set_pair(b, in, into, word);
    return value && json_object_set(into, word, value) < 0 ? no_memory(b) : 0;
}

static int do_arg(struct build *b, const struct dockerfile_instruction *in)
{
    _strv_ char **words = words_of(b, in);
    int r = words ? 0 : b->err->code;

    for (char **word = words; r == 0 && *word; word++)
        r = take_argument(b, in, b->args, *word);
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
        return word ? no_memory(b) : b->err->code;
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
    _json_ json_t *env = variable_list(b->env, b->args);
    bool program = text && str_starts(text, "#!");
    struct machine_file file = {
        .path = own_script, .mode = 0755, .data = text, .len = text ? strlen(text) : 0};
    _json_ json_t *command = !text ? NULL : program ? json_pack("[s]", own_script) : command_of(b, text);

    add_unless(env, "PATH", usual_path);
    add_unless(env, "HOME", !b->user || str_eq(b->user, "root") || str_eq(b->user, "0") ? "/root" : "/");
    _free_ const char **argv = strings_of(command), **variables = strings_of(env);
    if (!command || !argv || !variables)
        return text && !command ? build_refuse(b, in, "it is not UTF-8") : no_memory(b);
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
        return list ? no_memory(b) : b->err->code;
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

/* ------------------------------------------------------------------------------------------------ stages */

static void forget_stage(struct build *b)
{
    build_release_machine(b, TAKE(b->machine));
    free(TAKE(b->machine_user));
    oci_release(&b->image);
    json_decref(TAKE(b->env));
    json_decref(TAKE(b->args));
    json_decref(TAKE(b->shell));
    json_decref(TAKE(b->entrypoint));
    json_decref(TAKE(b->command));
    free(TAKE(b->user));
    free(TAKE(b->directory));
    b->own_command = b->context = false;
}

static char *copy_or_null(const char *s)
{
    return s ? strdup(s) : NULL;
}

/* What it begins with says something of itself. */
static int begin_stage(struct build *b, size_t i)
{
    struct stage *s = &b->stages[i];
    _container_ struct container *earlier = NULL;
    const struct container *c = s->base;
    int r = 0;

    forget_stage(b);
    b->stage = i;
    if (s->earlier >= 0)
        r = container_of_image(&b->place, b->stages[s->earlier].image, &earlier, b->err);
    c = earlier ? earlier : c;
    if (r == 0 && c)
        r = oci_open(b->place.dir, c->image, &b->image, b->err);
    if (r < 0)
        return r;
    b->env = c ? json_copy(c->env) : json_object();
    b->args = json_object();
    b->entrypoint = c ? json_incref(c->entrypoint) : NULL;
    b->command = c ? json_incref(c->command) : NULL;
    b->user = c ? copy_or_null(c->user) : NULL;
    b->directory = c ? copy_or_null(c->directory) : NULL;
    return b->env && b->args ? 0 : no_memory(b);
}

static int run_instruction(struct build *b, const struct dockerfile_instruction *in)
{
    _buf_ struct buf options = BUF_INIT;
    const char *key;
    json_t *value;

    json_object_foreach(in->options, key, value)
        buf_addf(&options, " --%s=%.100s", key, json_string_value(value));
    int r = say(b, "%s:%u: %s%s %.300s", b->of->file, in->line, in->name, buf_str(&options), in->text);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(instructions); i++)
        if (str_eq(instructions[i].name, in->name))
            r = instructions[i].run(b, in);
    return r;
}

static int build_stage(struct build *b, size_t i)
{
    struct stage *s = &b->stages[i];
    _buf_ struct buf name = BUF_INIT;
    int r = begin_stage(b, i);

    for (size_t k = s->begin; r == 0 && k < s->end; k++)
        r = run_instruction(b, &b->d.list[k]);
    if (i + 1 == b->n_stages)
        buf_addf(&name, NAME_BEGINS "%.32s", b->key);
    else
        passing_name(b, i, &name);
    if (r == 0)
        r = buf_ok(&name) ? keep(b, name.ptr) : no_memory(b);
    if (r == 0)
        s->image = buf_steal(&name);
    return r;
}

/* What is left of the stages is of no use to anybody. */
static void drop_passing(const struct build *b)
{
    for (size_t i = 0; i < b->n_stages; i++) {
        _buf_ struct buf name = BUF_INIT;
        passing_name(b, i, &name);
        if (buf_ok(&name))
            (void)oci_remove(b->place.dir, name.ptr, NULL);
    }
}

/* ------------------------------------------------------------------------------------- what it begins with
 */

static ptrdiff_t find_stage(const struct build *b, const char *name, size_t before)
{
    char *end;
    unsigned long number = strtoul(name, &end, 10);

    for (size_t i = 0; i < before; i++)
        if (b->stages[i].name && strcasecmp(b->stages[i].name, name) == 0)
            return (ptrdiff_t)i;
    return *name && !*end && number < before ? (ptrdiff_t)number : -1;
}

/* FROM image [AS name]. What it begins with stands in its name for now. */
static int read_from(struct build *b, size_t at)
{
    const struct dockerfile_instruction *in = &b->d.list[at];
    struct err err = {0};
    _strv_ char **words = dockerfile_words(&b->d, in->text, b->globals, &err);
    struct stage *more = reallocarray(b->stages, b->n_stages + 1, sizeof(*more));

    if (!words || !more)
        return build_refuse(b, in, "%s", err.code ? err.msg : "out of memory");
    b->stages = more;
    more[b->n_stages] = (struct stage){.earlier = -1, .begin = at + 1, .end = b->d.n};
    bool named = *words && words[1];
    if (!*words || !**words || (named && (strcasecmp(words[1], "AS") != 0 || !words[2] || words[3])))
        return build_refuse(b, in, "FROM is an image, and may have a name: FROM debian:12 AS build");
    if (b->n_stages)
        more[b->n_stages - 1].end = at;
    more[b->n_stages].name = named ? strdup(words[2]) : NULL;
    more[b->n_stages].image = strdup(words[0]);
    b->n_stages++;
    return more[b->n_stages - 1].image ? 0 : no_memory(b);
}

static int find_stages(struct build *b)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < b->d.n; i++) {
        const struct dockerfile_instruction *in = &b->d.list[i];
        struct err err = {0};
        if (str_eq(in->name, "FROM")) {
            r = read_from(b, i);
        } else if (!b->n_stages) {
            _strv_ char **words = dockerfile_words(&b->d, in->text, b->globals, &err);
            r = words ? 0 : build_refuse(b, in, "%s", err.msg);
            for (char **word = words; r == 0 && *word; word++)
                r = take_argument(b, in, b->globals, *word);
        }
    }
    return r;
}

/* The last one, and what it needs. */
static void mark_needed(struct build *b)
{
    b->stages[b->n_stages - 1].needed = true;
    for (size_t i = b->n_stages; i-- > 0;) {
        struct stage *s = &b->stages[i];
        s->earlier = find_stage(b, s->image, i);
        if (!s->needed)
            continue;
        if (s->earlier >= 0)
            b->stages[s->earlier].needed = true;
        for (size_t k = s->begin; k < s->end; k++) {
            const char *from = json_string_value(json_object_get(b->d.list[k].options, "from"));
            ptrdiff_t other = from ? find_stage(b, from, i) : -1;
            if (other >= 0)
                b->stages[other].needed = true;
        }
    }
}

/* Brings the images that it begins with; what they are is part of what it is built of. */
static int bring_bases(struct build *b, struct buf *made_of)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < b->n_stages; i++) {
        struct stage *s = &b->stages[i];
        _free_ char *image = TAKE(s->image);
        if (!s->needed || s->earlier >= 0 || str_eq(image, "scratch"))
            continue;
        r = container_of_image(&b->place, image, &s->base, b->err);
        buf_addf(made_of, "%s\n", r == 0 ? s->base->image : "");
        if (r == 0 && s->base->said.len)
            r = b->of->output(b->of->data, buf_str(&s->base->said), s->base->said.len);
    }
    return r;
}

/* What is the same of the same files. */
static int add_context(struct build *b, struct buf *made_of)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    char block[65536];
    bool good = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    off_t at = 0;
    ssize_t n = 0;

    while (good && (n = pread(b->of->context_fd, block, sizeof(block), at)) > 0) {
        good = EVP_DigestUpdate(context, block, (size_t)n);
        at += n;
    }
    good = good && n == 0 && EVP_DigestFinal_ex(context, digest, NULL);
    EVP_MD_CTX_free(context);
    for (size_t i = 0; good && i < SHA256_DIGEST_LENGTH; i++)
        buf_addf(made_of, "%02x", digest[i]);
    return good ? 0 : err_errno(b->err, -EIO, "%s", b->of->file);
}

static int find_key(struct build *b)
{
    _buf_ struct buf made_of = BUF_INIT;
    unsigned char digest[SHA256_DIGEST_LENGTH];
    int r = bring_bases(b, &made_of);

    if (r == 0)
        r = add_context(b, &made_of);
    buf_addf(&made_of, "\n%s", b->of->text);
    if (r == 0 && !buf_ok(&made_of))
        r = no_memory(b);
    if (r < 0)
        return r;
    SHA256((const unsigned char *)made_of.ptr, made_of.len, digest);
    for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++)
        snprintf(b->key + 2 * i, 3, "%02x", digest[i]);
    return 0;
}

/* --------------------------------------------------------------------------------------------- the whole */

static void build_release(struct build *b)
{
    forget_stage(b);
    for (size_t i = 0; i < b->n_stages; i++) {
        free(b->stages[i].name);
        free(b->stages[i].image);
        container_free(b->stages[i].base);
    }
    free(b->stages);
    free(b->tools);
    cleanup_close(&b->tools_lock);
    json_decref(b->globals);
    dockerfile_release(&b->d);
}

static int build_all(struct build *b)
{
    bool node;
    int r = oci_tools(b->place.dir, &b->tools, &node, &b->tools_lock, b->err);

    for (size_t i = 0; r == 0 && i < b->n_stages; i++)
        if (b->stages[i].needed)
            r = build_stage(b, i);
    forget_stage(b);
    drop_passing(b);
    return r;
}

static int build(struct build *b, char **ret_image)
{
    _oci_image_ struct oci_image made = {.lock = -1};
    _buf_ struct buf name = BUF_INIT;
    int r = dockerfile_parse(b->of->file, b->of->text, &b->d, b->err);

    b->globals = json_object();
    if (r == 0)
        r = find_stages(b);
    if (r < 0)
        return r;
    mark_needed(b);
    r = find_key(b);
    buf_addf(&name, NAME_BEGINS "%.32s", b->key);
    if (r == 0 && !buf_ok(&name))
        r = no_memory(b);
    if (r == 0 && oci_open(b->place.dir, name.ptr, &made, NULL) < 0)
        r = build_all(b);
    else if (r == 0)
        r = say(b, "%s has been built of the same before", b->of->file);
    if (r == 0)
        *ret_image = buf_steal(&name);
    return r;
}

int dockerfile_build(void *data, const struct image_build *of, char **ret_image, struct err *err)
{
    struct local_outside *l = data;
    struct err own = {0};
    struct build b = {.of = of,
                      .job = l->job,
                      .place = containers_place(l->job, l->mask),
                      .image.lock = -1,
                      .tools_lock = -1,
                      .err = err ? err : &own};

    if (!str_eq(machine_backend(of->beside), "sandbox"))
        return err_set(b.err, -ENOTSUP,
                       "a Docker action needs a job that runs in a sandbox, and this one's runs in %s",
                       machine_backend(of->beside));
    int r = build(&b, ret_image);
    build_release(&b);
    return r;
}
