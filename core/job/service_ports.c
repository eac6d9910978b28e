/* `ports` of services: [ADDRESS:][PORT:]PORT[/tcp], as `docker create --publish` takes them. The address is
 * of no account: what is mapped is on the loopback addresses of who uses it, its machine's own, or on the
 * network `host` this host's, where everybody on it finds it. */
#include "runfs/str.h"
#include "service_internal.h"

static int read_port(const char *text, size_t len, uint16_t *ret)
{
    char digits[8];
    uint64_t n;

    if (len == 0 || len >= sizeof(digits))
        return -EINVAL;
    memcpy(digits, text, len);
    digits[len] = '\0';
    if (parse_u64(digits, &n) < 0 || n > UINT16_MAX)
        return -EINVAL;
    *ret = (uint16_t)n;
    return 0;
}

static int add_port(struct service *s, const char *text, struct err *err)
{
    size_t len = strcspn(text, "/");
    const char *protocol = text + len, *last = memrchr(text, ':', len), *host = NULL;
    struct machine_port port = {.name = s->name};
    const char *target = last ? last + 1 : text;

    if (last) {
        host = memrchr(text, ':', (size_t)(last - text));
        host = host ? host + 1 : text;
    }
    if (*protocol && strcmp(protocol, "/tcp") != 0)
        return err_set(err, -ENOTSUP, "services.%s.ports: '%.100s': only ports of TCP are mapped", s->name,
                       text);
    if (memchr(target, '-', len - (size_t)(target - text)))
        return err_set(err, -ENOTSUP, "services.%s.ports: '%.100s': each port of a range has to be named",
                       s->name, text);
    if (read_port(target, len - (size_t)(target - text), &port.target) < 0 || !port.target ||
        (host && host < last && read_port(host, (size_t)(last - host), &port.port) < 0))
        return err_set(err, -EINVAL, "services.%s.ports: '%.100s' is not PORT or PORT:PORT", s->name, text);
    if (s->n_ports == ARRAY_LEN(s->ports))
        return err_set(err, -E2BIG, "services.%s.ports: more than %d", s->name, SERVICE_PORTS_MAX);
    s->ports[s->n_ports++] = port;
    return 0;
}

int service_ports(struct service *s, struct err *err)
{
    json_t *port;
    size_t i;
    int r = 0;

    json_array_foreach(s->container->ports, i, port) if (r == 0) r =
        add_port(s, json_string_value(port), err);
    return r;
}

int services_map(struct services *all, struct running_job *j, struct err *err)
{
    struct machine_port ports[SERVICE_PORTS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < all->n; i++)
        for (size_t k = 0; k < all->list[i].n_ports; k++) {
            struct machine_port *p = &all->list[i].ports[k];
            if (j->spec->container) { /* reached by name, as it is */
                p->port = p->port ? p->port : p->target;
                continue;
            }
            if (n == ARRAY_LEN(ports))
                return err_set(err, -E2BIG, "services: more than %d ports", SERVICE_PORTS_MAX);
            ports[n++] = *p;
        }
    int r = machine_net_map(all->net, j->machine, ports, n, err);
    for (size_t i = 0, at = 0; r == 0 && i < all->n && n; i++)
        for (size_t k = 0; k < all->list[i].n_ports; k++)
            all->list[i].ports[k].port = ports[at++].port;
    return r;
}

json_t *service_ports_context(const struct service *s)
{
    json_t *ports = json_object();

    for (size_t i = 0; ports && i < s->n_ports; i++) {
        char target[8], port[8];
        snprintf(target, sizeof(target), "%u", s->ports[i].target);
        snprintf(port, sizeof(port), "%u", s->ports[i].port);
        json_object_set_new(ports, target, json_string(port));
    }
    return ports;
}
