/* Settings: how they are set and what that changes, their defaults, and the rules for the names of secrets
 * and variables. config_keys.c has the table of those in config/. */
#include <unistd.h>

#include "engine_internal.h"
#include "runfs/cache.h"
#include "runfs/log.h"
#include "runfs/oci.h"
#include "runfs/str.h"
#include "runfs/vms.h"

#define PROPOSED "proposed/"

static const char *const default_labels[] = {"ubuntu-latest", "ubuntu-24.04", "ubuntu-22.04",
                                             "ubuntu-20.04",  "ubuntu-slim",  "self-hosted"};

static void default_value(const struct engine *e, const struct config_key *key, struct buf *ret)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    if (str_eq(key->name, "slots"))
        buf_addf(ret, "%ld", cpus < 2 ? 2 : cpus > SLOTS_MAX ? SLOTS_MAX : cpus);
    else if (str_eq(key->name, "snapshots"))
        buf_adds(ret, e->machines && machines_rename(e->machines) ? "auto" : "off");
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
    if (str_eq(name, "container_size_mib"))
        return oci_trim(store_dir(e->store), config_number(e->store, name, 0) << 20, err);
    return str_eq(name, "cache_size_mib") ? cache_evict(e->store, err) : 0;
}

int config_check(const char *name, const char *value, struct err *err)
{
    for (const struct config_key *key = config_keys; key->name; key++)
        if (str_eq(key->name, name))
            return key->check(value, err);
    return err_set(err, -EINVAL, "there is no setting '%s'", name);
}

static bool is_family(const struct config_key *key)
{
    return str_ends(key->name, "/");
}

/* NULL: there is none of that name. */
static const struct config_key *find_key(const char *name)
{
    for (const struct config_key *key = config_keys; key->name; key++)
        if (is_family(key) ? str_starts(name, key->name) && name[strlen(key->name)] : str_eq(name, key->name))
            return key;
    return NULL;
}

static int set_config(struct engine *e, const char *name, const char *value, struct err *err)
{
    const struct config_key *key = find_key(name);
    _buf_ struct buf fallback = BUF_INIT;

    if (!key)
        return err_set(err, -EINVAL, "there is no setting '%s'", name);
    if (!value && (is_family(key) || !key->fallback)) { /* it has no default: it is gone */
        int gone = store_delete_setting(e->store, SETTING_CONFIG, name, err);
        if (gone == 0)
            (void)apply_config(e, name, NULL);
        return gone;
    }
    if (!value) {
        default_value(e, key, &fallback);
        value = buf_str(&fallback);
    }
    int r = key->check(value, err);
    if (r == 0 && str_starts(name, "vms/"))
        r = vms_check_label(e->store, value, err);
    if (r == 0)
        r = store_put_setting(e->store, SETTING_CONFIG, name, value, err);
    if (r == 0)
        r = apply_config(e, name, err);
    return r < 0 ? r : 0;
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

bool engine_takes(enum setting_kind kind, const char *name)
{
    if (kind == SETTING_TOKEN)
        return name_check(name) == 0;
    return kind == SETTING_CONFIG ? find_key(name) != NULL : check_whole_name(name, NULL) == 0;
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
