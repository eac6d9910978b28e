/* The input is an action manifest: whatever it says, it is accepted or refused in words. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runfs/action.h"
#include "runfs/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _lint_ struct lint lint = {0};
    struct action *a = NULL;

    int r = action_parse("action.yml", (const char *)data, size, FORGE_GITHUB, &a, &lint);
    if ((r == 0) != (a != NULL) || (r == -EINVAL && lint.n == 0))
        abort();
    for (size_t i = 0; i < lint.n; i++)
        if (!utf8_valid(lint.errors[i].msg, strlen(lint.errors[i].msg)))
            abort();
    if (!a)
        return 0;
    if (!a->pre_if || !a->post_if || (a->using == ACTION_NODE && !a->main) ||
        (a->using == ACTION_DOCKER && !a->image))
        abort();
    for (size_t i = 0; i < a->n_inputs; i++)
        if (!action_input(a, a->inputs[i].name))
            abort();
    for (size_t i = 0; i < a->n_steps; i++)
        if (!a->steps[i].condition || !a->steps[i].id)
            abort();
    action_free(a);
    return 0;
}
