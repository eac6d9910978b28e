/*
 * The HTTP server as the daemon has it, on a store with one run. The first byte says how
 * the rest comes: 's': a signed body to /webhook, as JSON; 'f': the same as a form; 'a': to the route and
 * with the body that its first line names ("PUT /x?y"); anything else: as it is, from the first byte on.
 * Whatever comes, there is an answer of HTTP or none, no header in it that nobody made, and nothing unsigned
 * is kept.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../core/net/server_internal.h"
#include "runfs/io.h"
#include "runfs/late_crypto.h"
#include "runfs/log.h"
#include "runfs/run.h"
#include "runfs/search.h"
#include "runfs/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ANSWER_MAX = 4 * 1024 * 1024, ROUTES_MAX = 128 };

static char dir[] = "/tmp/runfs-fuzz-http-XXXXXX", path[64];
static struct server server;
static struct http_server *http;
static struct http_route routes[ROUTES_MAX];

/* These wait for changes, or set machines to work. */
static http_fn *const left_out[] = {live_changes, api_rerun, api_rerun_failed, api_rerun_job};

static bool is_left_out(const struct http_route *r)
{
    bool found = false;

    for (size_t i = 0; i < ARRAY_LEN(left_out); i++)
        found |= r->handle == left_out[i];
    return found;
}

static void end(void)
{
    http_stop(http);
    engine_free(server.engine);
    searcher_free(server.searcher);
    store_close(server.store);
    (void)remove_tree(dir);
}

static void begin(void)
{
    struct run_row run = {.attempt = 1,
                          .status = "completed",
                          .conclusion = "success",
                          .workflow_name = "ci.yml",
                          .name = "CI",
                          .created_at = 1,
                          .log_size = -1};
    size_t n = 0;

    log_threshold(LOG_LEVEL_ERROR);
    if (!mkdtemp(dir) || store_open(dir, &server.store, NULL) < 0 ||
        store_put_run(server.store, &run, NULL) < 0 ||
        store_put_setting(server.store, SETTING_CONFIG, "webhook/secret", "open-sesame", NULL) < 0 ||
        api_make_keys(&server) < 0)
        abort();
    const struct engine_opts engine = {.store = server.store, .slots = 1, .defaults = true};
    if (engine_new(&engine, &server.engine, NULL) < 0 ||
        searcher_new(server.store, &server.searcher, NULL) < 0)
        abort();
    pthread_mutex_init(&server.lock, NULL);
    pthread_mutex_init(&server.peers_lock, NULL);
    pthread_mutex_init(&server.live.lock, NULL);
    for (const struct http_route *r = server_routes; r->method; r++)
        if (!is_left_out(r) && n < ROUTES_MAX - 1)
            routes[n++] = *r;
    snprintf(path, sizeof(path), "%s/http", dir);
    const struct http_opts opts = {.address = path,
                                   .prefix = "/api/v3",
                                   .routes = routes,
                                   .data = &server,
                                   .admit = access_admit,
                                   .ended = access_log,
                                   .idle_seconds = 5};
    if (http_start(&opts, &http, NULL) < 0)
        abort();
    atexit(end);
}

/* ---------------------------------------------------------------------------------------------- requests */

static void add_signed(struct buf *ret, const uint8_t *body, size_t len, bool form)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;

    HMAC(EVP_sha256(), "open-sesame", 11, body, len, mac, &mac_len);
    buf_addf(
        ret,
        "POST /webhook HTTP/1.1\r\nHost: ci\r\nConnection: close\r\nX-GitHub-Event: push\r\nContent-Type: "
        "%s\r\nContent-Length: %zu\r\nX-Hub-Signature-256: sha256=",
        form ? "application/x-www-form-urlencoded" : "application/json", len);
    for (unsigned i = 0; i < mac_len; i++)
        buf_addf(ret, "%02x", mac[i]);
    buf_adds(ret, "\r\n\r\n");
    buf_add(ret, (const char *)body, len);
}

static void add_asked(struct buf *ret, const uint8_t *text, size_t len)
{
    const uint8_t *newline = memchr(text, '\n', len);
    size_t line = newline ? (size_t)(newline - text) : len, body = newline ? len - line - 1 : 0;

    buf_add(ret, (const char *)text, line);
    buf_addf(ret, " HTTP/1.1\r\nHost: ci\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", body);
    if (newline)
        buf_add(ret, (const char *)newline + 1, body);
}

static void ask(const struct buf *request, struct buf *ret)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = 10};
    _close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(at.sun_path, path, strlen(path));
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        abort();
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)send(fd, buf_str(request), request->len, MSG_NOSIGNAL); /* it may be refused in the middle */
    (void)shutdown(fd, SHUT_WR);
    (void)read_fd(fd, ANSWER_MAX, ret);
}

/* ----------------------------------------------------------------------------------------------- answers */

static void forget(void)
{
    int64_t ids[2];

    if (store_list_hooks(server.store, 0, ids, 2) < 1)
        return;
    const struct hook_row *old = store_get_hook(server.store, ids[0]);
    struct hook_row row = *old;
    row.state = "done";
    if (store_put_hook(server.store, &row, NULL) < 0 ||
        store_expire_hooks(server.store, INT64_MAX, NULL) != 1)
        abort();
    hook_row_unref(old);
}

static void look(const struct buf *answer)
{
    const char *text = buf_str(answer), *head = strstr(text, "\r\n\r\n");

    if (answer->len && !str_starts(text, "HTTP/1.1 "))
        abort();
    for (const char *line = text; head && line < head; line = strstr(line, "\r\n") + 2)
        if (strncasecmp(line, "x-evil", 6) == 0)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    _buf_ struct buf request = BUF_INIT, answer = BUF_INIT;
    int64_t kept[2];
    char how = size ? (char)*data : '\0';

    pthread_once(&once, begin);
    if (how == 's' || how == 'f')
        add_signed(&request, data + 1, size - 1, how == 'f');
    else if (how == 'a')
        add_asked(&request, data + 1, size - 1);
    else
        buf_add(&request, (const char *)data, size);
    ask(&request, &answer);
    look(&answer);
    if (how == 's' || how == 'f')
        forget();
    else if (store_list_hooks(server.store, 0, kept, 2) > 0)
        abort();
    return 0;
}
