/* Whether a request ends where any other reader of it would say so (RFC 9112, sections 3.2, 5.1 and 6.3). A
 * proxy before this server may see two requests where it sees one, or the other way around, only in what is
 * refused here. */
#include "http_internal.h"
#include "runfs/str.h"

struct framing {
    unsigned hosts, lengths, codings;
    bool strange_name, strange_value, strange_coding;
};

static bool is_token(const char *name, size_t len)
{
    static const char other[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < len; i++)
        if (!((name[i] >= '0' && name[i] <= '9') || ((name[i] | 32) >= 'a' && (name[i] | 32) <= 'z') ||
              (name[i] && strchr(other, name[i]))))
            return false;
    return len > 0;
}

static bool is_text(const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)value[i] < ' ' && value[i] != '\t')
            return false;
    return true;
}

static enum MHD_Result look(void *data, enum MHD_ValueKind kind, const char *name, size_t name_len,
                            const char *value, size_t len)
{
    struct framing *f = data;

    (void)kind;
    f->strange_name |= !is_token(name, name_len);
    f->strange_value |= value && !is_text(value, len);
    f->hosts += strcasecmp(name, "Host") == 0;
    f->lengths += strcasecmp(name, "Content-Length") == 0;
    if (strcasecmp(name, "Transfer-Encoding") == 0) {
        f->codings++;
        f->strange_coding |= !value || strcasecmp(value, "chunked") != 0;
    }
    return MHD_YES;
}

const char *http_framing_fault(struct http_request *r, const char *version)
{
    struct framing f = {0};
    bool old = str_eq(version, "HTTP/1.0");

    (void)MHD_get_connection_values_n(r->connection, MHD_HEADER_KIND, look, &f);
    if (f.strange_name)
        return "a header's name has characters that no name has\n";
    if (f.strange_value)
        return "a header's value has control characters\n";
    if (f.hosts > 1 || (f.hosts == 0 && !old))
        return "a request has one Host\n";
    if (f.lengths > 1 || f.codings > 1 || (f.lengths && f.codings))
        return "a body has one length: one Content-Length, or one Transfer-Encoding\n";
    if (f.strange_coding || (f.codings && old))
        return "no Transfer-Encoding is known but chunked, of HTTP/1.1\n";
    return NULL;
}
