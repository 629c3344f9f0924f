/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * egress - the session's only way out: an HTTP proxy that listens inside the session's
 * network and connects outside of it.
 *
 * CONNECT and plain absolute-form requests. Names are resolved here, the address is
 * judged by addr_policy after that, and the one judged is the one connected to. What
 * is asked for appears in no log.
 *
 * Owner: the agent. Threads: one.
 */

#include "lib/base.h"
#include "lib/loop.h"
#include "runtime-image/agent/addr_policy.h"

struct egress;

/* policy is borrowed. */
int	egress_open(struct vs_loop *loop, const struct addr_policy *policy,
	    struct egress **ret_egress) VS_MUST_USE;
void	egress_free(struct egress *egress);

/* Serve the sandbox's listener; fd is taken. */
int	egress_listen(struct egress *egress, int fd) VS_MUST_USE;
