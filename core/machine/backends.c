/* The backends that there are, which of them work here, and which one a machine gets. */
#include "core/machine/machine_internal.h"
#include "runfs/str.h"

const struct machine_ops *const machine_backends[] = {
    &machine_sandbox, &machine_bubblewrap, &machine_qemu,  &machine_firecracker, &machine_fcctl,
    &machine_ssh,     &machine_worker,     &machine_slurm, &machine_host,        NULL};

const struct machine_ops *backend_find(const char *name, size_t len)
{
    for (const struct machine_ops *const *b = machine_backends; *b; b++)
        if (strlen((*b)->name) == len && memcmp((*b)->name, name, len) == 0)
            return *b;
    return NULL;
}

void backend_names(struct buf *ret, const char *last)
{
    for (const struct machine_ops *const *b = machine_backends; *b; b++)
        buf_addf(ret, "%s%s", b == machine_backends ? "" : b[1] ? ", " : last, (*b)->name);
}

size_t machines_probe(const struct machines *ms, const struct machine_probe **ret)
{
    size_t n = 0;

    while (machine_backends[n])
        (void)probe_backend((struct machines *)ms, n++); /* remembered under the lock; const to its user */
    *ret = ms->probes;
    return n;
}

const char *machines_agent(const struct machines *ms)
{
    return ms->agent;
}

const char *machines_default_backend(const struct machines *ms)
{
    for (size_t i = 0; machine_backends[i]; i++)
        if (machine_backends[i]->isolates && !machine_backends[i]->elsewhere && !machine_backends[i]->jobs &&
            probe_backend((struct machines *)ms, i)->works)
            return machine_backends[i]->name;
    return machine_host.name;
}

/* A sandbox that does not work here falls back to what isolates too, never silently to the host. */
static void fall_back(struct machines *ms, const char *why, struct machine *m)
{
    const char *other = machines_default_backend(ms);

    m->ops = str_eq(other, machine_bubblewrap.name) ? &machine_bubblewrap : &machine_host;
    snprintf(m->note, sizeof(m->note),
             "The backend sandbox does not work here, so this machine is of backend %s. Why: %.150s",
             m->ops->name, why);
    m->note[utf8_valid_prefix(m->note, strlen(m->note))] = '\0';
}

int choose_backend(struct machines *ms, const char *name, struct machine *m, struct err *err)
{
    size_t i = 0;

    while (machine_backends[i] && !str_eq(machine_backends[i]->name, name))
        i++;
    if (!machine_backends[i]) {
        _buf_ struct buf names = BUF_INIT;
        backend_names(&names, " and ");
        return err_set(err, -EINVAL, "there is no backend '%s' (there are %s)", name, buf_str(&names));
    }
    m->ops = machine_backends[i];
    /* What cannot isolate always works, or says itself what does not. */
    if (m->ops == &machine_host || m->ops->remote)
        return 0;
    const struct machine_probe *p = probe_backend(ms, i);
    if (!p->works && m->ops == &machine_sandbox)
        fall_back(ms, p->words, m);
    else if (!p->works)
        return err_set(err, -ENOTSUP, "the backend %s does not work here: %s", name, p->words);
    return 0;
}
