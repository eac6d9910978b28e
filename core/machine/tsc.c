/* How fast the processor's time stamps count, which an emulated machine sees too: told, its kernel need not
 * measure, which now and then hangs under load. */
#include <time.h>

#include "core/machine/qemu.h"
#include "runfs/io.h"

#define LEAST_NS 20000000LL

enum { TRIES = 64 };

#if defined(__x86_64__)
/* The host's own measure, which nothing corrects: what is found twice is the same. */
static int64_t raw_ns(void)
{
    struct timespec t = {0};

    (void)clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    return timespec_ns(t);
}

/* Both at one moment: of some readings the one that was least held up, by an interrupt or another thread. */
static struct tsc look(void)
{
    struct tsc best = {0};
    int64_t window = INT64_MAX;

    for (int i = 0; i < TRIES; i++) {
        int64_t before = raw_ns();
        uint64_t ticks = __builtin_ia32_rdtsc();
        int64_t after = raw_ns();
        if (after - before >= window)
            continue;
        window = after - before;
        best = (struct tsc){.ns = before + window / 2, .ticks = ticks};
    }
    return best;
}

void tsc_begin(struct tsc *t)
{
    *t = look();
}

unsigned long tsc_khz_since(const struct tsc *t)
{
    struct tsc now = look();

    while (now.ns - t->ns < LEAST_NS) {
        usleep((useconds_t)((LEAST_NS - (now.ns - t->ns)) / 1000 + 1));
        now = look();
    }
    return (unsigned long)((double)(now.ticks - t->ticks) * 1e6 / (double)(now.ns - t->ns) + 0.5);
}
#else
void tsc_begin(struct tsc *t)
{
    *t = (struct tsc){0};
}

unsigned long tsc_khz_since(const struct tsc *t)
{
    (void)t;
    return 0;
}
#endif

bool tsc_same(unsigned long a, unsigned long b)
{
    unsigned long apart = a > b ? a - b : b - a;

    return apart <= a / TSC_PART;
}
