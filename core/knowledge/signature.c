/*
 * What a step failed with: the first meaningful line of its output, by the shapes in which compilers, test
 * runners, package managers and shells print errors, and what of it stays the same from run to run.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <ctype.h>
#include <pcre2.h>
#include <pthread.h>

#include "runfs/knowledge.h"
#include "runfs/str.h"

enum { LINE_MAX_BYTES = 2000 };

/* How much a shape tells: the error itself, what only follows from one, a word that sounds like one. */
enum { CAUSE, CONSEQUENCE, RUMOUR, RANKS };

static struct shape {
    int rank;
    const char *pattern;
    pcre2_code *code;
} shapes[] = {
    {CAUSE, "^\\S[^:]*:\\d+:(\\d+:)? (fatal )?error: ", NULL}, /* gcc, clang, swiftc, javac */
    {CAUSE, "^error(\\[E\\d+\\])?: (?!could not compile|aborting|process )", NULL}, /* rustc, cargo, uv */
    {CAUSE, "^\\S.*\\(\\d+,\\d+\\): error [A-Z]+\\d+: ", NULL},                     /* tsc, csc, msbuild */
    {CAUSE, "^\\S+\\.(ts|tsx|mts):\\d+:\\d+ - error TS\\d+: ", NULL},               /* tsc --pretty */
    {CAUSE, "^\\S+\\.go:\\d+:\\d+: ", NULL},                                        /* go build, vet */
    {CAUSE, "undefined reference to |^\\S*ld(\\.\\w+)?: (cannot find|.*: file not recognized)",
     NULL},                                     /* ld */
    {CAUSE, "^thread '.*' panicked at ", NULL}, /* rust */
    {CAUSE, "^panic: ", NULL},                  /* go */
    {CAUSE,
     "^([a-z_]\\w*\\.)*[A-Z]\\w*(Error|Exception|Interrupt)( \\[\\w+\\])?: ", NULL}, /* python, node, java */
    {CAUSE, "^([a-z_]\\w*\\.)*[A-Z]\\w*(Error|Exception)$", NULL},
    {CAUSE, "^Exception in thread ", NULL}, /* java */
    {CAUSE, "^FAILED \\S+::", NULL},        /* pytest's list, which names the test */
    {CONSEQUENCE, "^E {3,}\\S", NULL},
    {CAUSE, "^--- FAIL: ", NULL},                                             /* go test */
    {CAUSE, "^not ok \\d+", NULL},                                            /* TAP */
    {CAUSE, "^\\[  FAILED  \\] \\w+\\.\\w+", NULL},                           /* googletest */
    {CAUSE, "^test .* \\.\\.\\. FAILED$", NULL},                              /* cargo test */
    {CAUSE, "^\\s*\u25cf .* \u203a ", NULL},                                  /* jest */
    {CONSEQUENCE, "^\\s*\u25cf (?!Console|Validation|Deprecation)\\S", NULL}, /* jest, a test of no group */
    {CONSEQUENCE, "^ {1,6}\\d+\\) \\S", NULL},                                /* mocha, rspec */
    {CAUSE, "^\\d+\\) [\\w\\\\]+::\\w", NULL},                                /* phpunit */
    {CAUSE, "^(Diff in|would reformat) ", NULL},                              /* rustfmt, black */
    {CAUSE, "^(FAIL|ERROR): \\w", NULL},                                      /* unittest, pip */
    {CAUSE, "^npm (ERR!|error) (?!code |errno |A complete log|Lifecycle|path |command |errno)\\S", NULL},
    {CAUSE, "^\u27a4 YN(?!0000)\\d+: .*(can't|fail|error|conflict)", NULL}, /* yarn */
    {CAUSE, "^error (?!Command failed|An unexpected)\\S", NULL},            /* yarn 1 */
    {CAUSE, "^ ?ERR_PNPM_", NULL},
    {CAUSE, "^E: ", NULL},                                                                   /* apt */
    {CAUSE, "^fatal: ", NULL},                                                               /* git */
    {CAUSE, "^Error response from daemon: ", NULL},                                          /* docker */
    {CAUSE, "^ERROR: failed to ", NULL},                                                     /* buildkit */
    {CAUSE, "^\\[ERROR\\] (?!\\[Help|->|Re-run|To see|For more)\\S", NULL},                  /* maven */
    {CAUSE, "^> (Could not|Compilation failed|Task .* not found|There were failing)", NULL}, /* gradle */
    {CAUSE, "^CMake Error", NULL},
    {CAUSE,
     "^(.+: )?line \\d+: .*: (command not found|No such file or directory|Permission denied|unbound variable|"
     "syntax error|cannot execute)",
     NULL}, /* bash */
    {CAUSE, "^(.+: )?line \\d+: (syntax error|unexpected EOF)", NULL},
    {CAUSE, "^\\S+: \\d+: .*: (not found|parameter not set|Permission denied|cannot open)", NULL}, /* dash */
    {CAUSE,
     "^\\w[\\w.+-]*: (cannot |can't |error: |unrecognized option|invalid option|.*: No such file or "
     "directory|"
     ".*: Permission denied|.*: not found)",
     NULL}, /* coreutils and their like */
    {CAUSE, "^Error: ", NULL},
    {CONSEQUENCE, "^g?make(\\[\\d+\\])?: \\*\\*\\* ", NULL},
    {CONSEQUENCE, "^npm (ERR!|error) ", NULL},
    {CONSEQUENCE, "^FAILED ", NULL}, /* ninja */
    {CONSEQUENCE, "^(collect2|ld|clang): error: ", NULL},
    {CONSEQUENCE, "^error[: ]", NULL},
    {CONSEQUENCE, "^(Segmentation fault|Killed|Aborted)", NULL},
    {RUMOUR, "(?i)\\b(error|fatal|failed|failure|exception|denied|timed? ?out|not found|cannot)\\b", NULL},
};

static pcre2_code *likely; /* what every line of a shape has: most lines are left at once */
static pthread_once_t compiled = PTHREAD_ONCE_INIT;

static pcre2_code *compile(const char *pattern)
{
    PCRE2_SIZE at;
    int error;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                     PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, &error, &at, NULL);

    return code;
}

/* Once for the process: patterns live as long as it does. */
static void compile_shapes(void)
{
    likely = compile(
        "(?i)err|fail|fatal|panic|exception|interrupt|not (found|ok)|denied|cannot|can't|no such|undefined|"
        "not set|unbound|option|unexpected|conflict|could "
        "not|killed|abort|fault|\\*\\*\\*|time|^E|\\.go:|there were|\u25cf|\\d\\) |^Diff in|would reformat");
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
        shapes[i].code = compile(shapes[i].pattern);
}

static bool matches(const pcre2_code *code, pcre2_match_data *md, const char *text, size_t len)
{
    return code && pcre2_match(code, (PCRE2_SPTR)text, len, 0, 0, md, NULL) >= 0;
}

/* RANKS: no shape. */
static int rank_of(pcre2_match_data *md, const char *line, size_t len)
{
    if (!matches(likely, md, line, len))
        return RANKS;
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
        if (matches(shapes[i].code, md, line, len))
            return shapes[i].rank;
    return RANKS;
}

/* -------------------------------------------------------------------------------------------- cleaning up */

/* A line without colours, controls and blanks at its end. */
static void clean_line(const char *line, size_t len, struct buf *ret)
{
    buf_reset(ret);
    len = len < LINE_MAX_BYTES ? len : LINE_MAX_BYTES;
    for (size_t i = 0; i < len; i++) {
        if (line[i] == 0x1b && i + 1 < len && line[i + 1] == '[') {
            for (i += 2; i < len && !(line[i] >= '@' && line[i] <= '~');)
                i++;
        } else if ((unsigned char)line[i] >= ' ' && line[i] != 0x7f) {
            buf_addc(ret, line[i]);
        } else if (line[i] == '\t') {
            buf_addc(ret, ' ');
        }
    }
    while (ret->len && ret->ptr[ret->len - 1] == ' ')
        ret->ptr[--ret->len] = '\0';
    if (ret->len) {
        ret->len = utf8_valid_prefix(ret->ptr, ret->len);
        ret->ptr[ret->len] = '\0';
    }
}

/* What differs from run to run, and what stands for it. Order matters: a time has numbers in it. */
static struct {
    const char *pattern, *with;
    pcre2_code *code;
} varying[] = {
    {"\\b\\d{4}-\\d\\d-\\d\\d([T ]\\d\\d:\\d\\d(:\\d\\d)?([.,]\\d+)?(Z|[+-]\\d\\d:?\\d\\d)?)?", "TIME", NULL},
    {"\\b\\d{1,2}:\\d\\d:\\d\\d([.,]\\d+)?\\b", "TIME", NULL},
    {"\\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\\b", "HASH", NULL},
    {"\\b0x[0-9a-fA-F]+\\b", "HASH", NULL},
    {"\\b(?=[a-f]*\\d)(?=\\d*[a-f])[0-9a-f]{7,64}\\b", "HASH", NULL},
    {"(?<![\\w/.])/(tmp|var/tmp|dev/shm)/[^\\s:'\"),\\]]+", "PATH", NULL},
    {"(?<![\\w:])[A-Za-z]:\\\\([^\\s:'\"\\\\]+\\\\)+", "", NULL},
    {"[a-z][a-z+]*://[^\\s/'\"]*(*SKIP)(*F)|" /* of an address the host is what matters */
     "(?<![\\w:/])(\\.{0,2}/|(?=[\\w.@+-]+/[\\w.@+-]))([\\w.@+~-]+/)+",
     "", NULL},
    {"(?<![A-Za-z_\\d])\\d+(\\.\\d+)*", "N", NULL},
    {" {2,}", " ", NULL},
};
static pthread_once_t varying_compiled = PTHREAD_ONCE_INIT;

static void compile_varying(void)
{
    for (size_t i = 0; i < ARRAY_LEN(varying); i++)
        varying[i].code = compile(varying[i].pattern);
}

void failure_normalise(const char *line, struct buf *ret)
{
    char texts[2][LINE_MAX_BYTES * 2];
    size_t len = strlen(line) < LINE_MAX_BYTES ? strlen(line) : LINE_MAX_BYTES;

    pthread_once(&varying_compiled, compile_varying);
    memcpy(texts[0], line, len);
    for (size_t i = 0; i < ARRAY_LEN(varying); i++) {
        PCRE2_SIZE size = sizeof(texts[1]);
        int r = varying[i].code ? pcre2_substitute(varying[i].code, (PCRE2_SPTR)texts[0], len, 0,
                                                   PCRE2_SUBSTITUTE_GLOBAL | PCRE2_SUBSTITUTE_LITERAL, NULL,
                                                   NULL, (PCRE2_SPTR)varying[i].with, PCRE2_ZERO_TERMINATED,
                                                   (PCRE2_UCHAR *)texts[1], &size)
                                : -1;
        if (r <= 0)
            continue;
        len = size < LINE_MAX_BYTES ? size : LINE_MAX_BYTES;
        memcpy(texts[0], texts[1], len);
    }
    size_t skip = 0;
    while (skip < len && texts[0][skip] == ' ')
        skip++;
    len = utf8_valid_prefix(texts[0] + skip, len - skip < SIGNATURE_MAX ? len - skip : SIGNATURE_MAX);
    buf_add(ret, texts[0] + skip, len);
}

/* ---------------------------------------------------------------------------------------------- finding */

void failure_line(const char *output, size_t len, struct buf *ret)
{
    pcre2_match_data *md = pcre2_match_data_create(1, NULL);
    _buf_ struct buf line = BUF_INIT, last = BUF_INIT;
    int best = RANKS;

    pthread_once(&compiled, compile_shapes);
    for (const char *at = output; md && at < output + len && best > CAUSE;) {
        const char *eol = memchr(at, '\n', (size_t)(output + len - at));
        size_t n = (size_t)((eol ? eol : output + len) - at);
        clean_line(at, n, &line);
        int rank = line.len ? rank_of(md, buf_str(&line), line.len) : RANKS;
        if (rank < best) {
            best = rank;
            buf_reset(ret);
            buf_add(ret, buf_str(&line), line.len);
        }
        if (line.len) {
            buf_reset(&last);
            buf_add(&last, buf_str(&line), line.len);
        }
        at += n + 1;
    }
    if (best == RANKS)
        buf_add(ret, buf_str(&last), last.len);
    pcre2_match_data_free(md);
}
