/* Where the commands keep things: the state directory, and temporary ones. */
#include "fs.h"
#include "runfs/str.h"

char *state_directory(const char *opt)
{
    const char *base = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    _buf_ struct buf path = BUF_INIT;

    if (opt)
        buf_adds(&path, opt);
    else if (!str_empty(base))
        buf_addf(&path, "%s/runfs", base);
    else
        buf_addf(&path, "%s/.local/state/runfs", str_empty(home) ? "" : home);
    return buf_steal(&path);
}

char *temporary_directory(const char *what, struct err *err)
{
    const char *place = getenv("TMPDIR");
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/runfs-%s-XXXXXX", str_empty(place) ? "/tmp" : place, what);
    if (!buf_ok(&path) || !mkdtemp(path.ptr)) {
        err_errno(err, buf_ok(&path) ? -errno : -ENOMEM, "no temporary directory in %s (TMPDIR)",
                  str_empty(place) ? "/tmp" : place);
        return NULL;
    }
    return buf_steal(&path);
}
