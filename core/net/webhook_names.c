/* Of which repository a delivery is was read when it came: who queues it need not read its payload once more.
 * Known by its digest, since it has no number before it is kept. */
#include "runfs/str.h"
#include "server_internal.h"

struct hook_name {
    struct hook_name *next;
    char *digest, *repository; /* owned */
};

static struct hook_name **place_of(struct server *s, const char *digest)
{
    struct hook_name **at = &s->hook_names[str_hash(digest) % ARRAY_LEN(s->hook_names)];

    while (*at && !str_eq((*at)->digest, digest))
        at = &(*at)->next;
    return at;
}

static void name_free(struct hook_name *n)
{
    if (!n)
        return;
    free(n->digest);
    free(n->repository);
    free(n);
}

void webhook_name(struct server *s, const char *digest, const char *repository)
{
    struct hook_name *n = calloc(1, sizeof(*n));

    if (n && (n->digest = strdup(digest)) && (n->repository = strdup(repository))) {
        pthread_mutex_lock(&s->names_lock);
        struct hook_name **first = &s->hook_names[str_hash(digest) % ARRAY_LEN(s->hook_names)];
        n->next = *first;
        *first = TAKE(n);
        pthread_mutex_unlock(&s->names_lock);
    }
    name_free(n);
}

char *webhook_take_name(struct server *s, const char *digest)
{
    pthread_mutex_lock(&s->names_lock);
    struct hook_name **at = place_of(s, digest), *n = *at;
    if (n)
        *at = n->next;
    pthread_mutex_unlock(&s->names_lock);
    char *repository = n ? TAKE(n->repository) : NULL;
    name_free(n);
    return repository;
}

void webhook_free_names(struct server *s)
{
    for (size_t i = 0; i < ARRAY_LEN(s->hook_names); i++)
        while (s->hook_names[i]) {
            struct hook_name *next = s->hook_names[i]->next;
            name_free(s->hook_names[i]);
            s->hook_names[i] = next;
        }
}
