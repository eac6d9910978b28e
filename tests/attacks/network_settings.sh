# Change the host's network.
# vm: late
# outside: ! ip addr | grep -q 192.0.2.77
# own: its own network
ip link set lo down 2>/dev/null && reached "a link"
ip addr add 192.0.2.77/32 dev lo 2>/dev/null && reached "an address"
ip route add 192.0.2.78/32 dev lo 2>/dev/null && reached "a route"
ip link add dummy0 type dummy 2>/dev/null && reached "an interface"
nft add table inet hacked 2>/dev/null && reached "a filter"
true
