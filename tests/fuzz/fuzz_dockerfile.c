/* The input is a Dockerfile: it is read or refused in words, and each argument comes to words or is refused.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runfs/dockerfile.h"
#include "runfs/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_words(const struct dockerfile *d, const char *text, const json_t *variables)
{
    struct err err = {0};
    _strv_ char **words = dockerfile_words(d, text, variables, &err);
    _free_ char *word = dockerfile_word(d, text, variables, NULL);
    _json_ json_t *list = dockerfile_list(text);

    if (!words && !err.code)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _free_ char *text = strndup((const char *)data, size);
    _dockerfile_ struct dockerfile d = {0};
    _json_ json_t *variables = json_pack("{s:s, s:s}", "A", "value", "E", "");
    struct err err = {0};

    if (dockerfile_parse("Dockerfile", text, &d, &err) < 0) {
        if (!err.code || !utf8_valid(err.msg, strlen(err.msg)) || d.list)
            abort();
        return 0;
    }
    for (size_t i = 0; i < d.n; i++)
        take_words(&d, d.list[i].text, variables);
    return 0;
}
