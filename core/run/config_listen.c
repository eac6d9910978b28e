/* The words of config/listen. */
#include <arpa/inet.h>

#include "runfs/run.h"
#include "runfs/str.h"

static int wrong(const char *word, struct err *err)
{
    return err_set(err, -EINVAL,
                   "'%s' is nothing to listen on: it is a port (8080), ADDRESS:PORT (127.0.0.1:8080, "
                   "[::1]:8080), either with tls: before it, the absolute path of a unix socket, or off",
                   word);
}

static bool is_address(const char *text)
{
    unsigned char room[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, text, room) == 1 || inet_pton(AF_INET6, text, room) == 1;
}

static int parse_word(char *word, struct listen_at *ret, struct err *err)
{
    char *whole = word;

    ret->tls = str_starts(word, "tls:");
    word += ret->tls ? strlen("tls:") : 0;
    char *colon = strrchr(word, ':'), *address = word;
    const char *port = colon ? colon + 1 : word;
    uint64_t n;

    if (*word == '/' && !ret->tls) {
        if ((size_t)snprintf(ret->address, sizeof(ret->address), "%s", word) >= sizeof(ret->address))
            return wrong(whole, err);
        ret->port = 0;
        return 1;
    }
    if (parse_u64(port, &n) < 0 || n > UINT16_MAX)
        return wrong(whole, err);
    size_t len = colon ? (size_t)(colon - word) : 0;
    if (len > 2 && word[0] == '[' && word[len - 1] == ']') {
        address++;
        len -= 2;
    }
    snprintf(ret->address, sizeof(ret->address), "%.*s", (int)len, address);
    if (!colon) /* nobody but this host */
        snprintf(ret->address, sizeof(ret->address), "127.0.0.1");
    ret->port = (uint16_t)n;
    return is_address(ret->address) ? 1 : wrong(whole, err);
}

int config_listen_next(const char **text, struct listen_at *ret, struct err *err)
{
    char word[sizeof(ret->address) + sizeof("tls:")];
    const char *start = *text + strspn(*text, " ,\t\n");
    size_t len = strcspn(start, " ,\t\n");

    if (!len)
        return 0;
    if (len >= sizeof(word))
        return err_set(err, -EINVAL, "'%s' is too long", start);
    memcpy(word, start, len);
    word[len] = '\0';
    *text = start + len;
    return str_eq(word, "off") ? config_listen_next(text, ret, err) : parse_word(word, ret, err);
}
