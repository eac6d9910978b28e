/* The words that schema tables are written in. */
#ifndef RUNFS_SCHEMA_TABLE_H
#define RUNFS_SCHEMA_TABLE_H

#include "schema.h"

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define DEFINE(name, ...) static const struct schema name = {__VA_ARGS__}

#define NOTHING .kind = SCHEMA_NULL
#define BOOLEAN .kind = SCHEMA_BOOLEAN
#define NUMBER .kind = SCHEMA_NUMBER
#define STRING .kind = SCHEMA_STRING
#define VALUES(...) .kind = SCHEMA_STRING, .values = LIST(__VA_ARGS__)
#define SEQUENCE(of) .kind = SCHEMA_SEQUENCE, .item = &(of)
#define ONE_OF(...)                                                                                          \
    .kind = SCHEMA_ONE_OF, .one_of = (const struct schema *const[])                                          \
    {                                                                                                        \
        __VA_ARGS__, NULL                                                                                    \
    }
#define MAPPING(...)                                                                                         \
    .kind = SCHEMA_MAPPING, .properties = (const struct schema_property[])                                   \
    {                                                                                                        \
        __VA_ARGS__,                                                                                         \
        {                                                                                                    \
            0                                                                                                \
        }                                                                                                    \
    }
#define MAP_OF(k, v) .kind = SCHEMA_MAPPING, .key = &(k), .value = &(v)
#define CONTEXT(bits) .context = (bits)
#define ANY_OTHER(k, v) .key = &(k), .value = &(v)

#endif
