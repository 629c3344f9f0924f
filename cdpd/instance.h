/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * instance - this worker as the database knows it: a lease that is renewed, and the
 * regular look at what became of the sessions on it.
 *
 * Owner: the server. Threads: one.
 */

#include <stdbool.h>

#include "lib/base.h"
#include "lib/loop.h"
#include "lib/ulid.h"

struct server;

struct instance {
	char		 id[VS_ULID_SIZE];
	bool		 known;		/* the database has had a beat since it was last away */
	struct vs_timer	 beat, poll;
};

#define INSTANCE_POLL_MS	3000
#define INSTANCE_POLL_BATCH	500

int	instance_start(struct server *srv) VS_MUST_USE;
void	instance_stop(struct server *srv);

/* Renew the lease. Statements queued after it find the instance known. */
void	instance_beat(struct server *srv);

/* The database is back: the lease first, then what was missed. */
void	instance_up(struct server *srv);
void	instance_down(struct server *srv);
