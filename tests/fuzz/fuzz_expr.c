/* The first line of the input is an expression, what follows it the contexts; every result is checked for
 * being JSON. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runfs/cleanup.h"
#include "runfs/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char fixed_contexts[] =
    "{\"github\":{\"ref\":\"refs/heads/"
    "main\",\"event\":{\"a\":[1,2,{\"b\":null}]}},\"env\":{\"A\":\"x\"},\"n\":null,\"l\":[1,[2]]}";

static int call(void *data, const char *function, const struct value *args, size_t n, struct value *ret,
                struct err *err)
{
    (void)data;
    if (n == 0)
        return err_set(err, -EINVAL, "%s needs something", function);
    _json_ json_t *json = value_to_json(&args[n - 1]);
    *ret = value_from_json(json);
    return 0;
}

static void explain(const char *text, size_t len, json_t *contexts)
{
    static const struct expr_function functions[] = {{"hashFiles", 0, 255}, {"always", 0, 0}, {0}};
    const struct expr_scope scope = {.functions = functions};
    struct expr_env env = {.contexts = contexts, .call = call, .max_memory = 64 * 1024};
    _value_ struct value v = {0};
    _expr_err_ struct expr_err err = {0};
    _buf_ struct buf lines = BUF_INIT;
    struct expr *e;

    if (expr_parse(text, len, &scope, &e, &err) < 0)
        return;
    expr_explain(e, &env, &v, &lines, &err);
    expr_calls_status(e);
    expr_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *newline = size ? memchr(data, '\n', size) : NULL;
    size_t len = newline ? (size_t)(newline - text) : size;
    _json_ json_t *contexts = newline ? json_loadb(newline + 1, size - len - 1, 0, NULL) : NULL;
    _buf_ struct buf out = BUF_INIT;

    if (!json_is_object(contexts)) {
        json_decref(contexts);
        contexts = json_loads(fixed_contexts, 0, NULL);
    }
    expr_find_end(text, len);
    expr_eval_line(text, len, contexts, &out);
    _json_ json_t *line = json_loadb(buf_str(&out), out.len, JSON_ALLOW_NUL, NULL);
    if (!line)
        abort();
    explain(text, len, contexts);
    buf_reset(&out);
    struct expr_cache *cache = expr_cache_new();
    if (cache) {
        expr_eval_request(cache, text, size, &out);
        expr_eval_request(cache, text, size, &out);
    }
    expr_cache_free(cache);
    return 0;
}
