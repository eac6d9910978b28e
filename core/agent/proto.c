/* Encoding and decoding of everything that passes between the daemon, its spawner and the agents. */
#include "core/agent/proto.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

const char *const sandbox_tops[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr",
                                    "etc", "opt",  "var", "nix",   "gnu",   "snap",   NULL};

bool sandbox_tops_split(void)
{
    struct statx root, st;
    char path[32];

    if (statx(AT_FDCWD, "/", 0, STATX_MNT_ID, &root) < 0)
        return false;
    for (const char *const *top = sandbox_tops; *top; top++) {
        snprintf(path, sizeof(path), "/%s", *top);
        if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &st) == 0 &&
            st.stx_mnt_id != root.stx_mnt_id)
            return true;
    }
    return false;
}

static uint32_t get_le32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

void wire_put_u32(uint8_t to[4], uint32_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(v >> (8 * i));
}

void frame_header(uint8_t to[FRAME_HEADER], enum frame_type type, size_t len)
{
    memset(to, 0, FRAME_HEADER);
    wire_put_u32(to, (uint32_t)len);
    to[4] = (uint8_t)type;
}

ssize_t frame_find(const void *data, size_t len, size_t max, struct frame *ret, size_t *ret_need)
{
    const uint8_t *p = data;

    *ret_need = FRAME_HEADER;
    if (len < FRAME_HEADER)
        return 0;
    size_t payload = get_le32(p);
    if (payload > max || p[5] || p[6] || p[7])
        return -EPROTO;
    *ret_need = FRAME_HEADER + payload;
    if (len < *ret_need)
        return 0;
    *ret = (struct frame){.type = p[4], .payload = p + FRAME_HEADER, .len = payload};
    return (ssize_t)*ret_need;
}

size_t frame_begin(struct buf *b, enum frame_type type)
{
    uint8_t header[FRAME_HEADER];
    size_t begin = b->len;

    frame_header(header, type, 0);
    buf_add(b, header, sizeof(header));
    return begin;
}

void frame_end(struct buf *b, size_t begin)
{
    if (buf_ok(b))
        wire_put_u32((uint8_t *)b->ptr + begin, (uint32_t)(b->len - begin - FRAME_HEADER));
}

void frame_add(struct buf *b, enum frame_type type, const void *payload, size_t len)
{
    size_t begin = frame_begin(b, type);

    buf_add(b, payload, len);
    frame_end(b, begin);
}

void wire_add_u32(struct buf *b, uint32_t v)
{
    uint8_t bytes[4];

    wire_put_u32(bytes, v);
    buf_add(b, bytes, sizeof(bytes));
}

void wire_add_u64(struct buf *b, uint64_t v)
{
    wire_add_u32(b, (uint32_t)v);
    wire_add_u32(b, (uint32_t)(v >> 32));
}

void wire_add_str(struct buf *b, const char *s)
{
    size_t len = s ? strlen(s) : 0;

    wire_add_u32(b, (uint32_t)len);
    buf_add(b, s ? s : "", len + 1);
}

struct wire wire_of(const void *payload, size_t len)
{
    return (struct wire){.at = payload, .left = len};
}

static const uint8_t *wire_take(struct wire *w, size_t n)
{
    const uint8_t *p = w->at;

    if (w->bad || w->left < n) {
        w->bad = true;
        return NULL;
    }
    w->at += n;
    w->left -= n;
    return p;
}

uint32_t wire_u32(struct wire *w)
{
    const uint8_t *p = wire_take(w, 4);

    return p ? get_le32(p) : 0;
}

uint64_t wire_u64(struct wire *w)
{
    uint64_t low = wire_u32(w);

    return low | (uint64_t)wire_u32(w) << 32;
}

const char *wire_str(struct wire *w)
{
    size_t len = wire_u32(w);
    const uint8_t *p = wire_take(w, len);
    const uint8_t *end = wire_take(w, 1);

    if (!p || !end || *end != 0 || memchr(p, 0, len)) {
        w->bad = true;
        return "";
    }
    return (const char *)p;
}

bool wire_ok(const struct wire *w)
{
    return !w->bad && w->left == 0;
}

static void add_strings(struct buf *b, const char **strings)
{
    uint32_t n = 0;

    while (strings && strings[n])
        n++;
    wire_add_u32(b, n);
    for (uint32_t i = 0; i < n; i++)
        wire_add_str(b, strings[i]);
}

/* Each string takes at least five bytes, which bounds the allocation by the payload. */
static const char **take_strings(struct wire *w)
{
    uint32_t n = wire_u32(w);

    if (n > w->left / 5) {
        w->bad = true;
        return NULL;
    }
    const char **strings = calloc((size_t)n + 1, sizeof(*strings));
    for (uint32_t i = 0; strings && i < n; i++)
        strings[i] = wire_str(w);
    return strings;
}

void exec_request_encode(struct buf *b, const struct exec_request *x)
{
    size_t begin = frame_begin(b, FRAME_EXEC);

    wire_add_u64(b, x->deadline_ms);
    wire_add_str(b, x->cwd);
    add_strings(b, x->argv);
    add_strings(b, x->env);
    wire_add_u32(b, x->n_get);
    for (uint32_t i = 0; i < x->n_get; i++) {
        wire_add_str(b, x->get[i]);
        wire_add_u64(b, x->get_max[i]);
    }
    wire_add_u32(b, x->rows);
    wire_add_u32(b, x->columns);
    frame_end(b, begin);
}

void exec_request_release(struct exec_request *x)
{
    free(x->argv);
    free(x->env);
    free(x->get);
    free(x->get_max);
    *x = (struct exec_request){0};
}

static int finish_decode(const struct wire *w, bool have_memory)
{
    if (!wire_ok(w) && (w->bad || have_memory))
        return -EPROTO;
    return have_memory ? 0 : -ENOMEM;
}

int exec_request_decode(const void *payload, size_t len, struct exec_request *ret)
{
    struct wire w = wire_of(payload, len);
    struct exec_request x = {0};

    x.deadline_ms = wire_u64(&w);
    x.cwd = wire_str(&w);
    x.argv = take_strings(&w);
    x.env = take_strings(&w);
    uint32_t n = wire_u32(&w);
    if (n > w.left / 13)
        w.bad = true;
    else
        x.n_get = n;
    x.get = calloc((size_t)x.n_get + 1, sizeof(*x.get));
    x.get_max = calloc((size_t)x.n_get + 1, sizeof(*x.get_max));
    for (uint32_t i = 0; x.get && x.get_max && i < x.n_get; i++) {
        x.get[i] = wire_str(&w);
        x.get_max[i] = wire_u64(&w);
    }
    x.rows = wire_u32(&w);
    x.columns = wire_u32(&w);
    if (x.argv && !x.argv[0])
        w.bad = true;
    int r = finish_decode(&w, x.argv && x.env && x.get && x.get_max);
    if (r < 0) {
        exec_request_release(&x);
        return r;
    }
    *ret = x;
    return 0;
}

void exec_report_encode(struct buf *b, const struct exec_report *x)
{
    size_t begin = frame_begin(b, FRAME_EXIT);

    wire_add_u32(b, x->exit_code);
    wire_add_u32(b, x->signal);
    wire_add_u32(b, (x->timed_out ? 1U : 0U) | (x->cancelled ? 2U : 0U));
    wire_add_u32(b, x->limit);
    wire_add_u64(b, x->duration_ns);
    wire_add_str(b, x->start_error);
    frame_end(b, begin);
}

int exec_report_decode(const void *payload, size_t len, struct exec_report *ret)
{
    struct wire w = wire_of(payload, len);
    struct exec_report x = {0};

    x.exit_code = wire_u32(&w);
    x.signal = wire_u32(&w);
    uint32_t flags = wire_u32(&w);
    x.timed_out = flags & 1;
    x.cancelled = flags & 2;
    uint32_t limit = wire_u32(&w);
    x.duration_ns = wire_u64(&w);
    x.start_error = wire_str(&w);
    if (!wire_ok(&w) || flags > 3 || limit >= LIMIT_KINDS || x.exit_code > 255 || x.signal > 127)
        return -EPROTO;
    x.limit = (enum limit_kind)limit;
    *ret = x;
    return 0;
}

void spawn_request_encode(struct buf *b, const struct spawn_request *x)
{
    wire_add_u32(b, x->what);
    wire_add_str(b, x->scratch);
    wire_add_str(b, x->mask);
    wire_add_str(b, x->forget);
    wire_add_str(b, x->image);
    add_strings(b, x->below);
    wire_add_str(b, x->user ? x->user : "");
    add_strings(b, x->own);
    wire_add_u32(b, x->mounts);
    add_strings(b, x->shared);
    wire_add_u32(b, x->address);
    wire_add_u32(b, x->network);
    add_strings(b, x->forwards);
    wire_add_str(b, x->files);
    add_strings(b, x->layers);
    wire_add_str(b, x->hostname);
    wire_add_u32(b, x->no_network);
    wire_add_u32(b, x->filtered);
    wire_add_u32(b, x->namespaces);
    wire_add_u32(b, x->redirects);
    wire_add_u64(b, x->disk);
    wire_add_u64(b, x->data);
    wire_add_u64(b, x->shm);
    wire_add_u32(b, x->open_files);
    wire_add_u32(b, x->processes);
    wire_add_u32(b, x->uid);
    add_strings(b, x->argv);
}

void spawn_request_release(struct spawn_request *x)
{
    free(x->argv);
    free(x->layers);
    free(x->below);
    free(x->own);
    free(x->shared);
    free(x->forwards);
    *x = (struct spawn_request){0};
}

int spawn_request_decode(const void *payload, size_t len, struct spawn_request *ret)
{
    struct wire w = wire_of(payload, len);
    struct spawn_request x = {0};

    uint32_t what = wire_u32(&w);
    if (what <= SPAWN_REACH)
        x.what = what;
    else
        w.bad = true;
    x.scratch = wire_str(&w);
    x.mask = wire_str(&w);
    x.forget = wire_str(&w);
    x.image = wire_str(&w);
    x.below = take_strings(&w);
    x.user = wire_str(&w);
    x.own = take_strings(&w);
    x.mounts = wire_u32(&w) != 0;
    x.shared = take_strings(&w);
    x.address = wire_u32(&w);
    x.network = wire_u32(&w) != 0;
    x.forwards = take_strings(&w);
    x.files = wire_str(&w);
    x.layers = take_strings(&w);
    x.hostname = wire_str(&w);
    x.no_network = wire_u32(&w) != 0;
    x.filtered = wire_u32(&w) != 0;
    x.namespaces = wire_u32(&w) != 0;
    x.redirects = wire_u32(&w) != 0;
    x.disk = wire_u64(&w);
    x.data = wire_u64(&w);
    x.shm = wire_u64(&w);
    x.open_files = wire_u32(&w);
    x.processes = wire_u32(&w);
    x.uid = wire_u32(&w);
    x.argv = take_strings(&w);
    int r = finish_decode(&w, x.argv && x.layers && x.below && x.own && x.shared && x.forwards);
    if (r < 0) {
        spawn_request_release(&x);
        return r;
    }
    *ret = x;
    return 0;
}

void spawn_reply_encode(struct buf *b, const struct spawn_reply *x)
{
    wire_add_u32(b, (uint32_t)x->error);
    wire_add_u32(b, x->pid);
    wire_add_str(b, x->words);
}

int spawn_reply_decode(const void *payload, size_t len, struct spawn_reply *ret)
{
    struct wire w = wire_of(payload, len);
    struct spawn_reply x = {0};

    x.error = (int32_t)wire_u32(&w);
    x.pid = wire_u32(&w);
    x.words = wire_str(&w);
    if (!wire_ok(&w) || x.error > 0)
        return -EPROTO;
    *ret = x;
    return 0;
}
