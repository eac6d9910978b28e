# Reach what listens on the host, or what clouds tell about a host, over the network.
# vm: only
# outside: [ ! -s "$CANARY_DIR/contacted" ]
import socket
port = int(os.environ["HOST_PORT"])
hosts = [(a, port) for a in os.environ["HOST_ADDRESSES"].split() + ["10.0.2.2", "10.0.3.2", "127.0.0.1", "0.0.0.0"]]
for address in hosts + [("169.254.169.254", 80), ("100.100.100.200", 80), ("168.63.129.16", 80), ("192.0.0.192", 80)]:
    try:
        socket.create_connection(address, timeout=3)
        reached(f"{address}")
    except OSError:
        pass
