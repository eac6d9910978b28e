/* What a machine is asked for: checked, and copied for as long as it lives. */
#include "core/machine/machine_internal.h"
#include "runfs/str.h"

int spec_check(const struct machine_spec *spec, struct err *err)
{
    const char *work = spec->workspace ? spec->workspace : "";

    if (!spec->backend || !spec->name || !*spec->name || strlen(spec->name) > 63 ||
        strspn(spec->name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(spec->name))
        return err_set(err, -EINVAL, "a machine needs a backend and a name of a-z, 0-9 and '-'");
    if ((!str_starts(work, "/home/runner/work/") && !str_starts(work, CONTAINER_WORK) &&
         !str_eq(work, ACTION_WORK)) ||
        strlen(work) > 1024 || strstr(work, "/../") || strstr(work, "//") || strstr(work, "/./") ||
        str_ends(work, "/..") || str_ends(work, "/"))
        return err_set(err, -EINVAL, "a workspace must be below /home/runner/work: '%s'", work);
    if (spec->title && name_check(spec->title) < 0)
        return err_set(err, -EINVAL, "'%s' cannot be a machine's name", spec->title);
    return 0;
}

static int copy(const char **field)
{
    if (*field && !(*field = strdup(*field)))
        return -ENOMEM;
    return 0;
}

bool spec_cancelled(const struct machine_spec *spec, struct err *err)
{
    bool cancelled = spec->cancelled && atomic_load(spec->cancelled);

    if (cancelled)
        (void)err_set(err, -ECANCELED, "the job was cancelled before its machine was there");
    return cancelled;
}

int spec_copy(const struct machine_spec *spec, struct machine_spec *ret)
{
    struct machine_spec s = *spec;
    s.beside = NULL;
    s.shared = NULL;
    s.net = NULL;
    const char **fields[] = {&s.backend, &s.image, &s.name, &s.workspace, &s.title,
                             &s.label,   &s.user,  &s.over, &s.net_name};
    int r = 0;

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (r < 0)
            *fields[i] = NULL;
        else
            r = copy(fields[i]);
    if (r < 0)
        spec_release(&s);
    else
        *ret = s;
    return r;
}

void spec_release(struct machine_spec *s)
{
    free((char *)s->backend);
    free((char *)s->image);
    free((char *)s->name);
    free((char *)s->workspace);
    free((char *)s->title);
    free((char *)s->label);
    free((char *)s->user);
    free((char *)s->over);
    free((char *)s->net_name);
    *s = (struct machine_spec){0};
}
