/* What a label means: `BACKEND[:IMAGE] [KEY=VALUE ...]`, and the table of the keys. */
#include "core/machine/machine_internal.h"
#include "runfs/cleanup.h"
#include "runfs/str.h"

/* Enough for any build; a bomb of processes or of words ends there. */
const struct machine_limits machine_limits_default = {.output = 4ULL << 30, .pids = 4096, .files = 65536};

enum { CPU_MAX = 1024 };

int size_parse(const char *value, uint64_t *ret)
{
    static const char units[] = "KMGT";
    char digits[24] = "";
    size_t n = strspn(value, "0123456789");
    const char *unit = value[n] ? strchr(units, value[n]) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    uint64_t v;

    if (n == 0 || n >= sizeof(digits) || (value[n] && (!unit || value[n + 1])))
        return -EINVAL;
    memcpy(digits, value, n);
    if (parse_u64(digits, &v) < 0 || v > (uint64_t)INT64_MAX >> shift)
        return -ERANGE;
    *ret = v << shift;
    return 0;
}

void size_format(uint64_t bytes, char ret[24])
{
    static const char units[] = "KMGT";
    int unit = -1;

    while (unit < 3 && bytes >= 1024 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    snprintf(ret, 24, "%llu%.*s", (unsigned long long)bytes, unit >= 0, unit >= 0 ? &units[unit] : "");
}

static int size_at_least(const char *value, uint64_t least, uint64_t *ret)
{
    uint64_t v;
    int r = size_parse(value, &v);

    if (r == 0 && v < least)
        r = -ERANGE;
    if (r == 0)
        *ret = v;
    return r;
}

static int count_between(const char *value, uint64_t least, uint64_t most, uint32_t *ret)
{
    uint64_t v;
    int r = parse_u64(value, &v);

    if (r == 0 && (v < least || v > most))
        r = -ERANGE;
    if (r == 0)
        *ret = (uint32_t)v;
    return r;
}

static int parse_network(const char *value, struct machine_label *l)
{
    static const struct {
        const char *name;
        enum machine_network network;
    } names[] = {{"host", MACHINE_NET_HOST}, {"none", MACHINE_NET_NONE}, {"nat", MACHINE_NET_NAT}};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(names[i].name, value)) {
            l->network = names[i].network;
            return 0;
        }
    return -EINVAL;
}

static int parse_memory(const char *value, struct machine_label *l)
{
    return size_at_least(value, 16 << 20, &l->limits.memory);
}

static int parse_disk(const char *value, struct machine_label *l)
{
    return size_at_least(value, 1 << 20, &l->limits.disk);
}

static int parse_output(const char *value, struct machine_label *l)
{
    return size_at_least(value, 1 << 10, &l->limits.output);
}

static int parse_pids(const char *value, struct machine_label *l)
{
    return count_between(value, 16, 4 << 20, &l->limits.pids);
}

static int parse_files(const char *value, struct machine_label *l)
{
    return count_between(value, 64, 1 << 20, &l->limits.files);
}

/* 1.5: as many thousandths. */
static int parse_cpu(const char *value, struct machine_label *l)
{
    size_t whole = strspn(value, "0123456789");
    const char *dot = value[whole] == '.' ? value + whole + 1 : "";
    size_t n = strspn(dot, "0123456789");
    uint32_t v = 0;

    if (whole == 0 || whole > 4 || n > 3 || dot[n] || (value[whole] && n == 0))
        return -EINVAL;
    for (size_t i = 0; i < whole; i++)
        v = v * 10 + (uint32_t)(value[i] - '0');
    for (size_t i = 0; i < 3; i++)
        v = v * 10 + (i < n ? (uint32_t)(dot[i] - '0') : 0);
    if (v < 10 || v > CPU_MAX * 1000)
        return -ERANGE;
    l->limits.cpu = v;
    return 0;
}

static int parse_namespaces(const char *value, struct machine_label *l)
{
    l->namespaces = str_eq(value, "yes");
    return l->namespaces || str_eq(value, "no") ? 0 : -EINVAL;
}

const struct machine_label_key machine_label_keys[] = {
    {"network", "host, none or nat",
     "whose network it is on: the host's, none, or its own behind the host's address", parse_network},
    {"memory", "a size from 16M on, as in 2G", "of all its processes", parse_memory},
    {"disk", "a size from 1M on, as in 4G", "what its files may take", parse_disk},
    {"output", "a size from 1K on, as in 1G", "of a step (4G)", parse_output},
    {"pids", "a number from 16 to 4194304", "processes and threads (4096)", parse_pids},
    {"files", "a number from 64 to 1048576", "open files of a process (65536)", parse_files},
    {"cpu", "a number from 0.01 to 1024, as in 1.5", "processors", parse_cpu},
    {"namespaces", "yes or no", "whether steps may make namespaces of their own, for containers (no)",
     parse_namespaces},
    {0},
};

static int refuse_key(const char *word, struct err *err)
{
    char names[256] = "";
    size_t n = 0;

    for (const struct machine_label_key *k = machine_label_keys; k->name; k++)
        n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", k == machine_label_keys ? "" : ", ",
                              k->name);
    return err_set(err, -EINVAL, "after its backend a label takes KEY=VALUE, and '%s' is none (keys: %s)",
                   word, names);
}

static int take_word(char *word, struct machine_label *l, struct err *err)
{
    char *value = strchr(word, '=');

    for (const struct machine_label_key *k = machine_label_keys; value && k->name; k++) {
        if (strlen(k->name) != (size_t)(value - word) || strncmp(k->name, word, strlen(k->name)) != 0)
            continue;
        if (k->parse(value + 1, l) == 0)
            return 0;
        return err_set(err, -EINVAL, "%s is %s, not '%s'", k->name, k->values, value + 1);
    }
    return refuse_key(word, err);
}

static int take_backend(char *word, struct machine_label *l, struct err *err)
{
    char *image = strchr(word, ':');
    const struct machine_ops *ops = backend_find(word, image ? (size_t)(image - word) : strlen(word));
    _buf_ struct buf names = BUF_INIT;

    if (!ops) {
        backend_names(&names, " or ");
        return err_set(err, -EINVAL,
                       "a label maps to %s, as in `sandbox`, `sandbox:/srv/debian` or `sandbox network=none "
                       "memory=2G`, not to '%s'",
                       buf_str(&names), word);
    }
    if (image)
        *image++ = '\0';
    l->backend = ops->name;
    l->image = image;
    if (image && !ops->images)
        return err_set(err, -EINVAL, "the backend %s runs on the host's own root, without images", ops->name);
    return 0;
}

static int check_backend(const struct machine_label *l, struct err *err)
{
    const struct machine_ops *ops = backend_find(l->backend, strlen(l->backend));

    return ops->check_label ? ops->check_label(l, err) : 0;
}

/* `worker:COMMAND`: whether it is of that kind, which has all the rest as it is. */
static bool take_whole(struct machine_label *l)
{
    const struct machine_ops *ops = backend_find(l->text, strcspn(l->text, ": \t\n"));
    char *rest = ops ? l->text + strlen(ops->name) : NULL;

    if (!ops || !ops->jobs)
        return false;
    for (size_t len = strlen(rest); len && strchr(" \t\n", rest[len - 1]); len--)
        rest[len - 1] = '\0';
    l->backend = ops->name;
    l->image = rest;
    l->jobs = true;
    return true;
}

static int take_words(struct machine_label *l, struct err *err)
{
    char *rest = NULL, *word = strtok_r(l->text, " \t\n", &rest);
    int r = take_backend(word ? word : (char *)"", l, err);

    while (r == 0 && (word = strtok_r(NULL, " \t\n", &rest)))
        r = take_word(word, l, err);
    return r;
}

int machine_label_parse(const char *text, struct machine_label *ret, struct err *err)
{
    _machine_label_ struct machine_label l = {.text = strdup(text)};
    int r = l.text ? 0 : err_errno(err, -ENOMEM, "label");

    if (r == 0 && !take_whole(&l))
        r = take_words(&l, err);
    if (r == 0)
        r = check_backend(&l, err);
    if (r < 0)
        return r;
    *ret = l;
    l.text = NULL;
    return 0;
}

void machine_label_release(struct machine_label *l)
{
    free(l->text);
    *l = (struct machine_label){0};
}
