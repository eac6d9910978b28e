/* Whole directory trees in and out, as tar streams. */
#include "core/agent/agent.h"

static void tree_answer(struct agent *a, int error, const char *words)
{
    size_t begin = frame_begin(&a->out, FRAME_TREE_END);

    wire_add_u32(&a->out, (uint32_t)error);
    wire_add_str(&a->out, words);
    frame_end(&a->out, begin);
}

void tree_put(struct agent *a, const void *payload, size_t len)
{
    (void)payload;
    (void)len;
    tree_answer(a, -ENOTSUP, "this agent cannot unpack trees");
}

void tree_get(struct agent *a, const void *payload, size_t len)
{
    (void)payload;
    (void)len;
    tree_answer(a, -ENOTSUP, "this agent cannot pack trees");
}
