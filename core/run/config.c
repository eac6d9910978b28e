/* Settings: the table of config keys, and the rules for the names of secrets and variables. */
#include <sys/stat.h>
#include <unistd.h>

#include "engine_internal.h"
#include "runfs/alert.h"
#include "runfs/cache.h"
#include "runfs/log.h"
#include "runfs/roles.h"
#include "runfs/ssh.h"
#include "runfs/str.h"
#include "runfs/vms.h"

static int check_slots(const char *value, struct err *err)
{
    uint64_t n;

    if (parse_u64(value, &n) == 0 && n >= 1 && n <= SLOTS_MAX)
        return 0;
    return err_set(err, -EINVAL, "slots is a whole number from 1 to %d, not '%s'", SLOTS_MAX, value);
}

static int check_days(const char *value, struct err *err)
{
    uint64_t n;

    if (parse_u64(value, &n) == 0 && n >= 1 && n <= 36500)
        return 0;
    return err_set(err, -EINVAL, "days are a whole number from 1 to 36500, not '%s'", value);
}

static int check_mirror(const char *value, struct err *err)
{
    struct stat st;

    if (strstr(value, "://") || (*value == '/' && stat(value, &st) == 0 && S_ISDIR(st.st_mode)))
        return 0;
    return err_set(
        err, -EINVAL,
        "actions_mirror is a directory that holds OWNER/NAME.git, or a URL that OWNER/NAME is added to,"
        " not '%s'",
        value);
}

static int check_cache_size(const char *value, struct err *err)
{
    uint64_t n;

    if (parse_u64(value, &n) == 0 && n >= 1 && n <= 1 << 30)
        return 0;
    return err_set(err, -EINVAL, "cache_size_mib is a whole number from 1 to %d, not '%s'", 1 << 30, value);
}

static int check_switch(const char *value, struct err *err)
{
    return str_eq(value, "on") || str_eq(value, "off")
               ? 0
               : err_set(err, -EINVAL, "it is either on or off, not '%s'", value);
}

static int check_snapshots(const char *value, struct err *err)
{
    return str_eq(value, "on") || str_eq(value, "off") || str_eq(value, "auto")
               ? 0
               : err_set(err, -EINVAL, "it is on, off or auto, not '%s'", value);
}

static int check_listen(const char *value, struct err *err)
{
    struct listen_at at;
    int n = 0, r;

    while ((r = config_listen_next(&value, &at, err)) > 0)
        if (++n > LISTEN_MAX)
            return err_set(err, -EINVAL, "at most %d addresses can be listened on", LISTEN_MAX);
    return r;
}

static int check_rate(const char *value, struct err *err)
{
    uint64_t n;

    if (parse_u64(value, &n) == 0 && n >= 1 && n <= 1000000)
        return 0;
    return err_set(err, -EINVAL, "rate_limit is a whole number from 1 to 1000000, not '%s'", value);
}

/* One a line. */
static int check_hook_secrets(const char *value, struct err *err)
{
    while (*value) {
        size_t len = strcspn(value, "\n");
        if (len < 8)
            return err_set(err, -EINVAL,
                           "a webhook's secret has at least 8 characters, one secret a line where it is "
                           "being changed");
        value += len + (value[len] == '\n');
    }
    return 0;
}

static int check_role(const char *value, struct err *err)
{
    _role_file_ struct role_file file = {0};

    return role_file_read("role", value, strlen(value), &file, err);
}

static int check_selected(const char *value, struct err *err)
{
    return *value && strlen(value) <= 80 && !strchr(value, '\n')
               ? 0
               : err_set(err, -EINVAL, "it is the name of a role, on one line of at most 80 bytes");
}

/* A host without a key could be anybody, and is used by nothing. */
static int check_host(const char *value, struct err *err)
{
    _ssh_host_ struct ssh_host h = {0};
    int r = ssh_host_parse(value, &h, err);

    if (r == 0 && !*h.keys)
        r = err_set(err, -EINVAL,
                    "no key of %s is known: add `hostkey TYPE BASE64`, or let `runfs host add` do it",
                    h.name);
    return r;
}

static int check_word(const char *value, struct err *err)
{
    return *value && !strpbrk(value, " \t\r\n") ? 0 : err_set(err, -EINVAL, "it is one word on one line");
}

static int check_seconds(const char *value, struct err *err)
{
    uint64_t n;

    return parse_u64(value, &n) == 0 && n >= 1 && n <= 3600
               ? 0
               : err_set(err, -EINVAL, "it is a whole number of seconds from 1 to 3600, not '%s'", value);
}

static int check_nothing(const char *value, struct err *err)
{
    (void)value;
    (void)err;
    return 0;
}

static int check_server(const char *value, struct err *err)
{
    return !*value || str_starts(value, "http://") || str_starts(value, "https://")
               ? 0
               : err_set(err, -EINVAL,
                         "it is the address of a server, as in http://127.0.0.1:8080, not '%.200s'", value);
}

/* A server that is spoken to. Nothing but this says where, so it must be plain what it says; it is shown, so
 * a secret has no place in it. */
static int check_api_url(const char *value, struct err *err)
{
    const char *host = str_starts(value, "https://")  ? value + 8
                       : str_starts(value, "http://") ? value + 7
                                                      : "";
    bool good = *host && *host != '/';

    for (const char *p = host; *p; p++)
        good &= *p > ' ' && *p < 0x7f && !strchr("?#@\\\"<>`{}|^", *p);
    return good ? 0
                : err_set(err, -EINVAL,
                          "it is the address of an API without a user, as in https://api.github.com,"
                          " not '%.200s'",
                          value);
}

static int check_model_url(const char *value, struct err *err)
{
    return *value ? check_api_url(value, err) : 0;
}

static int check_link(const char *value, struct err *err)
{
    bool good = str_starts(value, "https://") || str_starts(value, "http://");

    for (const char *p = value; *p; p++)
        good &= *p > ' ' && *p < 0x7f && !strchr("\"<>`\\", *p);
    return good && strlen(value) <= 500
               ? 0
               : err_set(err, -EINVAL,
                         "it is what a link begins with, as in https://ci.example.com/#/runs/, not '%.200s'",
                         value);
}

bool config_word(const char *said, const char *word)
{
    size_t len = strlen(word);

    for (said += strspn(said, " \t\n"); *said; said += strspn(said, " \t\n")) {
        size_t n = strcspn(said, " \t\n");
        if (n == len && strncmp(said, word, n) == 0)
            return true;
        said += n;
    }
    return false;
}

static int check_alert(const char *value, struct err *err)
{
    _alert_ struct alert alert = {0};

    return alert_parse(value, &alert, err);
}

static int check_report(const char *value, struct err *err)
{
    static const char *const known[] = {"status", "check", "comment"};
    size_t n = 0;

    if (str_eq(value, "off"))
        return 0;
    for (const char *at = value + strspn(value, " \t\n"); *at; at += strspn(at, " \t\n"), n++) {
        size_t len = strcspn(at, " \t\n");
        bool good = false;
        for (size_t i = 0; i < ARRAY_LEN(known); i++)
            good |= len == strlen(known[i]) && strncmp(at, known[i], len) == 0;
        if (!good)
            return err_set(err, -EINVAL, "it is off, or of status, check and comment, not '%.*s'",
                           (int)(len < 200 ? len : 200), at);
        at += len;
    }
    return n ? 0 : err_set(err, -EINVAL, "it is off, or of status, check and comment");
}

static int check_minutes(const char *value, struct err *err)
{
    uint64_t n;

    if (parse_u64(value, &n) == 0 && n >= 1 && n <= 100000)
        return 0;
    return err_set(err, -EINVAL, "hold_minutes is a whole number from 1 to 100000, not '%s'", value);
}

static int check_label(const char *value, struct err *err)
{
    _machine_label_ struct machine_label label = {0};

    return machine_label_parse(value, &label, err);
}

static int check_pool(const char *value, struct err *err)
{
    uint64_t n;

    if (parse_u64(value, &n) == 0 && n <= 64)
        return 0;
    return err_set(err, -EINVAL, "how many machines are kept warm is a whole number from 0 to 64, not '%s'",
                   value);
}

/* The name of a label, or what one may mean; which, set_config() knows. */
static int check_vm(const char *value, struct err *err)
{
    return *value
               ? 0
               : err_set(err, -EINVAL, "a machine's label is the name of a label, or `BACKEND[:IMAGE] ...`");
}

static int check_threshold(const char *value, struct err *err)
{
    uint64_t n;

    if (parse_u64(value, &n) == 0 && n >= 1 && n <= 1000)
        return 0;
    return err_set(err, -EINVAL, "lesson_threshold is a whole number from 1 to 1000, not '%s'", value);
}

/* By how it begins: a program may write it in parts, and each is a value. The listener reads the whole. */
static int check_certificate(const char *value, struct err *err)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----";

    return str_starts(value, begin)
               ? 0
               : err_set(err, -EINVAL, "that is no certificate: it begins with %s", begin);
}

static int check_key(const char *value, struct err *err)
{
    if (strstr(value, "ENCRYPTED"))
        return err_set(err, -EINVAL,
                       "the key has a passphrase, and nobody to ask for it: write it without one");
    return str_starts(value, "-----BEGIN ") && !str_starts(value, "-----BEGIN CERTIFICATE")
               ? 0
               : err_set(err, -EINVAL, "that is no private key in PEM");
}

#define PROPOSED "proposed/"

const struct config_key config_keys[] = {
    {"slots", "", check_slots, "how many jobs run at once (1 to 256)"},
    {"retention_days", "90", check_days, "completed runs are deleted after so many days"},
    {"lesson_threshold", "3", check_threshold, "how often a failure has to come to be a lesson (1 to 1000)"},
    {"cache_size_mib", "10240", check_cache_size,
     "all caches together; those that were not used for longest are evicted"},
    {"actions_mirror", "https://github.com", check_mirror,
     "where `uses: owner/name@ref` is fetched from: a URL, or a directory of repositories"},
    {"snapshots", "off", check_snapshots,
     "one after every step: on, off, or auto, where that takes less than 5 % of the step, and for jobs that "
     "do not succeed"},
    {"snapshot_days", "7", check_days, "snapshots after steps are deleted after so many days"},
    {"auto_rollback", "off", check_switch,
     "whether a failed step's machine goes back to the last snapshot before its posts run"},
    {"hold_on_failure", "off", check_switch, "whether a failed job's machine is kept, for `runfs sh`"},
    {"hold_minutes", "60", check_minutes, "for how long machines are held"},
    {"listen", "off", check_listen,
     "where the HTTP server listens: [ADDRESS:]PORT, the path of a unix socket, or several of them; or off"},
    {"rate_limit", "100", check_rate, "requests a second from one address that the HTTP server answers"},
    {"webhook/secret", NULL, check_hook_secrets, "what POST /webhook is signed with; several, one a line"},
    {"tls/certificate", NULL, check_certificate,
     "what listeners with tls: show: PEM, their own certificate first, then the chain"},
    {"tls/key", NULL, check_key, "the certificate's key: PEM, without a passphrase"},
    {"github/report", "off", check_report,
     "what the sender of a webhook's delivery is told of its runs: status, check, comment, or several; or "
     "off"},
    {"github/api_url", "https://api.github.com", check_api_url,
     "where: https://HOST/api/v3 for GitHub Enterprise Server, https://HOST/api/v1 for Gitea and Forgejo"},
    {"github/link", NULL, check_link,
     "what stands before a run's number in links to it, as in https://ci.example.com/#/runs/"},
    {"alerts/", NULL, check_alert,
     "when somebody is told that a run has ended, and how: `on failure recovery anomaly duration>10m`, "
     "`workflow"
     " ci.yml`, and one of `to URL`, `command LINE` and `file PATH`, a line each"},
    {"fcctl/url", NULL, check_server, "the server that machines of the backend fcctl are made on"},
    {"fcctl/token", NULL, check_nothing, "the token (a JWT) that it is shown"},
    {"llm/url", NULL, check_model_url, "an endpoint of chat completions, which makes workflows of texts"},
    {"llm/model", NULL, check_word, "the model that is asked for"},
    {"llm/token", NULL, check_word, "what the endpoint is shown"},
    {"llm/timeout", NULL, check_seconds, "how long an answer may take (120)"},
    {"llm/auto_run", NULL, check_switch, "whether what comes of a text is run at once (off)"},
    {"llm/repair", NULL, check_switch, "whether the model is asked, once, to repair what failed (off)"},
    {"hosts/", NULL, check_host, "a host that machines are made on by SSH: see `runfs host`"},
    {"identities/", NULL, ssh_identity_check, "a private key that they let in"},
    {"disabled/", NULL, check_nothing, "workflows that nothing starts but a drop: NAME.yml, REPO:NAME.yml"},
    {PROPOSED, NULL, check_nothing, "workflows that a model proposed and nobody has started yet: NAME.yml"},
    {"roles/selected", NULL, check_selected, "the name of the role that knowledge/search searches as"},
    {"roles/", NULL, check_role, "a role, or a configuration of several"},
    {"labels/", NULL, check_label,
     "what `runs-on: LABEL` means: sandbox, bubblewrap or host, with :DIRECTORY for another root, and what "
     "its machines may use: KEY=VALUE"},
    {"pool/", NULL, check_pool, "how many machines are kept warm for LABEL (0 to 64)"},
    {"vms/", NULL, check_vm,
     "what the machine vms/NAME is made as: the name of a label, or what one may mean"},
    {0},
};

static const char *const default_labels[] = {"ubuntu-latest", "ubuntu-24.04", "ubuntu-22.04",
                                             "ubuntu-20.04",  "ubuntu-slim",  "self-hosted"};

static void default_value(const struct engine *e, const struct config_key *key, struct buf *ret)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    if (str_eq(key->name, "slots"))
        buf_addf(ret, "%ld", cpus < 2 ? 2 : cpus > SLOTS_MAX ? SLOTS_MAX : cpus);
    else if (str_eq(key->name, "snapshots") && e->machines && machines_rename(e->machines))
        buf_adds(ret, "auto");
    else
        buf_adds(ret, key->fallback);
}

int config_defaults(struct engine *e, struct err *err)
{
    struct store *st = e->store;
    int r = 0;

    for (const struct config_key *key = config_keys; r == 0 && key->name; key++) {
        _buf_ struct buf value = BUF_INIT;
        if (!key->fallback || store_find_setting(st, SETTING_CONFIG, key->name))
            continue;
        default_value(e, key, &value);
        r = store_put_setting(st, SETTING_CONFIG, key->name, buf_str(&value), err);
    }
    int64_t any;
    if (r < 0 || store_list_settings(st, SETTING_CONFIG, "labels/", 0, &any, 1) > 0)
        return r;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(default_labels); i++) {
        _buf_ struct buf name = BUF_INIT;
        buf_addf(&name, "labels/%s", default_labels[i]);
        r = store_put_setting(st, SETTING_CONFIG, buf_str(&name), "sandbox", err);
    }
    return r;
}

int64_t config_number(struct store *st, const char *name, int64_t fallback)
{
    _buf_ struct buf value = BUF_INIT;
    uint64_t n;

    return store_setting(st, SETTING_CONFIG, name, &value) == 0 && parse_u64(buf_str(&value), &n) == 0
               ? (int64_t)n
               : fallback;
}

/* Warm machines for a label are what it means now. */
static int fill_pool(struct engine *e, const char *label, struct err *err)
{
    _machine_label_ struct machine_label meaning = {0};
    _buf_ struct buf key = BUF_INIT;
    struct machine_spec spec;

    buf_addf(&key, "pool/%s", label);
    int64_t n = config_number(e->store, buf_str(&key), 0);
    int r = label_spec(e->store, label, &meaning, &spec, err);
    spec.name = "runner";
    return r < 0 ? r : machines_pool(e->machines, label, &spec, n > 0 ? (unsigned)n : 0, err);
}

void config_fill_pools(struct engine *e)
{
    int64_t id = 0;

    while (e->machines && store_list_settings(e->store, SETTING_CONFIG, "pool/", id, &id, 1) == 1) {
        const struct setting_row *row = store_get_setting(e->store, SETTING_CONFIG, id);
        struct err err = {0};
        if (row && fill_pool(e, row->name + strlen("pool/"), &err) < 0)
            log_warning("run", "%s: %s", row->name, err.msg);
        setting_row_unref(row);
    }
}

/* What else there is to do when a setting has changed (value NULL: was removed). */
static int apply_config(struct engine *e, const char *name, struct err *err)
{
    if (str_eq(name, "slots"))
        engine_set_slots(e, (int)config_number(e->store, "slots", 2));
    if (str_starts(name, "pool/"))
        return fill_pool(e, name + strlen("pool/"), err);
    if (str_starts(name, "labels/"))
        config_fill_pools(e);
    return str_eq(name, "cache_size_mib") ? cache_evict(e->store, err) : 0;
}

static int set_config(struct engine *e, const char *name, const char *value, struct err *err)
{
    for (size_t i = 0; config_keys[i].name; i++) {
        bool family = str_ends(config_keys[i].name, "/");
        if (family ? !str_starts(name, config_keys[i].name) || !name[strlen(config_keys[i].name)]
                   : !str_eq(name, config_keys[i].name))
            continue;
        _buf_ struct buf fallback = BUF_INIT;
        if (!value && (family || !config_keys[i].fallback)) { /* it has no default: it is gone */
            int gone = store_delete_setting(e->store, SETTING_CONFIG, name, err);
            if (gone == 0)
                (void)apply_config(e, name, NULL);
            return gone;
        }
        if (!value) {
            default_value(e, &config_keys[i], &fallback);
            value = buf_str(&fallback);
        }
        int r = config_keys[i].check(value, err);
        if (r == 0 && str_starts(name, "vms/"))
            r = vms_check_label(e->store, value, err);
        if (r == 0)
            r = store_put_setting(e->store, SETTING_CONFIG, name, value, err);
        if (r == 0)
            r = apply_config(e, name, err);
        return r < 0 ? r : 0;
    }
    return err_set(err, -EINVAL, "there is no setting '%s'", name);
}

/* GitHub documentation, "Naming your secrets" and "Naming conventions for configuration variables". */
static int check_name(const char *name, struct err *err)
{
    bool good = name[0] && !(name[0] >= '0' && name[0] <= '9');

    for (const char *p = name; *p && good; p++)
        good = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '_';
    if (!good)
        return err_set(
            err, -EINVAL,
            "'%s' cannot be a name: letters, digits and underscores only, and no digit at the start", name);
    if (strncasecmp(name, "GITHUB_", 7) == 0 && strcasecmp(name, "GITHUB_TOKEN") != 0)
        return err_set(err, -EINVAL, "'%s' cannot be a name: the prefix GITHUB_ is reserved", name);
    return 0;
}

static bool has_mark(struct store *st, const char *family, const char *workflow_name)
{
    _buf_ struct buf key = BUF_INIT;

    buf_addf(&key, "%s%s", family, workflow_name);
    return store_find_setting(st, SETTING_CONFIG, buf_str(&key)) > 0;
}

bool config_disabled(struct store *st, const char *workflow_name)
{
    return has_mark(st, "disabled/", workflow_name);
}

bool config_proposed(struct store *st, const char *workflow_name)
{
    return has_mark(st, PROPOSED, workflow_name);
}

int config_set_proposed(struct store *st, const char *workflow_name, bool proposed, struct err *err)
{
    _buf_ struct buf key = BUF_INIT;

    buf_addf(&key, PROPOSED "%s", workflow_name);
    if (proposed)
        return store_put_setting(st, SETTING_CONFIG, buf_str(&key), "", err);
    int r = store_delete_setting(st, SETTING_CONFIG, buf_str(&key), err);
    return r == -ENOENT ? 0 : r;
}

/* Only what `runfs token` makes of one: the token itself is never stored. */
static int check_token(const char *name, const char *value, struct err *err)
{
    static const char *const scopes[] = {"read ", "run ", "admin "};
    const char *hash = value ? strchr(value, ' ') : NULL;
    bool known = !value;

    if (name_check(name) < 0)
        return err_set(err, -EINVAL, "'%s' cannot be the name of a token", name);
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
        known |= value && str_starts(value, scopes[i]);
    if (known && (!value || (str_starts(hash + 1, "sha256:") && strlen(hash + 8) == 64 &&
                             strspn(hash + 8, "0123456789abcdef") == 64)))
        return 0;
    return err_set(err, -EINVAL, "it holds `SCOPE sha256:HASH`: `runfs token create` makes one");
}

void environment_prefix(const char *environment, struct buf *ret)
{
    for (const char *p = environment; *p; p++)
        buf_addc(ret, *p >= 'A' && *p <= 'Z' ? (char)(*p | 32) : *p);
    buf_addc(ret, '/');
}

/* GitHub: "Environment names are not case sensitive. An environment name may not exceed 255 characters". */
static int check_environment(const char *name, size_t len, struct err *err)
{
    bool good = len > 0 && len <= 255;

    for (size_t i = 0; i < len && good; i++)
        good = (unsigned char)name[i] >= ' ' && name[i] != 0x7f && name[i] != '/';
    return good ? 0 : err_set(err, -EINVAL, "'%.*s' cannot be the name of an environment", (int)len, name);
}

/* NAME, or ENVIRONMENT/NAME. */
static int check_whole_name(const char *key, struct err *err)
{
    const char *slash = strrchr(key, '/');
    int r = slash ? check_environment(key, (size_t)(slash - key), err) : 0;

    return r < 0 ? r : check_name(slash ? slash + 1 : key, err);
}

int engine_set(struct engine *e, enum setting_kind kind, const char *name, const char *value, struct err *err)
{
    size_t max = 48 * 1024; /* GitHub: a secret or a variable holds at most 48 KB */

    if (value && (strlen(value) > max || !utf8_valid(value, strlen(value))))
        return err_set(err, strlen(value) > max ? -EFBIG : -EINVAL,
                       "a value is UTF-8 text of at most %zu bytes", max);
    if (kind == SETTING_CONFIG)
        return set_config(e, name, value, err);
    int r = kind == SETTING_TOKEN ? check_token(name, value, err) : check_whole_name(name, err);
    if (r < 0)
        return r;
    return value ? store_put_setting(e->store, kind, name, value, err)
                 : store_delete_setting(e->store, kind, name, err);
}
