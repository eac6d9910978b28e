/* Permissions: what they say, and that a reusable workflow asks for no more of them than its caller has. */
#include <string.h>

#include "runfs/str.h"
#include "workflow_internal.h"

enum level { LEVEL_NONE, LEVEL_READ, LEVEL_WRITE };

static const char *const level_names[] = {"none", "read", "write"};
/* In the order in which GitHub names them. */
static const char *const scopes[] = {
    "actions",       "artifact-metadata",   "attestations", "checks",          "contents",
    "deployments",   "discussions",         "issues",       "packages",        "pages",
    "pull-requests", "repository-projects", "statuses",     "security-events", "id-token",
    "models",
};

static enum level level_of(const struct token *permissions, const char *scope)
{
    const struct token *t = token_get(permissions, scope);
    bool models = str_eq(scope, "models"); /* nobody can write them */

    if (token_is(permissions, "write-all"))
        return models ? LEVEL_READ : LEVEL_WRITE;
    if (token_is(permissions, "read-all"))
        return LEVEL_READ;
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++)
        if (token_is(t, level_names[i]))
            return (enum level)i;
    return LEVEL_NONE;
}

static void complain(struct parse *p, const struct token *caller_key, const char *uses, const char *job,
                     const struct buf *asked, const struct buf *given)
{
    if (asked->len == 0)
        return;
    if (job)
        parse_error(
            p, caller_key,
            "Error calling workflow '%s'. The nested job '%s' is requesting '%s', but is only allowed '%s'.",
            uses, job, buf_str(asked), buf_str(given));
    else
        parse_error(p, caller_key,
                    "Error calling workflow '%s'. The workflow is requesting '%s', but is only allowed '%s'.",
                    uses, buf_str(asked), buf_str(given));
}

static void compare_permissions(const struct token *wanted, const struct token *allowed, struct buf *asked,
                                struct buf *given)
{
    for (size_t i = 0; wanted && allowed && i < ARRAY_LEN(scopes); i++) {
        enum level want = level_of(wanted, scopes[i]), have = level_of(allowed, scopes[i]);
        if (want <= have)
            continue;
        buf_addf(asked, "%s%s: %s", asked->len ? ", " : "", scopes[i], level_names[want]);
        buf_addf(given, "%s%s: %s", given->len ? ", " : "", scopes[i], level_names[have]);
    }
}

bool cache_mode_reads(const char *mode)
{
    return !*mode || str_eq(mode, "read") || str_eq(mode, "write");
}

bool cache_mode_writes(const char *mode)
{
    return !*mode || str_eq(mode, "write") || str_eq(mode, "write-only");
}

static bool cache_mode_within(const char *wanted, const char *allowed)
{
    return !*wanted || ((!cache_mode_reads(wanted) || cache_mode_reads(allowed)) &&
                        (!cache_mode_writes(wanted) || cache_mode_writes(allowed)));
}

void check_granted(struct parse *p, const struct token *caller_key, const char *uses, const char *job,
                   const struct granted *wanted, const struct granted *allowed)
{
    _buf_ struct buf asked = BUF_INIT, given = BUF_INIT;

    compare_permissions(wanted->permissions, allowed->permissions, &asked, &given);
    complain(p, caller_key, uses, job, &asked, &given);
    if (cache_mode_within(wanted->cache_mode, allowed->cache_mode))
        return;
    buf_reset(&asked);
    buf_reset(&given);
    buf_addf(&asked, "cache-mode: %s", wanted->cache_mode);
    buf_addf(&given, "cache-mode: %s", allowed->cache_mode);
    complain(p, caller_key, uses, job, &asked, &given);
}

void permissions_text(const struct token *permissions, struct buf *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
        enum level level = level_of(permissions, scopes[i]);
        if (level != LEVEL_NONE)
            buf_addf(ret, "%s: %s\n", scopes[i], level_names[level]);
    }
    buf_adds(ret, "metadata: read\n");
}
