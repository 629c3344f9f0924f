/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * client_close - leaves that the database has not confirmed yet.
 *
 * Told again until it has: leaving twice is harmless, leaving never would keep a
 * session alive. Bounded by the number of connections.
 *
 * Owner: the server. Threads: one.
 */

#include <stddef.h>

#include "cdpd/handshake.h"
#include "lib/base.h"
#include "lib/list.h"
#include "lib/loop.h"
#include "lib/model/cdp_client.h"

struct server;

struct client_closes {
	struct vs_node	 waiting;	/* not asked, or to be asked again */
	size_t		 count;		/* waiting and under way */
	struct vs_timer	 retry;
};

void	client_closes_init(struct client_closes *closes);
void	client_closes_fini(struct server *srv);

void	client_close_tell(struct server *srv, const char *client_id, enum cdp_leave leave,
	    const char *request_id);

/* The database is back, or it is time: ask all that wait. */
void	client_closes_flush(struct server *srv);
