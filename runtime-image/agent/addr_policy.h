/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * addr_policy - which addresses a session may reach.
 *
 * Asked about the very address that is connected to next, after resolution. What is
 * not globally routable is refused, and so is what embeds such an address; entries of
 * the operator's allow-list win. Pure: no socket, no clock.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/base.h"

#define ADDR_POLICY_MAX	64

struct addr_net {
	uint8_t		 addr[16];	/* IPv4 as ::ffff:a.b.c.d */
	uint8_t		 bits;		/* of 128 */
	uint16_t	 port_lo, port_hi;
};

struct addr_policy {
	struct addr_net	 allow[ADDR_POLICY_MAX];
	size_t		 count;
};

/* "addr[/len][:port[-port]]", IPv6 with ports as "[addr]/len:port". VS_EINVAL, VS_EFULL. */
int	addr_policy_allow(struct addr_policy *policy, const char *entry) VS_MUST_USE;

/* Listed by the operator; such an address may be one of this machine. */
bool	addr_policy_listed(const struct addr_policy *policy, const struct sockaddr *addr);

/* Listed, or an ordinary address of the internet. */
bool	addr_policy_permits(const struct addr_policy *policy, const struct sockaddr *addr);
