/* The `cache` input of setup actions: the directories of package managers, kept as actions/cache keeps paths.
 */
#include "builtin_setup.h"
#include "runfs/str.h"

/* Keys and lock files as the real actions have them. */
static const struct manager {
    const char *repository, *name;
    const char *paths;          /* a script that prints them, a line each */
    const char *locks[4];       /* patterns; the first that matches a file is hashed */
    bool all_locks;             /* all of them are hashed together */
    const char *prefix, *infix; /* of the key: PREFIX-OS-ARCH-[INFIX-VERSION-]NAME-HASH */
} managers[] = {
    {"actions/setup-node",
     "npm",
     "npm config get cache",
     {"package-lock.json", "npm-shrinkwrap.json", "yarn.lock"},
     false,
     "node-cache",
     NULL},
    {"actions/setup-node", "pnpm", "pnpm store path --silent", {"pnpm-lock.yaml"}, false, "node-cache", NULL},
    {"actions/setup-node",
     "yarn",
     "case $(yarn --version) in 1.*) yarn cache dir ;; *) yarn config get cacheFolder ;; esac",
     {"yarn.lock"},
     false,
     "node-cache",
     NULL},
    {"actions/setup-python",
     "pip",
     "python3 -m pip cache dir",
     {"**/requirements.txt", "**/pyproject.toml"},
     false,
     "setup-python",
     "python"},
    {"actions/setup-python",
     "pipenv",
     "echo ~/.local/share/virtualenvs",
     {"**/Pipfile.lock"},
     false,
     "setup-python",
     "python"},
    {"actions/setup-python",
     "poetry",
     "poetry config cache-dir",
     {"**/poetry.lock"},
     false,
     "setup-python",
     "python"},
    {"actions/setup-go", "true", "go env GOMODCACHE GOCACHE", {"go.sum"}, false, "setup-go", "go"},
    {"actions/setup-java", "maven", "echo ~/.m2/repository", {"**/pom.xml"}, false, "setup-java", NULL},
    {"actions/setup-java",
     "gradle",
     "printf '%s\\n' ~/.gradle/caches ~/.gradle/wrapper",
     {"**/*.gradle*", "**/gradle-wrapper.properties", "buildSrc/**/Versions.kt", "gradle/*.versions.toml"},
     true,
     "setup-java",
     NULL},
    {"actions/setup-java",
     "sbt",
     "printf '%s\\n' ~/.ivy2/cache ~/.sbt ~/.cache/coursier",
     {"**/*.sbt", "**/project/build.properties"},
     true,
     "setup-java",
     NULL},
};

/* What is to be cached; setup-go does it unless it is told not to, and without go.sum does not insist. */
static const char *wanted(const struct use *u, const struct toolchain *t)
{
    const char *cache = builtin_input(u, "cache");

    if (str_eq(t->tool, "Go"))
        return builtin_flag(u, "cache", true) ? "true" : "";
    return cache;
}

static const struct manager *find_manager(const struct toolchain *t, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(managers); i++)
        if (str_eq(managers[i].repository, t->repository) && str_eq(managers[i].name, name))
            return &managers[i];
    return NULL;
}

static int hash_of(struct running_step *s, const char *patterns, struct value *ret, struct err *err)
{
    _value_ struct value all = value_string(patterns, strlen(patterns));

    return hash_files(s, &all, 1, ret, err);
}

/* The hash of the dependencies; "" where none of the files is there. */
static int hash_locks(struct running_step *s, const struct use *u, const struct manager *m, struct buf *ret,
                      struct err *err)
{
    const char *given = builtin_input(u, "cache-dependency-path");
    _buf_ struct buf all = BUF_INIT;
    int r = 0;

    for (size_t i = 0; i < ARRAY_LEN(m->locks) && m->locks[i]; i++)
        buf_addf(&all, "%s\n", m->locks[i]);
    for (size_t i = 0; r == 0 && !ret->len && i < ARRAY_LEN(m->locks) && m->locks[i]; i++) {
        _value_ struct value hash = {0};
        bool once = *given || m->all_locks;
        r = hash_of(s, *given ? given : once ? buf_str(&all) : m->locks[i], &hash, err);
        if (r == 0)
            value_to_string(&hash, ret);
        if (once)
            break;
    }
    return r;
}

static int no_locks(struct running_step *s, const struct use *u, const struct manager *m, struct err *err)
{
    _buf_ struct buf list = BUF_INIT;

    if (*builtin_input(u, "cache-dependency-path"))
        return err_set(err, -ENOENT, "Some specified paths were not resolved, unable to cache dependencies.");
    for (size_t i = 0; i < ARRAY_LEN(m->locks) && m->locks[i]; i++)
        buf_addf(&list, "%s%s", i ? "," : "", m->locks[i]);
    return err_set(err, -ENOENT, "Dependencies lock file is not found in %s. Supported file patterns: %s",
                   machine_paths(s->job->machine)->workspace, buf_str(&list));
}

static int manager_paths(struct running_step *s, const struct manager *m, struct buf *ret, struct err *err)
{
    int r = setup_shell(s, m->paths, ret, err);

    while (r == 0 && ret->len && ret->ptr[ret->len - 1] == '\n')
        ret->ptr[--ret->len] = '\0';
    if (r > 0 || (r == 0 && *buf_str(ret) != '/'))
        return err_set(err, -EIO, "Could not get cache folder path for %s: `%s` fails here", m->name,
                       m->paths);
    return r;
}

/* The key and the paths become what actions/cache has as its inputs. */
static void restore(struct running_step *s, struct use *u, const char *key, const char *paths)
{
    json_object_set_new(u->inputs, "key", json_string(key));
    json_object_set_new(u->inputs, "path", json_string(paths));
    builtin_output(s, "cache-hit", "false");
    cache_main(s, u);
    json_object_del(s->outputs, "cache-primary-key");
    json_object_del(s->outputs, "cache-matched-key");
}

int setup_cache(struct running_step *s, struct use *u, const struct toolchain *t, const struct version *v,
                struct err *err)
{
    const char *name = wanted(u, t);
    json_t *runner = json_object_get(s->scope->contexts, "runner");
    const struct manager *m = *name ? find_manager(t, name) : NULL;
    _buf_ struct buf hash = BUF_INIT, paths = BUF_INIT, key = BUF_INIT, arch = BUF_INIT;

    if (!*name)
        return 0;
    if (!m)
        return err_set(err, -EINVAL, "Caching for '%s' is not supported", name);
    int r = hash_locks(s, u, m, &hash, err);
    if (r == 0 && !hash.len && str_eq(t->tool, "Go")) {
        output_runner_line(&s->output, "Nothing is cached: there is no go.sum");
        return 0;
    }
    if (r == 0 && !hash.len)
        r = no_locks(s, u, m, err);
    if (r == 0)
        r = manager_paths(s, m, &paths, err);
    if (r < 0)
        return r;
    for (const char *c = json_string_value(json_object_get(runner, "arch")); c && *c; c++)
        buf_addc(&arch, (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c));
    buf_addf(&key, "%s-%s-%s-", m->prefix, json_string_value(json_object_get(runner, "os")), buf_str(&arch));
    if (m->infix)
        buf_addf(&key, "%s-%u.%u.%u-", m->infix, v->part[0], v->part[1], v->part[2]);
    buf_addf(&key, "%s%s%s", str_eq(m->name, "true") ? "" : m->name, str_eq(m->name, "true") ? "" : "-",
             buf_str(&hash));
    restore(s, u, buf_str(&key), buf_str(&paths));
    return 0;
}
