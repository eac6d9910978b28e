/* Counts lines and words of files. */
#include <ctype.h>
#include <stdio.h>

static int tally(const char *name)
{
    FILE *f = fopen(name, "r");
    long lines = 0, words = 0;
    int c, before = ' ';

    if (!f) {
        perror(name);
        return 1;
    }
    while ((c = getc(f)) != EOF) {
        lines += c == '\n';
        words += !isspace(c) && isspace(before);
        before = c;
    }
    fclose(f);
    printf("%ld lines, %ld words\n", lines, words);
    return 0;
}

int main(int argc, char **argv)
{
    int failed = 0;

    for (int i = 1; i < argc; i++)
        failed |= tally(argv[i]);
    return failed;
}
