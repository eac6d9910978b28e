/* Artifacts: trees that come back as they were put, archives that are refused and leave nothing, crashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "runfs/artifact.h"
#include "runfs/io.h"
#include "runfs/late_archive.h"
#include "runfs/late_crypto.h"
#include "runfs/store.h"
#include "runfs/str.h"

static char dir[] = "/tmp/runfs-test-artifact-XXXXXX";
static struct store *st;
static int64_t run;

static int64_t put_run(void)
{
    struct run_row row = {
        .attempt = 1, .status = "completed", .conclusion = "", .exit_code = -1, .log_size = -1};

    assert_int_equal(store_put_run(st, &row, NULL), 0);
    return row.id;
}

static int setup(void **state)
{
    struct err err = {0};

    (void)state;
    memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
    assert_non_null(mkdtemp(dir));
    assert_int_equal(store_open(dir, &st, &err), 0);
    run = put_run();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_close(st);
    return remove_tree(dir);
}

/* What an archive is made of. */
struct item {
    const char *path;
    unsigned type;    /* AE_IF... */
    const char *text; /* content, or the link's target */
    unsigned mode;
    bool hard;
};

static int pack(const struct item *items, size_t n, bool zip)
{
    int fd = memfd_create("archive", MFD_CLOEXEC);
    struct archive *a = archive_write_new();

    assert_true(fd >= 0);
    if (zip)
        archive_write_set_format_zip(a);
    else
        archive_write_set_format_gnutar(a);
    archive_write_set_bytes_per_block(a, 0);
    assert_int_equal(archive_write_open_fd(a, fd), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++) {
        struct archive_entry *e = archive_entry_new();
        const char *text = items[i].text ? items[i].text : "";
        archive_entry_set_pathname(e, items[i].path);
        archive_entry_set_mode(e, items[i].type | (items[i].mode ? items[i].mode : 0644));
        archive_entry_set_mtime(e, 1600000000 + (time_t)i, 0);
        if (items[i].hard)
            archive_entry_set_hardlink(e, text);
        else if (items[i].type == AE_IFLNK)
            archive_entry_set_symlink(e, text);
        else if (items[i].type == AE_IFREG)
            archive_entry_set_size(e, (int64_t)strlen(text));
        assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
        if (items[i].type == AE_IFREG && !items[i].hard)
            (void)archive_write_data(a, text, strlen(text));
        archive_entry_free(e);
    }
    archive_write_free(a);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static struct artifact_spec spec_of(const char *name)
{
    return (struct artifact_spec){.run_id = run, .attempt = 1, .name = name};
}

static int put_items(const struct artifact_spec *spec, const struct item *items, size_t n, bool zip,
                     int64_t *ret_id, struct err *err)
{
    _close_ int fd = pack(items, n, zip);

    return zip ? artifact_put_zip(st, spec, fd, ret_id, err) : artifact_put_tar(st, spec, fd, ret_id, err);
}

/* Everything below STATE/artifacts, so that what is left behind is seen. */
static size_t count_below(const char *path)
{
    _closedir_ DIR *d = opendir(path);
    struct dirent *e;
    size_t n = 0;

    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.') {
            _buf_ struct buf below = BUF_INIT;
            buf_addf(&below, "%s/%s", path, e->d_name);
            n += 1 + (e->d_type == DT_DIR ? count_below(buf_str(&below)) : 0);
        }
    return n;
}

static size_t left(void)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/artifacts", dir);
    return count_below(buf_str(&path));
}

/* "PATH TYPE MODE SIZE" a line. */
static void describe(int64_t id, struct buf *ret)
{
    struct artifact_tree *t;
    struct artifact_entry e;

    assert_int_equal(artifact_tree_open(st, id, &t), 0);
    for (uint32_t i = 1; i < artifact_tree_count(t); i++) {
        assert_int_equal(artifact_tree_entry(t, i, &e), 0);
        assert_int_equal(artifact_tree_path(t, i, ret), 0);
        buf_addf(ret, " %c %03o %lld",
                 S_ISDIR(e.mode)   ? 'd'
                 : S_ISLNK(e.mode) ? 'l'
                                   : 'f',
                 e.mode & 07777, (long long)e.size);
        if (S_ISLNK(e.mode)) {
            buf_adds(ret, " ");
            assert_int_equal(artifact_tree_link(t, i, ret), 0);
        }
        buf_adds(ret, "\n");
    }
    artifact_tree_unref(t);
}

static const struct item good[] = {
    {"./", AE_IFDIR, NULL, 0755},
    {"./b/", AE_IFDIR, NULL, 0555},
    {"./b/deep/er/file", AE_IFREG, "content\n", 0600},
    {"a.sh", AE_IFREG, "#!/bin/sh\n", 04755},
    {"b/link", AE_IFLNK, "deep/er/file", 0777},
    {"b/nowhere", AE_IFLNK, "../missing", 0777},
    {"gr\303\266\303\237e", AE_IFREG, "", 0},
    {"second", AE_IFREG, "a.sh", 0, true},
    {"empty/", AE_IFDIR, NULL, 0700},
};
static const char good_tree[] = "a.sh f 755 10\n"
                                "b d 755 0\n"
                                "empty d 700 0\n"
                                "gr\303\266\303\237e f 644 0\n"
                                "second f 755 10\n"
                                "b/deep d 755 0\n"
                                "b/link l 777 12 deep/er/file\n"
                                "b/nowhere l 777 10 ../missing\n"
                                "b/deep/er d 755 0\n"
                                "b/deep/er/file f 600 8\n";

static int64_t put_good(const char *name)
{
    struct artifact_spec spec = spec_of(name);
    struct err err = {0};
    int64_t id = 0;

    if (put_items(&spec, good, ARRAY_LEN(good), false, &id, &err) < 0)
        fail_msg("%s", err.msg);
    return id;
}

static void a_tree_comes_back_as_it_was_put(void **state)
{
    int64_t id = put_good("dist");
    const struct artifact_row *row = store_get_artifact(st, id);
    _buf_ struct buf text = BUF_INIT, content = BUF_INIT;
    struct artifact_tree *t;
    struct artifact_entry e;

    (void)state;
    describe(id, &text);
    assert_string_equal(buf_str(&text), good_tree);
    assert_string_equal(row->name, "dist");
    assert_int_equal(row->files, 6);
    assert_int_equal(row->size, 28);
    assert_int_equal(row->expires_at - row->created_at, 90 * 86400 * 1000000000LL);
    artifact_row_unref(row);
    assert_int_equal(artifact_tree_open(st, id, &t), 0);
    assert_int_equal(artifact_tree_find(t, 0, "b", &e), 0);
    assert_int_equal(e.mtime_ns, 1600000001LL * 1000000000LL); /* in spite of what was written into it */
    assert_int_equal(artifact_tree_find(t, e.index, "absent", &e), -ENOENT);
    assert_int_equal(artifact_tree_find(t, 0, "a.sh", &e), 0);
    assert_int_equal(artifact_tree_find(t, e.index, "x", &e), -ENOTDIR);
    _close_ int fd = artifact_tree_file(t, e.index);
    assert_int_equal(read_fd(fd, 100, &content), 0);
    assert_string_equal(buf_str(&content), "#!/bin/sh\n");
    assert_int_equal(artifact_tree_file(t, 0), -EISDIR);
    artifact_tree_unref(t);
}

static void a_reader_that_goes_away_is_an_error(void **state)
{
    int64_t id = put_good("dist");
    struct err err = {0};
    int ends[2];

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    assert_int_equal(artifact_write_zip(st, id, ends[1], &err), -EPIPE);
    assert_int_equal(artifact_write_tar(st, id, ends[1], &err), -EPIPE);
    assert_int_equal(artifact_write_tar(st, id + 1, ends[1], &err), -ENOENT);
    close(ends[1]);
}

static void sha256(int fd, char ret[80], int64_t *ret_size)
{
    _buf_ struct buf all = BUF_INIT;
    unsigned char bytes[32];
    unsigned len;

    lseek(fd, 0, SEEK_SET);
    assert_int_equal(read_fd(fd, 1 << 20, &all), 0);
    EVP_Digest(all.ptr, all.len, bytes, &len, EVP_sha256(), NULL);
    int at = snprintf(ret, 80, "sha256:");
    for (unsigned i = 0; i < len; i++)
        at += snprintf(ret + at, 3, "%02x", bytes[i]);
    *ret_size = (int64_t)all.len;
}

static void archives_of_it_make_the_same_again(void **state)
{
    struct artifact_spec tar = spec_of("from-tar"), zip = spec_of("from-zip");
    int64_t id = put_good("dist"), other, size;
    const struct artifact_row *row = store_get_artifact(st, id), *again;
    _close_ int tar_fd = memfd_create("tar", 0), zip_fd = memfd_create("zip", 0);
    _buf_ struct buf text = BUF_INIT, zipped = BUF_INIT;
    char digest[80];

    (void)state;
    assert_int_equal(artifact_write_tar(st, id, tar_fd, NULL), 0);
    lseek(tar_fd, 0, SEEK_SET);
    assert_int_equal(artifact_put_tar(st, &tar, tar_fd, &other, NULL), 0);
    describe(other, &text);
    assert_string_equal(buf_str(&text), good_tree);
    assert_int_equal(artifact_write_zip(st, id, zip_fd, NULL), 0);
    sha256(zip_fd, digest, &size);
    assert_string_equal(row->digest, digest);
    assert_int_equal(row->zip_size, size);
    assert_int_equal(artifact_put_zip(st, &zip, zip_fd, &other, NULL), 0);
    describe(other, &zipped);
    assert_string_equal(buf_str(&zipped), good_tree);
    again = store_get_artifact(st, other);
    assert_string_equal(again->digest, digest); /* other times, the same content */
    artifact_row_unref(again);
    artifact_row_unref(row);
}

static void hostile_archives_are_refused_and_leave_nothing(void **state)
{
    static const struct {
        struct item items[3];
        bool tar_only;
        const char *words;
    } cases[] = {
        {{{"ok", AE_IFREG, "x"}, {"/etc/passwd", AE_IFREG, "x"}}, false, "'/etc/passwd' is an absolute path"},
        {{{"a/../../x", AE_IFREG, "x"}}, false, "leads out of it"},
        {{{"..", AE_IFDIR}}, false, "leads out of it"},
        {{{"link", AE_IFLNK, "/etc"}}, false, "symbolic link that leads out"},
        {{{"d/link", AE_IFLNK, "../../x"}}, false, "symbolic link that leads out"},
        {{{"d", AE_IFLNK, "."}, {"d/x", AE_IFREG, "x"}}, false, "below something that is no directory"},
        {{{"up/up", AE_IFLNK, ".."}, {"out", AE_IFLNK, "up/up/../x"}}, false, "symbolic link that leads out"},
        {{{"f", AE_IFREG, "x"}, {"f", AE_IFREG, "y"}}, false, "twice"},
        {{{"f", AE_IFREG, "x"}, {"f/g", AE_IFREG, "y"}}, false, "below something that is no directory"},
        {{{"a:b", AE_IFREG, "x"}}, false, "Contains the following character:  Colon :"},
        {{{"new\nline", AE_IFREG, "x"}}, false, "Line feed"},
        {{{"\377\376", AE_IFREG, "x"}}, true, "is not a valid name"},
        {{{"pipe", AE_IFIFO}}, true, "neither a file nor a directory"},
        {{{"dev", AE_IFCHR}}, true, "neither a file nor a directory"},
        {{{"hard", AE_IFREG, "/etc/passwd", 0, true}}, true, "absolute path"},
        {{{"hard", AE_IFREG, "absent", 0, true}}, true, "is a link to a file that is not in it"},
        {{{"s", AE_IFLNK, "."}, {"hard", AE_IFREG, "s", 0, true}}, true, "link to a file that is not in it"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (int zip = 0; zip <= !cases[i].tar_only; zip++) {
            struct artifact_spec spec = spec_of("x");
            struct err err = {0};
            size_t n = 0;
            while (n < 3 && cases[i].items[n].path)
                n++;
            assert_int_equal(put_items(&spec, cases[i].items, n, zip, NULL, &err), -EINVAL);
            if (!strstr(err.msg, cases[i].words))
                fail_msg("case %zu: '%s' is not in '%s'", i, cases[i].words, err.msg);
            assert_int_equal(left(), 0);
            assert_int_equal(artifact_find(st, run, "x"), 0);
        }
}

static void what_is_no_archive_is_refused(void **state)
{
    static const char *const texts[] = {"", "garbage", "PK\003\004 no zip at all"};
    struct artifact_spec spec = spec_of("x");
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        for (int zip = 0; zip < 2; zip++) {
            _close_ int fd = memfd_create("x", 0);
            assert_int_equal(write_all(fd, texts[i], strlen(texts[i])), 0);
            lseek(fd, 0, SEEK_SET);
            int r = zip ? artifact_put_zip(st, &spec, fd, NULL, &err)
                        : artifact_put_tar(st, &spec, fd, NULL, &err);
            assert_int_equal(r, -EINVAL);
        }
    /* cut off in the middle of a file */
    _close_ int fd = pack(good, ARRAY_LEN(good), false);
    assert_int_equal(ftruncate(fd, 512 * 4 + 3), 0);
    assert_int_equal(artifact_put_tar(st, &spec, fd, NULL, &err), -EINVAL);
    assert_int_equal(left(), 0);
}

/* A ustar header with its checksum, and what it is of. */
static void add_entry(struct buf *b, char type, const char *data, size_t len)
{
    unsigned char header[512] = "sparse";
    unsigned sum = 0;

    memcpy(header + 100, "0000644", 7);
    snprintf((char *)header + 124, 12, "%011zo", len);
    memset(header + 148, ' ', 8);
    header[156] = (unsigned char)type;
    memcpy(header + 257, "ustar\00000", 8);
    for (size_t i = 0; i < sizeof(header); i++)
        sum += header[i];
    snprintf((char *)header + 148, 8, "%06o", sum);
    buf_add(b, header, sizeof(header));
    buf_add(b, data, len);
    while (b->len % 512)
        buf_addc(b, '\0');
}

/* GNU's list of the parts of a file that are no gaps stands where a file has its content. */
static void a_list_of_gaps_has_an_end(void **state)
{
    static const char said[] = "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
                               "25 GNU.sparse.realsize=1\n26 GNU.sparse.name=sparse\n";
    struct artifact_spec spec = spec_of("x");
    _buf_ struct buf tar = BUF_INIT, list = BUF_INIT;
    struct err err = {0};

    (void)state;
    buf_adds(&list, "1250000\n");
    for (int i = 0; i < 1250000; i++)
        buf_adds(&list, "0\n0\n");
    add_entry(&tar, 'x', said, sizeof(said) - 1);
    add_entry(&tar, '0', list.ptr, list.len);
    assert_true(buf_ok(&tar));
    _close_ int fd = memfd_create("x", 0);
    assert_int_equal(write_all(fd, tar.ptr, tar.len), 0);
    lseek(fd, 0, SEEK_SET);
    assert_int_equal(artifact_put_tar(st, &spec, fd, NULL, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "what it says of one file has more than 4 MiB"));
    assert_int_equal(left(), 0);
}

/* A zip's list of its files is read whole before the first of them. */
static void a_list_of_files_has_an_end(void **state)
{
    enum { NAME = 200, ENTRY = 46 + NAME, BLOCK = 4096, TIMES = (200 << 20) / (ENTRY * BLOCK) + 1 };
    static const unsigned char local[31] = "PK\3\4\24\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0a";
    unsigned char end[22] = "PK\5\6", entry[ENTRY] = "PK\1\2\24\0\24";
    struct artifact_spec spec = spec_of("x");
    _buf_ struct buf block = BUF_INIT;
    struct err err = {0};

    (void)state;
    entry[28] = NAME;
    memset(entry + 46, 'a', NAME);
    for (int i = 0; i < BLOCK; i++)
        buf_add(&block, entry, sizeof(entry));
    _close_ int fd = memfd_create("x", 0);
    assert_int_equal(write_all(fd, local, sizeof(local)), 0);
    for (int i = 0; i < TIMES; i++)
        assert_int_equal(write_all(fd, block.ptr, block.len), 0);
    const uint32_t size = (uint32_t)TIMES * BLOCK * ENTRY, at = sizeof(local);
    end[8] = end[10] = 1;
    memcpy(end + 12, &size, sizeof(size));
    memcpy(end + 16, &at, sizeof(at));
    assert_int_equal(write_all(fd, end, sizeof(end)), 0);
    assert_int_equal(artifact_put_zip(st, &spec, fd, NULL, &err), -EINVAL);
    assert_string_equal(err.msg,
                        "the artifact cannot be read: what it says of its files has more than 192 MiB");
    assert_int_equal(left(), 0);
}

static void limits_hold(void **state)
{
    static const struct item two[] = {{"a", AE_IFREG, "12345"}, {"b", AE_IFREG, "12345"}};
    static const struct item one[] = {{"a", AE_IFREG, "1"}};
    struct artifact_spec spec = spec_of("x");
    struct err err = {0};

    (void)state;
    spec.max_size = 9;
    for (int zip = 0; zip < 2; zip++)
        assert_int_equal(put_items(&spec, two, 2, zip, NULL, &err), -EFBIG);
    spec.max_size = 10;
    spec.max_entries = 2; /* the top counts */
    assert_int_equal(put_items(&spec, two, 2, false, NULL, &err), -EFBIG);
    spec.max_entries = 3;
    /* what is announced counts, before any of it has come: the size of ustar's header, and its checksum */
    _close_ int fd = pack(one, 1, false);
    unsigned sum = 0;
    unsigned char header[512];
    assert_int_equal(pread(fd, header, sizeof(header), 0), sizeof(header));
    memcpy(header + 124, "77777777777", 11);
    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < sizeof(header); i++)
        sum += header[i];
    snprintf((char *)header + 148, 8, "%06o", sum);
    assert_int_equal(pwrite_all(fd, header, sizeof(header), 0), 0);
    assert_int_equal(artifact_put_tar(st, &spec, fd, NULL, &err), -EFBIG);
    assert_int_equal(left(), 0);
    assert_int_equal(put_items(&spec, two, 2, false, NULL, &err), 0);
}

static void expire(int64_t id)
{
    _buf_ struct buf path = BUF_INIT, sql = BUF_INIT;
    sqlite3 *db = NULL;

    buf_addf(&path, "%s/runfs.db", dir);
    buf_addf(&sql, "UPDATE artifacts SET expires_at = 1 WHERE id = %lld", (long long)id);
    assert_int_equal(sqlite3_open_v2(buf_str(&path), &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, buf_str(&sql), NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* All artifacts together: what is under way counts, what is kept goes only when its time is over. */
static void there_is_so_much_room(void **state)
{
    static char text[300000];
    struct item one[] = {{"a", AE_IFREG, text}};
    struct room held = room_make(st, ROOM_ARTIFACTS);
    struct artifact_spec spec = spec_of("x");
    struct err err = {0};
    int64_t id, kept;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    assert_int_equal(store_put_setting(st, SETTING_CONFIG, "artifact_size_mib", "1", NULL), 0);
    spec.retention_days = 1;
    assert_int_equal(put_items(&spec, one, 1, false, &id, &err), 0);
    const struct artifact_row *row = store_get_artifact(st, id);
    kept = row->disk;
    artifact_row_unref(row);
    assert_int_equal(kept, (299999 + 4095) / 4096 * 4096 + 512);
    /* to the byte */
    assert_int_equal(room_hold(&held, (1 << 20) - kept, &err), 0);
    assert_int_equal(room_hold(&held, (1 << 20) - kept + 1, &err), -EDQUOT);
    assert_string_equal(err.msg,
                        "all artifacts together may have 1 MiB, and with this one they would have more: "
                        "config/artifact_size_mib says how many");
    assert_int_equal(room_look(st, ROOM_ARTIFACTS, &err), -EDQUOT);
    for (int zip = 0; zip < 2; zip++) {
        spec.name = "y";
        assert_int_equal(put_items(&spec, one, 1, zip, NULL, &err), -EDQUOT);
    }
    assert_int_equal(artifact_list(st, run, 0, &id, 1), 1);
    room_release(&held);
    assert_int_equal(put_items(&spec, one, 1, true, NULL, &err), 0);
    /* one that came by a room of its own is not counted twice */
    assert_int_equal(room_hold(&held, (1 << 20) - 2 * kept, &err), 0);
    spec.name = "z";
    spec.room = &held;
    assert_int_equal(put_items(&spec, one, 1, true, NULL, &err), 0);
    room_release(&held);
    spec.room = NULL;
    spec.name = "last";
    assert_int_equal(put_items(&spec, one, 1, true, NULL, &err), -EDQUOT);
    expire(id);
    assert_int_equal(put_items(&spec, one, 1, true, NULL, &err), 0);
    assert_null(store_get_artifact(st, id));
}

static void names_are_github_s(void **state)
{
    static const char *const bad[] = {"",   "a/b", "a\\b", "a:b",  "a*", "a?", "a|b",
                                      "<a", "a>",  "\"a",  "a\nb", "..", "\1"};
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(artifact_check_name(bad[i], &err), -EINVAL);
    assert_int_equal(artifact_check_name("a/b", &err), -EINVAL);
    assert_string_equal(err.msg,
                        "The artifact name is not valid: a/b. Contains the following character:  Forward "
                        "slash /. Invalid characters include:  Double quote \", Colon :, Less than <, "
                        "Greater than >, Vertical bar |, Asterisk *, Question mark ?, Carriage return "
                        "\\r, Line feed \\n, Backslash \\, Forward slash /");
    assert_int_equal(artifact_check_name("test results (x64) äöü", &err), 0);
}

static void a_name_is_taken_once_in_an_attempt(void **state)
{
    static const struct item one[] = {{"one", AE_IFREG, "1"}};
    struct artifact_spec spec = spec_of("dist");
    int64_t first = put_good("dist"), second, third, ids[4];
    struct err err = {0};

    (void)state;
    assert_int_equal(put_items(&spec, one, 1, false, &second, &err), -EEXIST);
    assert_non_null(strstr(err.msg, "an artifact with this name already exists"));
    spec.overwrite = true;
    assert_int_equal(put_items(&spec, one, 1, false, &second, &err), 0);
    assert_int_equal(artifact_find(st, run, "dist"), second);
    assert_null(store_get_artifact(st, first));
    assert_int_equal(left(), 5); /* RUN, ID, tree, index, one */
    /* a rerun's hides that of the attempt before, and deleting it shows that again */
    spec.overwrite = false;
    spec.attempt = 2;
    assert_int_equal(put_items(&spec, one, 1, false, &third, &err), 0);
    assert_int_equal(artifact_find(st, run, "dist"), third);
    assert_int_equal(artifact_list(st, run, 0, ids, 4), 1);
    assert_int_equal(ids[0], third);
    assert_int_equal(artifact_delete(st, third, &err), 0);
    assert_int_equal(artifact_delete(st, third, &err), -ENOENT);
    assert_int_equal(artifact_find(st, run, "dist"), second);
    spec.run_id = run + 1;
    assert_int_equal(put_items(&spec, one, 1, false, NULL, &err), -ENOENT);
}

static void they_go_with_their_time_and_with_their_run(void **state)
{
    struct artifact_spec spec = spec_of("short");
    int64_t kept = put_good("kept"), id, now = now_ns();
    struct err err = {0};

    (void)state;
    spec.retention_days = 2;
    assert_int_equal(put_items(&spec, good, ARRAY_LEN(good), false, &id, &err), 0);
    assert_int_equal(artifact_expire(st, now, &err), 0);
    assert_int_equal(artifact_expire(st, now + 3 * 86400 * 1000000000LL, &err), 1);
    assert_null(store_get_artifact(st, id));
    const struct artifact_row *row = store_get_artifact(st, kept);
    assert_non_null(row);
    artifact_row_unref(row);
    assert_int_equal(store_delete_run(st, run, &err), 0);
    assert_null(store_get_artifact(st, kept));
    assert_int_equal(left(), 0);
}

static void a_single_file_is_an_artifact_too(void **state)
{
    struct artifact_spec spec = spec_of("report.html");
    _close_ int fd = memfd_create("x", 0);
    _buf_ struct buf text = BUF_INIT;
    struct err err = {0};
    int64_t id;

    (void)state;
    assert_int_equal(write_all(fd, "<html>", 6), 0);
    lseek(fd, 0, SEEK_SET);
    assert_int_equal(artifact_put_file(st, &spec, "a/b", fd, &id, &err), -EINVAL);
    assert_int_equal(artifact_put_file(st, &spec, "report.html", fd, &id, &err), 0);
    describe(id, &text);
    assert_string_equal(buf_str(&text), "report.html f 644 6\n");
    const struct artifact_row *row = store_get_artifact(st, id);
    char digest[80];
    int64_t size;
    sha256(fd, digest, &size);
    assert_true(row->raw);
    assert_string_equal(row->digest, digest);
    assert_int_equal(row->zip_size, 6);
    artifact_row_unref(row);
}

static void what_is_kept_as_it_is_is_one_file(void **state)
{
    static const struct item file[] = {{"a.txt", AE_IFREG, "12345"}},
                             two[] = {{"a", AE_IFREG, "1"}, {"b", AE_IFREG, "2"}},
                             below[] = {{"d/a", AE_IFREG, "1"}}, link[] = {{"a", AE_IFLNK, "b"}};
    struct artifact_spec spec = spec_of("as it is");
    struct err err = {0};
    size_t before = left();
    int64_t id;

    (void)state;
    spec.raw = true;
    assert_int_equal(put_items(&spec, two, 2, false, &id, &err), -EINVAL);
    assert_int_equal(put_items(&spec, below, 1, false, &id, &err), -EINVAL);
    assert_int_equal(put_items(&spec, link, 1, false, &id, &err), -EINVAL);
    assert_int_equal(put_items(&spec, NULL, 0, false, &id, &err), -EINVAL);
    assert_int_equal(left(), before);
    assert_int_equal(put_items(&spec, file, 1, false, &id, &err), 0);
    const struct artifact_row *row = store_get_artifact(st, id);
    assert_true(row->raw);
    assert_int_equal(row->zip_size, 5);
    artifact_row_unref(row);
}

static void a_large_directory_is_found_by_halving(void **state)
{
    enum { MANY = 5000 };
    struct item *items = calloc(MANY, sizeof(*items));
    struct artifact_spec spec = spec_of("many");
    struct artifact_tree *t;
    struct artifact_entry e;
    struct err err = {0};
    int64_t id;

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        _buf_ struct buf name = BUF_INIT;
        buf_addf(&name, "d/%zu", i * 7919 % MANY);
        items[i] = (struct item){buf_steal(&name), AE_IFREG, "x", 0644, false};
    }
    assert_int_equal(put_items(&spec, items, MANY, false, &id, &err), 0);
    assert_int_equal(artifact_tree_open(st, id, &t), 0);
    assert_int_equal(artifact_tree_count(t), MANY + 2);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(artifact_tree_find(t, 1, items[i].path + 2, &e), 0);
        assert_string_equal(e.name, items[i].path + 2);
        free((void *)(uintptr_t)items[i].path);
    }
    artifact_tree_unref(t);
    free(items);
}

/* A process that puts one after the other is killed at any moment: what is listed is whole, and nothing else
 * is there. */
static void nothing_half_made_survives_a_kill(void **state)
{
    ssize_t n = 0;

    (void)state;
    store_close(st);
    for (int round = 0; round < 12 || (n == 0 && round < 200); round++) {
        int begun[2];
        char byte;
        assert_int_equal(pipe(begun), 0);
        pid_t pid = fork();
        if (pid == 0) {
            if (store_open(dir, &st, NULL) < 0 || write(begun[1], "", 1) != 1)
                _exit(2);
            for (int i = 0; i < 1000; i++) {
                char name[32];
                struct artifact_spec spec = spec_of(name);
                snprintf(name, sizeof(name), "a-%d-%d", round, i);
                if (put_items(&spec, good, ARRAY_LEN(good), false, NULL, NULL) < 0)
                    _exit(3);
            }
            _exit(0);
        }
        assert_int_equal(read(begun[0], &byte, 1), 1);
        close(begun[0]);
        close(begun[1]);
        (void)usleep((unsigned)round * 3700); /* at any moment from here on */
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(store_open(dir, &st, NULL), 0);
        int64_t ids[1000];
        n = artifact_list(st, run, 0, ids, ARRAY_LEN(ids));
        assert_true(n >= 0);
        for (ssize_t i = 0; i < n; i++) {
            _buf_ struct buf text = BUF_INIT;
            describe(ids[i], &text);
            assert_string_equal(buf_str(&text), good_tree);
        }
        /* each: its directory, tree, index and ten entries; and the run's directory */
        assert_int_equal(left(), n ? 1 + n * 13 : 0);
        store_close(st);
    }
    assert_true(n > 0);
    assert_int_equal(store_open(dir, &st, NULL), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_tree_comes_back_as_it_was_put),
        TEST(archives_of_it_make_the_same_again),
        TEST(a_reader_that_goes_away_is_an_error),
        TEST(hostile_archives_are_refused_and_leave_nothing),
        TEST(what_is_no_archive_is_refused),
        TEST(a_list_of_gaps_has_an_end),
        TEST(a_list_of_files_has_an_end),
        TEST(limits_hold),
        TEST(there_is_so_much_room),
        TEST(names_are_github_s),
        TEST(a_name_is_taken_once_in_an_attempt),
        TEST(they_go_with_their_time_and_with_their_run),
        TEST(a_single_file_is_an_artifact_too),
        TEST(what_is_kept_as_it_is_is_one_file),
        TEST(a_large_directory_is_found_by_halving),
        TEST(nothing_half_made_survives_a_kill),
    };
    setlocale(LC_CTYPE, "C.UTF-8"); /* for the names that this test packs */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
