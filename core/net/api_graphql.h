/* What the objects of the GraphQL API share. Private to api_graphql*.c. */
#ifndef RUNFS_API_GRAPHQL_H
#define RUNFS_API_GRAPHQL_H

#include "api_internal.h"
#include "graphql.h"

/* What the fields of one request share. */
struct asking {
    struct http_request *r;
    struct graphql g;
    json_t *pulls; /* owned: of the repository `of`; NULL: not looked for yet */
    int64_t of;
};

/* Of which repository an object is, and its name. */
struct repository gql_repository_of(const json_t *object);
const char *gql_name_of(const json_t *object);
/* Takes an object of the same one as another. */
json_t *gql_of_same(json_t *json_take, const json_t *object);

json_t *gql_upper(const char *text); /* "SUCCESS" of "success" */
json_t *gql_user(struct asking *q, const char *login);
/* (api_graphql_commits.c) */
json_t *gql_commit(struct asking *q, const json_t *of, const char *sha); /* null: there is none */

json_t *gql_parents(struct asking *q, const json_t *of, const json_t *args);
json_t *gql_history(struct asking *q, const json_t *of, const json_t *args);
json_t *gql_object(struct asking *q, const json_t *of, const json_t *args); /* by oid or expression */

/* (api_graphql_pulls.c) */
json_t *gql_rollup(struct asking *q, const json_t *of);
json_t *gql_find_pull(struct asking *q, const json_t *of, json_int_t number);
json_t *gql_pull_requests(struct asking *q, const json_t *of, const json_t *args);
json_t *gql_commits_of_pull(struct asking *q, const json_t *of, const json_t *args);

#endif
