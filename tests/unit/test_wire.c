/* Lines of JSON between an engine and a worker: cut anywhere, of any bytes, and what is none. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/worker/wire.h"
#include "runfs/io.h"
#include "runfs/str.h"

static void make(struct wire *w, int fds[2])
{
    assert_int_equal(pipe(fds), 0);
    wire_init(w, fds[0], fds[1]);
}

static void release(struct wire *w, const int fds[2])
{
    wire_release(w);
    close(fds[0]);
    close(fds[1]);
}

/* Any bytes come out as they went in, whatever they are. */
static void test_bytes(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        bool text;
    } rows[] = {{"", 0, true},          {"plain", 5, true},     {"a\0b", 3, true},
                {"\xc3\xa4", 2, true},  {"\xff\xfe", 2, false}, {"half \xc3", 6, false},
                {"\n\"\\\x01", 4, true}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _json_ json_t *value = wire_bytes(rows[i].bytes, rows[i].len);
        _buf_ struct buf back = BUF_INIT;
        assert_int_equal(json_is_string(value), rows[i].text);
        assert_int_equal(wire_add_bytes(&back, value), 0);
        assert_int_equal(back.len, rows[i].len);
        assert_memory_equal(buf_str(&back), rows[i].bytes, rows[i].len);
    }
    static const char *const bad[] = {"5", "[]", "{}", "{\"base64\": 1}", "{\"base64\": \"?\"}", "null"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        _json_ json_t *value = json_loads(bad[i], JSON_DECODE_ANY, NULL);
        _buf_ struct buf back = BUF_INIT;
        assert_non_null(value);
        assert_int_equal(wire_add_bytes(&back, value), -EPROTO);
    }
}

/* What is text does not count as values. */
static void test_values(void **state)
{
    static const struct {
        const char *line;
        int result;
    } rows[] = {{"{\"a\":1,\"b\":[2]}\n", 1},
                {"{\"a\":[1,2,3]}\n", -EMSGSIZE},
                {"{\"a\":[[[[]]]]}\n", -EMSGSIZE},
                {"{\"a\":\",,,,[[{{\\\",,,\"}\n", 1}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _json_ json_t *line = NULL;
        struct wire w;
        int fds[2];
        make(&w, fds);
        w.most = 3;
        assert_int_equal(write_all(fds[1], rows[i].line, strlen(rows[i].line)), 0);
        assert_true(wire_fill(&w) > 0);
        assert_int_equal(wire_next(&w, &line, NULL), rows[i].result);
        release(&w, fds);
    }
}

/* However the lines are cut, they come whole and in order. */
static void test_cut(void **state)
{
    static const char text[] = "{\"n\":0}\n{\"n\":1,\"t\":\"a\\nb\"}\n{\"n\":2}\n";
    struct wire w;
    int fds[2];

    (void)state;
    for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
        make(&w, fds);
        json_int_t n = 0;
        for (size_t at = 0; at < sizeof(text) - 1; at += cut) {
            size_t len = sizeof(text) - 1 - at < cut ? sizeof(text) - 1 - at : cut;
            assert_int_equal(write(fds[1], text + at, len), (ssize_t)len);
            assert_int_equal(wire_fill(&w), (ssize_t)len);
            json_t *line;
            while (wire_next(&w, &line, NULL) == 1) {
                assert_int_equal(json_integer_value(json_object_get(line, "n")), n++);
                json_decref(line);
            }
        }
        assert_int_equal(n, 3);
        release(&w, fds);
    }
}

/* What is no object is refused, with how it begins; what comes behind it is there. */
static void test_wrong(void **state)
{
    static const char *const bad[] = {"hello", "[1]", "{\"a\":1", "{\"a\":1,\"a\":2}", "\"text\"", ""};
    struct wire w;
    int fds[2];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        _buf_ struct buf begins = BUF_INIT;
        _json_ json_t *line = NULL;
        make(&w, fds);
        assert_int_equal(write_all(fds[1], bad[i], strlen(bad[i])), 0);
        assert_int_equal(write_all(fds[1], "\n{}\n", 4), 0);
        assert_true(wire_fill(&w) > 0);
        assert_int_equal(wire_next(&w, &line, &begins), -EPROTO);
        assert_string_equal(buf_str(&begins), bad[i]);
        assert_int_equal(wire_next(&w, &line, &begins), 1);
        release(&w, fds);
    }
}

/* A file goes through in pieces, and a line that is written is read. */
static void test_file(void **state)
{
    FILE *from = tmpfile(), *to = tmpfile();
    _buf_ struct buf content = BUF_INIT, got = BUF_INIT;
    struct wire w;
    int fds[2], lines = 0;

    (void)state;
    assert_non_null(from);
    assert_non_null(to);
    for (int i = 0; i < 2 * WIRE_PIECE / 4 + 5000; i++) /* less than a pipe holds, in base64 */
        buf_addc(&content, (char)(i * 7));
    assert_int_equal(write_all(fileno(from), buf_str(&content), content.len), 0);
    assert_int_equal(lseek(fileno(from), 0, SEEK_SET), 0);
    make(&w, fds);
    assert_int_equal(wire_write_file(&w, 3, NULL, fileno(from)), 0);
    assert_int_equal(wire_write(&w, json_pack("{s:s}", "type", "end")), 0);
    for (bool end = false; !end;) {
        json_t *line;
        while (wire_next(&w, &line, NULL) == 1) {
            end = str_eq(json_string_value(json_object_get(line, "type")), "end");
            if (!end) {
                assert_int_equal(json_integer_value(json_object_get(line, "id")), 3);
                assert_int_equal(wire_take_data(line, fileno(to)), 0);
                lines++;
            }
            json_decref(line);
        }
        if (!end)
            assert_true(wire_fill(&w) > 0);
    }
    assert_int_equal(lseek(fileno(to), 0, SEEK_SET), 0);
    assert_int_equal(read_fd(fileno(to), 1 << 20, &got), 0);
    assert_int_equal(got.len, content.len);
    assert_memory_equal(got.ptr, content.ptr, got.len);
    assert_true(lines >= 1);
    release(&w, fds);
    fclose(from);
    fclose(to);
}

/* Whoever does not read, or is gone, ends a write; nothing follows on a part of a line. */
static void test_lost(void **state)
{
    struct wire w;
    int fds[2], r = 0;

    (void)state;
    make(&w, fds);
    w.silence_ns = 10000000;
    for (int i = 0; i < 100 && r == 0; i++)
        r = wire_write(&w, json_pack("{s:s#}", "t", "0123456789abcdef", 16));
    assert_int_equal(r, 0);
    _free_ char *large = calloc(1, 1000001);
    assert_non_null(large);
    memset(large, 'x', 1000000);
    assert_int_equal(wire_write(&w, json_pack("{s:s}", "t", large)), -EPIPE);
    assert_int_equal(wire_write(&w, json_object()), -EPIPE);
    release(&w, fds);

    signal(SIGPIPE, SIG_IGN);
    make(&w, fds);
    close(fds[0]);
    assert_int_equal(wire_write(&w, json_object()), -EPIPE);
    assert_true(atomic_load(&w.gone));
    wire_release(&w);
    close(fds[1]);
    assert_int_equal(wire_write(&w, NULL), -ENOMEM);
}

/* A process that was stopped has not looked meanwhile, so that the other was not silent. */
static void silence_counts_while_somebody_looks(void **state)
{
    struct wire w;

    (void)state;
    wire_init(&w, -1, -1);
    w.silence_ns = 1;
    int64_t before = mono_ns();
    wire_heard(&w);
    while (mono_ns() < before + 1000000)
        ;
    wire_vain(&w, before);
    assert_false(wire_silent(&w));
    wire_vain(&w, mono_ns());
    assert_true(wire_silent(&w));
    wire_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_counts_while_somebody_looks),

        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
