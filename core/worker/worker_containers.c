/* Where the containers of a worker's job come to be: on this host, of images that are kept here for the jobs
 * to come, and from the registries that this host's user allows. Who started the worker has no say in it. */
#include "worker.h"

#include "runfs/str.h"

static struct container_place place_of(void *data)
{
    struct worker *w = data;
    const struct worker_opts *o = w->opts;
    struct container_place place = {.dir = o->images,
                                    .agent = machines_agent(o->machines),
                                    .most = o->images_most,
                                    .settled = o->settled,
                                    .mask = w->mask,
                                    .cancelled = &w->cancelled};

    snprintf(place.registries, sizeof(place.registries), "%s", o->registries ? o->registries : "");
    return place;
}

static bool enlist(void *data, struct machine *m)
{
    struct worker *w = data;
    bool done = false;

    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < ARRAY_LEN(w->beside) && !done; i++)
        if (!w->beside[i]) {
            w->beside[i] = m;
            done = true;
        }
    pthread_mutex_unlock(&w->lock);
    return done;
}

static void delist(void *data, const struct machine *m)
{
    struct worker *w = data;

    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < ARRAY_LEN(w->beside); i++)
        if (w->beside[i] == m)
            w->beside[i] = NULL;
    pthread_mutex_unlock(&w->lock);
}

struct container_site worker_containers(struct worker *w)
{
    const json_t *github = json_object_get(w->spec.contexts, "github");
    const char *run = json_string_value(json_object_get(github, "run_id"));
    uint64_t number = 0;

    if (run)
        (void)parse_u64(run, &number);
    return (struct container_site){.machines = w->opts->machines,
                                   .title = "worker",
                                   .run_id = number < INT64_MAX ? (int64_t)number : 0,
                                   .job_id = getpid(),
                                   .cancelled = &w->cancelled,
                                   .place = place_of,
                                   .enlist = enlist,
                                   .delist = delist,
                                   .data = w};
}
