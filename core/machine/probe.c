/* What works here, found out by doing it: each backend is tried once, by making a machine and running a
 * command in it, and the network of a job with services by putting a machine on one. */
#include "core/machine/machine_internal.h"
#include "runfs/str.h"

static const char workspace[] = "/home/runner/work/probe/probe";

static int try_backend(struct machines *ms, const struct machine_ops *ops, struct err *err)
{
    static const char *const argv[] = {"true", NULL}, *const env[] = {"PATH=/usr/bin:/bin", NULL};
    const struct machine_spec spec = {.backend = ops->name, .name = usual_hostname, .workspace = workspace};
    struct machine_exec x = {.argv = argv, .env = env, .cwd = "/"};
    struct machine_result result = {0};
    struct machine *m = NULL;
    int r = machine_new(ms, &spec, &m, err);

    if (r < 0)
        return r;
    m->ops = ops;
    r = machine_set_dir(m, err);
    if (r == 0)
        r = machine_start(m, &m->spec, err);
    if (r == 0)
        r = machine_exec(m, &x, &result, err);
    if (r == 0 && result.exit_code != 0)
        r = err_set(err, -EIO, "a test command in it failed: %s",
                    result.start_error ? result.start_error : "true");
    machine_result_release(&result);
    machine_release(m);
    return r;
}

void probe_set(struct machine_probe *p, const char *name, bool works, const char *fmt, ...)
{
    va_list ap;

    *p = (struct machine_probe){.backend = name, .works = works};
    va_start(ap, fmt);
    vsnprintf(p->words, sizeof(p->words), fmt, ap);
    va_end(ap);
    p->words[utf8_valid_prefix(p->words, strlen(p->words))] = '\0';
}

const struct machine_probe *probe_backend(struct machines *ms, size_t i)
{
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    struct machine_probe *p = &ms->probes[i];
    const struct machine_ops *ops = ms->backends[i].ops;

    pthread_mutex_lock(&one_at_a_time);
    if (!ms->backends[i].probed) {
        struct err err = {0};
        int r = ops->probe ? ops->probe(ms, &err) : try_backend(ms, ops, &err);
        p->backend = ops->name;
        p->works = r == 0;
        ops->explain(ms, r < 0 ? &err : NULL, p->words, sizeof(p->words));
        p->words[utf8_valid_prefix(p->words, strlen(p->words))] = '\0';
        ms->backends[i].probed = true;
    }
    pthread_mutex_unlock(&one_at_a_time);
    return p;
}

static int try_services(struct machines *ms, struct err *err)
{
    struct machine_spec spec = {
        .backend = "sandbox", .name = usual_hostname, .workspace = workspace, .network = MACHINE_NET_NONE};
    struct machine *m = NULL;
    int r = machine_net_new(ms, &spec.net, err);

    if (r == 0)
        r = machine_acquire(ms, &spec, &m, err);
    if (r == 0 && !str_eq(machine_backend(m), spec.backend))
        r = err_set(err, -ENOTSUP, "a service is a sandbox, which does not work here");
    machine_release(m);
    machine_net_free(spec.net);
    return r;
}

void machines_probe_services(struct machines *ms, struct machine_probe *ret)
{
    struct err err = {0};
    int r = try_services(ms, &err);

    probe_set(ret, "services", r == 0, "%s",
              r == 0 ? "machines beside a job's, on a bridge that is its own" : err.msg);
}
