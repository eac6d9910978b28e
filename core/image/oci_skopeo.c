/* skopeo, which speaks with registries: who is asked how, as whom, and what it says when it cannot. */
#include <arpa/inet.h>
#include <sys/mman.h>

#include "core/image/oci_pull.h"
#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

/* Registries of this host may do without TLS, as for Docker; others by registries.conf(5). 127.example.org is
 * one of those. */
static bool is_here(const char *source)
{
    _buf_ struct buf host = BUF_INIT;
    struct in_addr address;

    if (!str_starts(source, OCI_REGISTRY))
        return false;
    source += strlen(OCI_REGISTRY);
    buf_add(&host, source, *source == '[' ? strcspn(source, "]") : strcspn(source, ":/"));
    return str_eq(buf_str(&host), "localhost") || str_eq(buf_str(&host), "[::1") ||
           (inet_pton(AF_INET, buf_str(&host), &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

static bool has_policy(void)
{
    _buf_ struct buf own = BUF_INIT;

    buf_addf(&own, "%s/.config/containers/policy.json", getenv("HOME") ? getenv("HOME") : "");
    return access("/etc/containers/policy.json", R_OK) == 0 || (buf_ok(&own) && access(own.ptr, R_OK) == 0);
}

/* What it says last, without what it says of itself. */
static int skopeo_failed(const struct pulling *g, const struct proc_result *out)
{
    const char *text = buf_str(&out->err), *msg = strstr(text, "msg=\"");
    _buf_ struct buf words = BUF_INIT;

    for (const char *next = msg; next; next = strstr(next + 1, "msg=\""))
        msg = next;
    for (const char *p = msg ? msg + 5 : text; *p && *p != '\n' && !(msg && *p == '"'); p++) {
        p += msg && *p == '\\' && p[1];
        buf_addc(&words, *p);
    }
    return err_set(g->err, -EIO, "cannot fetch the image %s: %.*s", buf_str(&g->name),
                   (int)utf8_valid_prefix(buf_str(&words), words.len < 600 ? words.len : 600),
                   words.len ? words.ptr : "skopeo said nothing");
}

/* Credentials of this one image, in memory, under a name for who is this user: nothing of them is left if
 * this process is killed. A descriptor; -1: there are none. */
static int put_auth(const struct pulling *g, int *ret_fd)
{
    const char *host = buf_str(&g->source) + strlen(OCI_REGISTRY);
    _buf_ struct buf both = BUF_INIT, code = BUF_INIT, key = BUF_INIT;

    *ret_fd = -1;
    if (str_empty(g->p->user) || !g->registry)
        return 0;
    buf_addf(&both, "%s:%s", g->p->user, g->p->password ? g->p->password : "");
    buf_add_base64(&code, buf_str(&both), both.len);
    buf_add(&key, host, strcspn(host, "/"));
    _json_ json_t *json = json_pack("{s:{s:{s:s}}}", "auths", buf_str(&key), "auth", buf_str(&code));
    _free_ char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (!text || !buf_ok(&both) || !buf_ok(&code) || !buf_ok(&key))
        return pulling_no_memory(g);
    _close_ int fd = memfd_create("auth", MFD_CLOEXEC);
    int r = fd < 0 ? -errno : write_all(fd, text, strlen(text));
    if (r < 0)
        return err_errno(g->err, r, "cannot write the credentials of the image");
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int start_skopeo(const struct pulling *g, const char *const argv[], int timeout_ms,
                        struct proc_result *ret)
{
    _strv_ char **peers = NULL;
    size_t n = 0, words = 0;
    int r = oci_peers(g->p, &peers, g->err);

    while (r == 0 && peers[n])
        n++;
    if (n && !proc_in_path(argv[0])) /* which else were the agent's to say */
        return -ENOENT;
    while (argv[words])
        words++;
    _free_ const char **all = r == 0 ? calloc(n + words + 1, sizeof(*all)) : NULL;
    if (!all)
        return r < 0 ? r : pulling_no_memory(g);
    for (size_t i = 0; i < n; i++)
        all[i] = peers[i];
    memcpy(all + n, argv, words * sizeof(*all));
    return proc_run(all, NULL, OCI_TEXT_MAX, timeout_ms, ret, g->err);
}

int skopeo_run(const struct pulling *g, const char *const words[], const char *verify, int timeout_ms,
               struct buf *ret_out)
{
    _proc_result_ struct proc_result out = {0};
    const char *argv[16] = {"skopeo"};
    _close_ int auth = -1;
    char path[64];
    size_t n = 1;

    int r = put_auth(g, &auth);
    if (!has_policy())
        argv[n++] = "--insecure-policy"; /* there is none that it could be against */
    for (; *words && n < 11; words++)
        argv[n++] = *words;
    if (is_here(buf_str(&g->source)))
        argv[n++] = verify;
    if (auth >= 0) {
        snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), auth);
        argv[n++] = "--authfile";
        argv[n++] = path;
    }
    argv[n] = NULL;
    if (r == 0)
        r = start_skopeo(g, argv, timeout_ms, &out);
    if (r == -ENOENT)
        return err_set(g->err, r,
                       "images of containers are fetched by skopeo, which is not there: install the "
                       "package skopeo");
    if (r == -ETIMEDOUT)
        return err_set(g->err, r, "cannot fetch the image %s: the registry takes too long",
                       buf_str(&g->name));
    if (r == 0 && out.exit_code)
        return skopeo_failed(g, &out);
    if (r == 0 && ret_out)
        buf_add(ret_out, buf_str(&out.out), out.out.len);
    return r;
}
