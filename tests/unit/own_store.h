/* What tests of the store begin with: one of their own, in `dir`. */
#ifndef RUNFS_OWN_STORE_H
#define RUNFS_OWN_STORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include "runfs/io.h"
#include "runfs/store.h"

static char dir[] = "/tmp/runfs-test-store-XXXXXX";
static struct store *st;

static __attribute__((unused)) int setup(void **state)
{
    struct err err = {0};

    (void)state;
    memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
    assert_non_null(mkdtemp(dir));
    assert_int_equal(store_open(dir, &st, &err), 0);
    return 0;
}

static __attribute__((unused)) int teardown(void **state)
{
    (void)state;
    store_close(st);
    return remove_tree(dir);
}

static __attribute__((unused)) void reopen(void)
{
    struct err err = {0};

    store_close(st);
    assert_int_equal(store_open(dir, &st, &err), 0);
}

static __attribute__((unused)) struct run_row a_run(const char *status)
{
    return (struct run_row){.attempt = 1,
                            .status = status,
                            .conclusion = "",
                            .exit_code = -1,
                            .workflow_name = "ci.yml",
                            .name = "CI",
                            .created_at = 1,
                            .log_size = -1};
}

static __attribute__((unused)) int64_t put_run(const char *status)
{
    struct run_row run = a_run(status);

    assert_int_equal(store_put_run(st, &run, NULL), 0);
    return run.id;
}

struct heard {
    size_t n, calls;
    struct change last;
    bool visible; /* what was told of could be read */
};

static __attribute__((unused)) void hear(void *data, const struct change *changes, size_t n)
{
    struct heard *h = data;

    h->n += n;
    h->calls++;
    h->last = changes[n - 1];
    const struct run_row *row = store_get_run(st, changes[n - 1].id);
    h->visible = row != NULL;
    run_row_unref(row);
}

#endif
