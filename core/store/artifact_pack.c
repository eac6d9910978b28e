/*
 * From a tree to an archive, entry by entry, with libarchive. The zip is stored, and without times and
 * owners, so that its digest depends on nothing but names, modes and content.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "artifact_internal.h"
#include "runfs/io.h"
#include "runfs/late_crypto.h"
#include "runfs/str.h"

enum { CHUNK = 256 * 1024 };

/* Where the bytes go. */
struct sink {
    int fd; /* borrowed; -1: nowhere */
    int64_t size;
    EVP_MD_CTX *digest; /* owned; NULL: none */
    int failed;         /* -errno of the write that failed */
};

/*
 * libarchive never closes, and so never frees, what has failed. It is therefore not told: the packing looks
 * at `failed` itself, and what comes after that goes nowhere.
 */
static la_ssize_t sink_write(struct archive *a, void *data, const void *bytes, size_t len)
{
    struct sink *s = data;

    (void)a;
    if (s->fd >= 0 && !s->failed)
        s->failed = write_all(s->fd, bytes, len);
    if (s->digest)
        EVP_DigestUpdate(s->digest, bytes, len);
    s->size += (int64_t)len;
    return (la_ssize_t)len;
}

struct packing {
    const struct artifact_tree *tree;
    enum artifact_format format;
    struct archive *archive;     /* owned */
    struct archive_entry *entry; /* owned */
    char *chunk;                 /* owned */
    struct sink sink;
    struct err *err;
};

static int failed(const struct packing *p)
{
    int code = p->sink.failed ? p->sink.failed : -EIO;
    const char *words = archive_error_string(p->archive);

    return p->sink.failed
               ? err_errno(p->err, code, "cannot write the artifact")
               : err_set(p->err, code, "cannot pack the artifact: %s", words ? words : "no memory");
}

static int pack_data(struct packing *p, uint32_t index, int64_t size)
{
    _close_ int fd = artifact_tree_file(p->tree, index);

    if (fd < 0)
        return err_errno(p->err, fd, "cannot read a file of the artifact");
    while (size > 0) {
        ssize_t n = read(fd, p->chunk, size < CHUNK ? (size_t)size : CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_errno(p->err, n < 0 ? -errno : -EIO, "cannot read a file of the artifact");
        if (archive_write_data(p->archive, p->chunk, (size_t)n) != n || p->sink.failed)
            return failed(p);
        size -= n;
    }
    return 0;
}

static int pack_entry(struct packing *p, uint32_t index)
{
    _buf_ struct buf path = BUF_INIT, target = BUF_INIT;
    struct artifact_entry e;
    int r = artifact_tree_entry(p->tree, index, &e);

    if (r == 0)
        r = artifact_tree_path(p->tree, index, &path);
    if (r == 0 && S_ISDIR(e.mode))
        buf_addc(&path, '/');
    if (r == 0 && S_ISLNK(e.mode))
        r = artifact_tree_link(p->tree, index, &target);
    if (r < 0 || !buf_ok(&path) || !buf_ok(&target))
        return err_errno(p->err, r < 0 ? r : -ENOMEM, "cannot read the artifact");
    const struct timespec mtime = timespec_of(e.mtime_ns);
    archive_entry_clear(p->entry);
    archive_entry_set_pathname(p->entry, buf_str(&path));
    archive_entry_set_mode(p->entry, e.mode);
    archive_entry_set_size(p->entry, S_ISREG(e.mode) ? e.size : 0);
    if (p->format == ARTIFACT_TAR)
        archive_entry_set_mtime(p->entry, mtime.tv_sec, mtime.tv_nsec);
    if (S_ISLNK(e.mode))
        archive_entry_set_symlink(p->entry, buf_str(&target));
    if (p->format == ARTIFACT_RAW && !S_ISREG(e.mode))
        return 0;
    if (archive_write_header(p->archive, p->entry) != ARCHIVE_OK || p->sink.failed)
        return failed(p);
    return S_ISREG(e.mode) ? pack_data(p, index, e.size) : 0;
}

static int pack_open(struct packing *p)
{
    p->archive = archive_write_new();
    p->entry = archive_entry_new();
    p->chunk = malloc(CHUNK);
    if (!p->archive || !p->entry || !p->chunk)
        return err_errno(p->err, -ENOMEM, "cannot pack the artifact");
    int r = p->format == ARTIFACT_TAR   ? archive_write_set_format_pax(p->archive)
            : p->format == ARTIFACT_ZIP ? archive_write_set_format_zip(p->archive)
                                        : archive_write_set_format_raw(p->archive);
    if (r == ARCHIVE_OK && p->format == ARTIFACT_ZIP)
        r = archive_write_zip_set_compression_store(p->archive);
    if (r == ARCHIVE_OK)
        r = archive_write_set_bytes_per_block(p->archive, CHUNK);
    if (r == ARCHIVE_OK)
        r = archive_write_set_bytes_in_last_block(p->archive, 1);
    if (r == ARCHIVE_OK)
        r = archive_write_open(p->archive, &p->sink, NULL, sink_write, NULL);
    return r == ARCHIVE_OK ? 0 : failed(p);
}

static void add_digest(EVP_MD_CTX *digest, char *to)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    EVP_DigestFinal_ex(digest, bytes, &len);
    to += snprintf(to, 8, "sha256:");
    for (unsigned i = 0; i < len; i++)
        to += snprintf(to, 3, "%02x", bytes[i]);
}

int artifact_pack(const struct artifact_tree *t, enum artifact_format format, int fd, int64_t *ret_size,
                  char *ret_digest, struct err *err)
{
    struct packing p = {.tree = t, .format = format, .sink.fd = fd, .err = err};
    _utf8_ struct utf8_locale locale = {0};
    int r = utf8_begin(&locale);

    if (r == 0 && ret_digest) {
        p.sink.digest = EVP_MD_CTX_new();
        if (!p.sink.digest || !EVP_DigestInit_ex(p.sink.digest, EVP_sha256(), NULL))
            r = -ENOMEM;
    }
    if (r < 0)
        err_errno(err, r, "cannot pack the artifact");
    else
        r = pack_open(&p);
    for (uint32_t i = 1; r == 0 && i < artifact_tree_count(t); i++)
        r = pack_entry(&p, i);
    if (r == 0 && (archive_write_close(p.archive) != ARCHIVE_OK || p.sink.failed))
        r = failed(&p);
    if (r == 0 && ret_digest)
        add_digest(p.sink.digest, ret_digest);
    if (r == 0 && ret_size)
        *ret_size = p.sink.size;
    if (r < 0)
        p.sink.fd = -1; /* what the freeing has to say goes nowhere */
    archive_write_free(p.archive);
    archive_entry_free(p.entry);
    EVP_MD_CTX_free(p.sink.digest);
    free(p.chunk);
    return r;
}
