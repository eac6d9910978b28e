/* What the engine has for the containers of its jobs: which settings hold, and that they are cancelled with
 * the job. */
#include "containers.h"

#include "engine_internal.h"
#include "runfs/str.h"

/*
 * Only the image is looked at (what else there is may need contexts that are not there yet). An error of its
 * expression is left to the one who says that it cannot be run.
 */
static bool has_image(const struct token *t, const char *file, const struct expr_env *env)
{
    _json_ json_t *value = NULL;
    bool mapping = t->kind == TOKEN_MAPPING;
    const struct token *image = mapping ? token_get(t, "image") : t;

    if (!image || token_eval(image, file, env, &value, NULL) < 0)
        return true;
    const json_t *name = json_is_object(value) ? json_object_get(value, "image") : value;
    return !json_is_null(name) && (!json_is_string(name) || *json_string_value(name));
}

static bool has_service(const struct token *t, const char *file, const struct expr_env *env)
{
    _json_ json_t *value = NULL;

    if (t->kind != TOKEN_MAPPING)
        return token_eval(t, file, env, &value, NULL) < 0 || json_object_size(value) > 0;
    for (size_t i = 0; i < t->map.n; i++)
        if (has_image(t->map.pairs[i].value, file, env))
            return true;
    return false;
}

bool containers_wanted(const struct job_spec *spec)
{
    const struct workflow_job *job = spec->job;
    const char *file = spec->workflow->file;
    struct expr_env env = {.contexts = spec->contexts};

    return (job->container && has_image(job->container, file, &env)) ||
           (job->services && has_service(job->services, file, &env));
}

/* config/container_pull: "missing" fetches only what is not here. config/local_registries: those that may
 * be asked though they are this host's. */
static struct container_place place_of(void *data)
{
    struct containers *c = data;
    const struct engine *e = c->job->run->e;
    _buf_ struct buf policy = BUF_INIT, registries = BUF_INIT;

    (void)store_setting(e->store, SETTING_CONFIG, "container_pull", &policy);
    (void)store_setting(e->store, SETTING_CONFIG, "local_registries", &registries);
    struct container_place place = {.dir = store_dir(e->store),
                                    .agent = machines_agent(e->machines),
                                    .most = config_number(e->store, "container_size_mib", 0) << 20,
                                    .settled = str_eq(buf_str(&policy), "missing"),
                                    .mask = c->mask,
                                    .cancelled = &c->job->cancelled};
    snprintf(place.registries, sizeof(place.registries), "%s",
             e->registries                          ? e->registries
             : str_eq(buf_str(&registries), "none") ? ""
                                                    : buf_str(&registries));
    return place;
}

static bool enlist(void *data, struct machine *m)
{
    struct run_job *job = ((struct containers *)data)->job;
    bool done = false;

    pthread_mutex_lock(&job->run->e->lock);
    for (size_t i = 0; i < ARRAY_LEN(job->beside) && !done; i++)
        if (!job->beside[i]) {
            job->beside[i] = m;
            done = true;
        }
    pthread_mutex_unlock(&job->run->e->lock);
    return done;
}

static void delist(void *data, const struct machine *m)
{
    struct run_job *job = ((struct containers *)data)->job;

    pthread_mutex_lock(&job->run->e->lock);
    for (size_t i = 0; i < ARRAY_LEN(job->beside); i++)
        if (job->beside[i] == m)
            job->beside[i] = NULL;
    pthread_mutex_unlock(&job->run->e->lock);
}

void containers_open(struct containers *c, struct run_job *job, struct mask *mask)
{
    *c = (struct containers){.job = job, .mask = mask, .title = BUF_INIT};
    buf_addf(&c->title, "run-%lld-%s", (long long)job->run->row.id, job->row.key);
    c->site = (struct container_site){.machines = job->run->e->machines,
                                      .title = buf_str(&c->title),
                                      .run_id = job->run->row.id,
                                      .job_id = job->row.id,
                                      .cancelled = &job->cancelled,
                                      .place = place_of,
                                      .enlist = enlist,
                                      .delist = delist,
                                      .data = c};
}

void containers_release(struct containers *c)
{
    buf_release(&c->title);
}
