/* The rules for the names of artifacts and of the files in them: GitHub's, and in its words. */
#include "artifact_internal.h"

#include "runfs/str.h"

/* In the order in which @actions/artifact looks for them. */
static const struct {
    char c;
    const char *words;
} invalid[] = {
    {'"', " Double quote \""}, {':', " Colon :"},
    {'<', " Less than <"},     {'>', " Greater than >"},
    {'|', " Vertical bar |"},  {'*', " Asterisk *"},
    {'?', " Question mark ?"}, {'\r', " Carriage return \\r"},
    {'\n', " Line feed \\n"},  {'\\', " Backslash \\"}, /* from here on: in names only */
    {'/', " Forward slash /"},
};
enum { INVALID_IN_PATHS = 9 };

static int check(const char *text, size_t n, const char *what, struct err *err)
{
    _buf_ struct buf all = BUF_INIT;

    for (size_t i = 0; i < n; i++)
        buf_addf(&all, "%s%s", i ? "," : "", invalid[i].words);
    for (size_t i = 0; i < n; i++)
        if (strchr(text, invalid[i].c))
            return err_set(
                err, -EINVAL,
                "%s is not valid: %.300s. Contains the following character: %s. Invalid characters "
                "include: %s",
                what, text, invalid[i].words, buf_str(&all));
    return 0;
}

int artifact_check_name(const char *name, struct err *err)
{
    if (!*name)
        return err_set(err, -EINVAL, "Provided artifact name input during validation is empty");
    int r = check(name, ARRAY_LEN(invalid), "The artifact name", err);
    if (r == 0 && name_check(name) < 0)
        r = err_set(err, -EINVAL,
                    "The artifact name is not valid: %.300s. It must be at most 255 bytes of UTF-8 without "
                    "control characters, and not '.' or '..'",
                    utf8_valid(name, strlen(name)) ? name : "(not UTF-8)");
    return r;
}

int artifact_check_path(const char *path, struct err *err)
{
    if (!*path)
        return err_set(err, -EINVAL, "Provided file path input during validation is empty");
    return check(path, INVALID_IN_PATHS, "The path for one of the files in artifact", err);
}
