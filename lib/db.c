/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/db.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/err.h"
#include "lib/pq.h"

/*
 * How long a statement may stay unanswered before the connection counts as lost.
 * The roles' own statement_timeout is shorter: this is for a server that has
 * stopped answering at all.
 */
#define ANSWER_WAIT_MS 15000
#define MAX_DRAIN      64 /* reads before a statement; a flood of notices must not hold it */

struct vs_db {
	struct vs_pq_conninfo info;
	PGconn *conn; /* NULL: not connected; in pipeline mode, non-blocking */
	struct vs_pq_prepared prepared;
	char channel[VS_PQ_MAX_CHANNELS][VS_PQ_CHANNEL_SIZE];
	size_t nchannels;
	char errtext[VS_PQ_ERRTEXT_SIZE];
};

/* First match counts: a whole SQLSTATE stands before its class. */
static const struct {
	const char *state;
	int err;
} state_map[] = {
	{ "23505", VS_EEXIST },     /* unique_violation */
	{ "23503", VS_ESTATE },     /* foreign_key_violation */
	{ "23", VS_EINVAL },        /* check, not null */
	{ "22", VS_EINVAL },        /* data exception */
	{ "40001", VS_ERACED },     /* serialization_failure */
	{ "40P01", VS_ERACED },     /* deadlock_detected */
	{ "26000", VS_ERACED },     /* the preparation before this one failed; prepared again */
	{ "55P03", VS_ERACED },     /* lock_not_available: lock_timeout */
	{ "42501", VS_EFORBIDDEN }, /* insufficient_privilege */
	{ "57014", VS_ETIMEDOUT },  /* query_canceled: statement_timeout */
	{ "57P", VS_EDB },          /* shutting down, starting up, database dropped */
	{ "25P03", VS_EDB },        /* idle_in_transaction_session_timeout */
	{ "25006", VS_EDB },        /* read_only_sql_transaction: a standby */
	{ "08", VS_EDB },           /* connection exception */
	{ "28", VS_EDB },           /* authentication */
	{ "53", VS_EDB },           /* insufficient resources */
};

int
vs_db_map_sqlstate(const char *sqlstate)
{
	if (sqlstate == NULL)
		return VS_EDB; /* libpq's own: the connection */
	for (size_t i = 0; i < VS_COUNTOF(state_map); i++) {
		if (strncmp(sqlstate, state_map[i].state, strlen(state_map[i].state)) == 0)
			return state_map[i].err;
	}
	return VS_EDBBUG;
}

struct vs_db *
vs_db_new(const char *conninfo)
{
	struct vs_db *db = calloc(1, sizeof(*db));
	int rc;

	if (db == NULL)
		return NULL;
	rc = vs_pq_conninfo(conninfo, &db->info);
	if (rc == VS_ENOMEM) {
		free(db);
		return NULL;
	}
	/* A malformed one stays without options: db_connect() says so each time. */
	return db;
}

static void
db_disconnect(struct vs_db *db)
{
	PQfinish(db->conn);
	db->conn = NULL;
	db->prepared.count = 0;
}

void
vs_db_free(struct vs_db *db)
{
	if (db == NULL)
		return;
	db_disconnect(db);
	vs_pq_conninfo_fini(&db->info);
	free(db);
}

const char *
vs_db_errtext(const struct vs_db *db)
{
	return db->errtext;
}

/* The connection is of no more use; keep its last words. */
static int
db_lost(struct vs_db *db)
{
	vs_pq_conn_errtext(db->conn, db->errtext);
	if (db->errtext[0] == '\0')
		(void)snprintf(db->errtext, sizeof(db->errtext), "connection lost");
	db_disconnect(db);
	return VS_EDB;
}

/* Send what is queued and read until a result is whole. */
static int
db_wait(struct vs_db *db, vs_msec deadline)
{
	int unsent = PQflush(db->conn);

	while (unsent > 0 || (unsent == 0 && PQisBusy(db->conn))) {
		struct pollfd at = { .fd = PQsocket(db->conn),
			.events = (short)(POLLIN | (unsent > 0 ? POLLOUT : 0)) };
		vs_msec left = deadline - vs_clock_mono_ms();
		int n = left > 0 ? poll(&at, 1, (int)left) : 0;

		if (n == 0) {
			(void)snprintf(db->errtext, sizeof(db->errtext), "the server is silent");
			db_disconnect(db);
			return VS_EDB;
		}
		if (n < 0 && errno != EINTR)
			return db_lost(db);
		if (n > 0 && (at.revents & (POLLIN | POLLHUP | POLLERR)) != 0 &&
		    PQconsumeInput(db->conn) != 1)
			return db_lost(db);
		unsent = PQflush(db->conn);
	}
	return unsent < 0 ? db_lost(db) : 0;
}

/* Take results until the Sync has come. */
static int
db_collect(struct vs_db *db, struct vs_pq_exchange *exchange)
{
	vs_msec deadline = vs_clock_mono_ms() + ANSWER_WAIT_MS;
	bool done = false;

	while (!done) {
		int rc = db_wait(db, deadline);
		PGresult *res;

		if (rc < 0)
			return rc;
		res = PQgetResult(db->conn);
		if (res == NULL && PQstatus(db->conn) != CONNECTION_OK)
			return db_lost(db);
		done = vs_pq_take(exchange, &db->prepared, res);
	}
	return 0;
}

static int
db_exchange(struct vs_db *db, const char *workspace, const struct vs_stmt *stmt,
    const struct vs_pq_args *args, PGresult **ret_res)
{
	struct vs_pq_exchange exchange;
	int rc;

	rc = vs_pq_send(db->conn, &db->prepared, workspace, stmt, args, &exchange);
	if (rc == 0)
		rc = db_collect(db, &exchange);
	else
		(void)db_lost(db); /* half a pipeline is queued */
	if (rc < 0) {
		vs_pq_exchange_fini(&exchange);
		return rc;
	}
	return vs_pq_verdict(&exchange, ret_res, db->errtext);
}

static int
db_send_listen(struct vs_db *db, const char *channel)
{
	char sql[VS_PQ_CHANNEL_SIZE + 16];
	struct vs_stmt stmt = { .name = "listen", .sql = sql, .rows = VS_ROWS_NONE };
	struct vs_pq_exchange exchange = { .stmt = &stmt };
	PGresult *res = NULL;
	int rc;

	(void)snprintf(sql, sizeof(sql), "LISTEN \"%s\"", channel);
	if (PQsendQueryParams(db->conn, sql, 0, NULL, NULL, NULL, NULL, 0) != 1 ||
	    PQpipelineSync(db->conn) != 1)
		return db_lost(db);
	rc = db_collect(db, &exchange);
	if (rc == 0)
		rc = vs_pq_verdict(&exchange, &res, db->errtext);
	PQclear(res);
	vs_pq_exchange_fini(&exchange);
	return rc;
}

static int
db_connect(struct vs_db *db)
{
	int rc = 0;

	if (db->info.options == NULL) {
		(void)snprintf(
		    db->errtext, sizeof(db->errtext), "the connection string is malformed");
		return VS_EDB;
	}
	db->conn = PQconnectdbParams(db->info.keywords, db->info.values, 0);
	if (db->conn == NULL)
		return VS_ENOMEM;
	(void)PQsetNoticeProcessor(db->conn, vs_pq_ignore_notice, NULL);
	if (PQstatus(db->conn) != CONNECTION_OK || PQsetnonblocking(db->conn, 1) != 0 ||
	    PQenterPipelineMode(db->conn) != 1)
		return db_lost(db);
	for (size_t i = 0; rc == 0 && i < db->nchannels; i++)
		rc = db_send_listen(db, db->channel[i]);
	return rc;
}

/*
 * Read whatever has arrived. Until there is no more: a server that goes says why
 * before it closes, and only the end of file tells that it is gone.
 */
static int
db_drain(struct vs_db *db)
{
	struct pollfd at = { .fd = PQsocket(db->conn), .events = POLLIN };

	for (int i = 0; i < MAX_DRAIN && poll(&at, 1, 0) > 0; i++) {
		if (PQconsumeInput(db->conn) != 1)
			return db_lost(db);
	}
	return 0;
}

/*
 * A server that restarted while we were idle has closed the connection: seen here,
 * before anything is sent, even a statement that may not run twice gets through.
 */
static int
db_ready(struct vs_db *db)
{
	if (db->conn != NULL)
		(void)db_drain(db);
	return db->conn != NULL ? 0 : db_connect(db);
}

int
vs_db_run(struct vs_db *db, const char *workspace, const struct vs_stmt *stmt,
    const struct vs_arg *args, size_t nargs, PGresult **ret_res)
{
	struct vs_pq_args out;
	PGresult *res = NULL;
	int rc;

	db->errtext[0] = '\0';
	rc = vs_pq_args(stmt, args, nargs, &out);
	if (rc < 0) {
		(void)snprintf(db->errtext, sizeof(db->errtext), "%s: wrong arguments", stmt->name);
		return rc;
	}
	rc = db_ready(db);
	if (rc < 0)
		return rc;
	rc = db_exchange(db, workspace, stmt, &out, &res);
	if (rc < 0 && db->conn == NULL && stmt->repeatable) {
		rc = db_connect(db);
		if (rc == 0)
			rc = db_exchange(db, workspace, stmt, &out, &res);
	}
	if (rc == 0 && ret_res != NULL)
		*ret_res = res;
	else
		PQclear(res);
	return rc;
}

int
vs_db_check_schema(struct vs_db *db)
{
	vs_autores PGresult *res = NULL;
	int64_t version;
	int rc;

	rc = vs_db_run(db, NULL, VS_PQ_STMT_SCHEMA, VS_NOARGS, &res);
	if (rc == VS_EDBBUG || rc == VS_EFORBIDDEN)
		return VS_ESTATE; /* no such table, or not ours to see: not migrated */
	if (rc < 0)
		return rc;
	version = vs_col_int(res, 0, 0, 0);
	if (version == VS_SCHEMA_VERSION)
		return 0;
	(void)snprintf(db->errtext, sizeof(db->errtext),
	    "the database has schema %" PRId64 ", this program needs %d", version,
	    VS_SCHEMA_VERSION);
	return VS_ESTATE;
}

int
vs_db_listen(struct vs_db *db, const char *channel)
{
	bool connected = db->conn != NULL;

	if (!vs_pq_channel_ok(channel))
		return VS_EINVAL;
	if (db->nchannels == VS_PQ_MAX_CHANNELS)
		return VS_EFULL;
	memcpy(db->channel[db->nchannels++], channel, strlen(channel) + 1);
	return connected ? db_send_listen(db, channel) : db_connect(db);
}

int
vs_db_fd(const struct vs_db *db)
{
	return db->conn != NULL ? PQsocket(db->conn) : -1;
}

int
vs_db_notifies(
    struct vs_db *db, void (*fn)(void *ctx, const char *channel, const char *payload), void *ctx)
{
	PGnotify *note;
	int rc;

	if (db->conn == NULL)
		return VS_EDB;
	rc = db_drain(db);
	if (rc < 0)
		return rc;
	while ((note = PQnotifies(db->conn)) != NULL) {
		fn(ctx, note->relname, note->extra);
		PQfreemem(note);
	}
	return 0;
}

const char *
vs_col_text(const PGresult *res, int row, int col)
{
	return PQgetisnull(res, row, col) ? NULL : PQgetvalue(res, row, col);
}

int64_t
vs_col_int(const PGresult *res, int row, int col, int64_t if_null)
{
	const char *text = vs_col_text(res, row, col);

	return text != NULL ? (int64_t)strtoll(text, NULL, 10) : if_null;
}

bool
vs_col_bool(const PGresult *res, int row, int col)
{
	const char *text = vs_col_text(res, row, col);

	return text != NULL && text[0] == 't';
}

static int
hex_nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

uint8_t *
vs_col_bytes(const PGresult *res, int row, int col, size_t *ret_len)
{
	const char *text = vs_col_text(res, row, col);
	size_t len;
	uint8_t *bytes;

	*ret_len = 0;
	if (text == NULL || text[0] != '\\' || text[1] != 'x')
		return NULL;
	len = strlen(text + 2) / 2;
	bytes = malloc(len + 1);
	if (bytes == NULL)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		int high = hex_nibble(text[2 + 2 * i]);
		int low = hex_nibble(text[3 + 2 * i]);

		if (high < 0 || low < 0) {
			free(bytes);
			return NULL;
		}
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	*ret_len = len;
	return bytes;
}
