/*
 * runfs complete: what may stand at the end of a line that is being typed, for the completions of shells
 * (fs/completion). What subcommands take is read from the texts of their -h, and so is not written down
 * twice.
 */
#include <ctype.h>
#include <dirent.h>
#include <getopt.h>
#include <mntent.h>

#include "fs.h"
#include "runfs/cleanup.h"
#include "runfs/str.h"
#include "runfs/unseen.h"

static const char help[] = "usage: runfs complete [WORD]...\n"
                           "\n"
                           "Prints what the last WORD may become, a line each, with what it means behind a "
                           "tab; WORDs are what stands\n"
                           "behind `runfs` on a line that is being typed. A line `:files` or `:directories` "
                           "stands for names of those.\n"
                           "\n"
                           "exit status: 0 printed, 2 usage\n";

/* What is being typed. */
struct typing {
    char **words; /* borrowed: the subcommand and what follows; the last one is not at its end */
    int n;
    const char *word; /* the last */
    char *text;       /* owned: the subcommand's -h */
};

static void offer_part(const char *word, const char *name, size_t len, const char *what, size_t what_len)
{
    if (strlen(word) <= len && strncmp(name, word, strlen(word)) == 0)
        printf("%.*s%s%.*s\n", (int)len, name, what_len ? "\t" : "", (int)what_len, what);
}

/* What somebody else may have named: a line each, so that it must have no other in it. */
static void offer_foreign(const char *word, const char *name, const char *what)
{
    size_t len = strlen(name);
    struct unseen u;

    if (utf8_valid(name, len) && !strpbrk(name, "\t\n") && !unseen_find(name, len, &u))
        offer_part(word, name, len, what, strlen(what));
}

static void offer(const char *word, const char *name, const char *what)
{
    offer_part(word, name, strlen(name), what, strlen(what));
}

/* The text of a subcommand's -h. NULL: there is no such subcommand. Owned by the caller. */
static char *help_of(const char *name)
{
    static char called[] = "runfs", asked[] = "-h";
    char *argv[] = {called, asked, NULL}, *text = NULL;
    FILE *real = stdout;
    size_t len;

    for (const struct subcommand *c = subcommands; c->help; c++)
        if (str_eq(c->name, name) && (stdout = open_memstream(&text, &len))) {
            optind = 1;
            (void)c->run(2, argv);
            fclose(stdout);
        }
    stdout = real;
    return text;
}

/* ----------------------------------------------------------------------------------------------- options */

static size_t option_len(const char *at)
{
    return strspn(at, "abcdefghijklmnopqrstuvwxyz-");
}

/* The next line of a text that describes options; *ret_end: behind it. NULL: there is none. */
static const char *option_line(const char *text, const char **ret_end)
{
    for (const char *line = text; *line; line = *ret_end) {
        *ret_end = line + strcspn(line, "\n");
        *ret_end += **ret_end == '\n';
        if (*line == ' ' && line[strspn(line, " ")] == '-')
            return line;
    }
    return NULL;
}

/* An option that such a line has from `from` on. */
static const char *option_in(const char *from, const char *end)
{
    const char *at = strstr(from, "--");

    return at && at < end ? at : NULL;
}

static void offer_options(const struct typing *t)
{
    bool asked = false;

    for (const char *line = t->text, *end, *at; (line = option_line(line, &end)); line = end) {
        const char *what = strstr(line + strspn(line, " "), "  ");
        what = what && what < end ? what + strspn(what, " ") : end - 1;
        for (at = option_in(line, end); at; at = option_in(at + option_len(at), end)) {
            asked |= str_starts(at, "--help");
            if (option_in(line, end) == at || strncmp(option_in(line, end), at, option_len(at)) != 0)
                offer_part(t->word, at, option_len(at), what, (size_t)(end - 1 - what));
        }
    }
    if (!asked)
        offer(t->word, "--help", "how it is called");
}

/* What follows an option in the text: DIR, FILE, read|run|admin. NULL: nothing does. */
static const char *argument_of(const struct typing *t, const char *option, size_t *ret_len)
{
    size_t len = strlen(option);

    for (const char *at = t->text; (at = strstr(at, option)); at += len) {
        const char *next = at + len + 1;
        if (at[len] != ' ' ||
            !(isupper((unsigned char)*next) || *next == '[' || islower((unsigned char)*next)))
            continue;
        *ret_len = strcspn(next, " ,)\n");
        if (isupper((unsigned char)*next) || *next == '[' || memchr(next, '|', *ret_len))
            return next;
    }
    return NULL;
}

/* --------------------------------------------------------------------------------------- what is mounted */

typedef void mount_fn(const struct typing *t, const char *mount, const char *below);

static void offer_mount(const struct typing *t, const char *mount, const char *below)
{
    (void)below;
    offer_foreign(t->word, mount, "a runner");
}

static void offer_names(const struct typing *t, const char *mount, const char *below)
{
    _buf_ struct buf path = BUF_INIT;
    const struct dirent *entry;

    buf_addf(&path, "%s/%s", mount, below);
    _closedir_ DIR *d = buf_ok(&path) ? opendir(buf_str(&path)) : NULL;
    while (d && (entry = readdir(d)))
        if (entry->d_name[0] != '.')
            offer_foreign(t->word, entry->d_name, "");
}

static void each_mount(const struct typing *t, mount_fn *fn, const char *below)
{
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    struct mntent entry;
    char room[8192];

    while (mounts && getmntent_r(mounts, &entry, room, sizeof(room)))
        if (str_eq(entry.mnt_type, "fuse.runfs") && !is_dead_mount(entry.mnt_dir))
            fn(t, entry.mnt_dir, below);
    if (mounts)
        endmntent(mounts);
}

/* --------------------------------------------------------------------------------------------- the words */

static void offer_choices(const struct typing *t, const char *list, size_t len)
{
    for (const char *end = list + len; list < end;) {
        size_t one = strcspn(list, "|] \n");
        offer_part(t->word, list, one, "", 0);
        list += one + 1;
    }
}

static void offer_argument(const struct typing *t, const char *what, size_t len)
{
    const char *option = t->words[t->n - 2];

    if (memchr(what, '|', len) && islower((unsigned char)*what))
        offer_choices(t, what, len);
    else if (str_starts(what, "DIR"))
        puts(":directories");
    else if (str_starts(what, "FILE") || str_starts(what, "TARBALL") || str_starts(what, "JSON"))
        puts(":files");
    else if (str_eq(option, "--event"))
        each_mount(t, offer_names, "events");
    else if (str_eq(option, "--label"))
        each_mount(t, offer_names, "config/labels");
    else if (str_eq(option, "--jump"))
        each_mount(t, offer_names, "config/hosts");
}

/* `runfs token create`: the words that stand third in the lines of how it is called. Whether there are any.
 */
static bool offer_verbs(const struct typing *t)
{
    bool any = false;

    for (const char *line = t->text; *line && *line != '\n'; line += strcspn(line, "\n") + 1) {
        const char *verb = strstr(line, t->words[0]);
        verb = verb ? verb + strlen(t->words[0]) + 1 : "";
        if (!islower((unsigned char)*verb))
            continue;
        any = true;
        if (t->n == 2)
            offer_choices(t, verb, strcspn(verb, " \n"));
    }
    return any;
}

static void offer_operands(const struct typing *t)
{
    const char *sub = t->words[0], *verb = t->n > 2 ? t->words[1] : "";
    bool verbs = offer_verbs(t);

    if (verbs && t->n == 2)
        return;
    if (str_eq(verb, "revoke") && t->n == 3)
        each_mount(t, offer_names, "tokens");
    else if (str_eq(verb, "rm") && str_eq(sub, "host") && t->n == 3)
        each_mount(t, offer_names, "config/hosts");
    else if (str_eq(verb, "rm") && str_eq(sub, "image"))
        each_mount(t, offer_names, "vms/images");
    else if (str_eq(sub, "mount") || str_eq(sub, "sh"))
        puts(":directories");
    else if (strstr(t->text, "[FILE|DIRECTORY]"))
        puts(":files");
    else if (strstr(t->text, "DIRECTORY"))
        each_mount(t, offer_mount, "");
}

static void offer_subcommands(const char *word, bool about)
{
    for (const struct subcommand *c = subcommands; c->help; c++)
        offer(word, c->name, c->help);
    if (about)
        offer(word, "tree", "what is mounted");
    else
        offer(word, "help", "how a subcommand is called, and what is mounted");
    if (!about && *word == '-') {
        offer(word, "--help", "what subcommands there are");
        offer(word, "--version", "print the version");
    }
}

int cmd_complete(int argc, char **argv)
{
    struct typing t = {.words = argv + 1, .n = argc - 1};
    size_t len = 0;

    if (t.n < 1)
        return usage_wrong(help, "say what is typed so far");
    t.word = t.words[t.n - 1];
    if (t.n == 1 || (t.n == 2 && str_eq(t.words[0], "help"))) {
        offer_subcommands(t.word, t.n == 2);
        return 0;
    }
    if (!(t.text = help_of(t.words[0])))
        return 0;
    const char *before = t.words[t.n - 2];
    const char *argument = t.n > 2 && before[0] == '-' ? argument_of(&t, before, &len) : NULL;
    if (argument)
        offer_argument(&t, argument, len);
    else if (t.word[0] == '-')
        offer_options(&t);
    else
        offer_operands(&t);
    free(t.text);
    return 0;
}
