/* Which versions of a toolchain the machine has, and which of them is the one that is asked for. */
#include "builtin_setup.h"
#include "runfs/str.h"

void candidates_release(struct candidates *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->list[i].program);
    free(c->list);
}

int setup_shell(struct running_step *s, const char *script, struct buf *out, struct err *err)
{
    char *const argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char *)(uintptr_t)script, NULL};
    char **env = job_environment(s, NULL, machine_paths(s->job->machine)->temp);
    int r = env ? tool_run(s->job, &(struct tool){.argv = argv, .env = env, .out = out, .max = 1 << 20}, err)
                : err_errno(err, -ENOMEM, "environment");

    strv_free(env);
    return r;
}

/* A line of the script: `PROGRAM<tab>what it says`, with a + before it where it is not in the PATH. */
static int add_candidate(struct candidates *all, const char *line, size_t len, bool first)
{
    const char *tab = memchr(line, '\t', len), *end_of_line = line + len;
    struct candidate c = {0};
    struct candidate *more;
    _buf_ struct buf text = BUF_INIT;

    c.first_in_path = first && *line != '+';
    line += *line == '+';
    if (!tab || *line != '/')
        return 0;
    buf_add(&text, tab + 1, (size_t)(end_of_line - tab - 1));
    const char *end = version_find(buf_str(&text), &c.version);
    if (!end)
        return 0;
    const char *begin = buf_str(&text) + strcspn(buf_str(&text), "0123456789");
    snprintf(c.text, sizeof(c.text), "%.*s", (int)(end - begin), begin);
    /* Java 8 calls itself 1.8 */
    if (c.version.part[0] == 1 && c.version.part[1] == 8 && strstr(buf_str(&text), "version \"1.8"))
        c.version = (struct version){.part = {8, 0, 0}, .n = 3};
    for (size_t i = 0; i < all->n; i++)
        if (str_eq(all->list[i].text, c.text)) /* the same, by another of its names */
            return 0;
    more = reallocarray(all->list, all->n + 1, sizeof(*more));
    if (!more)
        return -ENOMEM;
    all->list = more;
    c.program = strndup(line, (size_t)(tab - line));
    if (!c.program)
        return -ENOMEM;
    all->list[all->n++] = c;
    return 0;
}

/* Asks every program that may be it for its version; those of the PATH come first. */
int setup_find(struct running_step *s, const struct toolchain *t, struct candidates *ret, struct err *err)
{
    _buf_ struct buf script = BUF_INIT, out = BUF_INIT;

    buf_adds(&script, "split() { IFS=:; for d in $PATH; do printf '%s\\n' \"$d\"; done; }; "
                      "{ split; for d in ");
    buf_addf(&script, "%s; do printf '+%%s\\n' \"$d\"; done; } | while IFS= read -r d; do ", t->places);
    buf_addf(&script,
             "k=; case $d in +*) d=${d#+}; k=+ ;; esac; cd \"$d\" 2>/dev/null || continue; for n in %s; do ",
             t->programs);
    buf_addf(&script,
             "[ -f \"$n\" ] && [ -x \"$n\" ] || continue; printf '%%s/%%s\\t%%s\\n' \"$k$d\" \"$n\" "
             "\"$(cd / && \"$d/$n\" </dev/null %s 2>&1 | head -n 1)\"; done; done",
             t->ask);
    int r = buf_ok(&script) ? setup_shell(s, buf_str(&script), &out, err) : err_errno(err, -ENOMEM, "script");
    if (r < 0)
        return r;
    for (const char *line = buf_str(&out); *line;) {
        size_t len = strcspn(line, "\n");
        if (add_candidate(ret, line, len, line == buf_str(&out)) < 0)
            return err_errno(err, -ENOMEM, "%s", t->tool);
        line += len + (line[len] == '\n');
    }
    return 0;
}

static int satisfies(const struct toolchain *t, const struct version *v, const char *asked)
{
    int r = t->alias(asked, v);

    return r >= 0 ? r : version_in_range(v, asked);
}

static int nothing_fits(const struct toolchain *t, const struct candidates *all, const char *asked,
                        struct err *err)
{
    _buf_ struct buf have = BUF_INIT;

    for (size_t i = 0; i < all->n; i++)
        buf_addf(&have, "%s%s (%s)", i ? ", " : "", all->list[i].text, all->list[i].program);
    return err_set(
        err, -ENOENT,
        "%s %s was asked for, and this machine has %s. Install it where the machine boots from, map the "
        "label to an image that has it (config/labels), or put %s into config/actions_mirror: the "
        "real action downloads what is asked for",
        t->tool, asked, have.len ? buf_str(&have) : "none", t->repository);
}

/* The first that is of the version, in the order of the PATH. */
int setup_choose(const struct toolchain *t, const struct candidates *all, const char *asked,
                 const struct candidate **ret, struct err *err)
{
    for (size_t i = 0; i < all->n; i++) {
        int r = satisfies(t, &all->list[i].version, asked);
        if (r < 0)
            return err_set(err, r, "'%s' is no version, and no range of versions: %s", asked,
                           t->version_input);
        if (r == 0)
            continue;
        *ret = &all->list[i];
        return 0;
    }
    return nothing_fits(t, all, asked, err);
}
