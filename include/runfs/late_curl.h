/* libcurl, loaded at the first call: see runfs/late.h. */
#ifndef RUNFS_LATE_CURL_H
#define RUNFS_LATE_CURL_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#undef curl_easy_getinfo
#undef curl_easy_setopt

#include "runfs/late.h"

/* clang-format off */
#define LATE_CURL(X) \
    X(curl_easy_cleanup) X(curl_easy_getinfo) X(curl_easy_init) X(curl_easy_setopt) \
    X(curl_easy_strerror) X(curl_global_init) X(curl_multi_add_handle) X(curl_multi_cleanup) \
    X(curl_multi_info_read) X(curl_multi_init) X(curl_multi_perform) X(curl_multi_poll) \
    X(curl_multi_remove_handle) X(curl_slist_append) X(curl_slist_free_all) \
    X(curl_free) X(curl_url) X(curl_url_cleanup) X(curl_url_get) X(curl_url_set)
/* clang-format on */

struct late_curl {
    LATE_CURL(LATE_FIELD)
};
const struct late_curl *late_curl(void);

#define curl_easy_cleanup (late_curl()->curl_easy_cleanup)
#define curl_easy_getinfo (late_curl()->curl_easy_getinfo)
#define curl_easy_init (late_curl()->curl_easy_init)
#define curl_easy_setopt (late_curl()->curl_easy_setopt)
#define curl_easy_strerror (late_curl()->curl_easy_strerror)
#define curl_free (late_curl()->curl_free)
#define curl_global_init (late_curl()->curl_global_init)
#define curl_multi_add_handle (late_curl()->curl_multi_add_handle)
#define curl_multi_cleanup (late_curl()->curl_multi_cleanup)
#define curl_multi_info_read (late_curl()->curl_multi_info_read)
#define curl_multi_init (late_curl()->curl_multi_init)
#define curl_multi_perform (late_curl()->curl_multi_perform)
#define curl_multi_poll (late_curl()->curl_multi_poll)
#define curl_multi_remove_handle (late_curl()->curl_multi_remove_handle)
#define curl_slist_append (late_curl()->curl_slist_append)
#define curl_slist_free_all (late_curl()->curl_slist_free_all)
#define curl_url (late_curl()->curl_url)
#define curl_url_cleanup (late_curl()->curl_url_cleanup)
#define curl_url_get (late_curl()->curl_url_get)
#define curl_url_set (late_curl()->curl_url_set)

#endif
