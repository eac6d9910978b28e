/*
 * What a webhook brings: the first line names the event, the rest is the payload. It is taken or refused with
 * a sentence; what is made of it is text, and what one prepared is prepared the same way again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runfs/event.h"
#include "runfs/str.h"
#include "runfs/workflow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char source[] =
    "on:\n"
    "  push: {branches: [main, 'v*', '!v1*'], paths: ['src/**', '!docs/**']}\n"
    "  pull_request: {types: [opened, synchronize, labeled], branches-ignore: [dev], paths: ['**.c']}\n"
    "  pull_request_target: {types: [opened]}\n"
    "  release: {types: [published]}\n"
    "  issue_comment: {types: [created]}\n"
    "  workflow_run: {workflows: [CI], types: [completed], branches: [main]}\n"
    "  repository_dispatch: {types: [deploy]}\n"
    "  create:\n  delete:\n  deployment:\n  merge_group:\n  registry_package:\n  workflow_dispatch:\n"
    "jobs: {a: {runs-on: h, steps: [{run: date}]}}\n";

static struct workflow *workflow;

static void load(void)
{
    _lint_ struct lint lint = {0};

    if (workflow_parse("fuzz.yml", source, strlen(source), NULL, &workflow, &lint) < 0)
        abort();
}

static void look(const char *text)
{
    if (text && !utf8_valid(text, strlen(text)))
        abort();
}

static void prepare(const char *name, json_t *payload)
{
    const struct event_request req = {.name = name, .payload = payload, .fallback = "local/ci", .user = "me"};
    _prepared_event_ struct prepared_event p = {0};
    _buf_ struct buf why = BUF_INIT, again = BUF_INIT;
    struct err err = {0};

    if (event_prepare(&req, &p, &err) < 0) {
        if (!*err.msg)
            abort();
        return;
    }
    look(p.ref);
    look(p.sha);
    look(p.actor);
    look(p.repository);
    bool matches = event_matches(workflow, &p.event, &why);
    if (!why.len || event_matches(workflow, &p.event, &again) != matches ||
        !str_eq(buf_str(&why), buf_str(&again)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *newline = memchr(text, '\n', size);
    size_t len = newline ? size - 1 - (size_t)(newline - text) : 0;
    _free_ char *name = strndup(text, newline ? (size_t)(newline - text) : 0);
    _json_ json_t *payload = NULL;
    struct err err = {0};

    if (!name)
        abort();
    if (!workflow)
        load();
    (void)event_parse_start("fuzz", newline ? newline + 1 : "", len, NULL);
    if (event_parse("fuzz", newline ? newline + 1 : "", len, &payload, &err) < 0) {
        if (!*err.msg)
            abort();
        return 0;
    }
    if (event_index(name) >= 0)
        prepare(name, payload);
    return 0;
}
