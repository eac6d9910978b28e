/*
 * actions/setup-node, setup-python, setup-go and setup-java without the network: they take what the machine
 * has when it is of the version that is asked for, and else say what is there and what to do. Where
 * config/actions_mirror has the real action, that one runs instead.
 */
#include "builtin_setup.h"

#include "runfs/str.h"

/* ------------------------------------------------------------------------------------------ version words */

/* GitHub's documentation, "actions/setup-node: Supported version syntax". Which release is the newest nobody
 * can tell here: the words for it are satisfied by any. */
static int node_alias(const char *asked, const struct version *v)
{
    static const char *const names[] = {"argon",   "boron",    "carbon", "dubnium", "erbium", "fermium",
                                        "gallium", "hydrogen", "iron",   "jod",     "krypton"};
    bool even = v->part[0] >= 4 && v->part[0] % 2 == 0;

    if (str_eq(asked, "latest") || str_eq(asked, "node") || str_eq(asked, "current"))
        return 1;
    if (strncasecmp(asked, "lts/", 4) != 0)
        return -1;
    if (str_eq(asked + 4, "*") || asked[4] == '-')
        return even;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_ascii_nocase(asked + 4, names[i]))
            return v->part[0] == 4 + 2 * i;
    return 0;
}

static int go_alias(const char *asked, const struct version *v)
{
    return str_eq(asked, "stable") || str_eq(asked, "oldstable") ? !*v->pre : -1;
}

/* "3.13-dev" also takes pre-releases; other implementations and builds are not what CPython's program is. */
static int python_alias(const char *asked, const struct version *v)
{
    size_t len = strlen(asked);
    _buf_ struct buf range = BUF_INIT;

    if (str_starts(asked, "pypy") || str_starts(asked, "graalpy") || (len && asked[len - 1] == 't'))
        return 0;
    if (!str_ends(asked, "-dev"))
        return -1;
    buf_addf(&range, "~%.*s.0-0", (int)len - 4, asked);
    return version_in_range(v, buf_str(&range)) == 1;
}

static int java_alias(const char *asked, const struct version *v)
{
    _buf_ struct buf range = BUF_INIT;

    if (!str_ends(asked, "-ea"))
        return str_eq(asked, "latest") ? 1 : -1;
    buf_add(&range, asked, strlen(asked) - 3);
    return version_in_range(v, buf_str(&range)) == 1;
}

/* --------------------------------------------------------------------------------------------- activating */

static void set_env(struct running_step *s, const char *name, const char *value)
{
    json_object_set_new(s->job->set_env, name, json_string(value));
}

/* The first line of a text. */
static void set_env_line(struct running_step *s, const char *name, const struct buf *text)
{
    json_object_set_new(s->job->set_env, name, json_stringn(buf_str(text), strcspn(buf_str(text), "\n")));
}

/*
 * A directory of links for the PATH, so that nothing else which lies beside the program comes with it. names:
 * of links to the program; beside: NAME or NAME=FILE of its directory, where they are.
 */
static int link_programs(struct running_step *s, const struct candidate *c, const char *names,
                         const char *beside, struct buf *ret_dir, struct err *err)
{
    _buf_ struct buf script = BUF_INIT;
    const char *slash = strrchr(c->program, '/');

    buf_addf(ret_dir, "%s/links/%s-%s", machine_paths(s->job->machine)->tool_cache, slash + 1, c->text);
    buf_adds(&script, "set -e; d=");
    buf_add_shell_word(&script, buf_str(ret_dir));
    buf_adds(&script, "; p=");
    buf_add_shell_word(&script, c->program);
    buf_addf(&script,
             "; case $p in \"$d\"/*) exit ;; esac; " /* it is such a link already */
             "mkdir -p \"$d\"; for n in %s; do ln -sfn \"$p\" \"$d/$n\"; done; "
             "for n in %s; do f=${p%%/*}/${n#*=}; [ ! -x \"$f\" ] || ln -sfn \"$f\" \"$d/${n%%=*}\"; done",
             names, beside);
    int r = buf_ok(ret_dir) && buf_ok(&script) ? setup_shell(s, buf_str(&script), NULL, err)
                                               : err_errno(err, -ENOMEM, "script");
    return r > 0 ? err_set(err, -EIO, "%s cannot be set up", c->program) : r;
}

static int activate_node(struct running_step *s, const struct candidate *c, struct buf *ret_dir,
                         struct err *err)
{
    return link_programs(s, c, "node", "npm npx corepack yarn pnpm", ret_dir, err);
}

static int activate_go(struct running_step *s, const struct candidate *c, struct buf *ret_dir,
                       struct err *err)
{
    return link_programs(s, c, "go", "gofmt", ret_dir, err);
}

/* `python` is its name whatever the system calls it, and pip installs into a machine that is thrown away. */
static int activate_python(struct running_step *s, const struct candidate *c, struct buf *ret_dir,
                           struct err *err)
{
    static const char *const roots[] = {"pythonLocation", "Python_ROOT_DIR", "Python2_ROOT_DIR",
                                        "Python3_ROOT_DIR"};
    _buf_ struct buf names = BUF_INIT, script = BUF_INIT, prefix = BUF_INIT;

    buf_addf(&names, "python python3 python%u.%u", c->version.part[0], c->version.part[1]);
    int r = link_programs(s, c, buf_str(&names), "pip3 pip=pip3", ret_dir, err);
    buf_add_shell_word(&script, c->program);
    buf_adds(&script, " -c 'import sys; print(sys.prefix)'");
    if (r == 0)
        r = setup_shell(s, buf_str(&script), &prefix, err);
    if (r != 0)
        return r < 0 ? r : err_set(err, -EIO, "%s cannot be set up", c->program);
    for (size_t i = 0; i < ARRAY_LEN(roots); i++)
        set_env_line(s, roots[i], &prefix);
    if (!str_eq(machine_backend(s->job->machine), "host"))
        set_env(s, "PIP_BREAK_SYSTEM_PACKAGES", "1");
    return 0;
}

static int activate_java(struct running_step *s, const struct candidate *c, struct buf *ret_dir,
                         struct err *err)
{
    _buf_ struct buf script = BUF_INIT, name = BUF_INIT;
    json_t *runner = json_object_get(s->scope->contexts, "runner");
    const struct use *u = use_get(s->job, s->scope->use, s->def);

    buf_adds(&script, "dirname \"$(dirname \"$(readlink -f ");
    buf_add_shell_word(&script, c->program);
    buf_adds(&script, ")\")\"");
    int r = setup_shell(s, buf_str(&script), ret_dir, err);
    if (r != 0 || *buf_str(ret_dir) != '/')
        return r < 0 ? r : err_set(err, -EIO, "%s cannot be set up", c->program);
    buf_addf(&name, "JAVA_HOME_%u_%s", c->version.part[0],
             json_string_value(json_object_get(runner, "arch")));
    set_env_line(s, "JAVA_HOME", ret_dir);
    set_env_line(s, buf_str(&name), ret_dir);
    ret_dir->len = strcspn(ret_dir->ptr, "\n");
    ret_dir->ptr[ret_dir->len] = '\0';
    builtin_output(s, "path", ret_dir->ptr);
    builtin_output(s, "distribution", builtin_input(u, "distribution"));
    buf_adds(ret_dir, "/bin");
    return buf_ok(ret_dir) ? 0 : err_errno(err, -ENOMEM, "PATH");
}

/* ---------------------------------------------------------------------------------------------- the table */

static const struct toolchain toolchains[] = {
    {.repository = "actions/setup-node",
     .tool = "Node.js",
     .version_input = "node-version",
     .file_input = "node-version-file",
     .default_files = "",
     .places = "\"$RUNNER_TOOL_CACHE\"/node/*/*/bin",
     .programs = "node",
     .ask = "--version",
     .version_output = "node-version",
     .output_prefix = "v",
     .ignored = "check-latest mirror mirror-token registry-url scope always-auth",
     .alias = node_alias,
     .activate = activate_node},
    {.repository = "actions/setup-python",
     .tool = "Python",
     .version_input = "python-version",
     .file_input = "python-version-file",
     .default_files = ".python-version",
     .places = "\"$RUNNER_TOOL_CACHE\"/Python/*/*/bin",
     .programs = "python3 python3.[0-9] python3.[0-9][0-9] python",
     .ask = "--version",
     .version_output = "python-version",
     .path_output = "python-path",
     .output_prefix = "",
     .ignored = "check-latest freethreaded pip-version pip-install",
     .alias = python_alias,
     .activate = activate_python,
     .always_in_path = true},
    {.repository = "actions/setup-go",
     .tool = "Go",
     .version_input = "go-version",
     .file_input = "go-version-file",
     .default_files = "",
     .places = "\"$RUNNER_TOOL_CACHE\"/go/*/*/bin /usr/local/go/bin /usr/lib/go-*/bin",
     .programs = "go",
     .ask = "version",
     .version_output = "go-version",
     .output_prefix = "",
     .ignored = "check-latest go-download-base-url",
     .alias = go_alias,
     .activate = activate_go},
    {.repository = "actions/setup-java",
     .tool = "Java",
     .version_input = "java-version",
     .file_input = "java-version-file",
     .default_files = "",
     .places = "\"$RUNNER_TOOL_CACHE\"/Java_*/*/*/bin /usr/lib/jvm/*/bin",
     .programs = "java",
     .ask = "-version 2>&1 | grep version",
     .version_output = "version",
     .output_prefix = "",
     .ignored = "check-latest jdkFile server-id overwrite-settings gpg-private-key set-default java-package",
     .alias = java_alias,
     .activate = activate_java},
};

static const struct toolchain *toolchain_of(const struct use *u)
{
    for (size_t i = 0; i < ARRAY_LEN(toolchains); i++)
        if (str_eq(toolchains[i].repository, u->builtin->repository))
            return &toolchains[i];
    return NULL;
}

/* ---------------------------------------------------------------------------------------- what is asked for
 */

/* The versions, a line each: of the input, of the file, or of a file that stands for it. */
static int wanted_versions(struct running_step *s, struct use *u, const struct toolchain *t, struct buf *ret,
                           struct err *err)
{
    const char *input = builtin_input(u, t->version_input), *file = builtin_input(u, t->file_input);
    struct err why = {0};

    if (*input && *file) {
        _buf_ struct buf msg = BUF_INIT;
        buf_addf(&msg, "Both %s and %s inputs are specified, only %s will be used.", t->version_input,
                 t->file_input, t->version_input);
        output_warning(&s->output, buf_str(&msg));
    }
    if (*input) {
        buf_adds(ret, input);
        return 0;
    }
    if (*file) {
        int r = setup_version_file(s, t, file, ret, &why);
        return r == -ENOENT
                   ? err_set(err, r, "The specified %s file at: %s does not exist", t->version_input, file)
               : r < 0 ? err_set(err, r, "%s", why.msg)
               : ret->len
                   ? 0
                   : err_set(err, -EINVAL, "%s does not say which version of %s it wants", file, t->tool);
    }
    if (*t->default_files && setup_version_file(s, t, t->default_files, ret, &why) < 0)
        buf_reset(ret);
    return 0;
}

static void say_ignored(struct running_step *s, const struct use *u, const struct toolchain *t)
{
    _free_ char *names = strdup(t->ignored);

    for (char *save = NULL, *name = names ? strtok_r(names, " ", &save) : NULL; name;
         name = strtok_r(NULL, " ", &save))
        if (*builtin_input(u, name) && !str_eq_ascii_nocase(builtin_input(u, name), "false"))
            output_runner_line(&s->output, "Input '%s' is ignored: this %s is built in and downloads nothing",
                               name, t->repository);
}

static int check_architecture(struct running_step *s, const struct use *u, const struct toolchain *t,
                              struct err *err)
{
    const char *asked = builtin_input(u, "architecture"),
               *own =
                   json_string_value(json_object_get(json_object_get(s->scope->contexts, "runner"), "arch"));

    if (!*asked || str_eq_ascii_nocase(asked, own) ||
        (str_eq(own, "X64") && (str_eq(asked, "amd64") || str_eq(asked, "x86_64"))))
        return 0;
    return err_set(err, -ENOENT, "%s for %s was asked for, and this machine is %s", t->tool, asked, own);
}

/* ---------------------------------------------------------------------------------------------- its stages
 */

static int take(struct running_step *s, const struct toolchain *t, const struct candidate *c,
                const char *asked, bool in_path, struct err *err)
{
    _buf_ struct buf version = BUF_INIT, dir = BUF_INIT;
    int r = t->activate(s, c, &dir, err);

    if (r == 0 && (!in_path || t->always_in_path) &&
        json_array_append_new(s->job->set_path, json_string(buf_str(&dir))) < 0)
        r = err_errno(err, -ENOMEM, "PATH");
    if (r < 0)
        return r;
    output_runner_line(&s->output, "Found %s %s in %s, asked for: %s", t->tool, c->text, c->program, asked);
    buf_addf(&version, "%s%s", t->output_prefix, c->text);
    builtin_output(s, t->version_output, buf_str(&version));
    if (t->path_output)
        builtin_output(s, t->path_output, c->program);
    return 0;
}

/* Each of the versions is set up; what comes last comes first in the PATH. */
static int set_up(struct running_step *s, struct use *u, const struct toolchain *t, struct err *err)
{
    _buf_ struct buf wanted = BUF_INIT;
    struct candidates all = {0};
    const struct candidate *chosen = NULL;
    size_t n_taken = 0;
    int r = wanted_versions(s, u, t, &wanted, err);

    say_ignored(s, u, t);
    if (r == 0)
        r = check_architecture(s, u, t, err);
    if (r == 0)
        r = setup_find(s, t, &all, err);
    if (r == 0 && !*buf_str(&wanted))
        buf_adds(&wanted, "*");
    for (char *save = NULL, *line = r == 0 && buf_ok(&wanted) ? strtok_r(wanted.ptr, "\r\n", &save) : NULL;
         r == 0 && line; line = strtok_r(NULL, "\r\n", &save)) {
        line += strspn(line, " \t");
        for (size_t n = strlen(line); n && strchr(" \t", line[n - 1]); n--)
            line[n - 1] = '\0';
        r = *line ? setup_choose(t, &all, line, &chosen, err) : 0;
        if (r == 0 && *line)
            r = take(s, t, chosen, line, n_taken++ == 0 && chosen->first_in_path, err);
    }
    if (r == 0 && chosen)
        r = setup_cache(s, u, t, &chosen->version, err);
    candidates_release(&all);
    return r;
}

void setup_main(struct running_step *s, struct use *u)
{
    struct err err = {0};

    if (set_up(s, u, toolchain_of(u), &err) < 0)
        builtin_fail(s, &err);
}

void setup_post(struct running_step *s, struct use *u)
{
    if (json_object_get(u->state, "CACHE_KEY"))
        cache_post(s, u);
}
