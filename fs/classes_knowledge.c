/* The classes of names below knowledge/. */
#include "fs.h"
#include "runfs/knowledge_rows.h"

static int64_t find_command(struct fs *fs, int64_t up, const char *name)
{
    (void)up;
    return store_find_known_command(fs->store, name);
}

static ssize_t next_command(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)up;
    return store_list_known_commands(fs->store, after, ids, max);
}

static int name_command(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct known_command_row *row = store_get_known_command(fs->store, id);

    if (row)
        buf_adds(ret, row->slug);
    known_command_row_unref(row);
    return row ? 0 : -ENOENT;
}

const struct name_class class_known_commands = {find_command, next_command, name_command};

static ssize_t next_flaky(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)up;
    return store_list_flaky_commands(fs->store, after, ids, max);
}

static int64_t find_flaky(struct fs *fs, int64_t up, const char *name)
{
    int64_t id = store_find_known_command(fs->store, name), one = 0;

    return id > 0 && next_flaky(fs, up, id - 1, &one, 1) == 1 && one == id ? id : 0;
}

const struct name_class class_flaky_commands = {find_flaky, next_flaky, name_command};

static int64_t find_neighbour(struct fs *fs, int64_t up, enum command_side side, const char *name)
{
    int64_t id = store_find_known_command(fs->store, name);

    return id > 0 && store_is_neighbour(fs->store, up, side, id) ? id : 0;
}

static int64_t find_next_command(struct fs *fs, int64_t up, const char *name)
{
    return find_neighbour(fs, up, COMMAND_NEXT, name);
}

static ssize_t next_next_command(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    return store_list_neighbours(fs->store, up, COMMAND_NEXT, after, ids, max);
}

const struct name_class class_next_commands = {find_next_command, next_next_command, name_command};

static int64_t find_previous_command(struct fs *fs, int64_t up, const char *name)
{
    return find_neighbour(fs, up, COMMAND_PREVIOUS, name);
}

static ssize_t next_previous_command(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    return store_list_neighbours(fs->store, up, COMMAND_PREVIOUS, after, ids, max);
}

const struct name_class class_previous_commands = {find_previous_command, next_previous_command,
                                                   name_command};

static int name_run(struct fs *fs, int64_t id, struct buf *ret)
{
    return class_runs.name(fs, id, ret);
}

static int64_t find_command_run(struct fs *fs, int64_t up, const char *name)
{
    int64_t id = class_runs.find(fs, 0, name);

    return id > 0 && store_command_ran_in(fs->store, up, id) ? id : 0;
}

static ssize_t next_command_run(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    return store_list_command_runs(fs->store, up, after, ids, max);
}

const struct name_class class_command_runs = {find_command_run, next_command_run, name_run};

/* ---------------------------------------------------------------------------------------------- failures */

static int64_t find_failure(struct fs *fs, int64_t up, const char *name)
{
    (void)up;
    return store_find_failure(fs->store, name);
}

static ssize_t next_failure(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)up;
    return store_list_failures(fs->store, after, ids, max);
}

static int name_failure(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct failure_row *row = store_get_failure(fs->store, id);

    if (row)
        buf_adds(ret, row->slug);
    failure_row_unref(row);
    return row ? 0 : -ENOENT;
}

const struct name_class class_failures = {find_failure, next_failure, name_failure};

static int name_workflow(struct fs *fs, int64_t id, struct buf *ret)
{
    int64_t one; /* run that is still kept */

    return store_list_runs_of(fs->store, id, 0, &one, 1) == 1 ? class_run_workflows.name(fs, id, ret)
                                                              : -ENOENT;
}

/* What a failure or a command is linked with: found by the name that it has elsewhere, and only if it is
 * linked. */
#define LINKED(what, link, find_other, name)                                                                 \
    static int64_t find_##what(struct fs *fs, int64_t up, const char *text)                                  \
    {                                                                                                        \
        int64_t id = find_other(fs, 0, text);                                                                \
        return id > 0 && store_is_failure_link(fs->store, link, up, id) ? id : 0;                            \
    }                                                                                                        \
    static ssize_t next_##what(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)           \
    {                                                                                                        \
        return store_list_failure_links(fs->store, link, up, after, ids, max);                               \
    }                                                                                                        \
    const struct name_class class_##what##s = {find_##what, next_##what, name};

LINKED(failure_command, FAILURE_COMMANDS, find_command, name_command)
LINKED(failure_run, FAILURE_RUNS, class_runs.find, name_run)
LINKED(command_failure, COMMAND_FAILURES, find_failure, name_failure)
LINKED(command_workflow, COMMAND_WORKFLOWS, class_run_workflows.find, name_workflow)
