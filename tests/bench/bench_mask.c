/* How fast output is masked, each figure beside its yardstick. */
#include "runfs/cleanup.h"
#include "runfs/io.h"
#include "runfs/mask.h"

enum { SIZE = 64 * 1024 * 1024, PIECE = 64 * 1024 };

static const char line[] =
    "[12/340] Building C object src/module_17/CMakeFiles/part.dir/file_name.c.o (0.231 s)\n";

static void measure(size_t secrets, const char *yardstick)
{
    struct mask *m = mask_new();
    _free_ char *text = malloc(SIZE);
    double best = 0;

    if (!m || !text)
        exit(1);
    for (size_t i = 0; i < SIZE; i++)
        text[i] = line[i % (sizeof(line) - 1)];
    for (size_t i = 0; i < secrets; i++) {
        char secret[64];
        snprintf(secret, sizeof(secret), "ghp_%zx%zuQz7&\"w/%zX-secret", i * 2654435761u, i,
                 i * 40503u + 977);
        secret[0] = (char)('a' + i % 26);
        if (mask_add(m, secret) < 0)
            exit(1);
    }
    for (int round = 0; round < 5; round++) {
        _mask_stream_ struct mask_stream s = MASK_STREAM(m);
        _buf_ struct buf out = BUF_INIT;
        int64_t from = mono_ns();
        for (size_t at = 0; at < SIZE; at += PIECE) {
            mask_stream_feed(&s, text + at, PIECE, &out);
            buf_reset(&out);
        }
        double rate = SIZE / ((double)(mono_ns() - from) / 1e9) / 1e6;
        best = rate > best ? rate : best;
    }
    printf("mask, %zu secrets: %.0f MB/s (%s)\n", secrets, best, yardstick);
    mask_free(m);
}

int main(void)
{
    measure(0, "at least 1000");
    measure(20, "at least 500");
    return 0;
}
