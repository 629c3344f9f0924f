/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * runtime_sql - reaperd's statements: runtimes, and the sessions they belong to.
 *
 * All writes are functions of the schema that compare before they set, so each may
 * be run again after a lost connection. Times are told as milliseconds from now on
 * the database's clock: what reaperd's own clock says does not matter.
 *
 * Threads: one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/base.h"
#include "lib/db.h"
#include "lib/keyring.h"
#include "lib/model/sess.h"
#include "lib/ulid.h"

/* As in the row; a GONE one is never loaded. */
enum runtime_state { RUNTIME_STARTING, RUNTIME_READY, RUNTIME_STOPPING, RUNTIME_STATES };

/* A runtime that is not GONE, with what its session asks for. */
struct runtime_row {
	char			 id[VS_ULID_SIZE];
	char			 session_id[VS_ULID_SIZE];	/* "": warm, unclaimed */
	enum runtime_state	 state;
	char			 secret_kid[VS_KID_MAX + 1];
	int64_t			 age_ms;		/* since it was claimed */
	int64_t			 remaining_ms;		/* until the session expires; may be < 0 */
	int64_t			 viewport_width, viewport_height;
	const char		*user_agent;		/* arena; NULL: Chrome's own */
	const char		*request_id;		/* arena; of the session's create */
};

/* What of a claim does not change from one to the next. */
struct runtime_pool {
	const char	*region, *kind;
	int64_t		 capacity;
	const char	*secret_kid;
};

/*
 * Claim the next queued session of the pool for the runtime id given. VS_ENOENT:
 * nothing is queued or the pool is full. VS_EEXIST: this id was used already.
 */
int	runtime_claim(struct vs_db *db, struct vs_arena *arena, const struct caller *caller,
	    const struct runtime_pool *pool, const char *id, struct runtime_row *ret_row) VS_MUST_USE;

/* Its session is RUNNING. *ret_wanted false: stop it. */
int	runtime_ready(struct vs_db *db, const struct caller *caller, const char *id,
	    const char *endpoint, bool *ret_wanted) VS_MUST_USE;

/* How a session whose runtime is over ends. code and text are for "fail", else NULL. */
struct runtime_verdict {
	const char	*event, *code, *text;
};
int	runtime_ended(struct vs_db *db, const struct caller *caller, const char *id,
	    const struct runtime_verdict *verdict) VS_MUST_USE;
int	runtime_gone(struct vs_db *db, const char *id) VS_MUST_USE;

/* Those of a region that are not GONE, in the order of their ids. */
int	runtime_list(struct vs_db *db, struct vs_arena *arena, const char *region,
	    struct runtime_row **ret_rows, size_t *ret_count) VS_MUST_USE;

/* The same, those that are to be stopped only. */
int	runtime_list_stopping(struct vs_db *db, struct vs_arena *arena, const char *region,
	    struct runtime_row **ret_rows, size_t *ret_count) VS_MUST_USE;

/* Ids of live sessions of a region that have no runtime: there should be none. */
int	runtime_list_ghosts(struct vs_db *db, struct vs_arena *arena, const char *region,
	    const char ***ret_ids, size_t *ret_count) VS_MUST_USE;

/* Move what is due; *ret_count is how many. */
int	runtime_expire(struct vs_db *db, const struct caller *caller, const char *region,
	    size_t *ret_count) VS_MUST_USE;
/* pools: a text[] literal of "region/kind", each of which somebody serves. */
int	runtime_queue_timeout(struct vs_db *db, const struct caller *caller, const char *pools,
	    int64_t timeout_seconds, size_t *ret_count) VS_MUST_USE;
int	runtime_reap_leases(struct vs_db *db, const struct caller *caller, size_t *ret_count) VS_MUST_USE;
/* At most so many at a time, oldest first. */
#define RUNTIME_PURGE_BATCH	5000
int	runtime_purge_idempotency(struct vs_db *db, size_t *ret_count) VS_MUST_USE;

/* What a job would touch now, one id (or a count, for PURGE) a row; changes nothing. */
enum runtime_peek {
	RUNTIME_PEEK_QUEUED,		/* sessions that could be claimed */
	RUNTIME_PEEK_EXPIRED,
	RUNTIME_PEEK_QUEUE_TIMEOUT,
	RUNTIME_PEEK_LEASES,
	RUNTIME_PEEK_PURGE,
	RUNTIME_PEEKS
};
struct runtime_peek_args {
	const char	*region, *kind;
	int64_t		 timeout_seconds;
};
int	runtime_peek(struct vs_db *db, struct vs_arena *arena, enum runtime_peek what,
	    const struct runtime_peek_args *args, const char ***ret_ids, size_t *ret_count) VS_MUST_USE;

/*
 * The lead of a region, for lib/dbq on a connection of its own. Text parameters:
 * runtime_stmt_lead(region): did we get it (again)?
 * runtime_stmt_leader(region): who has it, as application_name; no row: nobody.
 * runtime_stmt_name(name): what the others will read there.
 */
extern const struct vs_stmt runtime_stmt_lead, runtime_stmt_leader, runtime_stmt_name;

extern const struct vs_stmt runtime_stmts[];	/* for tests/it/test_it_stmt.c */
extern const size_t runtime_stmts_count;
