/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * db - PostgreSQL for the daemons: statement tables, typed arguments, one map from
 * SQLSTATE to vs_err, reconnect.
 *
 * There is no "run this SQL". A module owns a table of struct vs_stmt and exports
 * typed functions; a test prepares every row on a real server and compares
 * nparams and ncols with what it describes. Statements are prepared on first use
 * of a connection.
 *
 * vs_db blocks (ventus-api, reaperd, ventusctl); lib/dbq.h does the same on a loop.
 * Threads: one. Open after fork.
 */

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/cleanup.h"

enum vs_rows { VS_ROWS_NONE, VS_ROWS_ONE, VS_ROWS_OPT, VS_ROWS_MANY };

struct vs_stmt {
	const char	*name, *sql;
	int		 nparams, ncols;
	enum vs_rows	 rows;
	bool		 repeatable;	/* a read or idempotent: run again after a lost connection */
};

struct vs_arg {
	enum { VS_ARG_TEXT, VS_ARG_INT, VS_ARG_BOOL, VS_ARG_BYTES } type;
	const void	*ptr;		/* TEXT, BYTES; NULL: SQL NULL */
	size_t		 len;		/* BYTES */
	int64_t		 num;		/* INT, BOOL */
};

#define VS_TEXT(v)	((struct vs_arg){ .type = VS_ARG_TEXT, .ptr = (v) })
#define VS_INT(v)	((struct vs_arg){ .type = VS_ARG_INT, .num = (int64_t)(v) })
#define VS_BOOL(v)	((struct vs_arg){ .type = VS_ARG_BOOL, .num = (v) })
#define VS_BYTES(p, n)	((struct vs_arg){ .type = VS_ARG_BYTES, .ptr = (p), .len = (n) })
#define VS_ARGS(...)	(const struct vs_arg[]){ __VA_ARGS__ }, \
	sizeof((const struct vs_arg[]){ __VA_ARGS__ }) / sizeof(struct vs_arg)
#define VS_NOARGS	NULL, 0
#define VS_DB_MAX_ARGS	40

static inline void
vs_cleanup_result(PGresult **res)
{
	PQclear(*res);
}
#define vs_autores	vs_auto(vs_cleanup_result)

struct vs_db;

/* Connects on first use. NULL: no memory. */
struct vs_db	*vs_db_new(const char *conninfo);
void	vs_db_free(struct vs_db *db);

/*
 * Run one statement. 0 with *ret_res owned (may be NULL for VS_ROWS_NONE when
 * ret_res is NULL). VS_ENOENT: VS_ROWS_ONE found none; VS_EEXIST: unique violation;
 * VS_ESTATE: a foreign key points at nothing; VS_ERACED: serialization, deadlock, lock
 * timeout; VS_EINVAL: a check or data exception; VS_EFORBIDDEN: no privilege; VS_EDB:
 * not reachable; VS_ETIMEDOUT: statement timeout; VS_EDBBUG: anything else.
 * workspace (may be NULL): what row-level security sees, for this statement only.
 */
int	vs_db_run(struct vs_db *db, const char *workspace, const struct vs_stmt *stmt,
	    const struct vs_arg *args, size_t nargs, PGresult **ret_res) VS_MUST_USE;

/* The server's words about the last failure, for the log; never a parameter's value. */
const char	*vs_db_errtext(const struct vs_db *db);

/* 0 when the schema is the one this build knows (the newest migration). VS_ESTATE, VS_EDB. */
int	vs_db_check_schema(struct vs_db *db) VS_MUST_USE;
#define VS_SCHEMA_VERSION	3

/* LISTEN on a channel, now (VS_EDB: later) and after every reconnect. At most 4. */
int	vs_db_listen(struct vs_db *db, const char *channel) VS_MUST_USE;
/* The socket to watch, or -1 while not connected; it changes with every reconnect. */
int	vs_db_fd(const struct vs_db *db);
/*
 * Take what has arrived; fn is called per notification. VS_EDB: connection lost; the
 * next vs_db_run() connects. Call it after vs_db_run() too: what came with an answer
 * does not make the socket readable again.
 */
int	vs_db_notifies(struct vs_db *db, void (*fn)(void *ctx, const char *channel,
	    const char *payload), void *ctx) VS_MUST_USE;

/* Column access. Text and bytes are borrowed from res; absent text is NULL. */
const char	*vs_col_text(const PGresult *res, int row, int col);
int64_t	vs_col_int(const PGresult *res, int row, int col, int64_t if_null);
bool	vs_col_bool(const PGresult *res, int row, int col);
/* Owned copy (free) of a bytea in text form; NULL when null or no memory. */
uint8_t	*vs_col_bytes(const PGresult *res, int row, int col, size_t *ret_len);

/* SQLSTATE -> vs_err; shared with lib/dbq.c. */
int	vs_db_map_sqlstate(const char *sqlstate);
