/*
 * Deliveries of a webhook answered a second, each signed, over connections that stay open; beside a server
 * that sends back what it gets (libmicrohttpd, a thread a connection, as the daemon has it). usage:
 * bench_webhook PORT SECRET N CONNECTIONS | bench_webhook echo N CONNECTIONS
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "runfs/io.h"
#include "runfs/late_crypto.h"
#include "runfs/late_microhttpd.h"
#include "runfs/str.h"

enum { BODY = 8000 /* a push's */, CONNECTIONS_MAX = 256, ANSWER_MAX = 64 * 1024 };

struct connection {
    int fd;
    int64_t sent_at;
    size_t len;
    char answer[ANSWER_MAX];
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

/* -------------------------------------------------------------------------------------------------- echo */

static enum MHD_Result echo(void *data, struct MHD_Connection *c, const char *path, const char *method,
                            const char *version, const char *bytes, size_t *len, void **own)
{
    struct buf *body = *own;

    (void)data, (void)path, (void)method, (void)version;
    if (!body) {
        *own = calloc(1, sizeof(struct buf));
        return *own ? MHD_YES : MHD_NO;
    }
    if (*len) {
        buf_add(body, bytes, *len);
        *len = 0;
        return MHD_YES;
    }
    struct MHD_Response *r =
        MHD_create_response_from_buffer(body->len, (void *)(uintptr_t)buf_str(body), MHD_RESPMEM_MUST_COPY);
    enum MHD_Result queued = MHD_queue_response(c, 200, r);
    MHD_destroy_response(r);
    return queued;
}

static void echoed(void *data, struct MHD_Connection *c, void **own, enum MHD_RequestTerminationCode how)
{
    (void)data, (void)c, (void)how;
    if (*own)
        buf_release(*own);
    free(*own);
    *own = NULL;
}

/* In a process of its own, as the daemon is one. */
static pid_t serve(uint16_t *ret_port)
{
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);

    if (listening < 0 || bind(listening, (struct sockaddr *)&at, len) < 0 || listen(listening, 512) < 0 ||
        getsockname(listening, (struct sockaddr *)&at, &len) < 0)
        die("listen");
    *ret_port = ntohs(at.sin_port);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    if (!MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL, 0,
                          NULL, NULL, echo, NULL, MHD_OPTION_NOTIFY_COMPLETED, echoed, NULL,
                          MHD_OPTION_LISTEN_SOCKET, listening, MHD_OPTION_END))
        _exit(1);
    for (;;)
        pause();
}

/* ------------------------------------------------------------------------------------------------ client */

static void add_request(struct buf *ret, const char *secret, int n)
{
    _buf_ struct buf body = BUF_INIT;
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    buf_addf(&body,
             "{\"ref\":\"refs/heads/main\",\"after\":\"%040d\",\"repository\":{\"full_name\":\"o/"
             "r\"},\"commits\":[],\"text\":\"",
             n);
    while (body.len < BODY - 2)
        buf_addc(&body, 'x');
    buf_adds(&body, "\"}");
    HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)buf_str(&body), body.len, mac,
         &len);
    buf_addf(ret,
             "POST /webhook HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nX-GitHub-Event: "
             "push\r\nX-GitHub-Delivery: bench-%lld-%d\r\nContent-Length: %zu\r\nX-Hub-Signature-256: "
             "sha256=",
             (long long)getpid(), n, body.len);
    for (unsigned i = 0; i < len; i++)
        buf_addf(ret, "%02x", mac[i]);
    buf_addf(ret, "\r\n\r\n%s", buf_str(&body));
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        die("connect");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static void ask(struct connection *c, const struct buf *request)
{
    c->len = 0;
    c->sent_at = mono_ns();
    if (write_all(c->fd, buf_str(request), request->len) < 0)
        die("send");
}

/* Whether the answer is there, whole. */
static bool answered(struct connection *c)
{
    ssize_t n = read(c->fd, c->answer + c->len, sizeof(c->answer) - c->len - 1);

    if (n <= 0)
        die("an answer was cut off");
    c->len += (size_t)n;
    c->answer[c->len] = '\0';
    const char *end = strstr(c->answer, "\r\n\r\n"), *length = strcasestr(c->answer, "content-length:");
    if (!end || !length || c->len < (size_t)(end + 4 - c->answer) + strtoul(length + 15, NULL, 10))
        return false;
    if (!str_starts(c->answer, "HTTP/1.1 20")) {
        fprintf(stderr, "refused: %s\n", c->answer);
        exit(1);
    }
    return true;
}

static void measure(uint16_t port, const char *secret, int n, int connections)
{
    static struct connection all[CONNECTIONS_MAX];
    struct pollfd fds[CONNECTIONS_MAX];
    struct buf *requests = calloc((size_t)n, sizeof(*requests));
    int64_t *took = calloc((size_t)n, sizeof(*took)), start;
    int sent = 0, done = 0;

    if (!requests || !took)
        die("memory");
    for (int i = 0; i < n; i++)
        add_request(&requests[i], secret, i);
    for (int i = 0; i < connections; i++) {
        all[i].fd = connect_to(port);
        fds[i] = (struct pollfd){.fd = all[i].fd, .events = POLLIN};
    }
    start = mono_ns();
    for (int i = 0; i < connections && sent < n; i++)
        ask(&all[i], &requests[sent++]);
    while (done < n) {
        if (poll(fds, (nfds_t)connections, 10000) <= 0)
            die("no answer");
        for (int i = 0; i < connections; i++)
            if (fds[i].revents && answered(&all[i])) {
                took[done++] = mono_ns() - all[i].sent_at;
                if (sent < n)
                    ask(&all[i], &requests[sent++]);
            }
    }
    double seconds = (double)(mono_ns() - start) / 1e9;
    qsort(took, (size_t)n, sizeof(*took), by_value);
    printf("%.0f %.2f %.2f %.2f\n", n / seconds, (double)took[n / 2] / 1e6, (double)took[n * 99L / 100] / 1e6,
           (double)took[n - 1] / 1e6);
}

static int number(const char *text)
{
    uint64_t n;

    return parse_u64(text, &n) == 0 && n < 100000000 ? (int)n : 0;
}

int main(int argc, char **argv)
{
    bool bare = argc == 4 && str_eq(argv[1], "echo");
    uint16_t port;

    if (!bare && argc != 5) {
        fputs("usage: bench_webhook PORT SECRET N CONNECTIONS | bench_webhook echo N CONNECTIONS\n", stderr);
        return 2;
    }
    int n = number(argv[argc - 2]), connections = number(argv[argc - 1]);
    if (n <= 0 || connections <= 0 || connections > CONNECTIONS_MAX)
        return 2;
    pid_t server = bare ? serve(&port) : 0;
    if (!bare)
        port = (uint16_t)number(argv[1]);
    measure(port, bare ? "none" : argv[2], n, connections);
    if (server > 0) {
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
    }
    return 0;
}
