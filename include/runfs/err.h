/*
 * An error that a person will read: a negative errno and a sentence.
 *
 * Functions that can fail for a reason worth words take a trailing `struct err *`, return 0 or the
 * negative errno, and fill the sentence. A NULL err is allowed everywhere: then only the errno travels.
 */
#ifndef RUNFS_ERR_H
#define RUNFS_ERR_H

#include <stdbool.h>

struct err {
    int code;      /* negative errno; 0 while nothing went wrong */
    char msg[960]; /* one sentence, valid UTF-8 without control characters, cut off with "..." when longer */
};

/* Sets code and sentence. Returns code, so that `return err_set(err, -EINVAL, ...)` reads as one thought. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set, and appends ": " and the errno's own words. */
int err_errno(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "PREFIX: " before the sentence that is there. Returns err's code. */
int err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
