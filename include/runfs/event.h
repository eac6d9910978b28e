/*
 * Events: what there is, where GitHub runs what they start, whether `on` lets one start a workflow, and
 * payloads. The rules are those of GitHub's "Events that trigger workflows".
 */
#ifndef RUNFS_EVENT_H
#define RUNFS_EVENT_H

#include <jansson.h>
#include <stdbool.h>

#include "runfs/arena.h"
#include "runfs/buf.h"
#include "runfs/err.h"
#include "runfs/forge.h"

struct workflow;

/* ------------------------------------------------------------------------------------------ names, types */

/* The events that can be delivered, in order of the schema; NULL behind the last one. (workflow_call is a
 * call, and GitHub never sends pull_request_comment.) */
const char *event_name(size_t index);
int event_index(const char *name); /* -1: there is none */

/* The activity types that start a workflow which names none, NULL-terminated; NULL: the event has none, or
 * any. */
const char *const *event_types(const char *name);

/* -------------------------------------------------------------------------------------------- where it is */

/* Where a run of an event stands. Strings are the arena's, "" where they do not apply. */
struct event_origin {
    const char *ref;  /* GITHUB_REF, complete: "refs/heads/main", "refs/pull/7/merge", "refs/tags/v1" */
    const char *sha;  /* as the payload says it; "": the last commit of ref */
    const char *head; /* of a pull request, else the same as sha: the commit that people wrote */
    const char *head_ref, *base_ref; /* of a pull request: branch names */
    bool branch_or_tag; /* ref names a branch as far as one knows; a tag of that name is as good */
};

/* From the payload alone. default_branch ("main") stands where the payload names none. 0 or -ENOMEM. */
int event_origin(const char *name, const json_t *payload, const char *default_branch, struct arena *a,
                 struct event_origin *ret);

/*
 * Whether it is about a pull request whose commits are of another repository than the one that they are for
 * (or of one that is gone), so that its run gets no secrets: GitHub's "Using secrets in GitHub Actions". A
 * pull_request_target is not, as it stands on the base.
 */
bool event_is_of_fork(const char *name, const json_t *payload);

/* ----------------------------------------------------------------------------------------------- filters */

/* What happened: the input of filters. Strings borrowed; "" where they do not apply. */
struct event {
    const char *name;                 /* "push", "workflow_dispatch", ... */
    const char *ref;                  /* "refs/heads/main" */
    const json_t *payload;            /* the webhook's JSON object; may be NULL */
    const char *const *changed_paths; /* NULL-terminated; NULL: unknown, then path filters match */
    const char *head_message;         /* of a pull request's last commit; NULL: not known */
};

/*
 * Whether `on` lets this event start the workflow; appends one sentence to `why` either way
 * ("push: branch main matches branches: main", "push: branch dev matches none of branches: main, v1").
 */
bool event_matches(const struct workflow *w, const struct event *e, struct buf *why);

/*
 * The paths that a push's payload says its commits added, changed or removed: NULL-terminated, owned by the
 * arena. NULL when the payload tells none or memory ran out: then they are unknown, and path filters match.
 */
const char *const *event_changed_paths(const json_t *payload, struct arena *a);

/* ------------------------------------------------------------------------------------- prepared for a run */

/* What is known of an event before it is looked at. Strings borrowed; NULL or "": not given. */
struct event_request {
    const char *name;
    json_t *payload;      /* NULL: one is made */
    const char *checkout; /* directory of the repository it happened in; "": none is known */
    const char *fallback; /* name of the repository where neither payload nor checkout has one: "local/ci" */
    const char *repository, *actor, *ref; /* said by a person: these win */
    const char *workflow;                 /* file name, for workflow_dispatch and schedule */
    enum forge forge;                     /* in whose folder that is */
    const char *title;                    /* the message of a commit that is made up */
    const json_t *inputs;                 /* of workflow_dispatch, checked */
    const char *user;                     /* the actor where nobody else is one */
};

/* An event with everything that filters, the github context and a run's row need. */
struct prepared_event {
    struct arena arena; /* owned: all strings */
    json_t *payload;    /* owned: the given one, completed with what GitHub always sends; or a made one */
    struct event event; /* borrows from the two */
    const char *ref, *sha, *actor, *repository;
};
void prepared_event_release(struct prepared_event *p);
#define _prepared_event_ _cleanup_(prepared_event_release)

/*
 * Completes or makes the payload, from the checkout where there is one (git is asked for commits, remotes and
 * changed paths), and derives the rest of it. The one function for events/NAME, plan, run, drops and
 * schedules. repository_dispatch and workflow_dispatch also take the bodies that GitHub's REST API takes.
 * Returns 0; -EINVAL with the reason when such a body is not what GitHub accepts; -ENOMEM.
 */
int event_prepare(const struct event_request *req, struct prepared_event *ret, struct err *err);

/*
 * Parses a payload: a JSON object, or nothing but blanks, which gives NULL. what: how messages name it
 * ("events/push"). -EINVAL: "events/push (Line: 3, Col: 4): ...".
 */
int event_parse(const char *what, const char *text, size_t len, json_t **ret, struct err *err);
/* Whether a beginning of a payload can still become one: -EINVAL as event_parse where it cannot. */
int event_parse_start(const char *what, const char *text, size_t len, struct err *err);

/* The text of a payload's key, the payload's own; "" where there is none. */
static inline const char *json_text_at(const json_t *json, const char *key)
{
    const char *s = json_string_value(json_object_get(json, key));

    return s ? s : "";
}

#endif
