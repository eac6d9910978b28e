/*
 * A set of terms that are looked for in a text all at once, as whole words and without regard to case: an
 * Aho-Corasick automaton. Reading a text takes time by its length, however many terms there are.
 *
 * A term is found wherever it stands with no letter, digit or underscore directly before or behind it that
 * would make it part of a longer word; any blanks (newlines, too) stand for a blank in it. One that is part
 * of another term is found inside of that, too. What is no UTF-8 in a text separates
 * words.
 */
#ifndef RUNFS_AUTOMATON_H
#define RUNFS_AUTOMATON_H

#include <stddef.h>
#include <stdint.h>

#include "runfs/cleanup.h"

enum { AUTOMATON_TERM_MAX = 200, AUTOMATON_TERMS_MAX = 1000000 };

struct automaton_term {
    const char *text; /* UTF-8; what is empty or longer than AUTOMATON_TERM_MAX bytes is never found */
    uint32_t value;   /* what it means to the caller; several terms may mean the same */
};

struct automaton; /* constant once made: any thread may use it */

/* 0, -ENOMEM, or -E2BIG: too many terms. */
int automaton_new(const struct automaton_term *terms, size_t n, struct automaton **ret);
void automaton_free(struct automaton *a); /* NULL allowed */
static inline void automaton_cleanup(struct automaton **a)
{
    automaton_free(*a);
}
#define _automaton_ _cleanup_(automaton_cleanup)

size_t automaton_states(const struct automaton *a);

/* Calls fn once for each place of each term. 0 or -ENOMEM (a text beyond ASCII is folded as a whole). */
typedef void automaton_fn(void *data, uint32_t value);
int automaton_match(const struct automaton *a, const char *text, size_t len, automaton_fn *fn, void *data);

#endif
