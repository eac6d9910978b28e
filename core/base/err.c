/* Errors that a person will read. */
#include "runfs/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runfs/str.h"

static void err_finish(struct err *err, int written)
{
    bool cut = written >= (int)sizeof(err->msg);
    size_t len = utf8_valid_prefix(err->msg, cut ? sizeof(err->msg) - 4 : strlen(err->msg));

    memcpy(err->msg + len, cut ? "..." : "", cut ? 4 : 1); /* others' words may be no UTF-8 */
    for (char *p = err->msg; *p; p++) {
        unsigned char c = (unsigned char)*p, next = (unsigned char)p[1];
        if (c == 0xc2 && next >= 0x80 && next <= 0x9f) /* U+0080 to U+009F: some terminals obey them */
            p[0] = p[1] = ' ';
        else if (c < ' ' || c == 0x7f)
            *p = ' ';
    }
}

__attribute__((format(printf, 3, 0))) static int err_setv(struct err *err, int code, const char *fmt,
                                                          va_list ap)
{
    if (!err)
        return code;
    err->code = code;
    err_finish(err, vsnprintf(err->msg, sizeof(err->msg), fmt, ap));
    return code;
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    err_setv(err, code, fmt, ap);
    va_end(ap);
    return code;
}

int err_errno(struct err *err, int code, const char *fmt, ...)
{
    const char *words = strerrordesc_np(-code);
    va_list ap;

    if (!err)
        return code;
    va_start(ap, fmt);
    err_setv(err, code, fmt, ap);
    va_end(ap);
    size_t len = strlen(err->msg);
    err_finish(err, (int)len +
                        snprintf(err->msg + len, sizeof(err->msg) - len, ": %s", words ? words : "unknown"));
    return code;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
    char old[sizeof(err->msg)];
    va_list ap;

    if (!err)
        return 0;
    memcpy(old, err->msg, sizeof(old));
    va_start(ap, fmt);
    err_setv(err, err->code, fmt, ap);
    va_end(ap);
    size_t len = strlen(err->msg);
    err_finish(err, (int)len + snprintf(err->msg + len, sizeof(err->msg) - len, ": %s", old));
    return err->code;
}
