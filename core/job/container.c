/* From `container:` to an image that is here and what it says of itself. */
#include "runfs/container.h"

#include "runfs/oci.h"
#include "runfs/proc.h"
#include "runfs/str.h"

void container_free(struct container *c)
{
    if (!c)
        return;
    free(c->where);
    free(c->directory);
    free(c->login);
    free(c->password);
    json_decref(c->ports);
    json_decref(c->aliases);
    json_decref(c->health.test);
    free(c->name);
    free(c->image);
    oci_release(&c->held);
    free(c->tools);
    cleanup_close(&c->tools_lock);
    free(c->user);
    free(c->hostname);
    json_decref(c->env);
    json_decref(c->entrypoint);
    json_decref(c->command);
    json_decref(c->volumes);
    buf_release(&c->said);
    buf_release(&c->warnings);
    free(c);
}

static struct container *container_new(const char *name, const char *where)
{
    static const char docker[] = "docker://";
    struct container *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->name = strdup(str_starts(name, docker) ? name + strlen(docker) : name);
    c->held.lock = c->tools_lock = -1;
    c->where = strdup(where);
    c->env = json_object();
    c->volumes = json_array();
    c->ports = json_array();
    c->aliases = json_array();
    if (c->name && c->where && c->env && c->volumes && c->ports && c->aliases)
        return c;
    container_free(c);
    return NULL;
}

int container_make_volumes(const struct container *c, struct machine *m, struct err *err)
{
    json_t *path;
    size_t i;
    int r = 0;

    json_array_foreach(c->volumes, i, path) if (r == 0) r =
        machine_make_dirs(m, json_string_value(path), err);
    return r;
}

/* 0 is none. */
static uint64_t lower(uint64_t a, uint64_t b)
{
    return a && (!b || a < b) ? a : b;
}

void container_limit(const struct container *c, struct machine_limits *limits)
{
    limits->memory = lower(limits->memory, c->limits.memory);
    limits->cpu = (uint32_t)lower(limits->cpu, c->limits.cpu);
    limits->pids = (uint32_t)lower(limits->pids, c->limits.pids);
    limits->files = (uint32_t)lower(limits->files, c->limits.files);
}

/* ------------------------------------------------------------------------------------------------ its image
 */

static void note(void *data, const char *what)
{
    struct container *c = data;

    buf_addf(&c->said, "%s\n", what);
}

static bool is_unwanted(void *data)
{
    const struct container_place *p = data;

    return p->cancelled && atomic_load(p->cancelled);
}

/* Whether no registry is asked. What somebody put here by hand none knows. */
static bool is_settled(const struct container_place *p, const char *name, struct oci_image *ret)
{
    return (strstr(name, "@sha256:") || p->settled || oci_is_local(p->dir, name)) &&
           oci_open(p->dir, name, ret, NULL) == 0;
}

static int bring_image(const struct container_place *p, struct container *c, const char *user,
                       const char *password, struct err *err)
{
    struct oci_pull pull = {.source = c->name,
                            .user = user,
                            .password = password,
                            .agent = p->agent,
                            .registries = p->registries,
                            .most = p->most,
                            .say = note,
                            .data = c};
    _buf_ struct buf full = BUF_INIT;

    int r = oci_reference(c->name, &full, err);
    if (r < 0 || is_settled(p, c->name, &c->held))
        return r;
    proc_until(is_unwanted, (void *)(uintptr_t)p);
    r = oci_pull(p->dir, &pull, &c->held, err);
    proc_until(NULL, NULL);
    return r;
}

/* "NAME=value" */
static int add_variables(struct container *c, const json_t *list)
{
    json_t *line;
    size_t i;

    json_array_foreach(list, i, line)
    {
        const char *text = json_string_value(line), *equals = text ? strchr(text, '=') : NULL;
        if (!equals || equals == text)
            continue;
        _free_ char *name = strndup(text, (size_t)(equals - text));
        if (!name || json_object_set_new(c->env, name, json_string(equals + 1)) < 0)
            return -ENOMEM;
    }
    return 0;
}

static char *copy_text(const json_t *config, const char *key)
{
    const char *text = json_string_value(json_object_get(config, key));

    return text && *text ? strdup(text) : NULL;
}

/* A number of an image, which anybody may have made: from 1 to most, else 0, which is none. */
static int64_t number_of(const json_t *said, const char *key, int64_t most)
{
    json_int_t n = json_integer_value(json_object_get(said, key));

    return n > 0 && n <= most ? n : 0;
}

/* What the workflow says of it goes over that, each for itself. */
static void read_health(struct container *c, json_t *said)
{
    const int64_t most = 1000000000000000000;
    struct health *h = &c->health;
    const char *kind = json_string_value(json_array_get(json_object_get(said, "Test"), 0));
    bool known = kind && (str_eq(kind, "CMD") || str_eq(kind, "CMD-SHELL"));

    if (!h->test && !h->none && known)
        h->test = json_incref(json_object_get(said, "Test"));
    h->interval = h->interval ? h->interval : number_of(said, "Interval", most);
    h->timeout = h->timeout ? h->timeout : number_of(said, "Timeout", most);
    h->start_period = h->start_period ? h->start_period : number_of(said, "StartPeriod", most);
    h->retries = h->retries ? h->retries : (unsigned)number_of(said, "Retries", 10000);
}

/* What the image says of itself stands below what the workflow says. */
static int read_image(struct container *c, struct err *err)
{
    const struct json_t *config = c->held.config;
    _buf_ struct buf id = BUF_INIT;

    buf_addf(&id, "sha256:%s", c->held.id);
    c->image = buf_steal(&id);
    if (!c->user)
        c->user = copy_text(config, "User");
    if (!c->other_entry)
        c->entrypoint = json_incref(json_object_get(config, "Entrypoint"));
    if (!c->command && !c->other_entry)
        c->command = json_incref(json_object_get(config, "Cmd"));
    c->directory = copy_text(config, "WorkingDir");
    read_health(c, json_object_get(config, "Healthcheck"));
    json_t *own = c->env;
    c->env = json_object();
    int r = c->env && c->image ? add_variables(c, json_object_get(config, "Env")) : -ENOMEM;
    if (r == 0 && json_object_update(c->env, own) < 0)
        r = -ENOMEM;
    json_decref(own);
    if (r < 0)
        return err_errno(err, r, "container");
    buf_addf(&c->said, "The image %s is %s\n", c->name, c->image);
    return 0;
}

/* An ordinary user's machine has one id. */
static void squash_user(struct container *c)
{
    if (!c->user || geteuid() == 0)
        return;
    if (!str_eq(c->user, "root") && !str_eq(c->user, "0") && !str_starts(c->user, "root:") &&
        !str_starts(c->user, "0:"))
        buf_addf(
            &c->warnings,
            "The container's user is %s: its steps are root's all the same, as runfs is an ordinary user's "
            "here\n",
            c->user);
    free(TAKE(c->user));
}

static int finish(const struct container_place *p, struct container *c, struct err *err)
{
    int r = read_image(c, err);

    if (r < 0)
        return r;
    squash_user(c);
    r = oci_tools(p->dir, &c->tools, &c->node, &c->tools_lock, err);
    if (r < 0)
        return r;
    return buf_ok(&c->said) && buf_ok(&c->warnings) ? 0 : err_errno(err, -ENOMEM, "container");
}

/* --------------------------------------------------------------------------------------- what is said of it
 */

static const char *text_at(const json_t *value, const char *key)
{
    const char *text = json_string_value(json_object_get(value, key));

    return text ? text : "";
}

static int add_env(struct container *c, const json_t *env)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)env, key, value)
    {
        _value_ struct value v = value_from_json(value);
        _buf_ struct buf text = BUF_INIT;
        value_to_string(&v, &text);
        if (json_object_set_new(c->env, key, json_stringn(buf_str(&text), text.len)) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int add_volumes(struct container *c, const json_t *volumes, struct err *err)
{
    json_t *volume;
    size_t i;
    int r = 0;

    json_array_foreach(volumes, i, volume) if (r == 0) r =
        container_volume(c, json_string_value(volume) ? json_string_value(volume) : "", err);
    return r;
}

static json_t *words_of(const char *text)
{
    _strv_ char **words = container_words(text);
    json_t *list = words ? json_array() : NULL;

    for (char **word = words; list && *word; word++)
        json_array_append_new(list, json_string(*word));
    return list;
}

/* What services have beyond other containers. */
static int read_service(struct container *c, const json_t *value, const char *user, const char *password,
                        struct err *err)
{
    const char *entry = text_at(value, "entrypoint"), *command = text_at(value, "command");
    json_t *port;
    size_t i;

    c->login = *user ? strdup(user) : NULL;
    c->password = *password ? strdup(password) : NULL;
    if ((*user && !c->login) || (*password && !c->password))
        return err_errno(err, -ENOMEM, "%s", c->where);
    json_array_foreach(json_object_get(value, "ports"), i, port)
    {
        _value_ struct value v = value_from_json(port);
        _buf_ struct buf text = BUF_INIT;
        value_to_string(&v, &text);
        json_array_append_new(c->ports, json_string(buf_str(&text)));
    }
    if (*entry) {
        json_decref(c->entrypoint);
        c->entrypoint = words_of(entry);
        c->other_entry = true;
    }
    if (*command)
        c->command = words_of(command);
    return (!*entry || c->entrypoint) && (!*command || c->command)
               ? 0
               : err_set(err, -EINVAL, "%s: a quote in its entrypoint or command is not closed", c->where);
}

static int read_mapping(const struct container_place *p, struct container *c, const json_t *value,
                        struct err *err)
{
    const json_t *credentials = json_object_get(value, "credentials");
    const char *user = text_at(credentials, "username"), *password = text_at(credentials, "password");
    int r = add_env(c, json_object_get(value, "env"));

    if (r < 0)
        return err_errno(err, r, "container");
    if (p->mask && *password)
        (void)mask_add(p->mask, password);
    if (!*user != !*password)
        return err_set(err, -EINVAL, "%s.credentials of the image %s are not whole: %s is empty", c->where,
                       c->name, *user ? "password" : "username");
    r = container_options(c, text_at(value, "options"), err);
    if (r == 0)
        r = add_volumes(c, json_object_get(value, "volumes"), err);
    if (r == 0 && c->service)
        return read_service(c, value, user, password, err);
    if (r == 0 && json_array_size(json_object_get(value, "ports")))
        buf_adds(&c->warnings, "`ports` of a job's container are not mapped: what it listens on is where its "
                               "label's network is\n");
    return r < 0 ? r : bring_image(p, c, user, password, err);
}

int container_of_job(const struct container_place *p, const struct token *t, const char *file,
                     const struct expr_env *env, struct container **ret, struct err *err)
{
    _json_ json_t *value = NULL;
    _container_ struct container *c = NULL;
    int r = token_eval(t, file, env, &value, err);

    *ret = NULL;
    if (r < 0)
        return r;
    const char *image = json_is_object(value) ? text_at(value, "image") : json_string_value(value);
    if (!image || !*image || str_eq(image, "docker://"))
        return 0;
    c = container_new(image, "container");
    if (!c)
        return err_errno(err, -ENOMEM, "container");
    r = json_is_object(value) ? read_mapping(p, c, value, err) : bring_image(p, c, NULL, NULL, err);
    if (r == 0)
        r = finish(p, c, err);
    if (r == 0)
        *ret = TAKE(c);
    return r;
}

int container_of_image(const struct container_place *p, const char *image, struct container **ret,
                       struct err *err)
{
    _container_ struct container *c = container_new(image, "container");
    int r = c ? bring_image(p, c, NULL, NULL, err) : err_errno(err, -ENOMEM, "container");

    if (r == 0)
        r = finish(p, c, err);
    if (r == 0)
        *ret = TAKE(c);
    return r;
}

int container_of_service(const struct container_place *p, const char *name, const json_t *value,
                         struct container **ret, struct err *err)
{
    const char *image = json_is_object(value) ? text_at(value, "image") : json_string_value(value);
    _container_ struct container *c = NULL;
    _buf_ struct buf where = BUF_INIT;

    *ret = NULL;
    if (!image || !*image || str_eq(image, "docker://"))
        return 0;
    buf_addf(&where, "services.%s", name);
    c = container_new(image, buf_str(&where));
    if (!c)
        return err_errno(err, -ENOMEM, "%s", buf_str(&where));
    c->service = true;
    int r = json_is_object(value) ? read_mapping(p, c, value, err) : 0;
    if (r == 0)
        *ret = TAKE(c);
    return r;
}

int container_fetch(const struct container_place *p, struct container *c, struct err *err)
{
    int r = bring_image(p, c, c->login, c->password, err);

    return r < 0 ? r : finish(p, c, err);
}
