/* Queries of GraphQL as strangers may write them: answered, or said to be none. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/net/graphql.h"
#include "runfs/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static json_t *resolve(void *data, const json_t *object, const char *field, const json_t *args)
{
    json_t *list = data;

    (void)object;
    return strcmp(field, "all") == 0   ? graphql_connection("Thing", list, args)
           : strcmp(field, "one") == 0 ? json_pack("{s:s, s:O}", "__typename", "Thing", "name", args)
                                       : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const struct graphql_type types[] = {{"Query", "__type all one"}, {"Thing", "name one all"}, {0}};
    static const char *const interfaces[] = {"Node", NULL};
    _json_ json_t *list = json_pack("[{s:s, s:s}, {s:s, s:s}]", "__typename", "Thing", "name", "a",
                                    "__typename", "Thing", "name", "b"),
                  *variables = json_pack("{s:i}", "n", 1);
    struct graphql g = {.types = types, .interfaces = interfaces, .resolve = resolve, .data = list};
    char *query = malloc(size + 1);

    if (!query)
        return 0;
    memcpy(query, bytes, size);
    query[size] = '\0';
    json_decref(graphql_answer(&g, query, variables, ""));
    free(query);
    return 0;
}
