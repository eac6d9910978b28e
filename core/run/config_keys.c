/* The settings in config/: their names, what values they take, and what they are for. */
#include <sys/stat.h>

#include "engine_internal.h"
#include "runfs/alert.h"
#include "runfs/roles.h"
#include "runfs/ssh.h"
#include "runfs/str.h"

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

static int check_container_size(const char *value, struct err *err)
{
    uint64_t n;

    if (parse_u64(value, &n) == 0 && n >= 1 && n <= 1 << 30)
        return 0;
    return err_set(err, -EINVAL, "container_size_mib is a whole number from 1 to %d, not '%s'", 1 << 30,
                   value);
}

static int check_mirror_size(const char *value, struct err *err)
{
    uint64_t n;

    if (parse_u64(value, &n) == 0 && n >= 1 && n <= 1 << 30)
        return 0;
    return err_set(err, -EINVAL, "mirror_size_mib is a whole number from 1 to %d, not '%s'", 1 << 30, value);
}

static int check_artifact_size(const char *value, struct err *err)
{
    uint64_t n;

    if (parse_u64(value, &n) == 0 && n >= 1 && n <= 1 << 30)
        return 0;
    return err_set(err, -EINVAL, "artifact_size_mib is a whole number from 1 to %d, not '%s'", 1 << 30,
                   value);
}

static int check_switch(const char *value, struct err *err)
{
    return str_eq(value, "on") || str_eq(value, "off")
               ? 0
               : err_set(err, -EINVAL, "it is either on or off, not '%s'", value);
}

static int check_pull(const char *value, struct err *err)
{
    return str_eq(value, "always") || str_eq(value, "missing")
               ? 0
               : err_set(err, -EINVAL, "it is always or missing, not '%s'", value);
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

static int check_known_by(const char *value, struct err *err)
{
    return str_eq(value, "id") || str_eq(value, "payload")
               ? 0
               : err_set(err, -EINVAL, "it is id or payload, not '%s'", value);
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

static int check_silence(const char *value, struct err *err)
{
    uint64_t n;

    if (parse_u64(value, &n) == 0 && n >= 2 && n <= 3600)
        return 0;
    return err_set(err, -EINVAL, "worker_silence is a whole number of seconds from 2 to 3600, not '%s'",
                   value);
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

const struct config_key config_keys[] = {
    {"slots", "", check_slots,
     "how many jobs run at once, 1 to 256 (as many as there are processors, 2 at least)"},
    {"retention_days", "90", check_days, "completed runs are deleted after so many days"},
    {"lesson_threshold", "3", check_threshold, "how often a failure has to come to be a lesson, 1 to 1000"},
    {"artifact_size_mib", "51200", check_artifact_size,
     "all artifacts together; beyond it uploads are refused, and nothing is deleted before its time"},
    {"cache_size_mib", "10240", check_cache_size,
     "all caches together; those that were not used for longest are evicted"},
    {"container_size_mib", "51200", check_container_size,
     "all images of containers together; those that jobs fetched and did not use for longest are removed"},
    {"mirror_size_mib", "10240", check_mirror_size,
     "how large the mirror of a repository that is linked by its address may become"},
    {"actions_mirror", "https://github.com", check_mirror,
     "where `uses: owner/name@ref` is fetched from: a URL, or a directory of repositories"},
    {"container_pull", "always", check_pull,
     "whether a registry is asked at each job for an image that is here: always, or missing: it is not"},
    {"local_registries", "none", oci_registries_check,
     "registries of images that workflows may name though they are on this host, as in localhost:5000"},
    {"snapshots", "", check_snapshots,
     "one behind every step: on, off, or auto: behind steps of which it takes less than 5 %, kept if the "
     "job does not succeed (auto where runfs is root's, else off)"},
    {"snapshot_days", "7", check_days, "snapshots behind steps are deleted after so many days"},
    {"auto_rollback", "off", check_switch,
     "on: a failed step's machine goes back to the last snapshot before the posts of its actions run"},
    {"hold_on_failure", "off", check_switch, "on: a failed job's machine is kept, for `runfs sh`"},
    {"hold_minutes", "60", check_minutes, "for how long machines are held"},
    {"worker_silence", "60", check_silence,
     "after so many seconds without a word of it, 2 to 3600, a worker is lost, and its job has failed"},
    {"listen", "off", check_listen,
     "where the HTTP server listens: [ADDRESS:]PORT, tls:[ADDRESS:]PORT, the path of a unix socket, or "
     "several"},
    {"rate_limit", "100", check_rate, "requests a second from one address that the HTTP server answers"},
    {"webhook_known_by", "id", check_known_by,
     "when a delivery is the same as one before it: by the sender's id of it, or by its payload too"},
    {"webhook/secret", NULL, check_hook_secrets, "what POST /webhook is signed with; several, one a line"},
    {"tls/certificate", NULL, check_certificate,
     "what listeners with tls: show: PEM, their own certificate first, then the chain"},
    {"tls/key", NULL, check_key, "the certificate's key: PEM, without a passphrase"},
    {"github/report", "off", check_report,
     "what the sender of a webhook's delivery is told of its runs: status, check, comment, or several"},
    {"github/api_url", "https://api.github.com", check_api_url,
     "where: https://HOST/api/v3 for GitHub Enterprise Server, https://HOST/api/v1 for Gitea and Forgejo"},
    {"github/link", NULL, check_link,
     "what stands before a run's number in links to it, as in https://ci.example.com/runs/"},
    {"fcctl/url", NULL, check_server, "the server that machines of the backend fcctl are made on"},
    {"fcctl/token", NULL, check_nothing, "the token (a JWT) that it is shown"},
    {"llm/url", NULL, check_model_url, "an endpoint of chat completions, which makes workflows of texts"},
    {"llm/model", NULL, check_word, "the model that is asked for"},
    {"llm/token", NULL, check_word, "what the endpoint is shown"},
    {"llm/timeout", NULL, check_seconds, "how many seconds an answer may take (120)"},
    {"llm/auto_run", NULL, check_switch, "on: what comes of a text is run at once (off)"},
    {"llm/repair", NULL, check_switch, "on: the model is asked, once, to repair what failed (off)"},
    /* the rest has rows of its own in the tree, which say what it is */
    {"alerts/", NULL, check_alert, NULL},
    {"hosts/", NULL, check_host, NULL},
    {"identities/", NULL, ssh_identity_check, NULL},
    {"disabled/", NULL, check_nothing, NULL},
    {"proposed/", NULL, check_nothing, NULL},
    {"roles/selected", NULL, check_selected, NULL},
    {"roles/", NULL, check_role, NULL},
    {"labels/", NULL, check_label, NULL},
    {"pool/", NULL, check_pool, NULL},
    {"vms/", NULL, check_vm, NULL},
    {0},
};
