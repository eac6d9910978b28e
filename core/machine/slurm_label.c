/* What a label of backend slurm says: srun's options, and how the worker there is called. */
#include "runfs/slurm.h"

#include <limits.h>

#include "core/machine/machine_internal.h"
#include "runfs/oci.h"
#include "runfs/proc.h"
#include "runfs/str.h"

/* What runfs itself decides: without these a job could not be followed. */
static const char *const refused[] = {"--attach",     "--error",     "--help",       "--input",
                                      "--job-name",   "--jobid",     "--label",      "--ntasks",
                                      "--multi-prog", "--no-shell",  "--output",     "--pty",
                                      "--usage",      "--test-only", "--unbuffered", "--version"};

static void add_word(struct buf *b, const char *word)
{
    buf_addc(b, ' ');
    buf_add_shell_word(b, word);
}

static int take_option(const char *word, struct slurm_label *l, struct err *err)
{
    size_t len = strcspn(word, "=");

    for (size_t i = 0; i < ARRAY_LEN(refused) && len > 2; i++)
        if (strncmp(refused[i], word, len) == 0) /* srun takes an option's beginning for it */
            return err_set(err, -EINVAL, "srun's option %s is runfs's own business", refused[i]);
    if (strspn(word + 2, "abcdefghijklmnopqrstuvwxyz-") != len - 2 || len < 4)
        return err_set(err, -EINVAL, "'%s' is no option of srun: they are long ones here, --NAME=VALUE",
                       word);
    add_word(&l->options, word);
    return 0;
}

static int take_partition(const char *name, struct slurm_label *l, struct err *err)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.,-";

    if (!*name || name[strspn(name, allowed)])
        return err_set(err, -EINVAL, "'%s' is no name of a partition", name);
    buf_addf(&l->options, " --partition=%s", name);
    return 0;
}

struct words {
    struct buf machine;    /* "sandbox KEY=VALUE ..." */
    struct buf registries; /* of images, that nodes may be asked for though they are theirs */
    const char *runfs, *state, *pull, *size;
};

static void words_release(struct words *w)
{
    buf_release(&w->machine);
    buf_release(&w->registries);
}

/* Of containers: what runfs worker is told by options of these names. */
static int take_container(const char *word, struct words *w, bool *ret_taken, struct err *err)
{
    static const char registry[] = "registry=", pull[] = "container_pull=", size[] = "container_size_mib=";
    const char *value = strchr(word, '=');
    uint64_t n;

    *ret_taken = true;
    if (str_starts(word, registry)) {
        buf_addf(&w->registries, "%s%s", w->registries.len ? " " : "", value + 1);
        return oci_registries_check(value + 1, err);
    }
    if (str_starts(word, pull)) {
        w->pull = value + 1;
        return str_eq(w->pull, "always") || str_eq(w->pull, "missing")
                   ? 0
                   : err_set(err, -EINVAL, "container_pull is always or missing, not '%s'", w->pull);
    }
    *ret_taken = str_starts(word, size);
    if (!*ret_taken)
        return 0;
    w->size = value + 1;
    return parse_u64(w->size, &n) == 0 && n >= 1 && n <= 1 << 30
               ? 0
               : err_set(err, -EINVAL, "container_size_mib is a whole number from 1 to %d, not '%s'", 1 << 30,
                         w->size);
}

static int take_word(const char *word, struct words *w, struct slurm_label *l, struct err *err)
{
    if (str_starts(word, "--"))
        return take_option(word, l, err);
    if (str_starts(word, "runfs=") || str_starts(word, "state=")) {
        if (word[6] != '/')
            return err_set(err, -EINVAL, "%.5s is an absolute path on the nodes, not '%s'", word, word + 6);
        *(*word == 'r' ? &w->runfs : &w->state) = word + 6;
        return 0;
    }
    bool taken;
    int r = take_container(word, w, &taken, err);
    if (!taken)
        buf_addf(&w->machine, " %s", word);
    return r;
}

/* What the machine may use has to be had of Slurm. */
static void ask_for_limits(const struct machine_limits *limits, struct slurm_label *l)
{
    if (limits->memory)
        buf_addf(&l->options, " --mem=%lluK", (unsigned long long)(limits->memory + 1023) / 1024);
    if (limits->cpu)
        buf_addf(&l->options, " --cpus-per-task=%u", (limits->cpu + 999) / 1000);
}

static int own_path(char path[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);

    if (n < 0)
        return -errno;
    path[n] = '\0';
    return 0;
}

static int make_worker(const struct words *w, struct slurm_label *l, struct err *err)
{
    _machine_label_ struct machine_label machine = {0};
    char own[PATH_MAX];
    int r = machine_label_parse(buf_str(&w->machine), &machine, err);

    if (r < 0)
        return r;
    if (!w->runfs && (r = own_path(own)) < 0)
        return err_errno(err, r, "/proc/self/exe");
    ask_for_limits(&machine.limits, l);
    add_word(&l->worker, w->runfs ? w->runfs : own);
    buf_adds(&l->worker, " worker --machine");
    add_word(&l->worker, buf_str(&w->machine));
    const struct {
        const char *option, *value;
    } said[] = {{" --state", w->state},
                {" --registry", w->registries.len ? buf_str(&w->registries) : NULL},
                {" --container-pull", w->pull},
                {" --container-size-mib", w->size}};
    for (size_t i = 0; i < ARRAY_LEN(said); i++)
        if (said[i].value) {
            buf_adds(&l->worker, said[i].option);
            add_word(&l->worker, said[i].value);
        }
    return buf_ok(&l->worker) && buf_ok(&l->options) ? 0 : err_errno(err, -ENOMEM, "label");
}

int slurm_label_parse(const char *text, struct slurm_label *ret, struct err *err)
{
    _free_ char *copy = strdup(text);
    struct slurm_label l = {0};
    struct words w = {0};
    char *rest = NULL, *word = copy ? strtok_r(copy, " \t\n", &rest) : NULL;
    int r = copy ? 0 : err_errno(err, -ENOMEM, "label");

    buf_adds(&w.machine, "sandbox");
    if (r == 0 && word && *word == ':' && *text == ':') {
        r = take_partition(word + 1, &l, err);
        word = strtok_r(NULL, " \t\n", &rest);
    }
    for (; r == 0 && word; word = strtok_r(NULL, " \t\n", &rest))
        r = take_word(word, &w, &l, err);
    if (r == 0)
        r = make_worker(&w, &l, err);
    words_release(&w);
    if (r < 0) {
        slurm_label_release(&l);
        return r;
    }
    *ret = l;
    return 0;
}

int slurm_has_client(struct err *err)
{
    static const char *const programs[] = {"srun", "squeue", "scancel", "scontrol"};

    for (size_t i = 0; i < ARRAY_LEN(programs); i++)
        if (!proc_in_path(programs[i]))
            return err_set(err, -ENOENT, "%s is missing: apt-get install slurm-client", programs[i]);
    return 0;
}

void slurm_label_release(struct slurm_label *l)
{
    buf_release(&l->options);
    buf_release(&l->worker);
}
