/* What known_hosts of this user and of this system says of a host. ssh-keygen(1) looks, as names are hashed
 * there at times. */
#include <stdlib.h>
#include <unistd.h>

#include "known_hosts.h"
#include "runfs/proc.h"
#include "runfs/str.h"

enum { OUTPUT_MAX = 256 * 1024, LOOK_MS = 10000 };

/* "[MARKER] NAMES TYPE BASE64 [COMMENT]", as sshd(8) describes it: a plain key is taken, one that is revoked
 * as such. */
static void take_line(char *line, struct known_keys *ret)
{
    char *marker = *line == '@' ? strsep(&line, " ") : NULL, *names = line ? strsep(&line, " ") : NULL;
    char *type = line ? strsep(&line, " ") : NULL, *key = line ? strsep(&line, " ") : NULL;
    struct buf *to = !marker ? &ret->known : str_eq(marker, "@revoked") ? &ret->revoked : NULL;

    if (names && key && *key && to)
        buf_addf(to, "%s %s\n", type, key);
}

static void look_into(const char *file, const char *name, struct known_keys *ret)
{
    const char *const argv[] = {"ssh-keygen", "-F", name, "-f", file, NULL};
    _proc_result_ struct proc_result result = {0};

    if (access(file, R_OK) < 0 || proc_run(argv, NULL, OUTPUT_MAX, LOOK_MS, &result, NULL) < 0 ||
        !result.out.len)
        return;
    char *rest = result.out.ptr;
    for (char *line; (line = strsep(&rest, "\n"));)
        if (*line && *line != '#')
            take_line(line, ret);
}

void known_keys_release(struct known_keys *k)
{
    buf_release(&k->known);
    buf_release(&k->revoked);
}

/* One that is revoked is known no more, whichever line says so, in whichever file. */
static void drop_revoked(struct known_keys *k)
{
    _buf_ struct buf all = k->known;

    k->known = (struct buf)BUF_INIT;
    char *rest = all.ptr;
    for (char *line; rest && (line = strsep(&rest, "\n"));)
        if (*line && !known_keys_have(&k->revoked, line))
            buf_addf(&k->known, "%s\n", line);
}

void known_keys_find(const struct ssh_host *h, struct known_keys *ret)
{
    _buf_ struct buf name = BUF_INIT, own = BUF_INIT;
    const char *home = getenv("HOME");

    buf_addf(&name, h->port == 22 ? "%s" : "[%s]:%u", h->name, h->port);
    buf_addf(&own, "%s/.ssh/known_hosts", home ? home : "");
    if (!buf_ok(&name) || !buf_ok(&own))
        return;
    look_into(own.ptr, name.ptr, ret);
    look_into("/etc/ssh/ssh_known_hosts", name.ptr, ret);
    drop_revoked(ret);
}

bool known_keys_have(const struct buf *keys, const char *key)
{
    const char *at = keys->len && *key ? strstr(keys->ptr, key) : NULL;

    return at && (at == keys->ptr || at[-1] == '\n') && at[strlen(key)] == '\n';
}
