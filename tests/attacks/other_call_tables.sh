# Make the calls that are denied by the numbers of 32-bit x86 and of x32.
# arch: x86_64
cat >/tmp/t.c <<'C'
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
static long old(long n, long a, long b, long c)
{
    long r;
    __asm__ volatile("int $0x80" : "=a"(r) : "a"(n), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
    return r;
}
int main(void)
{
    static const int i386[] = {21, 52, 128, 217, 283, 286, 287, 288, 310, 336, 342, 346, 350, 357, 374, 425, 428, 430};
    static const int x32[] = {165, 166, 175, 246, 248, 250, 272, 298, 308, 313, 321, 323, 425, 428, 430};
    for (unsigned i = 0; i < sizeof(i386) / sizeof(*i386); i++) {
        long r = old(i386[i], 0x10000000, 0, 0);
        if (r != -EPERM && r != -ENOSYS)
            printf("REACHED: 32-bit call %d: %ld\n", i386[i], r);
    }
    for (unsigned i = 0; i < sizeof(x32) / sizeof(*x32); i++)
        if (syscall(0x40000000 | x32[i], 0x10000000, 0, 0) >= 0 || (errno != EPERM && errno != ENOSYS))
            printf("REACHED: x32 call %d: %d\n", x32[i], errno);
}
C
gcc -w -o /tmp/t /tmp/t.c && /tmp/t
