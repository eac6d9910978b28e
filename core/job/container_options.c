/*
 * `options` and `volumes` of a container. A table says of each option of `docker create` whether it is done,
 * needs nothing done here, or is named in a warning.
 */
#include "runfs/container.h"
#include "runfs/str.h"

char **container_words(const char *text)
{
    char **words = calloc(1, sizeof(*words));
    size_t n = 0;

    while (words && *(text += strspn(text, " \t\r\n"))) {
        _buf_ struct buf word = BUF_INIT;
        char quote = '\0';
        for (; *text && (quote || !strchr(" \t\r\n", *text)); text++) {
            if (quote ? *text == quote : *text == '\'' || *text == '"')
                quote = quote ? '\0' : *text;
            else if (*text == '\\' && text[1] && quote != '\'')
                buf_addc(&word, *++text);
            else
                buf_addc(&word, *text);
        }
        if (strv_add(&words, &n, quote ? NULL : buf_steal(&word)) < 0) {
            strv_free(words);
            return NULL;
        }
    }
    return words;
}

/* ------------------------------------------------------------------------------------------- those that are
 * done */

static int replace(char **to, const char *value)
{
    char *copy = strdup(value);

    if (!copy)
        return -ENOMEM;
    free(*to);
    *to = copy;
    return 0;
}

static int set_user(struct container *c, const char *value)
{
    return *value ? replace(&c->user, value) : -EINVAL;
}

static int set_hostname(struct container *c, const char *value)
{
    bool good = *value && strlen(value) < 64 && *value != '-' &&
                strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(value);

    return good ? replace(&c->hostname, value) : -EINVAL;
}

/* NAME alone would be the variable of who starts it, which has nothing to do with a job. */
static int add_variable(struct container *c, const char *value)
{
    const char *equals = strchr(value, '=');
    _free_ char *name = equals && equals > value ? strndup(value, (size_t)(equals - value)) : NULL;

    if (!equals || equals == value)
        return -EINVAL;
    return name && json_object_set_new(c->env, name, json_string(equals + 1)) == 0 ? 0 : -ENOMEM;
}

/* As labels have them (runfs/machine.h). */
static int read_limit(const char *key, const char *value, struct machine_limits *ret)
{
    _machine_label_ struct machine_label l = {0};
    char text[64];

    snprintf(text, sizeof(text), "sandbox %s=%.32s", key, value);
    int r = machine_label_parse(text, &l, NULL);
    if (r == 0)
        *ret = l.limits;
    return r;
}

/* A size as Docker writes it (512m, 2gb, 1073741824). */
static int set_memory(struct container *c, const char *value)
{
    struct machine_limits limits;
    char upper[32] = "";

    for (size_t i = 0; value[i] && i < sizeof(upper) - 1; i++)
        upper[i] = (char)(value[i] >= 'a' && value[i] <= 'z' ? value[i] - 32 : value[i]);
    size_t n = strspn(upper, "0123456789");
    upper[upper[n] && upper[n + 1] == 'B' ? n + 1 : strlen(upper)] = '\0';
    upper[upper[n] == 'B' ? n : strlen(upper)] = '\0';
    int r = read_limit("memory", upper, &limits);
    if (r == 0)
        c->limits.memory = limits.memory;
    return r;
}

static int set_cpus(struct container *c, const char *value)
{
    struct machine_limits limits;
    int r = read_limit("cpu", value, &limits);

    if (r == 0)
        c->limits.cpu = limits.cpu;
    return r;
}

static int set_pids(struct container *c, const char *value)
{
    struct machine_limits limits;
    int r = read_limit("pids", value, &limits);

    if (r == 0)
        c->limits.pids = limits.pids;
    return r;
}

/* nofile=SOFT[:HARD]; others are as they are. */
static int set_ulimit(struct container *c, const char *value)
{
    uint64_t n;
    char soft[24] = "";

    if (!str_starts(value, "nofile="))
        return -EINVAL;
    size_t len = strspn(value + 7, "0123456789");
    snprintf(soft, sizeof(soft), "%.*s", (int)(len < 20 ? len : 20), value + 7);
    if (parse_u64(soft, &n) < 0 || n < 64 || n > 1 << 20)
        return -EINVAL;
    c->limits.files = (uint32_t)n;
    return 0;
}

static int add_volume(struct container *c, const char *value)
{
    return container_volume(c, value, NULL);
}

/* What a service writes there is in memory with Docker, and as any other file here. */
static int add_tmpfs(struct container *c, const char *value)
{
    _free_ char *path = strndup(value, strcspn(value, ":"));

    return path ? container_volume(c, path, NULL) : -ENOMEM;
}

/* type=tmpfs,destination=/PATH and type=volume, not type=bind. */
static int add_mount(struct container *c, const char *value)
{
    static const char *const keys[] = {"destination=", "dst=", "target="};
    const char *to = NULL;

    for (const char *at = value; *at; at += strcspn(at, ","), at += *at == ',') {
        for (size_t i = 0; i < ARRAY_LEN(keys); i++)
            to = str_starts(at, keys[i]) ? at + strlen(keys[i]) : to;
        if (str_starts(at, "type=bind"))
            return -EINVAL;
    }
    _free_ char *path = to ? strndup(to, strcspn(to, ",")) : NULL;
    return path ? container_volume(c, path, NULL) : -EINVAL;
}

/* ------------------------------------------------------------------------------------- those of services
 * only
 */

/* "1m30s" and the like as Docker writes it, in ns. */
static int read_duration(const char *text, int64_t *ret)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
    double sum = 0;

    if (!*text)
        return -EINVAL;
    while (*text && !str_eq(text, "0")) {
        size_t digits = strspn(text, "0123456789."), unit = strspn(text + digits, "nusmh"), i = 0;
        char *end;
        double number = strtod(text, &end);
        while (i < ARRAY_LEN(units) &&
               (strlen(units[i].name) != unit || strncmp(units[i].name, text + digits, unit) != 0))
            i++;
        if (!digits || end != text + digits || i == ARRAY_LEN(units))
            return -EINVAL;
        sum += number * units[i].ns;
        text += digits + unit;
    }
    if (!(sum < 1e18))
        return -EINVAL;
    *ret = (int64_t)sum;
    return 0;
}

static int set_test(struct container *c, const char *value)
{
    if (!*value)
        return -EINVAL;
    json_decref(c->health.test);
    c->health.test = json_pack("[s, s]", "CMD-SHELL", value);
    return c->health.test ? 0 : -ENOMEM;
}

static int set_interval(struct container *c, const char *value)
{
    return read_duration(value, &c->health.interval);
}

static int set_timeout(struct container *c, const char *value)
{
    return read_duration(value, &c->health.timeout);
}

static int set_start_period(struct container *c, const char *value)
{
    return read_duration(value, &c->health.start_period);
}

static int set_retries(struct container *c, const char *value)
{
    uint64_t n;

    if (parse_u64(value, &n) < 0 || n > 10000)
        return -EINVAL;
    c->health.retries = (unsigned)n;
    return 0;
}

static int set_no_health(struct container *c, const char *value)
{
    (void)value;
    json_decref(TAKE(c->health.test));
    c->health.none = true;
    return 0;
}

static int set_entrypoint(struct container *c, const char *value)
{
    if (!c->service) /* GitHub's runner has its own for the container of a job */
        return 0;
    json_decref(c->entrypoint);
    c->entrypoint = *value ? json_pack("[s]", value) : json_array();
    c->other_entry = true;
    return c->entrypoint ? 0 : -ENOMEM;
}

static int add_to(json_t *list, const char *value)
{
    return *value ? json_array_append_new(list, json_string(value)) : -EINVAL;
}

static int add_port(struct container *c, const char *value)
{
    return add_to(c->ports, value);
}

static int add_alias(struct container *c, const char *value)
{
    return add_to(c->aliases, value);
}

/* ------------------------------------------------------------------------------------------------- the table
 */

struct option {
    const char *name, *letter;
    int (*set)(struct container *c, const char *value); /* NULL: nothing is to be done, */
    bool flag;                                          /* and it takes no value */
    bool service;                                       /* services alone have it */
};

static const struct option options[] = {
    {"user", "u", set_user, false},
    {"env", "e", add_variable, false},
    {"hostname", "h", set_hostname, false},
    {"memory", "m", set_memory, false},
    {"cpus", "", set_cpus, false},
    {"pids-limit", "", set_pids, false},
    {"ulimit", "", set_ulimit, false},
    {"volume", "v", add_volume, false},
    /* a sandbox is so without, or it makes no difference to a job */
    {"init", "", NULL, true},
    {"rm", "", NULL, true},
    {"tty", "t", NULL, true},
    {"interactive", "i", NULL, true},
    {"detach", "d", NULL, true},
    {"name", "", NULL, false},
    {"workdir", "w", NULL, false}, /* each step says where it runs */
    {"label", "l", NULL, false},
    {"entrypoint", "", set_entrypoint, false},
    {"pull", "", NULL, false},
    {"restart", "", NULL, false},
    {"stop-signal", "", NULL, false},
    {"stop-timeout", "", NULL, false},
    {"log-driver", "", NULL, false},
    {"memory-swap", "", NULL, false},
    {"shm-size", "", NULL, false}, /* it has no other limit than the machine's */
    {"ipc", "", NULL, false},
    {"tmpfs", "", add_tmpfs, false},
    {"mount", "", add_mount, false},
    {"expose", "", NULL, false, true},
    {"publish", "p", add_port, false, true},
    {"network-alias", "", add_alias, false, true},
    {"health-cmd", "", set_test, false, true},
    {"health-interval", "", set_interval, false, true},
    {"health-timeout", "", set_timeout, false, true},
    {"health-retries", "", set_retries, false, true},
    {"health-start-period", "", set_start_period, false, true},
    {"health-start-interval", "", NULL, false, true}, /* it is looked at more often than that */
    {"no-healthcheck", "", set_no_health, true, true},
    {0},
};
/* Those that Docker has, and that are left out with a warning; a service with any other is refused. */
static const char *const undone[] = {"add-host",
                                     "annotation",
                                     "blkio-weight",
                                     "cap-add",
                                     "cap-drop",
                                     "cgroup-parent",
                                     "cgroupns",
                                     "cpu-period",
                                     "cpu-quota",
                                     "cpu-shares",
                                     "cpuset-cpus",
                                     "cpuset-mems",
                                     "device",
                                     "dns",
                                     "dns-option",
                                     "dns-search",
                                     "domainname",
                                     "env-file",
                                     "gpus",
                                     "group-add",
                                     "ip",
                                     "ip6",
                                     "label-file",
                                     "link",
                                     "log-opt",
                                     "mac-address",
                                     "memory-reservation",
                                     "memory-swappiness",
                                     "oom-score-adj",
                                     "pid",
                                     "platform",
                                     "runtime",
                                     "security-opt",
                                     "storage-opt",
                                     "sysctl",
                                     "userns",
                                     "uts",
                                     "volume-driver",
                                     "volumes-from"};
/* Those that are not done, of which it has to be known that they take no value. */
static const char *const flags[] = {"privileged", "read-only", "no-healthcheck", "publish-all",
                                    "oom-kill-disable"};

static const struct option *find_option(const char *word, size_t len)
{
    bool is_long = str_starts(word, "--");
    const char *name = word + (is_long ? 2 : 1);

    len -= is_long ? 2 : 1;
    for (const struct option *o = options; o->name; o++) {
        const char *own = is_long ? o->name : o->letter;
        if (len && strlen(own) == len && strncmp(own, name, len) == 0)
            return o;
    }
    return NULL;
}

static bool is_one_of(const char *const *names, size_t n, const char *word, size_t len)
{
    for (size_t i = 0; i < n && str_starts(word, "--"); i++)
        if (strlen(names[i]) == len - 2 && strncmp(word + 2, names[i], len - 2) == 0)
            return true;
    return false;
}

static bool is_flag(const char *word, size_t len)
{
    return is_one_of(flags, ARRAY_LEN(flags), word, len);
}

/* A service that is not what was asked for is no service. */
static int refuse_option(const struct container *c, const char *word, size_t len, const struct option *o,
                         const char *value, struct err *err)
{
    if (o)
        return err_set(err, -EINVAL, "%s.options: --%s has no such value: '%.100s'", c->where, o->name,
                       value);
    if (len > 2 && (strncmp(word, "--network", len) == 0 || strncmp(word, "--net", len) == 0))
        return err_set(err, -EINVAL, "%s.options: --network is not for services: theirs is that of the job",
                       c->where);
    return err_set(err, -EINVAL, "%s.options: runfs does not know %.*s", c->where, (int)len, word);
}

/* One option, with the word behind it where it takes one; how many words that were, or -errno. */
static int take_option(struct container *c, char *const *words, struct err *err)
{
    const char *word = *words, *equals = str_starts(word, "--") ? strchr(word, '=') : NULL;
    size_t len = equals ? (size_t)(equals - word) : strlen(word);
    const struct option *o = *word == '-' ? find_option(word, len) : NULL;
    o = o && o->service && !c->service ? NULL : o;
    bool alone =
        equals || (o ? o->flag : is_flag(word, len)) || *word != '-' || !words[1] || *words[1] == '-';
    const char *value = equals ? equals + 1 : alone ? "" : words[1];
    int r = o && o->set ? o->set(c, value) : 0;

    if (r == -ENOMEM)
        return err_errno(err, r, "%s.options", c->where);
    bool known = is_flag(word, len) || is_one_of(undone, ARRAY_LEN(undone), word, len);
    if (c->service && (r < 0 || (!o && !known)))
        return refuse_option(c, word, len, o, value, err);
    if (!o || r < 0)
        buf_addf(&c->warnings, "%s.options: %.*s%s%s cannot be done and is left out\n", c->where, (int)len,
                 word, *value ? " " : "", value);
    return alone ? 1 : 2;
}

int container_options(struct container *c, const char *text, struct err *err)
{
    _strv_ char **words = container_words(text);
    int r = 0;

    if (!words)
        return err_set(err, -EINVAL, "%s.options: a quote is not closed: %.200s", c->where, text);
    for (char **word = words; *word && r >= 0; word += r > 0 ? r : 0)
        r = take_option(c, word, err);
    return r < 0 ? r : 0;
}

/*
 * SOURCE:PATH[:MODE], or PATH. A volume with a name, or without, is what the image has at that path, if only
 * an empty directory: a machine is new for each job, as GitHub's are.
 */
int container_volume(struct container *c, const char *volume, struct err *err)
{
    const char *colon = strchr(volume, ':'), *path = colon ? colon + 1 : volume;
    size_t len = strcspn(path, ":");

    if (colon && strchr("/.~", *volume))
        return err_set(err, -EINVAL,
                       "%s.volumes: %.200s would show the job a directory of the host, which runfs does "
                       "not: a volume has a name, as in data:/data, or is a path of the container alone",
                       c->where, volume);
    _free_ char *copy = strndup(path, len);
    if (*path != '/' || len < 2 || !copy || strstr(copy, "/../") || str_ends(copy, "/..") ||
        strstr(copy, "//"))
        return err_set(err, -EINVAL, "%s.volumes: '%.200s' is not NAME:/PATH", c->where, volume);
    return json_array_append_new(c->volumes, json_string(copy)) < 0
               ? err_errno(err, -ENOMEM, "%s.volumes", c->where)
               : 0;
}
