/* The memory that libssh2 holds for a host: no more than a host may make us take, and gone with the session.
 */
#include <stddef.h>

#include "core/machine/ssh.h"

enum { MEMORY_MAX = 32 << 20 }; /* the window of a channel is 2 MB */

/* In front of all that libssh2 holds. Some of it libssh2 forgets (a list of methods when it asks for
 * another), and that goes with the session. */
struct ssh_chunk {
    _Alignas(max_align_t) struct ssh_chunk *next;
    struct ssh_chunk **from; /* what points to this */
    size_t size;
};

static void unlink_chunk(struct ssh_chunk *c)
{
    *c->from = c->next;
    if (c->next)
        c->next->from = c->from;
}

static void link_chunk(struct ssh_session *s, struct ssh_chunk *c, size_t size)
{
    *c = (struct ssh_chunk){.next = s->chunks, .from = &s->chunks, .size = size};
    if (c->next)
        c->next->from = &c->next;
    s->chunks = c;
    s->memory += size;
}

static void *take_memory(struct ssh_session *s, void *old, size_t size)
{
    struct ssh_chunk *c = old ? (struct ssh_chunk *)old - 1 : NULL;
    size_t had = c ? c->size : 0;

    if (size > MEMORY_MAX || s->memory - had + size > MEMORY_MAX)
        return NULL;
    if (c)
        unlink_chunk(c);
    struct ssh_chunk *new_ = realloc(c, sizeof(*c) + size);
    s->memory -= had;
    if (new_)
        link_chunk(s, new_, size);
    else if (c)
        link_chunk(s, c, had);
    return new_ ? new_ + 1 : NULL;
}

static void give_memory(struct ssh_session *s, void *at)
{
    struct ssh_chunk *c = at ? (struct ssh_chunk *)at - 1 : NULL;

    if (!c)
        return;
    unlink_chunk(c);
    s->memory -= c->size;
    free(c);
}

LIBSSH2_ALLOC_FUNC(ssh_allocate)
{
    return take_memory(*abstract, NULL, count ? count : 1);
}

LIBSSH2_REALLOC_FUNC(ssh_reallocate)
{
    return take_memory(*abstract, ptr, count ? count : 1);
}

LIBSSH2_FREE_FUNC(ssh_release)
{
    give_memory(*abstract, ptr);
}

void ssh_forget(struct ssh_session *s)
{
    while (s->chunks)
        give_memory(s, s->chunks + 1);
}
