/* The services of a job: read, begun in order, waited for, and ended. */
#include "runfs/str.h"
#include "service_internal.h"

/* ------------------------------------------------------------------------------------------------- reading
 */

static int add_service(struct services *all, const char *name, const json_t *value, struct err *err)
{
    struct container *c = NULL;
    int r = container_of_service(&all->opts.place, name, value, &c, err);

    if (r < 0 || !c)
        return r;
    if (all->n == ARRAY_LEN(all->list)) {
        container_free(c);
        return err_set(err, -E2BIG, "services: more than %d", SERVICES_MAX);
    }
    struct service *s = &all->list[all->n++];
    *s = (struct service){.name = strdup(name), .container = c, .exit_code = -1};
    pthread_mutex_init(&s->lock, NULL);
    return s->name ? service_ports(s, err) : err_errno(err, -ENOMEM, "services");
}

/* Those whose localhost is this host's, or one that is made here. */
static int check_label(const struct machine_label *label, struct err *err)
{
    static const char *const able[] = {"sandbox", "bubblewrap", "host"};

    for (size_t i = 0; i < ARRAY_LEN(able); i++)
        if (str_eq(label->backend, able[i]))
            return 0;
    return err_set(
        err, -ENOTSUP,
        "`services:` are sandboxes of this runner, which a machine of %s cannot reach: give the job a "
        "label that means a sandbox",
        label->backend);
}

static int add_aliases(struct services *all, const struct service *s, struct err *err)
{
    json_t *alias;
    size_t i;
    int r = 0;

    json_array_foreach(s->container->aliases, i, alias) if (r == 0) r =
        machine_net_alias(all->net, json_string_value(alias), s->name, err);
    return r;
}

static int open_net(struct services *all, struct err *err)
{
    int r = machine_net_new(all->opts.machines, &all->net, err);

    for (size_t i = 0; r == 0 && i < all->n; i++)
        r = machine_net_name(all->net, all->list[i].name, err);
    for (size_t i = 0; r == 0 && i < all->n; i++)
        r = add_aliases(all, &all->list[i], err);
    return r < 0 ? err_prefix(err, "services") : 0;
}

static int read_all(struct services *all, const struct machine_label *label, const json_t *said,
                    struct err *err)
{
    const char *name;
    json_t *one;
    int r = all->opts.title && all->opts.network ? 0 : err_errno(err, -ENOMEM, "services");

    all->opts.label = NULL;
    all->kind = label->network;
    all->limits = label->limits;
    json_object_foreach((json_t *)(uintptr_t)said, name, one) if (r == 0) r =
        add_service(all, name, one, err);
    if (r == 0 && all->n)
        r = check_label(label, err);
    return r == 0 && all->n ? open_net(all, err) : r;
}

int services_new(const struct services_opts *opts, const json_t *said, struct services **ret, struct err *err)
{
    struct services *all = calloc(1, sizeof(*all));

    *ret = NULL;
    if (!all)
        return err_errno(err, -ENOMEM, "services");
    all->opts = *opts;
    all->opts.title = strdup(opts->title);
    all->opts.network = strdup(opts->network);
    int r = read_all(all, opts->label, said, err);
    if (r < 0 || !all->n)
        services_free(all);
    else
        *ret = all;
    return r;
}

struct machine_net *services_net(const struct services *s)
{
    return s ? s->net : NULL;
}

const char *services_network(const struct services *s)
{
    return s ? s->opts.network : NULL;
}

/* ------------------------------------------------------------------------------------------------ beginning
 */

static void show_log(struct service *s, struct step_output *log)
{
    pthread_mutex_lock(&s->lock);
    _free_ char *copy = strndup(buf_str(&s->log), s->log.len);
    bool cut = s->cut;
    pthread_mutex_unlock(&s->lock);
    char *rest = copy;

    if (cut)
        output_runner_line(log, "(what it said before is left out)");
    for (char *line; rest && (line = strsep(&rest, "\n"));)
        if (*line || rest)
            output_runner_line(log, "%s", line);
}

static int begin_one(struct services *all, struct service *s, struct step_output *log, struct err *err)
{
    output_runner_line(log, "##[group]Starting %s service container", s->name);
    int r = container_fetch(&all->opts.place, s->container, err);
    container_show(s->container, log);
    if (r == 0)
        r = service_start(all, s, err);
    if (r == 0 && *machine_note(s->machine))
        output_warning(log, machine_note(s->machine));
    return r;
}

static int begin_all(struct services *all, struct running_job *j, struct step_output *log, struct err *err)
{
    int r = 0;

    output_runner_line(log, "##[group]Create local container network");
    output_runner_line(log, "%s", all->opts.network);
    output_runner_line(log, "##[endgroup]");
    for (size_t i = 0; i < all->n && r == 0; i++) {
        r = begin_one(all, &all->list[i], log, err);
        output_runner_line(log, "##[endgroup]");
        if (r == 0 && job_unwanted(j))
            r = err_set(err, -ECANCELED, "The operation was canceled.");
    }
    return r == 0 ? services_map(all, j, err) : r;
}

/* Of one that says nothing of its health it is known only whether it has ended. */
static void warn_if_ended(struct service *s, struct step_output *log)
{
    _free_ char *why = NULL;
    _buf_ struct buf text = BUF_INIT;
    int code;

    if (!service_ended(s, &code, &why))
        return;
    buf_addf(&text, "The service %s is not running any more: it ended with exit code %d%s%s", s->name, code,
             why ? ": " : "", why ? why : "");
    output_warning(log, buf_str(&text));
}

static void show_failure(struct service *s, const struct err *why, struct step_output *log)
{
    _buf_ struct buf text = BUF_INIT;

    output_runner_line(log, "##[group]Service container %s failed.", s->name);
    show_log(s, log);
    output_runner_line(log, "##[endgroup]");
    output_error(log, why->msg);
    buf_addf(&text, "Failed to initialize container %s", s->container->name);
    output_error(log, buf_str(&text));
}

static int await_all(struct services *all, struct running_job *j, struct step_output *log, struct err *err)
{
    bool failed = false;
    int r = 0;

    output_runner_line(log, "##[group]Waiting for all services to be ready");
    for (size_t i = 0; i < all->n && r != -ECANCELED; i++) {
        struct service *s = &all->list[i];
        struct err why = {0};
        s->ready = true;
        if (!s->container->health.test) {
            warn_if_ended(s, log);
            continue;
        }
        r = service_await(s, j, log, &why);
        s->ready = r == 0;
        if (r == 0)
            output_runner_line(log, "%s service is healthy.", s->name);
        else if (r == -ECANCELED)
            *err = why;
        else
            show_failure(s, &why, log);
        failed |= r < 0;
    }
    output_runner_line(log, "##[endgroup]");
    return r == -ECANCELED ? r : failed ? err_set(err, -EIO, "One or more containers failed to start.") : 0;
}

/* job.services, as the steps see it. */
static int tell(const struct services *all, struct running_job *j)
{
    json_t *services = json_object(), *job = json_copy(json_object_get(j->scope.contexts, "job"));

    for (size_t i = 0; services && i < all->n; i++) {
        const struct service *s = &all->list[i];
        char id[48];
        snprintf(id, sizeof(id), "m%lld", (long long)machine_id(s->machine));
        json_object_set_new(services, s->name,
                            json_pack("{s:s, s:s, s:o}", "id", id, "network", all->opts.network, "ports",
                                      service_ports_context(s)));
    }
    json_object_set_new(job, "services", services);
    return json_object_set_new(j->scope.contexts, "job", job) < 0 ? -ENOMEM : 0;
}

static void show_ports(const struct services *all, const struct running_job *j, struct step_output *log)
{
    for (size_t i = 0; i < all->n && !j->spec->container; i++)
        for (size_t k = 0; k < all->list[i].n_ports; k++)
            output_runner_line(log, "%s: %u/tcp -> localhost:%u", all->list[i].name,
                               all->list[i].ports[k].target, all->list[i].ports[k].port);
}

/* While they are waited for, a cancel of the job is for them, too; later its steps may need them. */
static void tell_begins(const struct services *all, bool begins)
{
    for (size_t i = 0; i < all->n && all->opts.begins; i++)
        if (all->list[i].machine)
            all->opts.begins(all->opts.data, all->list[i].machine, begins);
}

int services_begin(struct services *all, struct running_job *j, struct step_output *log, struct err *err)
{
    int r = begin_all(all, j, log, err);

    tell_begins(all, true);
    if (r == 0) {
        show_ports(all, j, log);
        r = await_all(all, j, log, err);
    }
    tell_begins(all, false);
    if (r == 0 && tell(all, j) < 0)
        r = err_errno(err, -ENOMEM, "services");
    return r;
}

/* --------------------------------------------------------------------------------------------------- ending
 */

void services_end(struct services *all, struct step_output *log)
{
    for (size_t i = 0; i < all->n; i++) {
        struct service *s = &all->list[i];
        if (!s->machine)
            continue;
        service_stop(s);
        output_runner_line(log, "##[group]Print service container logs: %s", s->name);
        show_log(s, log);
        output_runner_line(log, "##[endgroup]");
        output_runner_line(log, "Stop and remove container: %s", s->name);
    }
    output_runner_line(log, "Remove container network: %s", all->opts.network);
    machine_net_free(TAKE(all->net));
}

void services_free(struct services *all)
{
    if (!all)
        return;
    for (size_t i = 0; i < all->n; i++) {
        struct service *s = &all->list[i];
        service_stop(s);
        container_free(s->container);
        strv_free(s->argv);
        strv_free(s->env);
        buf_release(&s->log);
        pthread_mutex_destroy(&s->lock);
        free(s->why);
        free(s->name);
    }
    machine_net_free(all->net);
    free((char *)(uintptr_t)all->opts.title);
    free((char *)(uintptr_t)all->opts.network);
    free(all);
}
