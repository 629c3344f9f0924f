/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * pq - what lib/db.c and lib/dbq.c share below their different ways of waiting:
 * connection defaults, arguments as libpq wants them, the set of statements that a
 * connection has prepared, and the verdict over one pipelined statement's results.
 *
 * A statement travels as up to four steps and a Sync:
 *
 *	[prepare set_workspace] [prepare stmt] [set_workspace] stmt
 *
 * which the server runs as one transaction, in one round trip. The workspace ends
 * with it.
 *
 * Threads: one.
 */

#include "lib/db.h"

#define VS_PQ_MAX_CHANNELS	4
#define VS_PQ_CHANNEL_SIZE	64
#define VS_PQ_MAX_PREPARED	256	/* per connection */
#define VS_PQ_ERRTEXT_SIZE	256

/* A conninfo (or URI) taken apart, with our defaults where it says nothing. */
struct vs_pq_conninfo {
	PQconninfoOption	*options;	/* owned */
	const char		**keywords, **values;	/* owned arrays of borrowed strings */
};

/* VS_EINVAL: malformed. VS_ENOMEM. */
int	vs_pq_conninfo(const char *conninfo, struct vs_pq_conninfo *ret_info) VS_MUST_USE;
void	vs_pq_conninfo_fini(struct vs_pq_conninfo *info);

#define VS_PQ_NUM_SIZE	24

/* Arguments as libpq wants them: text but for bytes. Borrows what args borrow. */
struct vs_pq_args {
	int		 count;
	const char	*value[VS_DB_MAX_ARGS];
	int		 length[VS_DB_MAX_ARGS], format[VS_DB_MAX_ARGS];
	char		 num[VS_DB_MAX_ARGS][VS_PQ_NUM_SIZE];
};

/* VS_EDBBUG: not as many as the statement takes. VS_ETOOBIG: more than 1 GiB of bytes. */
int	vs_pq_args(const struct vs_stmt *stmt, const struct vs_arg *args, size_t nargs,
	    struct vs_pq_args *ret_args) VS_MUST_USE;

/* The statements that one connection knows, by address. */
struct vs_pq_prepared {
	size_t			 count;
	const struct vs_stmt	*stmt[VS_PQ_MAX_PREPARED];
};

/* One statement under way: what was sent, what has come back. */
struct vs_pq_exchange {
	const struct vs_stmt	*stmt;
	const struct vs_stmt	*preparing[2];	/* in the order they were sent */
	int			 npreparing;
	bool			 set_workspace;
	int			 seen;		/* results taken */
	int			 gaps;		/* NULLs between them */
	PGresult		*answer;	/* owned; the statement's own result */
	PGresult		*error;		/* owned; the first failure */
};

/*
 * Queue the statement's steps and a Sync on a connection in pipeline mode; nothing
 * waits. VS_EFULL: too many statements. VS_EDB: the connection is broken.
 */
int	vs_pq_send(PGconn *conn, struct vs_pq_prepared *prepared, const char *workspace,
	    const struct vs_stmt *stmt, const struct vs_pq_args *args,
	    struct vs_pq_exchange *ret_exchange) VS_MUST_USE;

/* Take one result (owned; NULL separates steps). True when it was the Sync. */
bool	vs_pq_take(struct vs_pq_exchange *exchange, struct vs_pq_prepared *prepared, PGresult *res);

/*
 * After the Sync: 0 with *ret_res owned, or what went wrong, with its words in
 * errtext. Either way the exchange is empty afterwards.
 */
int	vs_pq_verdict(struct vs_pq_exchange *exchange, PGresult **ret_res,
	    char errtext[VS_PQ_ERRTEXT_SIZE]) VS_MUST_USE;
void	vs_pq_exchange_fini(struct vs_pq_exchange *exchange);	/* idempotent */

/*
 * The server's words about a failed result without any value of ours: SQLSTATE and
 * constraint always, the message only in classes whose messages name objects.
 */
void	vs_pq_errtext(const PGresult *res, char errtext[VS_PQ_ERRTEXT_SIZE]);

/* Why a connection could not be made or was lost: one line of libpq's text. */
void	vs_pq_conn_errtext(const PGconn *conn, char errtext[VS_PQ_ERRTEXT_SIZE]);

/* A PQnoticeProcessor: libpq's own writes to stderr, past the log and its scrubber. */
void	vs_pq_ignore_notice(void *ctx, const char *message);

/* Is it a name that may stand in LISTEN? [a-z_][a-z0-9_]*, short enough. */
bool	vs_pq_channel_ok(const char *channel);

/* lib/db.c's and lib/dbq.c's own statements, for tests/it/test_it_stmt.c. */
extern const struct vs_stmt vs_pq_stmts[];
extern const size_t vs_pq_stmts_count;
#define VS_PQ_STMT_SCHEMA	(&vs_pq_stmts[1])
