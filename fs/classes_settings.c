/* The classes of names in config/, secrets/, vars/ and tokens/: settings, by whose name. */
#include "fs.h"
#include "runfs/str.h"

static int name_setting(struct fs *fs, enum setting_kind kind, int64_t id, struct buf *ret)
{
    const struct setting_row *row = store_get_setting(fs->store, kind, id);
    const char *slash = row ? strchr(row->name, '/') : NULL;

    if (!row)
        return -ENOENT;
    buf_adds(ret, slash ? slash + 1 : row->name);
    setting_row_unref(row);
    return 0;
}

/* Settings of config/ itself: those without a slash. */
static ssize_t next_config(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    size_t got = 0;
    int64_t id;

    (void)up;
    while (got < max && store_list_settings(fs->store, SETTING_CONFIG, "", after, &id, 1) == 1) {
        const struct setting_row *row = store_get_setting(fs->store, SETTING_CONFIG, id);
        if (row && !strchr(row->name, '/'))
            ids[got++] = id;
        setting_row_unref(row);
        after = id;
    }
    return (ssize_t)got;
}

static int64_t find_config(struct fs *fs, int64_t up, const char *name)
{
    (void)up;
    return store_find_setting(fs->store, SETTING_CONFIG, name);
}

static int name_config(struct fs *fs, int64_t id, struct buf *ret)
{
    return name_setting(fs, SETTING_CONFIG, id, ret);
}

const struct name_class class_config = {find_config, next_config, name_config};

/* Families of settings, which have a directory of their own. */
#define SETTING_FAMILY(class, prefix)                                                                        \
    static int64_t find_##class(struct fs * fs, int64_t up, const char *name)                                \
    {                                                                                                        \
        _buf_ struct buf key = BUF_INIT;                                                                     \
        (void)up;                                                                                            \
        buf_addf(&key, prefix "%s", name);                                                                   \
        return store_find_setting(fs->store, SETTING_CONFIG, buf_str(&key));                                 \
    }                                                                                                        \
    static ssize_t next_##class(struct fs * fs, int64_t up, int64_t after, int64_t * ids, size_t max)        \
    {                                                                                                        \
        (void)up;                                                                                            \
        return store_list_settings(fs->store, SETTING_CONFIG, prefix, after, ids, max);                      \
    }                                                                                                        \
    const struct name_class class_##class = {find_##class, next_##class, name_config, prefix};

SETTING_FAMILY(labels, "labels/")
SETTING_FAMILY(disabled, "disabled/")
SETTING_FAMILY(proposed, "proposed/")
SETTING_FAMILY(webhook, "webhook/")
SETTING_FAMILY(github, "github/")
SETTING_FAMILY(alerts, "alerts/")
SETTING_FAMILY(fcctl, "fcctl/")
SETTING_FAMILY(llm, "llm/")
SETTING_FAMILY(hosts, "hosts/")
SETTING_FAMILY(identities, "identities/")
SETTING_FAMILY(tls, "tls/")
SETTING_FAMILY(roles, "roles/")

static int64_t find_secret(struct fs *fs, int64_t up, const char *name)
{
    (void)up;
    return store_find_setting(fs->store, SETTING_SECRET, name);
}

static ssize_t next_secret(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)up;
    return store_list_settings(fs->store, SETTING_SECRET, "", after, ids, max);
}

static int name_secret(struct fs *fs, int64_t id, struct buf *ret)
{
    return name_setting(fs, SETTING_SECRET, id, ret);
}

const struct name_class class_secrets = {find_secret, next_secret, name_secret};

static int64_t find_var(struct fs *fs, int64_t up, const char *name)
{
    (void)up;
    return store_find_setting(fs->store, SETTING_VAR, name);
}

static ssize_t next_var(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)up;
    return store_list_settings(fs->store, SETTING_VAR, "", after, ids, max);
}

static int name_var(struct fs *fs, int64_t id, struct buf *ret)
{
    return name_setting(fs, SETTING_VAR, id, ret);
}

const struct name_class class_vars = {find_var, next_var, name_var};

static int64_t find_token(struct fs *fs, int64_t up, const char *name)
{
    (void)up;
    return store_find_setting(fs->store, SETTING_TOKEN, name);
}

static ssize_t next_token(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)up;
    return store_list_settings(fs->store, SETTING_TOKEN, "", after, ids, max);
}

static int name_token(struct fs *fs, int64_t id, struct buf *ret)
{
    return name_setting(fs, SETTING_TOKEN, id, ret);
}

const struct name_class class_tokens = {find_token, next_token, name_token};
