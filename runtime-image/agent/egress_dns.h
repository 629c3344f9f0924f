/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * egress_dns - names to addresses, by c-ares on the loop, with the host's resolv.conf
 * and hosts file.
 *
 * A lookup is started, looked at, and freed; done(ctx) says that it is worth another
 * look. It is not called from within egress_dns_start().
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/base.h"
#include "lib/loop.h"

#define EGRESS_DNS_ADDRS	8	/* of a name; more are not tried */

struct egress_dns;

struct egress_lookup {
	bool			 finished;
	struct sockaddr_storage	 addr[EGRESS_DNS_ADDRS];
	size_t			 naddrs;	/* 0 once finished: no such name, no answer */
	void			(*done)(void *ctx);	/* NULL: nobody waits any more */
	void			*ctx;
	bool			 starting;
};

int	egress_dns_open(struct vs_loop *loop, struct egress_dns **ret_dns) VS_MUST_USE;
void	egress_dns_free(struct egress_dns *dns);

/* NULL: no memory. */
struct egress_lookup	*egress_dns_start(struct egress_dns *dns, const char *host, uint16_t port,
	    void (*done)(void *ctx), void *ctx);

/* Also before it has finished. */
void	egress_lookup_free(struct egress_lookup *lookup);
