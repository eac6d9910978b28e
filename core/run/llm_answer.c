/* What a model's server answers: whole or as a stream, with an object in it, or with words of what is wrong.
 * All of it is taken for hostile. */
#include "llm.h"
#include "runfs/str.h"

enum { WORDS_MAX = 300 };

/* Servers say it under different names, or as plain text. */
void llm_words(const json_t *body, const char *plain, struct buf *ret)
{
    const json_t *error = json_object_get(body, "error");
    const char *words = json_string_value(json_object_get(error, "message"));

    if (!words)
        words = json_is_string(error) ? json_string_value(error) : plain;
    size_t len = strcspn(words, "\r\n");
    buf_add(ret, words, utf8_valid_prefix(words, len < WORDS_MAX ? len : WORDS_MAX));
}

/* What one choice adds, of a whole answer or of a part of a streamed one. */
static int add_choice(const json_t *answer, struct buf *ret, struct err *err)
{
    const json_t *choice = json_array_get(json_object_get(answer, "choices"), 0);
    const json_t *message = json_object_get(choice, "message"), *error = json_object_get(answer, "error");
    const char *reason = json_string_value(json_object_get(choice, "finish_reason"));
    const char *text =
        json_string_value(json_object_get(message ? message : json_object_get(choice, "delta"), "content"));

    if (error && !json_is_null(error)) { /* when it has begun already */
        _buf_ struct buf words = BUF_INIT;
        llm_words(answer, "", &words);
        return err_set(err, -EREMOTEIO, "the model's answer broke off: %s", buf_str(&words));
    }
    buf_adds(ret, text ? text : "");
    return reason && str_eq(reason, "length")
               ? err_set(err, -EMSGSIZE, "the model's answer was cut off at its limit of tokens")
               : 0;
}

/* https://html.spec.whatwg.org/multipage/server-sent-events.html: lines `data: JSON`, at last [DONE] */
static int read_stream(const char *line, struct buf *ret, struct err *err)
{
    bool done = false;
    int r = 0;

    for (; *line && r == 0 && !done; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *data = str_starts(line, "data:") ? line + 5 + (line[5] == ' ') : NULL;
        size_t len = data ? strcspn(data, "\r\n") : 0;
        if (!data)
            continue;
        done = len == 6 && memcmp(data, "[DONE]", 6) == 0;
        _json_ json_t *part = json_loadb(data, len, 0, NULL);
        r = add_choice(part, ret, err);
    }
    return r < 0 || done ? r : err_set(err, -ECONNRESET, "the model's answer broke off");
}

static bool is_stream(const char *body)
{
    static const char *const fields[] = {"data:", "event:", "id:", "retry:", ":"};

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (str_starts(body, fields[i]))
            return true;
    return false;
}

static int read_body(const struct buf *body, struct buf *ret, struct err *err)
{
    if (is_stream(buf_str(body)))
        return read_stream(buf_str(body), ret, err);
    _json_ json_t *json = json_loadb(buf_str(body), body->len, 0, NULL);
    if (!json_is_array(json_object_get(json, "choices")))
        return err_set(err, -EPROTO, "the server's answer is none of chat completions");
    return add_choice(json, ret, err);
}

/* Models like to put it between fences, whatever they are told; some think aloud before. */
static json_t *find_object(const char *content)
{
    static const char thought[] = "</think>";
    const char *thinks = strstr(content, thought), *begin, *end;

    begin = strchr(thinks ? thinks + strlen(thought) : content, '{');
    end = begin ? strrchr(begin, '}') : NULL;
    return end ? json_loadb(begin, (size_t)(end - begin) + 1, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

int llm_answer(const struct buf *body, json_t **ret, struct err *err)
{
    _buf_ struct buf content = BUF_INIT;
    int r = read_body(body, &content, err);

    if (r < 0)
        return r;
    *ret = find_object(buf_str(&content));
    return *ret ? 0 : err_set(err, -EPROTO, "the model's answer is no JSON object");
}
