/* The first line is a pattern, the rest a text: no crash, and a pattern without special characters matches
 * only itself. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runfs/cleanup.h"
#include "runfs/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _free_ char *text = strndup((const char *)data, size < 4096 ? size : 4096);
    char *rest = text ? text + strcspn(text, "\n") : NULL;

    if (!rest)
        return 0;
    if (*rest)
        *rest++ = '\0';
    const char *const list[] = {text, rest, NULL};
    bool match = glob_match(text, rest);
    if (!text[strcspn(text, "*?+[\\")] && match != (strcmp(text, rest) == 0))
        abort();
    if (!glob_match("**", rest))
        abort();
    if (glob_list_match(list, rest) && !glob_list_find(list, rest))
        abort();
    return 0;
}
