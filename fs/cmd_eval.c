/* `runfs eval`: evaluates expressions, one from the command line or many from standard input. */
#include <errno.h>
#include <getopt.h>

#include "runfs/cleanup.h"
#include "runfs/expr.h"
#include "runfs/io.h"

int cmd_eval(int argc, char **argv);

/* Plain evaluation gets what GitHub's evaluator allows by itself; workflows get more (expr.h). */
static const size_t eval_memory = 1024 * 1024;
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
    "Exit code: 0 the expression has a value (--batch: the input was read to its end), 1 it is in error,\n"
    "2 wrong usage.\n";

static void add_string(struct buf *out, const char *s)
{
    struct value v = value_string(s, strlen(s));

    value_write_json(&v, out);
    value_release(&v);
}

static void add_error(struct buf *out, const char *kind, const char *message)
{
    buf_addf(out, "{\"error\":{\"kind\":\"%s\",\"message\":", kind);
    add_string(out, message);
    buf_adds(out, "}}\n");
}

/* The keys of an object as a NULL-terminated array (borrowed names; the array is the caller's). */
static const char **context_names(json_t *contexts)
{
    const char **names = calloc(json_object_size(contexts) + 1, sizeof(*names));
    const char *key;
    json_t *value;
    size_t n = 0;

    if (names)
        json_object_foreach(contexts, key, value) names[n++] = key;
    return names;
}

static int evaluate(const char *text, size_t len, json_t *contexts, struct value *ret, struct expr_err *err)
{
    _free_ const char **names = context_names(contexts);
    struct expr_scope scope = {.named_values = names};
    struct expr_env env = {.contexts = contexts, .max_memory = eval_memory};
    struct expr *expr;

    if (!names)
        return -ENOMEM;
    int r = expr_parse(text, len, &scope, &expr, err);
    if (r < 0)
        return r;
    r = expr_eval(expr, &env, ret, err);
    expr_free(expr);
    return r;
}

/* Appends the result line. Returns 0, -EINVAL when the expression is in error, -ENOMEM. */
static int eval_line(const char *text, size_t len, json_t *contexts, struct buf *out)
{
    _value_ struct value value = {.kind = VALUE_NULL};
    _expr_err_ struct expr_err err = {0};
    int r = evaluate(text, len, contexts, &value, &err);

    if (r == -EINVAL) {
        add_error(out, expr_phase_name(err.phase), err.msg);
        return r;
    }
    if (r < 0)
        return r;
    size_t start = out->len;
    buf_addf(out, "{\"kind\":\"%s\",\"value\":", value_kind_name(value.kind));
    r = value_write_json(&value, out);
    if (r == -ELOOP) {
        out->len = start;
        add_error(out, "evaluation", "The value is nested too deeply");
        return -EINVAL;
    }
    buf_adds(out, "}\n");
    return buf_ok(out) ? 0 : -ENOMEM;
}

/* One line of the batch. Returns 0 (whatever the line says) or -ENOMEM. */
static int batch_line(const char *line, size_t len, struct buf *out)
{
    json_error_t error;
    _json_ json_t *input = json_loadb(line, len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    json_t *expr = json_object_get(input, "expr"), *contexts = json_object_get(input, "contexts");

    if (!input && json_error_code(&error) == json_error_out_of_memory)
        return -ENOMEM;
    if (!input) {
        add_error(out, "input", error.text);
        return 0;
    }
    if (!json_is_string(expr) || (contexts && !json_is_object(contexts) && !json_is_null(contexts))) {
        add_error(out, "input", "expected {\"expr\": STRING, \"contexts\": OBJECT}");
        return 0;
    }
    int r = eval_line(json_string_value(expr), json_string_length(expr), contexts, out);
    return r == -ENOMEM ? r : 0;
}

/* Whole lines that have arrived; what is left over stays in `in`. At the end of input the rest is a line too.
 */
static int batch_lines(struct buf *in, bool at_end, struct buf *out)
{
    const char *at = buf_str(in), *end = at + in->len;
    int r = 0;

    while (at < end && r == 0) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline && !at_end)
            break;
        size_t len = (size_t)((newline ? newline : end) - at);
        r = batch_line(at, len, out);
        at = newline ? newline + 1 : end;
    }
    buf_drop(in, (size_t)(at - buf_str(in)));
    return r;
}

/* What has arrived is answered before more is waited for, so a peer may wait for each line's answer. */
static int batch(void)
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
        int r = batch_lines(&in, n == 0, &out);
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
    int r = eval_line(text, strlen(text), contexts, &out);
    int w = write_all(STDOUT_FILENO, buf_str(&out), out.len);
    if (w < 0 || (r < 0 && r != -EINVAL))
        return failed(w < 0 ? w : r);
    return r < 0 ? 1 : 0;
}

int cmd_eval(int argc, char **argv)
{
    static const struct option options[] = {{"contexts", required_argument, NULL, 'c'},
                                            {"batch", no_argument, NULL, 'b'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *contexts = NULL;
    bool in_batch = false;
    int c;

    optind = 1;
    while ((c = getopt_long(argc, argv, "c:bh", options, NULL)) != -1) {
        if (c == 'c')
            contexts = optarg;
        else if (c == 'b')
            in_batch = true;
        else
            return fputs(usage, c == 'h' ? stdout : stderr), c == 'h' ? 0 : 2;
    }
    if (argc - optind != !in_batch || (in_batch && contexts))
        return fputs(usage, stderr), 2;
    if (!in_batch)
        return one(argv[optind], contexts);
    int r = batch();
    return r < 0 ? failed(r) : 0;
}
