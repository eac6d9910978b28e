/* GitHub's REST API has versions, each with the date of a day: which one a caller asks for, and what differs.
 * GitHub documentation, "API Versions", "Breaking changes". */
#include "api_internal.h"

/* Newest last. Who asks for none gets the first. */
static const char *const versions[] = {"2022-11-28", API_VERSION_2026};

/* NULL: one that is not there. */
static const char *selected(struct http_request *r)
{
    const char *asked = http_header(r, "X-GitHub-Api-Version");

    for (size_t i = 0; asked && i < ARRAY_LEN(versions); i++)
        if (str_eq(asked, versions[i]))
            return versions[i];
    return asked ? NULL : versions[0];
}

bool api_version_is_since(struct http_request *r, const char *version)
{
    const char *is = selected(r);

    return is && strcmp(is, version) >= 0;
}

void api_admit_version(struct http_request *r)
{
    const char *is = selected(r), *asked = http_header(r, "X-GitHub-Api-Version");
    _buf_ struct buf words = BUF_INIT;

    http_add_header(r, "X-GitHub-Api-Version-Selected", is ? is : versions[0]);
    if (is)
        return;
    buf_adds(&words, "X-GitHub-Api-Version: '");
    for (size_t i = 0; asked[i] > ' ' && asked[i] < 0x7f && i < 32; i++)
        buf_addc(&words, asked[i]);
    buf_adds(&words, "' is not supported. The versions that are:");
    for (size_t i = 0; i < ARRAY_LEN(versions); i++)
        buf_addf(&words, "%s %s", i ? "," : "", versions[i]);
    http_fail(r, 400, buf_str(&words));
}

void api_versions(struct http_request *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < ARRAY_LEN(versions); i++)
        json_array_append_new(list, json_string(versions[i]));
    http_reply_json(r, 200, list);
}
