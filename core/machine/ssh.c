/*
 * Machines on other hosts: `ssh:NAME`, by what config/hosts/NAME and config/identities/ say. Each is a
 * connection of its own, an agent that is put there by content (ssh_agent.c), and a thread that carries bytes
 * to and fro (ssh_pump.c). The host's user is all that separates them from one another.
 */
#include "core/machine/ssh.h"

#include <poll.h>
#include <sodium.h>

#include "runfs/io.h"
#include "runfs/machine_rows.h" /* and the settings of the store */
#include "runfs/str.h"

enum { HELLO_MS = 15000, WAY_MAX = 5 };
enum { AGAIN_MS = 30000, PAUSE_MS = 500, PAUSE_MIN_MS = 50 };

/* A host, and a connection to it. */
struct hop {
    struct ssh_host host;
    struct ssh_session session;
    struct ssh_pump *pump; /* to the machine's agent, or to the host before; NULL: it was not started */
};

/* A machine's own: its host is the first, and those behind it are on the way there, the last one next to
 * here. */
struct ssh {
    struct hop way[WAY_MAX];
    size_t n;
    struct ssh_agent agent;
};

/* ------------------------------------------------------------------------------------------------- settings
 */

static int setting(const struct machines *ms, const char *family, const char *name, struct buf *ret)
{
    _buf_ struct buf key = BUF_INIT;

    buf_addf(&key, "%s/%s", family, name);
    return !buf_ok(&key) ? -ENOMEM
           : ms->store   ? store_setting(ms->store, SETTING_CONFIG, key.ptr, ret)
                         : -ENOENT;
}

static int find_host(const struct machines *ms, const char *name, struct ssh_host *ret, struct err *err)
{
    _buf_ struct buf text = BUF_INIT;
    struct err why = {0};

    if (!name)
        return err_set(err, -EINVAL, "say which host: `ssh:NAME`, of config/hosts/NAME");
    if (setting(ms, "hosts", name, &text) < 0)
        return err_set(err, -ENOENT,
                       "there is no host '%s': `runfs host add %s USER@HOST` writes config/hosts/%s", name,
                       name, name);
    int r = ssh_host_parse(buf_str(&text), ret, &why);
    return r < 0 ? err_set(err, r, "config/hosts/%s: %s", name, why.msg) : 0;
}

/* What a host is logged in to with. */
struct credentials {
    struct buf key, certificate; /* empty: there is none */
};

static void credentials_release(struct credentials *c)
{
    if (c->key.len)
        explicit_bzero(c->key.ptr, c->key.len);
    buf_release(&c->key);
    buf_release(&c->certificate);
}

/* With the newline that a setting loses, and that readers of keys ask for. */
static int find_identity(const struct machines *ms, const struct ssh_host *h, struct credentials *ret,
                         struct err *err)
{
    _buf_ struct buf beside = BUF_INIT;

    if (h->agent)
        return 0;
    buf_addf(&beside, "%s-cert.pub", h->identity);
    if (!buf_ok(&beside))
        return err_errno(err, -ENOMEM, "ssh");
    if (setting(ms, "identities", h->identity, &ret->key) < 0)
        return err_set(err, -ENOENT,
                       "there is no key to log in with: write a private key without a passphrase to "
                       "config/identities/%s, and its public half into ~/.ssh/authorized_keys there",
                       h->identity);
    if (!str_starts(buf_str(&ret->key), "-----BEGIN "))
        return err_set(err, -EINVAL,
                       "config/identities/%s is a certificate: that belongs beside its private key, as "
                       "config/identities/NAME-cert.pub",
                       h->identity);
    (void)setting(ms, "identities", beside.ptr, &ret->certificate);
    buf_addc(&ret->key, '\n');
    return buf_ok(&ret->key) && buf_ok(&ret->certificate) ? 0 : err_errno(err, -ENOMEM, "ssh");
}

/* ------------------------------------------------------------------------------------------------ a machine
 */

static int find_way(const struct machines *ms, const char *name, struct ssh *s, struct err *err)
{
    struct err why = {0};

    for (const char *next = name;; next = s->way[s->n - 1].host.jump) {
        if (s->n == WAY_MAX)
            return err_set(err, -ELOOP, "the way to %s has more than %d hosts, or goes in a circle", name,
                           WAY_MAX - 1);
        int r = find_host(ms, next, &s->way[s->n].host, &why);
        if (r < 0)
            return s->n ? err_set(err, r, "on the way to %s: %s", name, why.msg)
                        : err_set(err, r, "%s", why.msg);
        if (!s->way[s->n++].host.jump)
            return 0;
    }
}

/* before: the host that it is reached by, or NULL. */
static int try_connect(struct hop *hop, struct hop *before, const atomic_bool *cancelled, struct err *err)
{
    hop->session.cancelled = cancelled;
    int r = before ? ssh_pump_through(&before->session, &hop->host, &hop->session, &before->pump, err) : 0;

    return r == 0 ? ssh_connect(&hop->host, &hop->session, err) : r;
}

/* A host takes so many strangers at once, and hangs up on others: where many jobs begin at a time, some come
 * again a little later, each at another time. */
static int connect_hop(struct hop *hop, struct hop *before, const atomic_bool *cancelled, struct err *err)
{
    int64_t until = ssh_after_ms(AGAIN_MS);
    int r;

    while ((r = try_connect(hop, before, cancelled, err)) == -ECONNRESET && mono_ns() < until &&
           !(cancelled && atomic_load(cancelled))) {
        ssh_close(&hop->session);
        hop->session = (struct ssh_session)SSH_SESSION_INIT;
        if (before) { /* which is still there, and has only lost what was behind it */
            ssh_pump_end(TAKE(before->pump));
            before->session.cancelled = cancelled;
        }
        (void)poll(NULL, 0, (int)(PAUSE_MIN_MS + randombytes_uniform(PAUSE_MS)));
    }
    return r;
}

static int log_in(struct machines *ms, struct hop *hop, struct hop *before, const atomic_bool *cancelled,
                  struct err *err)
{
    _cleanup_(credentials_release) struct credentials c = {BUF_INIT, BUF_INIT};
    int r = find_identity(ms, &hop->host, &c, err);

    if (r == 0)
        r = connect_hop(hop, before, cancelled, err);
    if (r == 0)
        r = ssh_check_host(&hop->host, &hop->session, err);
    return r == 0 ? ssh_login(&hop->host, &hop->session, c.key.len ? c.key.ptr : NULL,
                              c.certificate.len ? c.certificate.ptr : NULL, err)
                  : r;
}

/* From here to the machine's host. */
static int go_there(struct machines *ms, struct ssh *s, const atomic_bool *cancelled, struct err *err)
{
    int r = 0;

    for (size_t i = s->n; r == 0 && i-- > 0;) {
        struct hop *hop = &s->way[i], *before = i + 1 < s->n ? &s->way[i + 1] : NULL;
        r = log_in(ms, hop, before, cancelled, err);
    }
    return r;
}

/* Of this runner and of others, now and at any time. */
static void name_machine(const struct machine *m, char *ret, size_t size)
{
    snprintf(ret, size, "%.40s-%08x%08x", m->id, randombytes_random(), randombytes_random());
}

/* Those that were asked for: the host has its own. */
static struct machine_limits limits_there(const struct machine *m)
{
    struct machine_limits l = m->limits.want;

    if (!m->limits.pids_asked)
        l.pids = 0;
    return l;
}

static int make_dirs_there(struct machine *m, struct err *err)
{
    const char *const dirs[] = {m->paths.workspace, m->paths.files, m->paths.tool_cache};
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(dirs); i++)
        r = agent_client_make_dirs(&m->client, dirs[i], err);
    return r;
}

static int ssh_acquire(struct machines *ms, const struct machine_spec *spec, struct machine *m,
                       struct err *err)
{
    struct ssh *s = calloc(1, sizeof(*s));
    const struct machine_limits limits = limits_there(m);
    char id[64];

    if (!s)
        return err_errno(err, -ENOMEM, "ssh");
    for (size_t i = 0; i < WAY_MAX; i++)
        s->way[i].session = (struct ssh_session)SSH_SESSION_INIT;
    m->own = s;
    name_machine(m, id, sizeof(id));
    struct hop *there = &s->way[0];
    int r = find_way(ms, spec->image, s, err);
    if (r == 0)
        r = go_there(ms, s, spec->cancelled, err);
    if (r == 0)
        r = ssh_agent_start(&there->session, &there->host, ms->agent, id, &limits, &s->agent, err);
    if (r == 0)
        r = machine_set_paths(m, s->agent.dir, spec->workspace, err);
    if (r == 0)
        r = ssh_pump_start(&there->session, &s->agent, &m->client, &there->pump, err);
    if (r == 0)
        r = agent_client_hello(&m->client, HELLO_MS, err);
    return r == 0 ? make_dirs_there(m, err) : r;
}

static void ssh_end(struct machine *m)
{
    struct ssh *s = m->own;

    agent_client_close(&m->client);
    /* each pump ends when what it leads to has closed its end */
    for (struct hop *hop = s->way; hop < s->way + WAY_MAX; hop++) {
        if (hop->pump)
            ssh_pump_end(hop->pump);
        ssh_close(&hop->session); /* and its channel */
        ssh_host_release(&hop->host);
    }
    buf_release(&s->agent.said);
    free(s);
}

/* ------------------------------------------------------------------------------------------------- the kind
 */

static int ssh_check_label(const struct machine_label *l, struct err *err)
{
    if (!l->image || name_check(l->image) < 0)
        return err_set(err, -EINVAL, "a label of SSH names its host: `ssh:NAME`, of config/hosts/NAME");
    if ((l->network != MACHINE_NET_DEFAULT && l->network != MACHINE_NET_HOST) || l->limits.disk ||
        l->limits.cpu)
        return err_set(err, -EINVAL,
                       "the backend ssh takes memory=, pids=, files= and output=, and its network is the "
                       "host's");
    return 0;
}

/* Hosts are another runner's part each, and asked when they are needed. */
static int ssh_probe(struct machines *ms, struct err *err)
{
    int64_t any;

    if (ms->store && store_list_settings(ms->store, SETTING_CONFIG, "hosts/", 0, &any, 1) > 0)
        return 0;
    return err_set(err, -ENOTSUP,
                   ms->store ? "no host is set up: `runfs host add NAME USER@HOST` does that"
                             : "hosts are set up in a mounted runner: `runfs host add NAME USER@HOST`");
}

static void ssh_explain(const struct machines *ms, const struct err *why, char *words, size_t size)
{
    (void)ms;
    snprintf(words, size, "%s",
             why ? why->msg
                 : "processes of another host's user, by SSH; `runfs host list` says which hosts answer");
}

const struct machine_ops machine_ssh = {.name = "ssh",
                                        .isolates = true,
                                        .elsewhere = true,
                                        .remote = true,
                                        .images = true,
                                        .acquire = ssh_acquire,
                                        .end = ssh_end,
                                        .check_label = ssh_check_label,
                                        .probe = ssh_probe,
                                        .explain = ssh_explain};
