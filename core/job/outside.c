/* What comes from outside, given back. */
#include "runfs/outside.h"

#include <stdlib.h>
#include <unistd.h>

void checked_out_release(struct checked_out *c)
{
    if (c->tar_fd >= 0)
        close(c->tar_fd);
    free(c->ref);
    free(c->sha);
    free(c->words);
    *c = (struct checked_out){.tar_fd = -1};
}

void scratch_release(struct scratch *s)
{
    if (s->fd >= 0)
        close(s->fd);
    room_release(&s->room);
}
