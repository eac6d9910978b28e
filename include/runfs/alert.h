/*
 * Alerts: config/alerts/NAME says when somebody is told that a run has ended, and how. A line each:
 *
 *   on failure recovery anomaly duration>10m    when: one of these or more
 *   workflow ci.yml web:*.yml                   of these only; left out: of all
 *   to https://chat.example.com/hooks/x         how: POST a JSON object there. `to secrets/NAME`: to the
 * address that is the value of that secret command notify-send "$RUNFS_TEXT"           or: a line for sh,
 * with RUNFS_... in its environment file /var/log/runs.jsonl                    or: append the object as a
 * line
 */
#ifndef RUNFS_ALERT_H
#define RUNFS_ALERT_H

#include <stdbool.h>
#include <stdint.h>

#include "runfs/err.h"

enum alert_way { ALERT_URL, ALERT_SECRET, ALERT_COMMAND, ALERT_FILE };

struct alert {
    bool failure, recovery, anomaly;
    int64_t longer_than; /* ns; 0: however long */
    char *workflows;     /* owned; patterns with blanks between; NULL: all */
    enum alert_way way;
    char *target; /* owned: URL, name of a secret, command, path */
};
void alert_release(struct alert *a);
#define _alert_ _cleanup_(alert_release)

/* -EINVAL with a sentence that names the line. */
int alert_parse(const char *text, struct alert *ret, struct err *err);
/* Whether it is of that workflow ("ci.yml", "REPO:ci.yml"). */
bool alert_concerns(const struct alert *a, const char *workflow_name);

#endif
