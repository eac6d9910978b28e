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
        char **more = quote ? NULL : reallocarray(words, n + 2, sizeof(*words));
        words = more ? more : words;
        char *copy = more ? buf_steal(&word) : NULL;
        words[n] = copy;
        if (!copy) {
            strv_free(words);
            return NULL;
        }
        words[++n] = NULL;
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

/* A size as Docker writes it (512m, 2gb, 1073741824), as labels do. */
static int set_memory(struct container *c, const char *value)
{
    char upper[32] = "", text[64];
    struct err err = {0};

    for (size_t i = 0; value[i] && i < sizeof(upper) - 1; i++)
        upper[i] = (char)(value[i] >= 'a' && value[i] <= 'z' ? value[i] - 32 : value[i]);
    size_t n = strspn(upper, "0123456789");
    upper[upper[n] && upper[n + 1] == 'B' ? n + 1 : strlen(upper)] = '\0';
    upper[upper[n] == 'B' ? n : strlen(upper)] = '\0';
    snprintf(text, sizeof(text), "sandbox memory=%s", upper);
    _machine_label_ struct machine_label l = {0};
    int r = machine_label_parse(text, &l, &err);
    c->limits.memory = r == 0 ? l.limits.memory : c->limits.memory;
    return r;
}

static int set_cpus(struct container *c, const char *value)
{
    char text[64];

    snprintf(text, sizeof(text), "sandbox cpu=%.32s", value);
    _machine_label_ struct machine_label l = {0};
    int r = machine_label_parse(text, &l, NULL);
    c->limits.cpu = r == 0 ? l.limits.cpu : c->limits.cpu;
    return r;
}

static int set_pids(struct container *c, const char *value)
{
    char text[64];

    snprintf(text, sizeof(text), "sandbox pids=%.32s", value);
    _machine_label_ struct machine_label l = {0};
    int r = machine_label_parse(text, &l, NULL);
    c->limits.pids = r == 0 ? l.limits.pids : c->limits.pids;
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

/* ------------------------------------------------------------------------------------------------- the table
 */

struct option {
    const char *name, *letter;
    int (*set)(struct container *c, const char *value); /* NULL: nothing is to be done, */
    bool flag;                                          /* and it takes no value */
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
    {"entrypoint", "", NULL, false}, /* GitHub's runner has its own for the container of a job */
    {"pull", "", NULL, false},
    {"restart", "", NULL, false},
    {"stop-signal", "", NULL, false},
    {"stop-timeout", "", NULL, false},
    {"log-driver", "", NULL, false},
    {"memory-swap", "", NULL, false},
    {"shm-size", "", NULL, false}, /* it has no other limit than the machine's */
    {"ipc", "", NULL, false},
    {0},
};
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

static bool is_flag(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (str_starts(word, "--") && str_eq(word + 2, flags[i]))
            return true;
    return false;
}

/* One option, with the word behind it where it takes one; how many words that were, or -errno. */
static int take_option(struct container *c, char *const *words, struct err *err)
{
    const char *word = *words, *equals = str_starts(word, "--") ? strchr(word, '=') : NULL;
    size_t len = equals ? (size_t)(equals - word) : strlen(word);
    const struct option *o = *word == '-' ? find_option(word, len) : NULL;
    bool alone = equals || (o ? o->flag : is_flag(word)) || *word != '-' || !words[1] || *words[1] == '-';
    const char *value = equals ? equals + 1 : alone ? "" : words[1];
    int r = o && o->set ? o->set(c, value) : 0;

    if (r == -ENOMEM)
        return err_errno(err, r, "container.options");
    if (!o || r < 0)
        buf_addf(&c->warnings, "container.options: %.*s%s%s cannot be done and is left out\n", (int)len, word,
                 *value ? " " : "", value);
    return alone ? 1 : 2;
}

int container_options(struct container *c, const char *text, struct err *err)
{
    _strv_ char **words = container_words(text);
    int r = 0;

    if (!words)
        return err_set(err, -EINVAL, "container.options: a quote is not closed: %.200s", text);
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
        return err_set(
            err, -EINVAL,
            "container.volumes: %.200s would show the job a directory of the host, which runfs does "
            "not: a volume has a name, as in data:/data, or is a path of the container alone",
            volume);
    _free_ char *copy = strndup(path, len);
    if (*path != '/' || len < 2 || !copy || strstr(copy, "/../") || str_ends(copy, "/..") ||
        strstr(copy, "//"))
        return err_set(err, -EINVAL, "container.volumes: '%.200s' is not NAME:/PATH", volume);
    return json_array_append_new(c->volumes, json_string(copy)) < 0
               ? err_errno(err, -ENOMEM, "container.volumes")
               : 0;
}
