/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * fact - what a driver has reported and the database does not know yet.
 *
 * Drivers report from inside their own code; a fact is noted there and dealt with
 * after the batch of events: first what the machine needs (stop it), then the row. A
 * row that cannot be written now is tried again, in order, so that a session does not
 * lose the reason of its end to a restart of PostgreSQL.
 *
 * Owner: struct reaper. Threads: one.
 */

#include <stddef.h>

#include "lib/base.h"
#include "lib/list.h"
#include "lib/loop.h"
#include "lib/model/runtime_sql.h"
#include "lib/runtime/runtime.h"
#include "lib/ulid.h"

struct pool;
struct reaper;

struct facts {
	struct vs_node	 list;		/* oldest first */
	struct vs_timer	 retry;
	vs_msec		 not_before;
	size_t		 failed_starts;	/* sessions that ended before they were RUNNING; --once */
};

void	facts_init(struct facts *facts);
void	facts_fini(struct reaper *reaper);

void	fact_ready(struct pool *pool, const char *id, const char *endpoint);
void	fact_ended(struct pool *pool, const char *id, enum vs_runtime_end end, const char *detail);
void	fact_late(struct pool *pool, const char *id);	/* past the provision timeout */
void	fact_gone(struct pool *pool, const char *id);

/* Deal with all of them, as far as the database lets us. After each batch. */
void	facts_flush(struct reaper *reaper);

/* What a session is told of the end of its runtime. */
const struct runtime_verdict	*fact_verdict(enum vs_runtime_end end);
