/* Ids of jobs and steps: which are valid, which are taken, and new ones for steps that have none. */
#include <ctype.h>
#include <string.h>

#include "runfs/str.h"
#include "workflow_internal.h"

enum { MAX_ATTEMPTS = 1000 };

void id_set_release(struct id_set *set)
{
    json_decref(set->taken);
    json_decref(set->next);
    *set = (struct id_set){0};
}

int name_lower(const char *name, struct buf *ret)
{
    buf_reset(ret);
    for (; *name; name++)
        buf_addc(ret, (char)tolower((unsigned char)*name));
    return buf_ok(ret) ? 0 : -ENOMEM;
}

static bool id_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static bool id_valid(const char *id)
{
    if (!isalpha((unsigned char)id[0]) && id[0] != '_')
        return false;
    for (const char *c = id; *c; c++)
        if (!id_char(*c))
            return false;
    return strlen(id) < WORKFLOW_MAX_ID;
}

static void lower_id(const char *id, char ret[WORKFLOW_MAX_ID + 1])
{
    size_t n = 0;

    for (; id[n] && n < WORKFLOW_MAX_ID; n++)
        ret[n] = (char)tolower((unsigned char)id[n]);
    ret[n] = '\0';
}

bool id_set_has(const struct id_set *set, const char *id)
{
    char lower[WORKFLOW_MAX_ID + 1];

    lower_id(id, lower);
    const char *taken = json_string_value(json_object_get(set->taken, lower));
    return taken && str_eq(taken, id);
}

/* Ids differ by more than case. 1: it is new now, 0: it was taken. */
static int take(struct id_set *set, const char *id)
{
    char lower[WORKFLOW_MAX_ID + 1];

    lower_id(id, lower);
    if (!set->taken)
        set->taken = json_object();
    if (json_object_get(set->taken, lower))
        return 0;
    return json_object_set_new(set->taken, lower, json_string(id)) < 0 ? -ENOMEM : 1;
}

int id_set_add(struct id_set *set, const char *id, char **ret_problem)
{
    _buf_ struct buf problem = BUF_INIT;

    *ret_problem = NULL;
    if (!id_valid(id)) {
        buf_addf(
            &problem,
            "The identifier '%s' is invalid. IDs may only contain alphanumeric characters, '_', and '-'. "
            "IDs must start with a letter or '_' and and must be less than %d characters.",
            id, WORKFLOW_MAX_ID);
    } else if (str_starts(id, "__")) {
        buf_addf(&problem, "The identifier '%s' is invalid. IDs starting with '__' are reserved.", id);
    } else {
        int r = take(set, id);
        if (r != 0)
            return r < 0 ? r : 0;
        buf_addf(&problem, "The identifier '%s' may not be used more than once within the same scope.", id);
    }
    *ret_problem = buf_steal(&problem);
    return *ret_problem ? 0 : -ENOMEM;
}

int id_set_make(struct id_set *set, const char *base, char ret[WORKFLOW_MAX_ID + 1])
{
    char id[WORKFLOW_MAX_ID + 1];

    if (!set->next)
        set->next = json_object();
    json_int_t start = json_integer_value(json_object_get(set->next, base));
    for (int attempt = start > 1 ? (int)start : 1; attempt < MAX_ATTEMPTS; attempt++) {
        char suffix[16] = "";
        if (attempt > 1)
            snprintf(suffix, sizeof(suffix), "_%d", attempt);
        size_t room = WORKFLOW_MAX_ID - strlen(suffix), n = 0;
        for (const char *c = base; *c && n < room; c++)
            if (((unsigned char)*c & 0xC0) != 0x80)
                id[n++] = id_char(*c) ? *c : '_';
        memcpy(id + n, suffix, strlen(suffix) + 1);
        int r = take(set, id);
        if (r < 0)
            return r;
        if (r > 0) {
            memcpy(ret, id, sizeof(id));
            return json_object_set_new(set->next, base, json_integer(attempt + 1)) < 0 ? -ENOMEM : 0;
        }
    }
    return -EEXIST;
}
