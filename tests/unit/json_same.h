/* Whether two JSON values are the same to GitHub's test data: numbers by their value, 1 as 1.0. */
#ifndef RUNFS_JSON_SAME_H
#define RUNFS_JSON_SAME_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

static inline bool same(const json_t *a, const json_t *b)
{
    const char *key;
    json_t *value;
    size_t i;

    if (json_is_number(a) && json_is_number(b))
        return json_number_value(a) == json_number_value(b);
    if (json_typeof(a) != json_typeof(b))
        return false;
    if (json_is_array(a)) {
        json_array_foreach(a, i, value) if (i >= json_array_size(b) ||
                                            !same(value, json_array_get(b, i))) return false;
        return json_array_size(a) == json_array_size(b);
    }
    if (json_is_object(a)) {
        json_object_foreach((json_t *)(uintptr_t)a, key, value)
        {
            const json_t *other = json_object_get(b, key);
            if (!other || !same(value, other))
                return false;
        }
        return json_object_size(a) == json_object_size(b);
    }
    return json_equal(a, b);
}

#endif
