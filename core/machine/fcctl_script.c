/* What is done in a machine of fcctl-web's: scripts, and what is carried in them and in what they print. */

#include "core/machine/fcctl.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum { STEP_MS = 120000, LATE_MS = 5000 };

void fcctl_add_word(struct buf *b, const char *word)
{
    if (utf8_valid(word, strlen(word))) {
        buf_add_shell_word(b, word);
        return;
    }
    buf_adds(b, "$'");
    for (; *word; word++)
        buf_addf(b, "\\%03o", (unsigned char)*word);
    buf_addc(b, '\'');
}

void fcctl_result_release(struct fcctl_result *r)
{
    json_decref(r->answer);
    *r = (struct fcctl_result){0};
}

static const char *text_of(const json_t *answer, const char *name, size_t *ret_len)
{
    json_t *text = json_object_get(answer, name);

    *ret_len = json_string_length(text);
    return json_is_string(text) ? json_string_value(text) : "";
}

int fcctl_script(struct fcctl_vm *t, const char *script, int64_t ms, struct fcctl_result *ret,
                 struct err *err)
{
    json_t *body = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "agent_id", t->session, "language", "bash",
                             "code", script, "vm_id", t->id, "timeout_seconds", (json_int_t)(ms + 999) / 1000,
                             "working_dir", "/");
    _json_ json_t *answer = NULL;
    int r =
        body ? fcctl_call(t->ms, t, "POST", "/api/llm/execute", body, (int)ms + LATE_MS, &answer, NULL, err)
             : err_set(err, -EINVAL, "a script for fcctl-web's API has to be UTF-8");

    if (r < 0)
        return r;
    if (!json_is_integer(json_object_get(answer, "exit_code")))
        return err_set(err, -EREMOTEIO, "POST /api/llm/execute: the server's answer has no `exit_code`");
    struct fcctl_result result = {.exit_code = (int)json_integer_value(json_object_get(answer, "exit_code")),
                                  .why = json_string_value(json_object_get(answer, "error"))};
    result.out = text_of(answer, "stdout", &result.out_len);
    result.errors = text_of(answer, "stderr", &result.errors_len);
    result.answer = TAKE(answer);
    *ret = result;
    return 0;
}

int fcctl_step(struct fcctl_vm *t, const char *script, struct fcctl_result *ret, struct err *err)
{
    struct fcctl_result result = {0};
    int r = fcctl_script(t, script, STEP_MS, &result, err);

    if (r < 0)
        return r;
    if (result.exit_code != 0) {
        const char *words = result.errors_len || !result.why ? result.errors : result.why;
        r = err_set(err, -EIO, "%.*s", (int)strcspn(words, "\n"), *words ? words : "a command failed there");
        fcctl_result_release(&result);
        return r;
    }
    *ret = result;
    return 0;
}

/* ------------------------------------------------------------------------------------------------- trees */

int fcctl_put_part(struct fcctl_vm *t, const struct buf *part, bool first, struct err *err)
{
    _buf_ struct buf script = BUF_INIT;
    struct fcctl_result result = {0};

    buf_addf(&script, "umask 077; base64 -d %s" FCCTL_TREE " <<'END'\n", first ? ">" : ">>");
    buf_add_base64(&script, part->ptr, part->len);
    buf_adds(&script, "\nEND\n");
    int r = buf_ok(&script) ? fcctl_step(t, script.ptr, &result, err) : err_errno(err, -ENOMEM, "tree");
    fcctl_result_release(&result);
    return r;
}

int fcctl_put_end(struct fcctl_vm *t, const char *dir, struct err *err)
{
    _buf_ struct buf script = BUF_INIT;
    struct fcctl_result result = {0};

    buf_adds(&script, "set -e; d=");
    fcctl_add_word(&script, dir);
    buf_adds(&script, "; mkdir -p -- \"$d\"; tar -x -p --no-same-owner -C \"$d\" -f " FCCTL_TREE
                      "; rm -f " FCCTL_TREE);
    int r = buf_ok(&script) ? fcctl_step(t, script.ptr, &result, err) : err_errno(err, -ENOMEM, "tree");
    fcctl_result_release(&result);
    return r;
}

int fcctl_get_part(struct fcctl_vm *t, const char *path, uint64_t at, struct buf *ret, struct err *err)
{
    _buf_ struct buf script = BUF_INIT;
    struct fcctl_result result = {0};

    buf_addf(&script, "tail -c +%llu %s | head -c %d | base64 -w0", (unsigned long long)at + 1, path,
             FCCTL_PART);
    int r = buf_ok(&script) ? fcctl_step(t, script.ptr, &result, err) : err_errno(err, -ENOMEM, "tree");
    if (r == 0 && (r = buf_add_unbase64(ret, result.out, result.out_len)) < 0)
        err_errno(err, r, "what came of %s is broken", path);
    fcctl_result_release(&result);
    return r;
}
