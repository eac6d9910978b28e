/* Any text is a script or is refused; its commands have words, and their names fit a directory. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runfs/knowledge.h"
#include "runfs/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _shell_script_ struct shell_script script = {0};

    (void)shell_read((const char *)data, size, &script, NULL);
    if (script.n > SHELL_COMMANDS_MAX)
        abort();
    for (size_t i = 0; i < script.n; i++) {
        _buf_ struct buf name = BUF_INIT, text = BUF_INIT;
        if (script.commands[i].n_words < 1 || script.commands[i].n_words > SHELL_WORDS_MAX)
            abort();
        enum command_nature nature = command_normalise(&script.commands[i], &name);
        command_text(&script.commands[i], &text);
        if ((nature == COMMAND_SETTING) != (name.len == 0) || name.len > COMMAND_NAME_MAX + 1 ||
            text.len > COMMAND_TEXT_MAX || !utf8_valid(buf_str(&name), name.len) ||
            !utf8_valid(buf_str(&text), text.len))
            abort();
    }
    return 0;
}
