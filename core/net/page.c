/*
 * The live page at /: one document, put together from page/ when it is first asked for. It is the same for
 * everybody and holds no data; what it shows it asks for with the token that was typed into it. Its policy
 * lets nothing run but its own script, by its hash, and lets that make no markup of texts (Trusted Types).
 */
#include <pthread.h>

#include "api_internal.h"
#include "runfs/late_crypto.h"

/* The files, as they are; the build has them from the source tree. */
#define EMBED(name, file)                                                                                    \
    __asm__(".pushsection .rodata\n" #name ": .incbin \"core/net/page/" file "\"\n" #name                    \
            "_end: .byte 0\n.popsection");                                                                   \
    extern const char name[] __attribute__((visibility("hidden")));                                          \
    extern const char name##_end[] __attribute__((visibility("hidden")));
#define PART(name)                                                                                           \
    {                                                                                                        \
        name, name##_end                                                                                     \
    }

EMBED(page_html, "page.html")
EMBED(page_css, "page.css")
EMBED(page_base, "base.js")
EMBED(page_wire, "wire.js")
EMBED(page_ansi, "ansi.js")
EMBED(page_log, "log.js")
EMBED(page_runs, "runs.js")
EMBED(page_run, "run.js")
EMBED(page_workflows, "workflows.js")
EMBED(page_machines, "machines.js")
EMBED(page_graph, "graph.js")
EMBED(page_knowledge, "knowledge.js")
EMBED(page_start, "start.js")

struct part {
    const char *from, *to;
};

/* The document, and what its policy says. */
static struct buf document, policy;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void add_parts(struct buf *ret, const struct part *parts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_add(ret, parts[i].from, (size_t)(parts[i].to - parts[i].from));
}

static void add_hash(struct buf *ret, const struct buf *of)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)buf_str(of), of->len, digest);
    buf_adds(ret, "'sha256-");
    buf_add_base64(ret, digest, sizeof(digest));
    buf_addc(ret, '\'');
}

/* In page.html stand the places of both, as the only content of their elements. */
static void put_together(void)
{
    const struct part html = PART(page_html), css[] = {PART(page_css)},
                      js[] = {PART(page_base),      PART(page_wire),     PART(page_ansi),
                              PART(page_log),       PART(page_runs),     PART(page_run),
                              PART(page_workflows), PART(page_machines), PART(page_graph),
                              PART(page_knowledge), PART(page_start)};
    static const char style_here[] = "/*style*/", script_here[] = "/*script*/";
    _buf_ struct buf style = BUF_INIT, script = BUF_INIT;
    const char *first = strstr(html.from, style_here), *second = strstr(html.from, script_here);

    add_parts(&style, css, ARRAY_LEN(css));
    add_parts(&script, js, ARRAY_LEN(js));
    buf_add(&document, html.from, (size_t)(first - html.from));
    buf_add(&document, buf_str(&style), style.len);
    first += strlen(style_here);
    buf_add(&document, first, (size_t)(second - first));
    buf_add(&document, buf_str(&script), script.len);
    buf_adds(&document, second + strlen(script_here));
    buf_adds(&policy, "default-src 'none'; script-src ");
    add_hash(&policy, &script);
    buf_adds(&policy, "; style-src ");
    add_hash(&policy, &style);
    buf_adds(&policy, "; connect-src 'self'; img-src blob: data:; base-uri 'none'; form-action 'none'; "
                      "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'");
}

/* A browser that was sent here, not a program that asks for GitHub's API. */
static bool wants_page(struct http_request *r)
{
    const char *accept = http_header(r, "Accept");

    return !http_prefixed(r) && accept && strstr(accept, "text/html");
}

void page(struct http_request *r)
{
    http_add_header(r, "Vary", "Accept");
    if (!wants_page(r)) {
        if (access_ask(r, SCOPE_READ))
            api_root(r);
        return;
    }
    pthread_once(&once, put_together);
    if (!buf_ok(&document) || !buf_ok(&policy)) {
        api_fail(r, 500, "no memory");
        return;
    }
    http_add_header(r, "Content-Security-Policy", buf_str(&policy));
    http_add_header(r, "Referrer-Policy", "no-referrer");
    http_add_header(r, "Cross-Origin-Opener-Policy", "same-origin");
    http_add_header(r, "Cache-Control", "no-cache");
    http_reply(r, 200, "text/html; charset=utf-8", buf_str(&document), document.len);
}

/* Appends "/runs/7" where :run is 7. False: it is no number. */
static bool add_place(struct http_request *r, const char *param, const char *before, struct buf *ret)
{
    const char *text = http_param(r, param);
    uint64_t id;

    if (text && (parse_u64(text, &id) < 0 || id > INT64_MAX))
        return false;
    if (text)
        buf_addf(ret, "%s/%llu", before, (unsigned long long)id);
    return true;
}

void page_of(struct http_request *r)
{
    _buf_ struct buf to = BUF_INIT;

    http_add_header(r, "Vary", "Accept");
    if (!wants_page(r) && !access_ask(r, SCOPE_READ))
        return;
    buf_adds(&to, "/#");
    if (!add_place(r, "run", "/runs", &to) || !add_place(r, "job", "", &to) ||
        !add_place(r, "workflow", "/workflows", &to)) {
        api_not_found(r);
        return;
    }
    http_add_header(r, "Location", buf_str(&to));
    http_reply(r, 302, "text/plain", "", 0);
}
