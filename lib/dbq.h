/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * dbq - the statements of lib/db.h on a loop: queued, pipelined, answered by
 * callback, never blocking.
 *
 * While the server is away statements wait (bounded by max_queue) and the
 * connection is tried again with back-off; each statement has a deadline (a point
 * on the monotonic clock) after which its callback gets VS_EDB. A statement that was
 * under way when the connection broke gets VS_EDB too, unless it is repeatable: then
 * it is sent again.
 *
 * Owner: the daemon. Threads: one.
 */

#include "lib/db.h"
#include "lib/loop.h"

struct vs_dbq;

struct vs_dbq_hooks {
	void	(*notify)(void *ctx, const char *channel, const char *payload);
	void	(*up)(void *ctx);	/* connected and listening again: look at the world */
	void	(*down)(void *ctx, const char *why);
	void	*ctx;
};

typedef void (*vs_dbq_fn)(void *ctx, int rc, const PGresult *res);	/* res borrowed; NULL on error */

/* NULL: no memory, or a malformed conninfo. Connects from the loop. */
struct vs_dbq	*vs_dbq_new(struct vs_loop *loop, const char *conninfo, size_t max_queue,
		    const struct vs_dbq_hooks *hooks);
/* Callbacks of waiting statements get VS_ECLOSED. Not from a callback or hook. */
void	vs_dbq_free(struct vs_dbq *dbq);
int	vs_dbq_listen(struct vs_dbq *dbq, const char *channel) VS_MUST_USE;

/*
 * Arguments are copied. fn (NULL: nobody asks) is called exactly once, never from
 * inside this call, except when this returns an error (VS_EFULL, VS_ENOMEM,
 * VS_EDBBUG): then never.
 * *ret_ticket (may be NULL) can be given to vs_dbq_forget().
 */
int	vs_dbq_run(struct vs_dbq *dbq, const struct vs_stmt *stmt, const struct vs_arg *args,
	    size_t nargs, vs_msec deadline, vs_dbq_fn fn, void *ctx, uint64_t *ret_ticket) VS_MUST_USE;

/* The statement still runs; its callback will not. For objects that die first. */
void	vs_dbq_forget(struct vs_dbq *dbq, uint64_t ticket);

/* The server's words about the statement whose callback runs; like vs_db_errtext(). */
const char	*vs_dbq_errtext(const struct vs_dbq *dbq);
bool	vs_dbq_is_up(const struct vs_dbq *dbq);
