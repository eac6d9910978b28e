/*
 * What Gitea, Forgejo and Gogs send, as GitHub sends it: the names of events and of activities that differ,
 * and what a review says in another place. Which is which: Gitea documentation, "Webhooks", and what its own
 * actions take for the events of GitHub.
 */
#include "runfs/io.h"
#include "runfs/str.h"
#include "server_internal.h"

static const char *const events[][2] = {
    {"pull_request_approved", "pull_request_review"},
    {"pull_request_rejected", "pull_request_review"},
    {"pull_request_comment", "pull_request_review"}, /* a review that only comments */
    {"package", "registry_package"},
    {"wiki", "gollum"},
};

/* By GitHub's name of the event. */
static const char *const actions[][3] = {
    {"issues", "label_updated", "labeled"},          {"issues", "label_cleared", "unlabeled"},
    {"pull_request", "label_updated", "labeled"},    {"pull_request", "label_cleared", "unlabeled"},
    {"pull_request", "synchronized", "synchronize"}, {"pull_request_review", "reviewed", "submitted"},
    {"registry_package", "created", "published"},    {"release", "updated", "edited"},
};

static const char *const reviews[][2] = {
    {"pull_request_review_approved", "approved"},
    {"pull_request_review_rejected", "changes_requested"},
    {"pull_request_review_comment", "commented"},
};

static bool is_forge(const char *headers)
{
    static const char *const names[] = {"X-Gitea-Event:", "X-Forgejo-Event:", "X-Gogs-Event:"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        for (const char *line = headers; *line;) {
            if (strncasecmp(line, names[i], strlen(names[i])) == 0)
                return true;
            line += strcspn(line, "\n");
            line += *line == '\n';
        }
    return false;
}

static const char *event_of(const char *event)
{
    for (size_t i = 0; i < ARRAY_LEN(events); i++)
        if (str_eq(event, events[i][0]))
            return events[i][1];
    return event;
}

static const char *action_of(const char *event, const json_t *payload)
{
    const char *said = json_string_value(json_object_get(payload, "action"));
    const json_t *changes = json_object_get(payload, "changes");
    bool removed = json_array_size(json_object_get(changes, "removed_labels")) > 0 &&
                   json_array_size(json_object_get(changes, "added_labels")) == 0;

    if (said && str_eq(said, "label_updated") && removed)
        said = "label_cleared";
    for (size_t i = 0; said && i < ARRAY_LEN(actions); i++)
        if (str_eq(event, actions[i][0]) && str_eq(said, actions[i][1]))
            return actions[i][2];
    return NULL;
}

/* Gitea's has a type and a content where GitHub's has a state and a body. */
static int add_review(json_t *payload)
{
    json_t *review = json_object_get(payload, "review"), *content = json_object_get(review, "content");
    const char *type = json_string_value(json_object_get(review, "type"));

    for (size_t i = 0; type && i < ARRAY_LEN(reviews); i++)
        if (str_eq(type, reviews[i][0]) && !json_object_get(review, "state") &&
            json_object_set_new(review, "state", json_string(reviews[i][1])) < 0)
            return -ENOMEM;
    return content && !json_object_get(review, "body") && json_object_set(review, "body", content) < 0
               ? -ENOMEM
               : 0;
}

/* Gogs's pull request has branches and repositories where GitHub's has both ends of it. */
static int add_ends(json_t *payload)
{
    static const char *const ends[][3] = {{"head", "head_branch", "head_repo"},
                                          {"base", "base_branch", "base_repo"}};
    json_t *pull = json_object_get(payload, "pull_request");

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        json_t *branch = json_object_get(pull, ends[i][1]), *repo = json_object_get(pull, ends[i][2]);
        if (!json_is_string(branch) || json_object_get(pull, ends[i][0]))
            continue;
        json_t *end = json_pack("{s:O, s:O*}", "ref", branch, "repo", json_is_object(repo) ? repo : NULL);
        if (!end || json_object_set_new(pull, ends[i][0], end) < 0)
            return -ENOMEM;
    }
    return 0;
}

int webhook_as_github(const struct hook_row *row, const char **ret_event, struct buf *payload)
{
    *ret_event = row->event;
    if (!is_forge(row->headers))
        return 0;
    const char *event = event_of(row->event);
    _json_ json_t *json = json_loadb(buf_str(payload), payload->len, JSON_ALLOW_NUL, NULL);
    const char *action = json ? action_of(event, json) : NULL;
    bool thin = json_object_get(json_object_get(json, "pull_request"), "head_branch") != NULL;

    *ret_event = event;
    if (!action && !thin)
        return 0;
    int r = action && json_object_set_new(json, "action", json_string(action)) < 0 ? -ENOMEM
            : action                                                               ? add_review(json)
                                                                                   : 0;
    if (r == 0)
        r = add_ends(json);
    _free_ char *text = r == 0 ? json_dumps(json, JSON_COMPACT) : NULL;
    buf_reset(payload);
    buf_adds(payload, text ? text : "");
    return text && buf_ok(payload) ? 0 : -ENOMEM;
}
