/* The containers that a job asks for: its own, which its machine becomes, and beside it those of actions and
 * of services. */
#include "containers.h"

#include "engine_internal.h"
#include "local.h"
#include "runfs/services.h"
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

int containers_refuse_elsewhere(const struct workflow_job *job, const char *file, const struct expr_env *env,
                                struct err *err)
{
    bool services = job->services && has_service(job->services, file, env);

    if (!services && (!job->container || !has_image(job->container, file, env)))
        return 0;
    return err_set(err, -ENOTSUP,
                   "`%s:` cannot be had by a job that is given to a worker: give it a label whose "
                   "machines are of this runner%s",
                   services ? "services" : "container",
                   services ? "" : ", or `runfs worker --machine` a root file system");
}

/* ------------------------------------------------------------------------------------------- its own */

/* What expressions of `container:` see: the contexts, the env of the workflow and of the job, and of the
 * runner what is known without a machine. */
static json_t *contexts_of(struct run_job *job, json_t *contexts, struct err *err)
{
    _json_ json_t *all = json_copy(contexts), *own = json_object();
    struct expr_env env = {.contexts = all};
    const char *file = job->scope->workflow->file;

    if (!all || !own || json_object_set(all, "env", own) < 0 ||
        json_object_set_new(all, "runner",
                            json_pack("{s:s, s:s, s:s, s:s}", "os", "Linux", "name", job->run->e->runner_name,
                                      "temp", "/__w/_temp", "tool_cache", "/__t")) < 0) {
        err_errno(err, -ENOMEM, "container");
        return NULL;
    }
    if (env_add(job->scope->workflow->env, file, &env, own, err) < 0 ||
        env_add(job->def->env, file, &env, own, err) < 0)
        return NULL;
    return TAKE(all);
}

/* config/container_pull: "missing" fetches only what is not here. config/local_registries: those that may
 * be asked though they are this host's. */
struct container_place containers_place(struct run_job *job, struct mask *mask)
{
    const struct engine *e = job->run->e;
    _buf_ struct buf policy = BUF_INIT, registries = BUF_INIT;

    (void)store_setting(e->store, SETTING_CONFIG, "container_pull", &policy);
    (void)store_setting(e->store, SETTING_CONFIG, "local_registries", &registries);
    struct container_place place = {.dir = store_dir(e->store),
                                    .agent = machines_agent(e->machines),
                                    .most = config_number(e->store, "container_size_mib", 0) << 20,
                                    .settled = str_eq(buf_str(&policy), "missing"),
                                    .mask = mask,
                                    .cancelled = &job->cancelled};
    snprintf(place.registries, sizeof(place.registries), "%s",
             e->registries                          ? e->registries
             : str_eq(buf_str(&registries), "none") ? ""
                                                    : buf_str(&registries));
    return place;
}

int containers_open(struct run_job *job, json_t *contexts, struct mask *mask, struct container **ret,
                    struct err *err)
{
    *ret = NULL;
    if (!job->def->container)
        return 0;
    struct container_place place = containers_place(job, mask);
    _json_ json_t *all = contexts_of(job, contexts, err);
    struct expr_env env = {.contexts = all};
    return all ? container_of_job(&place, job->def->container, job->scope->workflow->file, &env, ret, err)
               : err->code;
}

/* What a label says of networks and limits holds for a container, too. */
int containers_enter(const struct container *c, const struct machine_label *label, struct machine_spec *spec,
                     struct err *err)
{
    if (!str_eq(label->backend, "sandbox"))
        return err_set(err, -ENOTSUP, "the container of a job is a sandbox, and its label means %s",
                       label->backend);
    spec->image = c->image;
    spec->over = c->tools;
    spec->user = c->user;
    spec->name = c->hostname ? c->hostname : spec->name;
    spec->label = NULL; /* none of these is warm */
    container_limit(c, &spec->limits);
    return 0;
}

/* job.container: what the runner calls it, and the network that it is on. */
void containers_tell(json_t *contexts, const struct machine *machine, const char *network)
{
    char id[48];

    snprintf(id, sizeof(id), "m%lld", (long long)machine_id(machine));
    json_object_set_new(
        json_object_get(contexts, "job"), "container",
        json_pack("{s:s, s:s}", "id", id, "network", network ? network : machine_network_name(machine)));
}

/* ----------------------------------------------------------------------------------- machines beside it */

bool containers_enlist(struct run_job *job, struct machine *m)
{
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

void containers_delist(struct run_job *job, const struct machine *m)
{
    pthread_mutex_lock(&job->run->e->lock);
    for (size_t i = 0; i < ARRAY_LEN(job->beside); i++)
        if (job->beside[i] == m)
            job->beside[i] = NULL;
    pthread_mutex_unlock(&job->run->e->lock);
}

static void service_begins(void *data, struct machine *m, bool begins)
{
    struct run_job *job = data;

    if (begins)
        (void)containers_enlist(job, m);
    else
        containers_delist(job, m);
}

int containers_open_services(struct run_job *job, const struct machine_label *label, json_t *contexts,
                             struct mask *mask, struct services **ret, struct err *err)
{
    const struct token *said = job->def->services;
    _buf_ struct buf title = BUF_INIT, network = BUF_INIT;
    _json_ json_t *value = NULL;

    *ret = NULL;
    if (!said)
        return 0;
    _json_ json_t *all = contexts_of(job, contexts, err);
    struct expr_env env = {.contexts = all};
    int r = all ? token_eval(said, job->scope->workflow->file, &env, &value, err) : err->code;
    if (r < 0)
        return r;
    buf_addf(&title, "run-%lld-%s", (long long)job->run->row.id, job->row.key);
    buf_addf(&network, "runfs_network_%lld_%lld", (long long)job->run->row.id, (long long)job->row.id);
    const struct services_opts opts = {.machines = job->run->e->machines,
                                       .place = containers_place(job, mask),
                                       .label = label,
                                       .title = buf_str(&title),
                                       .network = buf_str(&network),
                                       .run_id = job->run->row.id,
                                       .job_id = job->row.id,
                                       .begins = service_begins,
                                       .data = job};
    return services_new(&opts, value, ret, err);
}

/* ------------------------------------------------------------------------------------------ those of actions
 */

void containers_end_action(void *data, struct machine *m)
{
    struct run_job *job = ((struct local_outside *)data)->job;

    containers_delist(job, m);
    machine_conclude(m, true, "");
    machine_release(m);
}

int containers_of_action(void *data, const char *image, struct machine *beside, const char *const *shared,
                         struct container **ret_container, struct machine **ret, struct err *err)
{
    struct local_outside *l = data;
    struct run_job *job = l->job;
    struct container *c = NULL;
    struct machine *m = NULL;
    _buf_ struct buf title = BUF_INIT;

    if (!str_eq(machine_backend(beside), "sandbox"))
        return err_set(err, -ENOTSUP,
                       "a Docker action needs a job that runs in a sandbox, and this one's runs in %s",
                       machine_backend(beside));
    struct container_place place = containers_place(job, l->mask);
    int r = container_of_image(&place, image, &c, err);
    if (r < 0)
        return r;
    buf_addf(&title, "run-%lld-%s-action", (long long)job->run->row.id, job->row.key);
    struct machine_spec spec = {.backend = "sandbox",
                                .image = c->image,
                                .user = c->user,
                                .name = "action",
                                .workspace = "/github/workspace",
                                .title = buf_str(&title),
                                .run_id = job->run->row.id,
                                .job_id = job->row.id,
                                .beside = beside,
                                .shared = shared,
                                .net = services_net(job->services),
                                .cancelled = &job->cancelled};
    machine_bounds(beside, &spec);
    r = machine_acquire(job->run->e->machines, &spec, &m, err);
    if (r == 0 && !containers_enlist(job, m)) {
        machine_release(m);
        r = err_set(err, -EAGAIN, "too many Docker actions run at once");
    }
    if (r < 0) {
        container_free(c);
        return r;
    }
    *ret_container = c;
    *ret = m;
    return 0;
}
