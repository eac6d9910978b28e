/* What config/alerts/NAME says. */
#include "runfs/alert.h"

#include <fnmatch.h>

#include "runfs/buf.h"
#include "runfs/str.h"

#define BLANKS " \t"

void alert_release(struct alert *a)
{
    free(a->workflows);
    free(a->target);
    *a = (struct alert){0};
}

/* "300s", "10m", "2h". */
static bool read_duration(const char *text, size_t len, int64_t *ret)
{
    char number[16] = "";
    uint64_t n;

    if (len < 2 || len > sizeof(number))
        return false;
    memcpy(number, text, len - 1);
    int64_t unit = text[len - 1] == 's' ? 1 : text[len - 1] == 'm' ? 60 : text[len - 1] == 'h' ? 3600 : 0;
    if (!unit || parse_u64(number, &n) < 0 || n < 1 || n > 1000000)
        return false;
    *ret = (int64_t)n * unit * 1000000000;
    return true;
}

static int read_on(const char *words, struct alert *a, struct err *err)
{
    for (const char *at = words; *at; at += strspn(at, BLANKS)) {
        size_t len = strcspn(at, BLANKS);
        if (len == 7 && strncmp(at, "failure", len) == 0)
            a->failure = true;
        else if (len == 8 && strncmp(at, "recovery", len) == 0)
            a->recovery = true;
        else if (len == 7 && strncmp(at, "anomaly", len) == 0)
            a->anomaly = true;
        else if (len <= 9 || strncmp(at, "duration>", 9) != 0 ||
                 !read_duration(at + 9, len - 9, &a->longer_than))
            return err_set(
                err, -EINVAL,
                "it is on failure, recovery, anomaly or duration>N with N as in 300s, 10m or 2h, not "
                "on '%.*s'",
                (int)(len < 200 ? len : 200), at);
        at += len;
    }
    return 0;
}

static int read_target(const char *key, const char *value, struct alert *a, struct err *err)
{
    if (a->target)
        return err_set(err, -EINVAL, "it has one of `to`, `command` and `file`, not several");
    if (str_eq(key, "to") && str_starts(value, "secrets/") && value[8]) {
        a->way = ALERT_SECRET;
        value += strlen("secrets/");
    } else if (str_eq(key, "to")) {
        a->way = ALERT_URL;
        if ((!str_starts(value, "https://") && !str_starts(value, "http://")) ||
            strpbrk(value, BLANKS "\"<>\\"))
            return err_set(err, -EINVAL,
                           "`to` has an address, as in https://chat.example.com/hooks/x, or secrets/NAME");
    } else if (str_eq(key, "command")) {
        a->way = ALERT_COMMAND;
    } else {
        a->way = ALERT_FILE;
        if (*value != '/')
            return err_set(err, -EINVAL, "`file` has an absolute path, not '%.200s'", value);
    }
    a->target = *value ? strdup(value) : NULL;
    return a->target ? 0 : err_set(err, -EINVAL, "`%s` has nothing behind it", key);
}

static int read_line(char *line, struct alert *a, struct err *err)
{
    char *value = line + strcspn(line, BLANKS);

    if (*value)
        *value++ = '\0';
    value += strspn(value, BLANKS);
    for (size_t len = strlen(value); len && strchr(BLANKS "\r", value[len - 1]); len--)
        value[len - 1] = '\0';
    if (str_eq(line, "on"))
        return read_on(value, a, err);
    if (str_eq(line, "to") || str_eq(line, "command") || str_eq(line, "file"))
        return read_target(line, value, a, err);
    if (!str_eq(line, "workflow"))
        return err_set(err, -EINVAL,
                       "a line begins with on, workflow, to, command or file, not with '%.200s'", line);
    if (a->workflows || !*value)
        return err_set(err, -EINVAL, "`workflow` is there once, with patterns behind it");
    a->workflows = strdup(value);
    return a->workflows ? 0 : err_errno(err, -ENOMEM, "alert");
}

int alert_parse(const char *text, struct alert *ret, struct err *err)
{
    _alert_ struct alert a = {0};
    int number = 0, r = 0;

    for (const char *at = text; *at && r == 0;) {
        size_t indent = strspn(at, BLANKS), len = strcspn(at, "\n");
        _free_ char *line = strndup(at + indent, len - indent);
        number++;
        if (!line)
            return err_errno(err, -ENOMEM, "alert");
        if (*line && *line != '#' && *line != '\r' && (r = read_line(line, &a, err)) < 0)
            err_prefix(err, "line %d", number);
        at += len + (at[len] == '\n');
    }
    if (r == 0 && !a.failure && !a.recovery && !a.anomaly && !a.longer_than)
        r = err_set(err, -EINVAL, "a line is missing that says when, as in `on failure recovery`");
    if (r == 0 && !a.target)
        r = err_set(err, -EINVAL,
                    "a line is missing that says how: `to ADDRESS`, `command LINE` or `file /PATH`");
    if (r < 0)
        return r;
    *ret = a;
    a = (struct alert){0};
    return 0;
}

bool alert_concerns(const struct alert *a, const char *workflow_name)
{
    bool found = !a->workflows;

    for (const char *at = a->workflows; at && *at && !found; at += strspn(at, BLANKS)) {
        size_t len = strcspn(at, BLANKS);
        _free_ char *pattern = strndup(at, len);
        found = pattern && fnmatch(pattern, workflow_name, 0) == 0;
        at += len;
    }
    return found;
}
