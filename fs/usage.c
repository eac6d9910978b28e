/* How subcommands are called: the one that was meant, wrong usage and what it may have been, and output that
 * nobody could be given. */
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>

#include "fs.h"
#include "runfs/str.h"

static char **called; /* borrowed: main()'s arguments from the subcommand on */
static int n_called;

void usage_began(int argc, char **argv)
{
    called = argv;
    n_called = argc;
}

/* ---------------------------------------------------------------------------------------- what was meant */

enum { WORD_MAX = 32 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters are to be added, removed, changed or swapped with the next to make one of the other. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t d[WORD_MAX + 1][WORD_MAX + 1];

    for (size_t i = 0; i <= a_len; i++)
        for (size_t j = 0; j <= b_len; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            size_t changed = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            d[i][j] = least(changed, least(d[i - 1][j], d[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[a_len][b_len];
}

size_t word_distance(const char *word, const char *other, size_t len)
{
    size_t word_len = strlen(word);

    if (word_len > WORD_MAX || len > WORD_MAX)
        return SIZE_MAX;
    size_t d = distance(word, word_len, other, len), most = least(word_len, len) / 3;
    return d > 0 && d <= least(most ? most : 1, 2) ? d : SIZE_MAX;
}

/* The option in a help text that a word is nearest to. */
static void suggest_option(const char *help, const char *word)
{
    size_t best = SIZE_MAX, word_len = strcspn(word, "=");
    _buf_ struct buf given = BUF_INIT, meant = BUF_INIT;

    buf_add(&given, word, word_len);
    for (const char *at = help; buf_ok(&given) && (at = strstr(at, "--"));) {
        size_t len = 2 + strspn(at + 2, "abcdefghijklmnopqrstuvwxyz-");
        size_t d = len > 3 ? word_distance(buf_str(&given), at, len) : SIZE_MAX;
        if (d < best) {
            best = d;
            buf_reset(&meant);
            buf_add(&meant, at, len);
        }
        at += len;
    }
    if (meant.len && buf_ok(&meant))
        fprintf(stderr, "did you mean '%s'?\n", buf_str(&meant));
}

/* ------------------------------------------------------------------------------------------------- usage */

int usage_wrong(const char *help, const char *what)
{
    const char *name = help + strlen("usage: ");
    int name_len = (int)(strlen("runfs ") + strcspn(name + strlen("runfs "), " \n"));
    const char *more = strstr(help, "\n\n");

    if (what)
        fprintf(stderr, "%.*s: %s\n", name_len, name, what);
    else if (optind > 1 && optind <= n_called && str_starts(called[optind - 1], "--"))
        suggest_option(help, called[optind - 1]);
    fprintf(stderr, "%.*s\n`%.*s -h` says more.\n", (int)(more - help), help, name_len, name);
    return 2;
}

int only_operands(int argc, char **argv, const char *help)
{
    static const struct option longs[] = {{"help", no_argument, NULL, 'h'}, {0}};
    int c = getopt_long(argc, argv, "h", longs, NULL);

    if (c == 'h')
        return fputs(help, stdout), 0;
    return c == -1 ? -1 : usage_wrong(help, NULL);
}

/* --------------------------------------------------------------------------------- the standard streams */

/* Else the first files that are opened would be standard output, and what is printed written into them. As
 * glibc does for set-user-id programs, each is opened so that using it fails. */
void streams_open(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
            abort();
}

int streams_close(int code)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    int saved = errno;
    struct pollfd p = {.fd = 1, .events = POLLOUT};
    if (saved == EPIPE || (poll(&p, 1, 0) == 1 && p.revents & POLLERR)) /* who read it has seen enough */
        return code;
    if (code == 0)
        fprintf(stderr, "runfs: cannot write to standard output%s%s\n", saved ? ": " : "",
                saved ? strerrordesc_np(saved) : "");
    return code ? code : 1;
}
