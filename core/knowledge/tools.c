/* Commands to nodes: which programs have subcommands, which only run another, which are the shell's own. The
 * tables are what the tools' manuals say. */
#include "runfs/knowledge.h"
#include "runfs/str.h"

/* Lists are words between blanks, with a blank at both ends. */
static bool in_list(const char *list, const char *word)
{
    size_t len = strlen(word);

    if (!list || !len || strpbrk(word, " "))
        return false;
    for (const char *at = strstr(list, word); at; at = strstr(at + 1, word))
        if (at > list && at[-1] == ' ' && at[len] == ' ')
            return true;
    return false;
}

struct tool {
    const char *program;
    const char *valued; /* options whose value is the next word */
    const char *deeper; /* subcommands that have subcommands themselves */
    bool flag;          /* a leading --word is its subcommand: cmake --build */
};

static const struct tool tools[] = {
    {"ansible-galaxy", NULL, " collection role ", false},
    {"apk", NULL, NULL, false},
    {"apt", " -o -t -c ", NULL, false},
    {"apt-get", " -o -t -c ", NULL, false},
    {"aws", " --region --profile --output --endpoint-url ",
     " s3 s3api ecr ecs ec2 lambda iam sts cloudformation ", false},
    {"az", NULL, " acr aks account group webapp storage ", false},
    {"bash", " -c -o -O ", NULL, false},
    {"bazel", NULL, NULL, false},
    {"brew", NULL, NULL, false},
    {"bun", " --cwd ", " run pm ", false},
    {"bundle", NULL, NULL, false},
    {"cargo", " --color --config -C -Z --manifest-path ", " hack llvm-cov ", false},
    {"cmake", NULL, NULL, true},
    {"composer", " -d --working-dir ", " run-script run ", false},
    {"conda", NULL, " env ", false},
    {"deno", NULL, " task ", false},
    {"dnf", NULL, NULL, false},
    {"docker", " -H --host --context -c --config -l --log-level ",
     " compose buildx image container network volume system builder manifest ", false},
    {"dotnet", NULL, " tool nuget ", false},
    {"firebase", NULL, NULL, false},
    {"flutter", NULL, " pub build ", false},
    {"gcloud", " --project ", " auth builds compute container run app config ", false},
    {"gem", NULL, NULL, false},
    {"gh", " -R --repo ", " pr issue release run workflow api repo auth cache ", false},
    {"git", " -C -c --git-dir --work-tree --namespace ", " submodule remote lfs worktree stash ", false},
    {"go", " -C ", " mod tool work ", false},
    {"gradle", " -p -b -c -x --console ", NULL, false},
    {"gradlew", " -p -b -c -x --console ", NULL, false},
    {"helm", " -n --namespace --kube-context ", " repo dependency ", false},
    {"just", " -f --justfile -d --working-directory ", NULL, false},
    {"kubectl", " -n --namespace --context --kubeconfig ", " rollout config create ", false},
    {"make", " -C -f -I -o -W --directory --file --makefile ", NULL, false},
    {"meson", NULL, NULL, false},
    {"mix", NULL, NULL, false},
    {"mvn", " -f -pl -P -s -T ", NULL, false},
    {"mvnw", " -f -pl -P -s -T ", NULL, false},
    {"npm", " --prefix -w --workspace -C ", " run run-script cache config audit ", false},
    {"node", " -e -p -r --eval --print --require --import ", NULL, false},
    {"nx", NULL, NULL, false},
    {"pip", " --log --proxy --cache-dir ", " cache ", false},
    {"pnpm", " -C --dir --filter -F ", " run store ", false},
    {"perl", " -e -E -I -M ", NULL, false},
    {"podman", NULL, " image container network volume system ", false},
    {"poetry", " -C --directory ", " config env self ", false},
    {"pre-commit", NULL, NULL, false},
    {"python", " -c -W -X ", NULL, false},
    {"ruby", " -e -I -r -C ", NULL, false},
    {"rustup", NULL, " component target toolchain default ", false},
    {"sbt", NULL, NULL, false},
    {"sh", " -c -o ", NULL, false},
    {"stack", NULL, NULL, false},
    {"swift", NULL, " package ", false},
    {"systemctl", NULL, NULL, false},
    {"terraform", NULL, " workspace state ", false},
    {"turbo", NULL, " run ", false},
    {"uv", " --directory --project ", " pip tool python ", false},
    {"yarn", " --cwd ", " run workspace workspaces cache npm ", false},
    {"zig", NULL, NULL, false},
};

/* Programs that run another, which is what matters. */
struct wrapper {
    const char *program;
    const char *subcommand; /* only with it: bundle exec */
    const char *valued;
    int arguments; /* of its own, before the command */
};

static const struct wrapper wrappers[] = {
    {"sudo", NULL, " -u -g -h -p -C -D -R -T -U --user --group --chdir ", 0},
    {"env", NULL, " -u -C -S --unset --chdir ", 0},
    {"time", NULL, " -f -o --format --output ", 0},
    {"nice", NULL, " -n --adjustment ", 0},
    {"ionice", NULL, " -c -n -p ", 0},
    {"nohup", NULL, NULL, 0},
    {"setsid", NULL, NULL, 0},
    {"stdbuf", NULL, " -i -o -e ", 0},
    {"exec", NULL, " -a ", 0},
    {"command", NULL, NULL, 0},
    {"builtin", NULL, NULL, 0},
    {"timeout", NULL, " -s -k --signal --kill-after ", 1},
    {"retry", NULL, " -t -d -n ", 0},
    {"xargs", NULL, " -n -P -I -L -d -a -s -E ", 0},
    {"xvfb-run", NULL, " -n -s -e -f -p -w --server-args ", 0},
    {"dbus-run-session", NULL, NULL, 0},
    {"fakeroot", NULL, NULL, 0},
    {"catchsegv", NULL, NULL, 0},
    {"strace", NULL, " -e -o -p -s ", 0},
    {"npx", NULL, " -p --package -c ", 0},
    {"bunx", NULL, " -p --package ", 0},
    {"uvx", NULL, " --from --with ", 0},
    {"pnpx", NULL, NULL, 0},
    {"python", "-m", NULL, 0},
    {"bundle", "exec", NULL, 0},
    {"poetry", "run", NULL, 0},
    {"pipenv", "run", NULL, 0},
    {"pdm", "run", NULL, 0},
    {"uv", "run", " --with --python -p --extra --group ", 0},
    {"conda", "run", " -n --name -p ", 0},
    {"npm", "exec", " -p --package -w ", 0},
    {"pnpm", "exec", NULL, 0},
    {"pnpm", "dlx", " --package ", 0},
    {"yarn", "exec", NULL, 0},
    {"yarn", "dlx", " -p --package ", 0},
};

static const char *const other_names[][2] = {{"python3", "python"}, {"python2", "python"},
                                             {"pip3", "pip"},       {"nodejs", "node"},
                                             {"gmake", "make"},     {"docker-compose", "docker compose"},
                                             {".", "source"}};

/* Short names of subcommands, by program. */
static const char *const short_names[][3] = {
    {"npm", "i", "install"},    {"npm", "t", "test"},   {"npm", "run-script", "run"},
    {"pnpm", "i", "install"},   {"pnpm", "t", "test"},  {"cargo", "b", "build"},
    {"cargo", "c", "check"},    {"cargo", "t", "test"}, {"cargo", "r", "run"},
    {"bundle", "i", "install"},
};

static const char settings[] =
    " set shopt export unset local declare typeset readonly : shift return break continue "
    "alias unalias trap [ test [[ umask ulimit hash getopts let exec wait disown ";
static const char instant[] =
    " echo printf cd pushd popd mkdir rmdir rm mv ln touch chmod pwd true false exit ls cat head "
    "tail date which type whoami uname hostname basename dirname read source eval id nproc env ";

/* ------------------------------------------------------------------------------------------------ walking */

struct words {
    const char *const *at;
    size_t n;
};

static void drop(struct words *w, size_t n)
{
    n = n < w->n ? n : w->n;
    w->at += n;
    w->n -= n;
}

static bool is_option(const char *word)
{
    return (*word == '-' || *word == '+') && word[1];
}

static bool is_variable(const char *word)
{
    const char *eq = strchr(word, '=');

    return eq && eq > word &&
           strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") ==
               (size_t)(eq - word);
}

/* Up to the first word that is no option, nor the value of one. */
static void drop_options(struct words *w, const char *valued)
{
    while (w->n && is_option(w->at[0])) {
        bool last = str_eq(w->at[0], "--");
        drop(w, in_list(valued, w->at[0]) ? 2 : 1);
        if (last)
            break;
    }
}

/* An absolute path is its last part, what is in the repository keeps its path. */
static const char *program_of(const char *word)
{
    const char *slash = strrchr(word, '/');

    if (*word == '/' && slash[1])
        word = slash + 1;
    while (str_starts(word, "./"))
        word += 2;
    for (size_t i = 0; i < ARRAY_LEN(other_names); i++)
        if (str_eq(other_names[i][0], word))
            return other_names[i][1];
    return word;
}

static const struct wrapper *find_wrapper(const struct words *w, const char *program)
{
    for (size_t i = 0; i < ARRAY_LEN(wrappers); i++)
        if (str_eq(wrappers[i].program, program) &&
            (!wrappers[i].subcommand || (w->n > 1 && str_eq(w->at[1], wrappers[i].subcommand))))
            return &wrappers[i];
    return NULL;
}

/* Whatever only runs another program is left behind, if it does run one. */
static struct words unwrap(struct words w)
{
    for (;;) {
        const struct wrapper *wrapper = w.n ? find_wrapper(&w, program_of(w.at[0])) : NULL;
        struct words inner = w;
        if (!wrapper)
            return w;
        drop(&inner, wrapper->subcommand ? 2 : 1);
        drop_options(&inner, wrapper->valued);
        while (inner.n && is_variable(inner.at[0]))
            drop(&inner, 1);
        drop(&inner, (size_t)wrapper->arguments);
        if (!inner.n)
            return w;
        w = inner;
    }
}

static const struct tool *find_tool(const char *program)
{
    const char *slash = strrchr(program, '/');

    for (size_t i = 0; i < ARRAY_LEN(tools); i++)
        if (str_eq(tools[i].program, program) || (slash && str_eq(tools[i].program, slash + 1)))
            return &tools[i];
    return NULL;
}

static const char *long_name(const char *program, const char *subcommand)
{
    for (size_t i = 0; i < ARRAY_LEN(short_names); i++)
        if (str_eq(short_names[i][0], program) && str_eq(short_names[i][1], subcommand))
            return short_names[i][2];
    return subcommand;
}

/* One word of a name: printable, and short enough. */
static void add_word(struct buf *name, const char *word)
{
    size_t len = strlen(word), valid = utf8_valid_prefix(word, len);

    if (name->len)
        buf_addc(name, ' ');
    for (size_t i = 0; i < valid && name->len < COMMAND_NAME_MAX; i++)
        buf_addc(name, (unsigned char)word[i] < ' ' || word[i] == 0x7f ? ' ' : word[i]);
    name->len = utf8_valid_prefix(buf_str(name), name->len);
    if (name->ptr)
        name->ptr[name->len] = '\0';
}

static void add_subcommands(const struct tool *tool, struct words w, struct buf *name)
{
    bool again = true;

    if (tool->flag && w.n && str_starts(w.at[0], "--") && !strchr(w.at[0], '=')) {
        add_word(name, w.at[0]);
        return;
    }
    while (again) {
        while (w.n && (is_option(w.at[0]) || is_variable(w.at[0])))
            drop(&w, in_list(tool->valued, w.at[0]) ? 2 : 1);
        if (!w.n || tool->flag)
            return;
        add_word(name, long_name(tool->program, w.at[0]));
        again = in_list(tool->deeper, w.at[0]);
        drop(&w, 1);
    }
}

enum command_nature command_normalise(const struct shell_command *c, struct buf *ret_name)
{
    struct words w = unwrap((struct words){c->words, c->n_words});
    const char *program = program_of(w.at[0]);
    size_t slashes = strcspn(program, "/");

    if (in_list(settings, program) || !*program || !utf8_valid(program, strlen(program)))
        return COMMAND_SETTING;
    const struct tool *tool = find_tool(program);
    add_word(ret_name, program);
    drop(&w, 1);
    if (tool)
        add_subcommands(tool, w, ret_name);
    return program[slashes] == '\0' && in_list(instant, program) ? COMMAND_INSTANT : COMMAND_WORK;
}

void command_text(const struct shell_command *c, struct buf *ret)
{
    size_t start = ret->len;

    for (size_t i = 0; i < c->n_words && ret->len - start < COMMAND_TEXT_MAX; i++) {
        if (i)
            buf_addc(ret, ' ');
        for (const char *p = c->words[i]; *p && ret->len - start < COMMAND_TEXT_MAX; p++)
            buf_addc(ret, (unsigned char)*p < ' ' || *p == 0x7f ? ' ' : *p);
    }
    if (buf_ok(ret) && ret->len > start) {
        ret->len = start + utf8_valid_prefix(ret->ptr + start, ret->len - start);
        ret->ptr[ret->len] = '\0';
    }
}
