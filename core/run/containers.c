/* Containers, which cannot be run yet: who asks for one, and what to do without. */
#include "containers.h"

#include <errno.h>

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

int containers_refuse(const struct workflow_job *job, const char *file, const struct expr_env *env,
                      struct err *err)
{
    if (job->container && has_image(job->container, file, env))
        return err_set(
            err, -ENOTSUP,
            "`container:` cannot be run in this version of runfs: there are no container machines "
            "yet. Without it the job runs in its label's machine, which may have the image's files "
            "for its root: unpack them and map the label, `--label LABEL=sandbox:/DIRECTORY` or "
            "config/labels");
    if (job->services && has_service(job->services, file, env))
        return err_set(err, -ENOTSUP,
                       "`services:` cannot be run in this version of runfs: there are no container machines "
                       "yet. Without it a step may start what the job needs (`background: true`)");
    return 0;
}

int containers_refuse_action(const char *uses, struct err *err)
{
    return err_set(err, -ENOTSUP,
                   "%s is a Docker action: it cannot be run, there are no container machines yet. A step may "
                   "run the same program where the machine has it",
                   uses);
}
