/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * agent_client - one agent as its driver sees it: runtime-image/agent/PROTOCOL.md
 * from the outside.
 *
 * One long answer (/events) tells all that happens; short requests beside it. The
 * agent is not trusted: everything it says is bounded, and a peer that breaks the
 * protocol is lost.
 *
 * Owner: a driver, one per runtime. Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/httpc.h"
#include "lib/loop.h"
#include "lib/runtime/runtime.h"

struct agent_client;

struct agent_peer {
	const char	*base_url;	/* "http://agent", or the address of a Pod */
	const char	*unix_path;	/* NULL: TCP */
	const char	*secret;	/* copied, wiped at the end */
	vs_msec		 give_up_ms;	/* how long to try until it answers at all; 0: for ever */
};

/* At most one of ended and lost, and nothing after it. Never from inside a call of ours. */
struct agent_hooks {
	void	(*ready)(void *ctx);
	void	(*ended)(void *ctx, enum vs_runtime_end end, const char *detail);
	void	(*lost)(void *ctx, int rc);	/* the stream is over without a last word */
	void	*ctx;
};

/* Starts to watch at once. NULL: no memory. */
struct agent_client	*agent_client_new(struct vs_loop *loop, struct vs_httpc *httpc,
			    const struct agent_peer *peer, const struct agent_hooks *hooks);
void	agent_client_free(struct agent_client *client);	/* no hook and no answer after it */

/* rc 0: a 2xx answer; VS_EPROTO: another one; else why there was none. */
typedef void (*agent_answer_fn)(void *ctx, int rc);

/* Each VS_ESTATE while the same kind is under way; else fn is called once. */
int	agent_client_stop(struct agent_client *client, agent_answer_fn fn) VS_MUST_USE;
int	agent_client_deadline(struct agent_client *client, int64_t wall_ms, agent_answer_fn fn)
	    VS_MUST_USE;
int	agent_client_health(struct agent_client *client, agent_answer_fn fn) VS_MUST_USE;

/* One line of /events, for the client and its tests. */
struct agent_event {
	bool			ready, ended;
	enum vs_runtime_end	end;
	char			detail[201];	/* printable ASCII; "" when there is none */
};
/* VS_EPROTO. */
int	agent_event_parse(const char *line, size_t len, struct agent_event *ret_event) VS_MUST_USE;
