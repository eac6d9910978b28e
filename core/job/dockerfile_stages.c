/* What stages a Dockerfile has, which of them the last one needs, and what it is all built of. */
#include "dockerfile_build.h"

#include "runfs/io.h"
#include "runfs/late_crypto.h"
#include "runfs/str.h"

static ptrdiff_t find_stage(const struct build *b, const char *name, size_t before)
{
    char *end;
    unsigned long number = strtoul(name, &end, 10);

    for (size_t i = 0; i < before; i++)
        if (b->stages[i].name && strcasecmp(b->stages[i].name, name) == 0)
            return (ptrdiff_t)i;
    return *name && !*end && number < before ? (ptrdiff_t)number : -1;
}

/* FROM image [AS name]. What it begins with stands in its name for now. */
static int read_from(struct build *b, size_t at)
{
    const struct dockerfile_instruction *in = &b->d.list[at];
    struct err err = {0};
    _strv_ char **words = dockerfile_words(&b->d, in->text, b->globals, &err);
    struct dockerfile_stage *more = reallocarray(b->stages, b->n_stages + 1, sizeof(*more));

    if (!words || !more)
        return build_refuse(b, in, "%s", err.code ? err.msg : "out of memory");
    b->stages = more;
    more[b->n_stages] = (struct dockerfile_stage){.earlier = -1, .begin = at + 1, .end = b->d.n};
    bool named = *words && words[1];
    if (!*words || !**words || (named && (strcasecmp(words[1], "AS") != 0 || !words[2] || words[3])))
        return build_refuse(b, in, "FROM is an image, and may have a name: FROM debian:12 AS build");
    if (b->n_stages)
        more[b->n_stages - 1].end = at;
    more[b->n_stages].name = named ? strdup(words[2]) : NULL;
    more[b->n_stages].image = strdup(words[0]);
    b->n_stages++;
    return more[b->n_stages - 1].image ? 0 : build_no_memory(b);
}

/* The last one, and what it needs. */
static void mark_needed(struct build *b)
{
    b->stages[b->n_stages - 1].needed = true;
    for (size_t i = b->n_stages; i-- > 0;) {
        struct dockerfile_stage *s = &b->stages[i];
        s->earlier = find_stage(b, s->image, i);
        if (!s->needed)
            continue;
        if (s->earlier >= 0)
            b->stages[s->earlier].needed = true;
        for (size_t k = s->begin; k < s->end; k++) {
            const char *from = json_string_value(json_object_get(b->d.list[k].options, "from"));
            ptrdiff_t other = from ? find_stage(b, from, i) : -1;
            if (other >= 0)
                b->stages[other].needed = true;
        }
    }
}

int build_find_stages(struct build *b)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < b->d.n; i++) {
        const struct dockerfile_instruction *in = &b->d.list[i];
        struct err err = {0};
        if (str_eq(in->name, "FROM")) {
            r = read_from(b, i);
        } else if (!b->n_stages) {
            _strv_ char **words = dockerfile_words(&b->d, in->text, b->globals, &err);
            r = words ? 0 : build_refuse(b, in, "%s", err.msg);
            for (char **word = words; r == 0 && *word; word++)
                r = build_argument(b, in, b->globals, *word);
        }
    }
    if (r == 0)
        mark_needed(b);
    return r;
}

/* Brings the images that it begins with; what they are is part of what it is built of. */
static int bring_bases(struct build *b, struct buf *made_of)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < b->n_stages; i++) {
        struct dockerfile_stage *s = &b->stages[i];
        _free_ char *image = TAKE(s->image);
        if (!s->needed || s->earlier >= 0 || str_eq(image, "scratch"))
            continue;
        r = container_of_image(&b->place, image, &s->base, b->err);
        buf_addf(made_of, "%s\n", r == 0 ? s->base->image : "");
        if (r == 0 && s->base->said.len)
            r = b->of->output(b->of->data, buf_str(&s->base->said), s->base->said.len);
    }
    return r;
}

int build_find_key(struct build *b)
{
    _buf_ struct buf made_of = BUF_INIT;
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char files[OCI_HEX + 1] = "";
    int r = bring_bases(b, &made_of);

    if (r == 0 && (r = oci_digest_file(b->of->context_fd, files)) < 0)
        err_errno(b->err, r, "%s", b->of->file);
    buf_addf(&made_of, "%s\n%s", files, b->of->text);
    if (r == 0 && !buf_ok(&made_of))
        r = build_no_memory(b);
    if (r < 0)
        return r;
    SHA256((const unsigned char *)made_of.ptr, made_of.len, digest);
    for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++)
        snprintf(b->key + 2 * i, 3, "%02x", digest[i]);
    return 0;
}
