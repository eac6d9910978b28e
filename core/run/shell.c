/* Shells and their exact command lines. */
#include "shell.h"

#include "runfs/str.h"

/* One row a shell that GitHub names. An empty name: none was given; bash without pipefail, sh where there is
 * no bash. */
static const struct {
    const char *name, *template, *extension, *before, *after;
} shells[] = {
    {"", "bash -e {0}", ".sh", "", ""},
    {"bash", "bash --noprofile --norc -e -o pipefail {0}", ".sh", "", ""},
    {"sh", "sh -e {0}", ".sh", "", ""},
    {"python", "python {0}", ".py", "", ""},
    {"pwsh", "pwsh -command \". '{0}'\"", ".ps1", "$ErrorActionPreference = 'stop'\n",
     "\nif ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }"},
};

void strv_free(char **v)
{
    for (char **p = v; p && *p; p++)
        free(*p);
    free(v);
}

void shell_release(struct shell *s)
{
    strv_free(s->argv);
    s->argv = NULL;
}

/* Splits at blanks; double quotes hold a word together and go away. */
static char **split_words(const char *text)
{
    char **words = NULL;
    size_t n = 0;

    while (*(text += strspn(text, " \t"))) {
        _buf_ struct buf word = BUF_INIT;
        bool quoted = false;
        for (; *text && (quoted || (*text != ' ' && *text != '\t')); text++)
            if (*text == '"')
                quoted = !quoted;
            else
                buf_addc(&word, *text);
        char **more = reallocarray(words, n + 2, sizeof(*more));
        if (more)
            words = more;
        char *s = more ? buf_steal(&word) : NULL;
        if (!s) {
            if (words)
                words[n] = NULL;
            strv_free(words);
            return NULL;
        }
        words[n++] = s;
        words[n] = NULL;
    }
    return words;
}

int shell_parse(const char *shell, struct shell *ret, struct err *err)
{
    const char *template = shell ? shell : "";
    struct shell s = {.extension = "", .before = "", .after = ""};
    bool named = false;

    for (size_t i = 0; i < ARRAY_LEN(shells) && !named; i++) {
        if (!str_eq_ascii_nocase(template, shells[i].name))
            continue;
        named = true;
        template = shells[i].template;
        s.extension = shells[i].extension;
        s.before = shells[i].before;
        s.after = shells[i].after;
    }
    if (!named && !strstr(template, "{0}"))
        return err_set(
            err, -EINVAL,
            "Invalid shell option. Shell must be a valid built-in (bash, sh, cmd, powershell, pwsh) or a "
            "format string containing '{0}'");
    s.argv = split_words(template);
    if (!s.argv)
        return err_errno(err, -ENOMEM, "shell %s", template);
    *ret = s;
    return 0;
}

static char *replace_script(const char *word, const char *script)
{
    _buf_ struct buf out = BUF_INIT;
    const char *at;

    while ((at = strstr(word, "{0}"))) {
        buf_add(&out, word, (size_t)(at - word));
        buf_adds(&out, script);
        word = at + 3;
    }
    buf_adds(&out, word);
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
