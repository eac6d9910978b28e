/* Addresses that the host asks for nobody else: what a workflow names is asked for by runfs itself, from
 * where more is reached than by the job. */
#ifndef RUNFS_PEER_H
#define RUNFS_PEER_H

#include <stdbool.h>
#include <sys/socket.h>

/*
 * Whether an address (of IPv4 or IPv6) is this host itself, or of what answers to it alone: loopback,
 * link-local, the metadata services of clouds; or of nobody (multicast, reserved).
 */
bool peer_is_own(const struct sockaddr *address);

#endif
