/* Bubblewrap: for where the own sandbox does not work but the distribution's does. */
#include "core/machine/machine_internal.h"

static int bubblewrap_acquire(struct machines *ms, const struct machine_spec *spec, struct machine *m,
                              struct err *err)
{
    (void)ms;
    (void)spec;
    (void)m;
    return err_set(err, -ENOTSUP, "not built yet");
}

static void bubblewrap_explain(const struct machines *ms, const struct err *why, char *words, size_t size)
{
    (void)ms;
    snprintf(words, size, "%s", why ? why->msg : "bwrap");
}

const struct machine_ops machine_bubblewrap = {
    .name = "bubblewrap", .isolates = true, .acquire = bubblewrap_acquire, .explain = bubblewrap_explain};
