/*
 * The schema of action manifests, from the leaves to the root. The facts are those of GitHub's runner, which
 * is open where a manifest is read: keys that it does not know are ignored at the top and in inputs, refused
 * elsewhere.
 */
#include "schema_table.h"

/* What a composite's steps may use: they see what surrounds the action, but neither secrets, vars nor needs.
 */
#define AT_COMPOSITE                                                                                         \
    (CTX_GITHUB | CTX_INPUTS | CTX_STRATEGY | CTX_MATRIX | CTX_STEPS | CTX_JOB | CTX_RUNNER | CTX_ENV)
#define AT_COMPOSITE_STEP (AT_COMPOSITE | FN_HASH_FILES)

DEFINE(string, STRING);
DEFINE(non_empty, STRING, .non_empty = true);

DEFINE(input_default, STRING,
       CONTEXT(CTX_GITHUB | CTX_STRATEGY | CTX_MATRIX | CTX_JOB | CTX_RUNNER | FN_HASH_FILES));
DEFINE(input, MAPPING({"default", &input_default}), ANY_OTHER(non_empty, schema_any));
DEFINE(inputs, MAP_OF(non_empty, input));
DEFINE(output_value, STRING, CONTEXT(AT_COMPOSITE));
DEFINE(output, MAPPING({"description", &string}, {"value", &output_value}));
DEFINE(outputs, MAP_OF(non_empty, output));

DEFINE(docker_arg, STRING, CONTEXT(CTX_INPUTS));
DEFINE(docker_args, SEQUENCE(docker_arg));
DEFINE(docker_env, MAP_OF(non_empty, string), CONTEXT(CTX_INPUTS));
DEFINE(docker_runs,
       MAPPING({"using", &non_empty}, {"image", &non_empty}, {"entrypoint", &non_empty},
               {"args", &docker_args}, {"env", &docker_env}, {"pre-entrypoint", &non_empty},
               {"pre-if", &non_empty}, {"post-entrypoint", &non_empty}, {"post-if", &non_empty}));
DEFINE(node_runs, MAPPING({"using", &non_empty}, {"main", &non_empty}, {"pre", &non_empty},
                          {"pre-if", &non_empty}, {"post", &non_empty}, {"post-if", &non_empty}));
DEFINE(plugin_runs, MAPPING({"plugin", &non_empty}));

DEFINE(step_string, STRING, CONTEXT(AT_COMPOSITE_STEP));
DEFINE(step_boolean, BOOLEAN, CONTEXT(AT_COMPOSITE_STEP));
DEFINE(step_map, MAP_OF(non_empty, string), CONTEXT(AT_COMPOSITE_STEP));
const struct schema schema_composite_if = {STRING, CONTEXT(AT_COMPOSITE_STEP | FN_STEP_STATUS)};
#define STEP                                                                                                 \
    {"name", &step_string}, {"id", &non_empty}, {"if", &schema_composite_if}, {"env", &step_map},            \
    {                                                                                                        \
        "continue-on-error", &step_boolean                                                                   \
    }
DEFINE(run_step, MAPPING(STEP, {"run", &step_string, .required = true}, {"working-directory", &step_string},
                         {"shell", &step_string, .required = true}));
DEFINE(uses_step, MAPPING(STEP, {"uses", &non_empty, .required = true}, {"with", &step_map}));
DEFINE(step, ONE_OF(&run_step, &uses_step));
DEFINE(steps, SEQUENCE(step));
DEFINE(composite_runs, MAPPING({"using", &non_empty}, {"steps", &steps}));
DEFINE(runs, ONE_OF(&docker_runs, &node_runs, &plugin_runs, &composite_runs));

const struct schema schema_action = {
    MAPPING({"name", &string}, {"description", &string}, {"inputs", &inputs}, {"runs", &runs},
            {"outputs", &outputs}),
    ANY_OTHER(non_empty, schema_any),
};
