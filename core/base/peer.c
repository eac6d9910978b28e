/* Whom the host asks for nobody else. Machines whose network is filtered cannot ask those either. */
#include "runfs/peer.h"

#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

static bool is_within(uint32_t address, uint32_t network, unsigned bits)
{
    return (address ^ network) >> (32 - bits) == 0;
}

static bool is_own_4(uint32_t a)
{
    return is_within(a, 0x00000000, 8) || is_within(a, 0x7f000000, 8) || is_within(a, 0xa9fe0000, 16) ||
           a == 0x646464c8 /* 100.100.100.200: Alibaba's */ || a == 0xa83f8110 /* 168.63.129.16: Azure's */ ||
           a == 0xc00000c0 /* 192.0.0.192: Oracle's */ || is_within(a, 0xe0000000, 3);
}

bool peer_is_own(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return is_own_4(ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
    const struct in6_addr *a = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    static const unsigned char aws[16] = {0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54};
    static const unsigned char translated[12] = {0x00, 0x64, 0xff, 0x9b}; /* RFC 6052 */
    if (IN6_IS_ADDR_V4MAPPED(a) || IN6_IS_ADDR_V4COMPAT(a) || memcmp(a, translated, sizeof(translated)) == 0)
        return is_own_4(ntohl(a->s6_addr32[3]));
    return IN6_IS_ADDR_UNSPECIFIED(a) || IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_LINKLOCAL(a) ||
           IN6_IS_ADDR_MULTICAST(a) || memcmp(a, aws, sizeof(aws)) == 0;
}
