/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * api - the agent's HTTP server: PROTOCOL.md's table, on one unix socket.
 *
 * One request a connection. Nothing is answered but 401 before the secret was shown.
 * A request under /cdp becomes a relay to Chrome.
 *
 * Owner: the agent. Threads: one.
 */

#include "lib/base.h"

struct agent;
struct api;

/* Listens at <dir>/agent.sock. */
int	api_open(struct agent *agent, struct api **ret_api) VS_MUST_USE;
void	api_free(struct api *api);

void	api_state_changed(struct api *api);	/* tell who follows /events */
void	api_sockets_came(struct api *api);	/* go on with who waits for one to Chrome */
