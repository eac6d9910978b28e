/* The machines of a job's containers: its own, which its machine becomes, and beside it those of actions and
 * of services. */
#include "runfs/container_site.h"

#include "runfs/job.h"
#include "runfs/services.h"
#include "runfs/str.h"

void job_containers_release(struct job_containers *c)
{
    services_free(TAKE(c->services));
    container_free(TAKE(c->own));
}

/* What expressions of `container:` see: the contexts, the env of the workflow and of the job, and of the
 * runner what is known without a machine. */
static json_t *contexts_of(const struct job_spec *job, struct err *err)
{
    _json_ json_t *all = json_copy(job->contexts), *own = json_object();
    struct expr_env env = {.contexts = all};
    const char *file = job->workflow->file;

    if (!all || !own || json_object_set(all, "env", own) < 0 ||
        json_object_set_new(all, "runner",
                            json_pack("{s:s, s:s, s:s, s:s}", "os", "Linux", "name", job->runner_name, "temp",
                                      "/__w/_temp", "tool_cache", "/__t")) < 0) {
        err_errno(err, -ENOMEM, "container");
        return NULL;
    }
    if (env_add(job->workflow->env, file, &env, own, err) < 0 ||
        env_add(job->job->env, file, &env, own, err) < 0)
        return NULL;
    return TAKE(all);
}

/* What a label says of networks and limits holds for a container, too. */
static int enter(const struct container *c, const struct machine_label *label, struct machine_spec *spec,
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
static void tell(json_t *contexts, const struct machine *machine, const char *network)
{
    char id[48];

    snprintf(id, sizeof(id), "m%lld", (long long)machine_id(machine));
    json_object_set_new(
        json_object_get(contexts, "job"), "container",
        json_pack("{s:s, s:s}", "id", id, "network", network ? network : machine_network_name(machine)));
}

/* ---------------------------------------------------------------------------------------------- services */

static void service_begins(void *data, struct machine *m, bool begins)
{
    const struct container_site *site = data;

    if (begins)
        (void)site->enlist(site->data, m);
    else
        site->delist(site->data, m);
}

static int open_services(const struct container_site *site, const struct container_place *place,
                         const struct job_spec *job, const struct expr_env *env,
                         const struct machine_label *label, struct services **ret, struct err *err)
{
    _buf_ struct buf network = BUF_INIT;
    _json_ json_t *value = NULL;

    int r = token_eval(job->job->services, job->workflow->file, env, &value, err);
    if (r < 0)
        return r;
    buf_addf(&network, "runfs_network_%lld_%lld", (long long)site->run_id, (long long)site->job_id);
    const struct services_opts opts = {.machines = site->machines,
                                       .place = *place,
                                       .label = label,
                                       .title = site->title,
                                       .network = buf_str(&network),
                                       .run_id = site->run_id,
                                       .job_id = site->job_id,
                                       .begins = service_begins,
                                       .data = (void *)(uintptr_t)site};
    return services_new(&opts, value, ret, err);
}

/* Most jobs have neither, and ask for nothing here. */
static int open_containers(const struct container_site *site, const struct job_spec *job,
                           const struct machine_label *label, struct job_containers *ret, struct err *err)
{
    if (!job->job->container && !job->job->services)
        return 0;
    const struct container_place place = site->place(site->data);
    _json_ json_t *all = contexts_of(job, err);
    struct expr_env env = {.contexts = all};
    int r = all ? 0 : err->code;

    if (r == 0 && job->job->container)
        r = container_of_job(&place, job->job->container, job->workflow->file, &env, &ret->own, err);
    if (r == 0 && job->job->services)
        r = open_services(site, &place, job, &env, label, &ret->services, err);
    return r;
}

/* ------------------------------------------------------------------------------------------- its machine */

/* The last part of "owner/name" is what the workspace is called by. */
static void workspace_of(const struct job_spec *job, bool container, struct buf *ret)
{
    const json_t *github = json_object_get(job->contexts, "github");
    const char *repository = json_string_value(json_object_get(github, "repository"));
    const char *slash = repository ? strchr(repository, '/') : NULL;
    const char *name = slash ? slash + 1 : repository ? repository : "";

    buf_addf(ret, "%s/%s/%s", container ? "/__w" : "/home/runner/work", name, name);
}

int job_machine_open(const struct container_site *site, const struct job_spec *job,
                     const struct machine_label *label, const struct machine_spec *base,
                     struct job_containers *c, struct machine **ret, struct err *err)
{
    _buf_ struct buf workspace = BUF_INIT;
    struct machine_spec spec = *base;
    int r = open_containers(site, job, label, c, err);

    if (r < 0)
        return r;
    workspace_of(job, c->own != NULL, &workspace);
    if (!buf_ok(&workspace))
        return err_errno(err, -ENOMEM, "machine");
    spec.backend = label->backend;
    spec.image = label->image;
    spec.workspace = workspace.ptr;
    spec.network = label->network;
    spec.namespaces = label->namespaces;
    spec.limits = label->limits;
    spec.net = services_net(c->services);
    spec.cancelled = site->cancelled;
    if (c->services)
        spec.label = NULL; /* none that is on their network is warm */
    if (c->own && (r = enter(c->own, label, &spec, err)) < 0)
        return r;
    r = machine_acquire(site->machines, &spec, ret, err);
    if (r < 0 || !c->own)
        return r;
    tell(job->contexts, *ret, services_network(c->services));
    return container_make_volumes(c->own, *ret, err);
}

/* ------------------------------------------------------------------------------------------ those of actions
 */

void container_end_action(const struct container_site *site, struct machine *m)
{
    site->delist(site->data, m);
    machine_conclude(m, true, "");
    machine_release(m);
}

int container_of_action(const struct container_site *site, const char *image, struct machine *beside,
                        const char *const *shared, struct services *services,
                        struct container **ret_container, struct machine **ret, struct err *err)
{
    _container_ struct container *c = NULL;
    struct machine *m = NULL;
    _buf_ struct buf title = BUF_INIT;

    if (!str_eq(machine_backend(beside), "sandbox"))
        return err_set(err, -ENOTSUP,
                       "a Docker action needs a job that runs in a sandbox, and this one's runs in %s",
                       machine_backend(beside));
    struct container_place place = site->place(site->data);
    int r = container_of_image(&place, image, &c, err);
    if (r < 0)
        return r;
    buf_addf(&title, "%s-action", site->title);
    struct machine_spec spec = {.backend = "sandbox",
                                .image = c->image,
                                .user = c->user,
                                .name = "action",
                                .workspace = "/github/workspace",
                                .title = buf_str(&title),
                                .run_id = site->run_id,
                                .job_id = site->job_id,
                                .beside = beside,
                                .shared = shared,
                                .net = services_net(services),
                                .cancelled = site->cancelled};
    machine_bounds(beside, &spec);
    r = machine_acquire(site->machines, &spec, &m, err);
    if (r == 0 && !site->enlist(site->data, m)) {
        machine_release(m);
        r = err_set(err, -EAGAIN, "too many Docker actions run at once");
    }
    if (r < 0)
        return r;
    *ret_container = TAKE(c);
    *ret = m;
    return 0;
}
