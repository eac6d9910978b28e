/* `runfs eval`: evaluates expressions, one from the command line or many from standard input. */
#include <errno.h>

#include "fs.h"
#include "runfs/cleanup.h"
#include "runfs/expr.h"
#include "runfs/io.h"
#include "runfs/str.h"

static const size_t line_max = 64 * 1024 * 1024, file_max = 64 * 1024 * 1024;

static const char usage[] =
    "usage: runfs eval [--contexts JSON|@FILE] EXPR\n"
    "       runfs eval --batch\n"
    "\n"
    "Evaluates a GitHub Actions expression (what stands between ${{ and }}) and prints one line of JSON:\n"
    "{\"kind\":\"String\",\"value\":\"...\"} or "
    "{\"error\":{\"kind\":\"lexing|parsing|evaluation\",\"message\":\"...\"}}\n"
    "\n"
    "  -c, --contexts JSON   an object: each key is a context that EXPR may name; @FILE reads it from FILE\n"
    "  -b, --batch           read lines {\"expr\":\"...\",\"contexts\":{...}}, print one result line for "
    "each;\n"
    "                        a line that is not such an object gives an error of the kind \"input\"\n"
    "  -h, --help            this text\n"
    "\n"
    "exit status: 0 the expression has a value (--batch: the input was read to its end), 1 it is in error,\n"
    "2 usage\n";

/* Whole lines that have arrived; what is left over stays in `in`. At the end of input the rest is a line too.
 */
static int batch_lines(struct expr_cache *cache, struct buf *in, bool at_end, struct buf *out)
{
    const char *at = buf_str(in), *end = at + in->len;
    int r = 0;

    while (at < end && r == 0) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline && !at_end)
            break;
        size_t len = (size_t)((newline ? newline : end) - at);
        r = expr_eval_request(cache, at, len, out);
        at = newline ? newline + 1 : end;
    }
    buf_drop(in, (size_t)(at - buf_str(in)));
    return r;
}

/* What has arrived is answered before more is waited for, so a peer may wait for each line's answer. */
static int batch(struct expr_cache *cache)
{
    _buf_ struct buf in = BUF_INIT, out = BUF_INIT;

    for (;;) {
        char *to = in.len < line_max ? buf_reserve(&in, 64 * 1024) : NULL;
        if (!to)
            return in.failed ? -ENOMEM : -EFBIG;
        ssize_t n = read(STDIN_FILENO, to, 64 * 1024);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        in.len += (size_t)n;
        int r = batch_lines(cache, &in, n == 0, &out);
        if (r == 0)
            r = write_all(STDOUT_FILENO, buf_str(&out), out.len);
        if (r < 0 || n == 0)
            return r;
        buf_reset(&out);
    }
}

/* --contexts: JSON, or @FILE. Returns NULL after saying on stderr what is wrong. */
static json_t *read_contexts(const char *arg)
{
    _buf_ struct buf file = BUF_INIT;
    struct err err = {0};
    json_error_t error;

    if (arg[0] == '@' && read_file(arg + 1, file_max, &file, &err) < 0) {
        fprintf(stderr, "runfs eval: %s\n", err.msg);
        return NULL;
    }
    const char *text = arg[0] == '@' ? buf_str(&file) : arg;
    size_t len = arg[0] == '@' ? file.len : strlen(arg);
    json_t *contexts = json_loadb(text, len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    if (!contexts) {
        fprintf(stderr, "runfs eval: --contexts: line %d, column %d: %s\n", error.line, error.column,
                error.text);
        return NULL;
    }
    if (!json_is_object(contexts)) {
        fprintf(stderr, "runfs eval: --contexts: not a JSON object\n");
        json_decref(contexts);
        return NULL;
    }
    return contexts;
}

static int failed(int r)
{
    fprintf(stderr, "runfs eval: %s\n", strerrordesc_np(-r));
    return 1;
}

static int one(const char *text, const char *contexts_arg)
{
    _buf_ struct buf out = BUF_INIT;
    _json_ json_t *contexts = contexts_arg ? read_contexts(contexts_arg) : NULL;

    if (contexts_arg && !contexts)
        return 2;
    int r = expr_eval_line(text, strlen(text), contexts, &out);
    int w = write_all(STDOUT_FILENO, buf_str(&out), out.len);
    if (w < 0 || (r < 0 && r != -EINVAL))
        return failed(w < 0 ? w : r);
    return r < 0 ? 1 : 0;
}

struct eval_args {
    const char *expr, *contexts;
    bool batch, help;
};

/* "-1", "-.5" and "-Infinity" start an expression: no option does so. */
static bool is_operand(const char *arg)
{
    return arg[0] != '-' || arg[1] == 'I' || arg[1] == '.' || (arg[1] >= '0' && arg[1] <= '9');
}

/* Not getopt: to it a negative number is an option. Returns 0 or -EINVAL. */
static int parse_args(int argc, char **argv, struct eval_args *ret)
{
    bool options = true;

    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (!options || is_operand(arg)) {
            if (ret->expr)
                return -EINVAL;
            ret->expr = arg;
        } else if (str_eq(arg, "--")) {
            options = false;
        } else if (str_eq(arg, "-h") || str_eq(arg, "--help")) {
            ret->help = true;
        } else if (str_eq(arg, "-b") || str_eq(arg, "--batch")) {
            ret->batch = true;
        } else if (str_starts(arg, "--contexts=")) {
            ret->contexts = arg + strlen("--contexts=");
        } else if ((str_eq(arg, "-c") || str_eq(arg, "--contexts")) && i + 1 < argc) {
            ret->contexts = argv[++i];
        } else {
            return -EINVAL;
        }
    }
    return ret->help || (ret->batch ? !ret->expr && !ret->contexts : ret->expr != NULL) ? 0 : -EINVAL;
}

int cmd_eval(int argc, char **argv)
{
    struct eval_args args = {0};

    if (parse_args(argc, argv, &args) < 0)
        return usage_wrong(usage, "it takes one EXPR, or --batch and nothing else");
    if (args.help)
        return fputs(usage, stdout), 0;
    if (!args.batch)
        return one(args.expr, args.contexts);
    struct expr_cache *cache = expr_cache_new();
    int r = cache ? batch(cache) : -ENOMEM;
    expr_cache_free(cache);
    return r < 0 ? failed(r) : 0;
}
