/*
 * Strings and small texts: comparison, UTF-8, base64, names that are safe as file names.
 */
#ifndef RUNFS_STR_H
#define RUNFS_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "runfs/buf.h"

static inline bool str_eq(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

bool str_eq_ascii_nocase(const char *a, const char *b);
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
bool str_empty(const char *s); /* NULL or "" */

/* A NULL-terminated array and its strings. NULL is fine. */
void strv_free(char **v);
static inline void cleanup_strv(char ***v)
{
    strv_free(*v);
}
#define _strv_ _cleanup_(cleanup_strv)

/* Appends a string, which it takes, to such an array of *n (NULL and 0: to a new one), and counts it. 0, or
 * -ENOMEM: there is none, or s is NULL; then the array is as it was, and s is freed. */
int strv_add(char ***v, size_t *n, char *s);
void strv_sort(char **v, size_t n); /* by their bytes */

/* Length of the valid UTF-8 prefix of s; equals len if all of it is valid (RFC 3629: no surrogates, no
 * overlongs). */
size_t utf8_valid_prefix(const char *s, size_t len);
static inline bool utf8_valid(const char *s, size_t len)
{
    return utf8_valid_prefix(s, len) == len;
}

/* Appends standard base64 (RFC 4648 section 4, padded). */
void buf_add_base64(struct buf *b, const void *data, size_t len);
/* Appends what such text stands for; line ends within it do not count. 0, -EPROTO or -ENOMEM. */
int buf_add_unbase64(struct buf *b, const char *text, size_t len);

/* Appends the text so that it stands for itself in XML and HTML, between tags and in a quoted attribute: & <
 * > " ' as entities (XML 1.0, section 4.6), every other byte as it is. */
void buf_add_xml(struct buf *b, const char *s, size_t len);

/* Appends the word so that a shell takes it for one word, whatever it has in it: in single quotes
 * (POSIX.1-2017, XCU 2.2.2), an apostrophe outside of them. */
void buf_add_shell_word(struct buf *b, const char *word);

/*
 * Turns any text into a name for the mount: lower case, runs of other than [a-z0-9._] become one '-', at most
 * max bytes, never empty, never "." or "..". ("Run tests (x64)" -> "run-tests-x64"). Appends to b.
 */
void buf_add_slug(struct buf *b, const char *text, size_t max);

/*
 * A name that a person may create in the mount: 1 to 255 bytes of valid UTF-8, no '/', no control characters,
 * not "." or "..". Returns 0, -EINVAL or -ENAMETOOLONG.
 */
int name_check(const char *name);

/* Parses a whole decimal number with no sign, blank or rest. Returns 0, -EINVAL or -ERANGE. */
int parse_u64(const char *s, uint64_t *ret);

/* FNV-1a of 64 bits, http://www.isthe.com/chongo/tech/comp/fnv/: the same on every machine, so that it may be
 * kept. For tables and numbers, not against an adversary. */
#define STR_HASH_START 0xcbf29ce484222325u
uint64_t str_hash_on(uint64_t hash, const char *s); /* goes on from the hash of what stands before s */
static inline uint64_t str_hash(const char *s)
{
    return str_hash_on(STR_HASH_START, s);
}

#endif
