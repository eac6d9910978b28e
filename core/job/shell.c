/* Shells and their exact command lines. */
#include "shell.h"

#include "runfs/str.h"

#define POWERSHELL_BEFORE "$ErrorActionPreference = 'stop'\n"
#define POWERSHELL_AFTER "\nif ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }"

/* One row a shell that GitHub names. */
static const struct known_shell {
    const char *name, *arguments, *extension, *before, *after;
} shells[] = {
    {"bash", "--noprofile --norc -e -o pipefail {0}", ".sh", "", ""},
    {"sh", "-e {0}", ".sh", "", ""},
    {"python", "{0}", ".py", "", ""},
    {"pwsh", "-command \". '{0}'\"", ".ps1", POWERSHELL_BEFORE, POWERSHELL_AFTER},
    {"powershell", "-command \". '{0}'\"", ".ps1", POWERSHELL_BEFORE, POWERSHELL_AFTER},
    {"cmd", "/D /E:ON /V:OFF /S /C \"CALL \"{0}\"\"", ".cmd", "@echo off\n", ""},
};

void shell_release(struct shell *s)
{
    strv_free(s->argv);
    s->argv = NULL;
}

/*
 * The next argument of a command line, by the rules that .NET has on every system: double quotes hold blanks
 * together, two of them inside of quotes are one, and backslashes escape only before a double quote.
 */
static const char *next_word(const char *s, struct buf *word)
{
    bool quoted = false;

    for (; *s && (quoted || (*s != ' ' && *s != '\t')); s++) {
        size_t slashes = strspn(s, "\\");
        if (slashes && s[slashes] == '"') {
            for (size_t i = 0; i < slashes / 2; i++)
                buf_addc(word, '\\');
            s += slashes;
            if (slashes % 2) {
                buf_addc(word, '"');
                continue;
            }
        } else if (slashes) {
            buf_add(word, s, slashes);
            s += slashes - 1;
            continue;
        }
        if (*s != '"') {
            buf_addc(word, *s);
        } else if (quoted && s[1] == '"') {
            buf_addc(word, '"');
            s++;
        } else {
            quoted = !quoted;
        }
    }
    return s;
}

static int split_arguments(const char *text, char ***words, size_t *n)
{
    int r = 0;

    while (r == 0 && *(text += strspn(text, " \t"))) {
        _buf_ struct buf word = BUF_INIT;
        text = next_word(text, &word);
        r = strv_add(words, n, buf_steal(&word));
    }
    return r;
}

/* {{ and }} are braces, {0} is the script; another brace is the error that .NET has for it. */
static int check_format(const char *arguments, struct err *err)
{
    for (const char *p = arguments; *p; p++) {
        if (*p != '{' && *p != '}')
            continue;
        if (p[0] == p[1])
            p++;
        else if (str_starts(p, "{0}"))
            p += 2;
        else
            return err_set(err, -EINVAL, "Input string was not in a correct format.");
    }
    return 0;
}

static const struct known_shell *find_shell(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(shells); i++)
        if (str_eq_ascii_nocase(shells[i].name, name))
            return &shells[i];
    return NULL;
}

static bool has_program(shell_has_fn *has, void *data, const char *program)
{
    return !has || has(data, program);
}

static int make_argv(const char *program, const char *arguments, struct shell *s)
{
    size_t n = 0;
    int r = strv_add(&s->argv, &n, strdup(program));

    return r == 0 ? split_arguments(arguments, &s->argv, &n) : r;
}

int shell_parse_for(const char *shell, bool container, shell_has_fn *has, void *data, struct shell *ret,
                    struct err *err)
{
    bool given = shell && *shell;
    _free_ char *name = given ? strndup(shell, strcspn(shell, " ")) : strdup("sh");
    const char *arguments = given ? shell + strcspn(shell, " ") : "", *program = name;
    struct shell s = {.extension = "", .before = "", .after = ""};

    if (!name)
        return err_errno(err, -ENOMEM, "shell");
    const struct known_shell *known = find_shell(name);
    if (known) {
        s.extension = known->extension;
        s.before = known->before;
        s.after = known->after;
    }
    arguments += strspn(arguments, " \t\r\n");
    if (!*arguments && known)
        arguments = known->arguments;
    if (!strstr(arguments, "{0}"))
        return err_set(
            err, -EINVAL,
            "Invalid shell option. Shell must be a valid built-in (bash, sh, cmd, powershell, pwsh) or a "
            "format string containing '{0}'");
    int r = check_format(arguments, err);
    if (r < 0)
        return r;
    if (!given && !container && has_program(has, data, "bash"))
        program = "bash";
    if (str_eq(name, "python") && !has_program(has, data, "python") && has_program(has, data, "python3"))
        program = "python3";
    if (!has_program(has, data, program))
        return err_set(err, -ENOENT, "%s: command not found", program);
    if (make_argv(program, arguments, &s) < 0) {
        shell_release(&s);
        return err_errno(err, -ENOMEM, "shell %s", name);
    }
    *ret = s;
    return 0;
}

int shell_parse(const char *shell, struct shell *ret, struct err *err)
{
    return shell_parse_for(shell, false, NULL, NULL, ret, err);
}

static char *replace_script(const char *word, const char *script)
{
    _buf_ struct buf out = BUF_INIT;

    for (; *word; word++) {
        if (str_starts(word, "{0}")) {
            buf_adds(&out, script);
            word += 2;
            continue;
        }
        buf_addc(&out, *word);
        word += (*word == '{' || *word == '}') && word[0] == word[1];
    }
    return buf_steal(&out);
}

char **shell_command(const struct shell *s, const char *script)
{
    size_t n = 0;

    while (s->argv[n])
        n++;
    char **argv = calloc(n + 1, sizeof(*argv));
    for (size_t i = 0; argv && i < n; i++) {
        argv[i] = replace_script(s->argv[i], script);
        if (!argv[i]) {
            strv_free(argv);
            return NULL;
        }
    }
    return argv;
}

void shell_script(const struct shell *s, const char *run, struct buf *ret)
{
    buf_adds(ret, s->before);
    buf_adds(ret, run);
    buf_adds(ret, s->after);
}
