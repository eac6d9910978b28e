/* Lines of a step's output, and the same bytes as an environment file and as a shell. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/job/command.h"
#include "../../core/job/envfile.h"
#include "../../core/job/shell.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void lines(const char *text, size_t size)
{
    _command_state_ struct command_state s = {0};

    while (size > 0) {
        const char *newline = memchr(text, '\n', size);
        size_t len = newline ? (size_t)(newline - text) : size;
        _command_ struct command c = {0};
        struct err err = {0};
        int kind = command_next(&s, text, len, &c, &err);
        if ((kind == COMMAND_DO) != (c.name && c.message) || (kind < 0) != (err.code < 0))
            abort();
        text += len + (newline != NULL);
        size -= len + (newline != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _json_ json_t *pairs = json_object(), *paths = json_array();
    _free_ char *text = strndup((const char *)data, size);
    _shell_ struct shell s = {0};
    struct err err = {0};

    lines((const char *)data, size);
    envfile_parse((const char *)data, size, pairs, &err);
    pathfile_parse((const char *)data, size, paths, NULL);
    if (text && shell_parse(text, &s, &err) == 0) {
        char **argv = shell_command(&s, "/tmp/script");
        if (!argv || !argv[0])
            abort();
        strv_free(argv);
    }
    return 0;
}
