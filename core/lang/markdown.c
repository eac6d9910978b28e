/* A page of Markdown as a workflow. */
#include "runfs/markdown.h"
#include "core/lang/workflow_text.h"

#include "runfs/io.h"
#include "runfs/late_cmark.h"
#include "runfs/str.h"

/* What the page says so far. */
struct page {
    const char *file;
    struct buf name, heading; /* the workflow's, and what steps are named by */
    bool heading_used;
    struct buf steps;
    size_t n_steps;
};

static int complain(const struct page *p, int line, struct err *err, const char *msg, const char *what)
{
    return err_set(err, -EINVAL, "%s (Line: %d, Col: 1): %s%s", p->file, line, msg, what);
}

/* The text of the inline nodes below a heading. */
static void heading_text(cmark_node *heading, struct buf *ret)
{
    cmark_iter *iter = cmark_iter_new(heading);

    buf_reset(ret);
    while (iter && cmark_iter_next(iter) != CMARK_EVENT_DONE) {
        const char *text = cmark_node_get_literal(cmark_iter_get_node(iter));
        cmark_node_type type = cmark_node_get_type(cmark_iter_get_node(iter));
        if (type == CMARK_NODE_SOFTBREAK || type == CMARK_NODE_LINEBREAK)
            buf_addc(ret, ' ');
        else if (text && type != CMARK_NODE_HTML_INLINE)
            buf_adds(ret, text);
    }
    if (iter)
        cmark_iter_free(iter);
}

/* The shell of a block's language: "" for the default one; NULL: it is no script. */
static const char *shell_of(const char *language, size_t len)
{
    static const struct {
        const char *language, *shell;
    } known[] = {{"sh", ""}, {"shell", ""}, {"bash", "bash"}, {"python", "python"}, {"python3", "python"}};

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strlen(known[i].language) == len && memcmp(known[i].language, language, len) == 0)
            return known[i].shell;
    return NULL;
}

static int add_timeout(struct page *p, const char *value, int line, struct err *err)
{
    uint64_t seconds;

    if (parse_u64(value, &seconds) < 0 || seconds == 0 || seconds > 86400 * 7)
        return complain(p, line, err, "timeout is a number of seconds, not ", value);
    buf_addf(&p->steps, "        timeout-minutes: %.10g\n", (double)seconds / 60);
    return 0;
}

static int add_option(struct page *p, const char *word, int line, struct err *err)
{
    if (str_starts(word, "timeout="))
        return add_timeout(p, word + strlen("timeout="), line, err);
    if (str_eq(word, "continue-on-error")) {
        buf_adds(&p->steps, "        continue-on-error: true\n");
        return 0;
    }
    if (str_starts(word, "cwd=") && word[4] && !strstr(word, "${{")) {
        buf_adds(&p->steps, "        working-directory: ");
        int r = workflow_text_quoted(&p->steps, word + 4, strlen(word + 4));
        buf_addc(&p->steps, '\n');
        return r;
    }
    return complain(p, line, err,
                    "a script's block takes timeout=SECONDS, continue-on-error and cwd=DIRECTORY, not ",
                    word);
}

static int add_options(struct page *p, const char *info, int line, struct err *err)
{
    _free_ char *copy = strdup(info);
    char *rest = NULL;
    int r = copy ? 0 : err_errno(err, -ENOMEM, "%s", p->file);

    for (char *word = r == 0 ? strtok_r(copy, " \t", &rest) : NULL; r == 0 && word;
         word = strtok_r(NULL, " \t", &rest))
        r = add_option(p, word, line, err);
    return r;
}

static int add_name(struct page *p, const char *script)
{
    _buf_ struct buf name = BUF_INIT, literal = BUF_INIT;

    if (p->heading.len)
        buf_adds(&name, buf_str(&p->heading));
    if (!p->heading.len || p->heading_used)
        buf_addf(&name, "%s%.*s", name.len ? ": " : "Run ", (int)strcspn(script, "\n"), script);
    p->heading_used = true;
    for (const char *at = buf_str(&name); *at; at++) { /* a heading is no expression */
        buf_addc(&literal, *at);
        if (str_starts(at, "${{"))
            buf_addc(&literal, ' ');
    }
    return workflow_text_quoted(&p->steps, buf_str(&literal), literal.len);
}

static int add_block(struct page *p, cmark_node *node, struct err *err)
{
    const char *info = cmark_node_get_fence_info(node), *script = cmark_node_get_literal(node);
    int line = cmark_node_get_start_line(node), r;
    size_t len = info ? strcspn(info, " \t") : 0;
    const char *shell = len ? shell_of(info, len) : NULL;

    if (!shell)
        return 0;
    if (!script || !script[strspn(script, " \t\n")])
        return complain(p, line, err, "the block is empty", "");
    buf_addf(&p->steps, "      - name: ");
    r = add_name(p, script);
    buf_addc(&p->steps, '\n');
    if (r < 0)
        return complain(p, line, err, "the text is not UTF-8", "");
    if (*shell)
        buf_addf(&p->steps, "        shell: %s\n", shell);
    r = add_options(p, info + len, line, err);
    if (r == 0 && workflow_text_script(&p->steps, script, strlen(script)) < 0)
        r = complain(p, line, err, "the text is not UTF-8", "");
    p->n_steps++;
    return r;
}

static int read_node(struct page *p, cmark_node *node, struct err *err)
{
    switch (cmark_node_get_type(node)) {
    case CMARK_NODE_HEADING:
        heading_text(node, &p->heading);
        p->heading_used = false;
        if (!p->name.len && cmark_node_get_heading_level(node) == 1)
            buf_adds(&p->name, buf_str(&p->heading));
        return 0;
    case CMARK_NODE_CODE_BLOCK:
        return add_block(p, node, err);
    default:
        return 0;
    }
}

static int read_page(struct page *p, const char *text, size_t len, struct err *err)
{
    cmark_node *document = cmark_parse_document(text, len, CMARK_OPT_DEFAULT | CMARK_OPT_VALIDATE_UTF8);
    cmark_iter *iter = document ? cmark_iter_new(document) : NULL;
    int r = iter ? 0 : err_errno(err, -ENOMEM, "%s", p->file);
    cmark_event_type event;

    while (r == 0 && (event = cmark_iter_next(iter)) != CMARK_EVENT_DONE)
        if (event == CMARK_EVENT_ENTER)
            r = read_node(p, cmark_iter_get_node(iter), err);
    if (iter)
        cmark_iter_free(iter);
    if (document)
        cmark_node_free(document);
    if (r == 0 && p->n_steps == 0) {
        (void)complain(p, 1, err, "there is no script in it: a block that begins with ```sh", "");
        r = -ENODATA;
    }
    return r;
}

static int write_workflow(struct page *p, struct buf *ret)
{
    buf_addf(ret, MADE_FROM "%s\nname: ", p->file);
    int r = p->name.len ? workflow_text_quoted(ret, buf_str(&p->name), p->name.len)
                        : workflow_text_quoted(ret, p->file, strlen(p->file));
    buf_adds(ret,
             "\non:\n  push:\n  workflow_dispatch:\njobs:\n  run:\n    runs-on: ubuntu-latest\n    steps:\n");
    buf_add(ret, buf_str(&p->steps), p->steps.len);
    return r == 0 && (!buf_ok(&p->steps) || !buf_ok(&p->heading) || !buf_ok(&p->name) || !buf_ok(ret))
               ? -ENOMEM
               : r;
}

int markdown_to_workflow(const char *file, const char *text, size_t len, struct buf *ret, struct err *err)
{
    struct page p = {.file = file};
    int r = memchr(text, '\0', len) ? complain(&p, 1, err, "it is not text: there is a NUL byte in it", "")
                                    : read_page(&p, text, len, err);

    if (r == 0 && (r = write_workflow(&p, ret)) < 0)
        err_errno(err, r, "%s", file);
    buf_release(&p.name);
    buf_release(&p.heading);
    buf_release(&p.steps);
    return r;
}

int workflow_read_file(const char *path, size_t max, struct buf *ret, struct err *err)
{
    const char *slash = strrchr(path, '/');
    _buf_ struct buf page = BUF_INIT;

    if (!str_ends(path, ".md"))
        return read_file(path, max, ret, err);
    int r = read_file(path, max, &page, err);
    return r < 0 ? r : markdown_to_workflow(slash ? slash + 1 : path, buf_str(&page), page.len, ret, err);
}

bool markdown_made(const char *source, const char *file)
{
    size_t len = strlen(file);

    if (!str_starts(source, MADE_FROM))
        return false;
    source += strlen(MADE_FROM);
    return strncmp(source, file, len) == 0 && source[len] == '\n';
}
