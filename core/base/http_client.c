/* One HTTP request to another server, by libcurl. */
#include "runfs/http_client.h"

#include <pthread.h>

#include "runfs/late_curl.h"
#include "runfs/str.h"

enum { LOOK_MS = 100, CONNECT_MS = 10000, HEADERS_MAX = 64 * 1024 };

void http_answer_release(struct http_answer *a)
{
    buf_release(&a->body);
    buf_release(&a->headers);
}

int http_answer_header(const struct http_answer *a, const char *name, struct buf *ret)
{
    size_t len = strlen(name), found = 0;
    const char *value = NULL;

    for (const char *at = buf_str(&a->headers); *at; at += strcspn(at, "\n"), at += *at == '\n')
        if (strncasecmp(at, name, len) == 0 && at[len] == ':') {
            value = at + len + 1 + strspn(at + len + 1, " \t");
            found = strcspn(value, "\r\n");
        }
    buf_add(ret, value, value ? found : 0);
    return value ? 0 : -ENOENT;
}

struct transfer {
    const struct http_call *call;
    struct http_answer *answer;
    bool too_large;
};

static size_t take_body(char *data, size_t size, size_t n, void *own)
{
    struct transfer *t = own;

    if (size * n > t->call->max - t->answer->body.len) {
        t->too_large = true;
        return 0;
    }
    buf_add(&t->answer->body, data, size * n);
    return buf_ok(&t->answer->body) ? size * n : 0;
}

/* Of several answers (100 Continue) the last one's count, and a line that is too much is left out. */
static size_t take_header(char *data, size_t size, size_t n, void *own)
{
    struct transfer *t = own;

    if (size * n > 5 && strncmp(data, "HTTP/", 5) == 0)
        buf_reset(&t->answer->headers);
    else if (size * n <= HEADERS_MAX - t->answer->headers.len)
        buf_add(&t->answer->headers, data, size * n);
    return size * n;
}

static void start_curl(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static bool set_all(CURL *h, struct transfer *t, struct curl_slist *headers, char *words)
{
    const struct http_call *c = t->call;
    CURLcode r = curl_easy_setopt(h, CURLOPT_URL, c->url);

    r |= curl_easy_setopt(h, CURLOPT_ERRORBUFFER, words);
    r |= curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    r |= curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    r |= curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, c->method);
    r |= curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    r |= curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_body);
    r |= curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
    r |= curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, take_header);
    r |= curl_easy_setopt(h, CURLOPT_HEADERDATA, t);
    r |= curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)c->timeout_ms);
    r |= curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    if (c->socket_path)
        r |= curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, c->socket_path);
    if (c->socket_path || strstr(c->url, "://127.") || strstr(c->url, "://localhost") ||
        strstr(c->url, "://[::1]"))
        r |= curl_easy_setopt(h, CURLOPT_PROXY, "");
    if (c->body) {
        r |= curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->len);
        r |= curl_easy_setopt(h, CURLOPT_POSTFIELDS, c->body);
    }
    return r == CURLE_OK;
}

static int code_of(CURLcode r)
{
    switch (r) {
    case CURLE_COULDNT_CONNECT:
        return -ECONNREFUSED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return -EHOSTUNREACH;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        return -ECONNRESET;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return -EINVAL;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
        return -EPROTO;
    default:
        return -EIO;
    }
}

/* Until it has ended, or nobody wants it. *ret_code is of no account then (-ECANCELED). */
static int run(CURLM *multi, const struct http_call *c, CURLcode *ret_code)
{
    struct curl_waitfd wake = {.fd = c->wake ? *c->wake : -1, .events = CURL_WAIT_POLLIN};
    int running = 1, left;

    while (running) {
        if (curl_multi_perform(multi, &running) != CURLM_OK)
            return -EIO;
        if (running && c->unwanted && c->unwanted(c->data))
            return -ECANCELED;
        if (running)
            (void)curl_multi_poll(multi, &wake, wake.fd >= 0, c->unwanted ? LOOK_MS : 1000, NULL);
    }
    const CURLMsg *msg = curl_multi_info_read(multi, &left);
    *ret_code = msg && msg->msg == CURLMSG_DONE ? msg->data.result : CURLE_FAILED_INIT;
    return 0;
}

static int transfer(CURLM *multi, CURL *h, struct transfer *t, const char *words, struct err *err)
{
    const struct http_call *c = t->call;
    CURLcode code = CURLE_OK;
    long status = 0;
    int r = curl_multi_add_handle(multi, h) == CURLM_OK ? run(multi, c, &code) : -ENOMEM;

    if (r == 0)
        (void)curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_multi_remove_handle(multi, h);
    if (r == -ECANCELED)
        return err_set(err, r, "%s %s was given up", c->method, c->url);
    if (r < 0)
        return err_errno(err, r, "%s %s", c->method, c->url);
    if (t->too_large)
        return err_set(err, -EFBIG, "%s %s: the answer is larger than %zu bytes", c->method, c->url, c->max);
    if (code != CURLE_OK)
        return err_set(err, code_of(code), "%s %s: %s", c->method, c->url,
                       *words ? words : curl_easy_strerror(code));
    t->answer->status = (int)status;
    return 0;
}

int http_call(const struct http_call *c, struct http_answer *ret, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    _http_answer_ struct http_answer answer = {0};
    struct transfer t = {.call = c, .answer = &answer};
    char words[CURL_ERROR_SIZE] = "";

    pthread_once(&once, start_curl);
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:"); /* no round trip before a body */
    for (const char *const *p = c->headers; headers && p && *p; p++) {
        struct curl_slist *longer = curl_slist_append(headers, *p);
        if (!longer)
            curl_slist_free_all(headers);
        headers = longer;
    }
    CURL *h = curl_easy_init();
    CURLM *multi = curl_multi_init();
    int r = headers && h && multi && set_all(h, &t, headers, words)
                ? transfer(multi, h, &t, words, err)
                : err_errno(err, -ENOMEM, "%s %s", c->method, c->url);
    if (h)
        curl_easy_cleanup(h);
    if (multi)
        (void)curl_multi_cleanup(multi);
    curl_slist_free_all(headers);
    if (r == 0) {
        *ret = answer;
        answer.body = answer.headers = BUF_INIT;
    }
    return r;
}
