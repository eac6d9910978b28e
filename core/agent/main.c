/* runfs-agent: `serve` runs commands for whoever holds the other end of descriptor 3; `spawner` makes
 * machines. */
#include "core/agent/agent.h"
#include "runfs/str.h"

int main(int argc, char **argv)
{
    if (getpid() == 1 && str_eq(argv[0], "/init")) /* the kernel passes on what it does not know itself */
        return guest_main();
    if (argc == 2 && str_eq(argv[1], "serve"))
        return agent_serve(3, false);
    if (argc == 2 && str_eq(argv[1], "serve-sandboxed"))
        return agent_serve_sandboxed(3);
    if (argc >= 3 && str_eq(argv[1], "spawner"))
        return spawner_main(argc - 2, argv + 2);
    if (argc >= 4 && str_eq(argv[1], "tether"))
        return tether_main(argc - 2, argv + 2);
    if (argc >= 3 && str_eq(argv[1], "remote"))
        return remote_main(argc - 2, argv + 2);
    if (argc >= 4 && str_eq(argv[1], "peers"))
        return peers_main(argc - 2, argv + 2);
    uint64_t port;
    if (argc == 3 && str_eq(argv[1], "vsock") && parse_u64(argv[2], &port) == 0 && port < UINT32_MAX)
        return vsock_main((unsigned)port);
    fputs("runfs-agent is started by runfs: `runfs-agent serve` speaks its protocol on descriptor 3\n",
          stderr);
    return 64;
}
