/*
 * Any bytes at all through everything that decodes the agent's protocol: the daemon's client fed by a hostile
 * agent, and each decoder. Build: clang -fsanitize=fuzzer,address,undefined (make fuzz).
 */
#include <sys/socket.h>

#include "core/machine/machine_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed_client(const uint8_t *data, size_t size)
{
    static const char *const argv[] = {"x", NULL};
    struct machine_file get[2] = {{.path = "/x", .max = 64}, {.path = "/y", .max = 0}};
    struct machine_exec x = {.argv = argv, .env = argv, .cwd = "/", .get = get, .n_get = 2};
    struct machine_result r = {0};
    struct agent_client c;
    struct err err;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return;
    agent_client_init(&c);
    if (agent_client_open(&c, pair[0], -1, &err) == 0) {
        (void)!send(pair[1], data, size < 65536 ? size : 65536, MSG_DONTWAIT | MSG_NOSIGNAL);
        shutdown(pair[1], SHUT_WR);
        if (agent_client_hello(&c, 1000, &err) == 0)
            (void)agent_client_exec(&c, &x, &r, &err);
        if (agent_client_exec(&c, &x, &r, &err) == 0)
            (void)agent_client_put_tree(&c, "/", -1, &err);
    }
    machine_result_release(&r);
    for (int i = 0; i < 2; i++)
        buf_release(&get[i].got);
    agent_client_release(&c);
    close(pair[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct exec_request exec;
    struct exec_report report;
    struct spawn_request spawn;
    struct spawn_reply reply;
    struct frame f;
    size_t need;

    if (exec_request_decode(data, size, &exec) == 0)
        exec_request_release(&exec);
    if (spawn_request_decode(data, size, &spawn) == 0)
        spawn_request_release(&spawn);
    (void)exec_report_decode(data, size, &report);
    (void)spawn_reply_decode(data, size, &reply);
    (void)frame_find(data, size, FRAME_TO_DAEMON_MAX, &f, &need);
    feed_client(data, size);
    return 0;
}
