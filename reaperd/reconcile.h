/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * reconcile - what is to be done, from what the rows want and what is really there.
 *
 * A pure function: rows and the driver's list in, steps out. act.c performs them.
 * Both inputs are in the order of their ids.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/model/runtime_sql.h"
#include "lib/ulid.h"

/* A runtime that the driver has found. */
struct reconcile_seen {
	char	id[VS_ULID_SIZE];
	bool	ready;
};

enum reconcile_action {
	RECONCILE_NOTHING,
	RECONCILE_START,	/* claimed, but reaperd died before it was started */
	RECONCILE_WATCH,	/* under way: it counts as a start in flight */
	RECONCILE_LATE,		/* past the provision timeout: fail, then stop */
	RECONCILE_LOST,		/* the row says it is there: fail the session, then stop */
	RECONCILE_STOP,		/* there, and wanted by nobody */
	RECONCILE_GONE,		/* to be stopped, and nothing is left of it */
	RECONCILE_ACTIONS
};

struct reconcile_step {
	enum reconcile_action	 action;
	const char		*id;	/* borrowed from row or seen */
	const struct runtime_row *row;	/* NULL: an orphan */
};

struct reconcile_world {
	const struct runtime_row	*rows;
	size_t				 nrows;
	const struct reconcile_seen	*seen;
	size_t				 nseen;
	int64_t				 provision_timeout_ms;
};

/*
 * Fill steps (room for nrows + nseen), without those that are NOTHING; returns how
 * many. *ret_next_ms: when the next start will be late, or -1.
 */
size_t	reconcile(const struct reconcile_world *world, struct reconcile_step *steps,
	    int64_t *ret_next_ms);

const char	*reconcile_action_text(enum reconcile_action action);
