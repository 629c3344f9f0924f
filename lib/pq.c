/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/pq.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"

#define MAX_BYTES (1024 * 1024 * 1024)
#define MAX_GAPS  16

const struct vs_stmt vs_pq_stmts[] = {
	{ .name = "set_workspace",
	    .nparams = 1,
	    .ncols = 1,
	    .rows = VS_ROWS_ONE,
	    .sql = "SELECT pg_catalog.set_config('ventus.workspace_id', $1::text, true)" },
	{ .name = "schema_version",
	    .nparams = 0,
	    .ncols = 1,
	    .rows = VS_ROWS_ONE,
	    .repeatable = true,
	    .sql = "SELECT coalesce(max(version), 0) FROM ventus.schema_migration" },
};
const size_t vs_pq_stmts_count = VS_COUNTOF(vs_pq_stmts);
#define SET_WORKSPACE (&vs_pq_stmts[0])

/*
 * Reconnecting to a host that is gone must not take minutes: libpq's own defaults
 * wait for TCP's.
 */
static const struct {
	const char *keyword, *value;
} conn_defaults[] = {
	{ "connect_timeout", "3" },
	{ "keepalives_idle", "10" },
	{ "tcp_user_timeout", "10000" },
	{ "application_name", "ventus" },
	{ "client_encoding", "UTF8" },
};

static const char *
conn_default(const char *keyword)
{
	for (size_t i = 0; i < VS_COUNTOF(conn_defaults); i++) {
		if (strcmp(conn_defaults[i].keyword, keyword) == 0)
			return conn_defaults[i].value;
	}
	return NULL;
}

int
vs_pq_conninfo(const char *conninfo, struct vs_pq_conninfo *ret_info)
{
	struct vs_pq_conninfo info = { .options = NULL };
	char *words = NULL;
	size_t count = 0;

	/* Its words may quote a password: dropped unread. */
	info.options = PQconninfoParse(conninfo, &words);
	PQfreemem(words);
	if (info.options == NULL)
		return VS_EINVAL;
	while (info.options[count].keyword != NULL)
		count++;
	info.keywords = calloc(count + 1, sizeof(*info.keywords));
	info.values = calloc(count + 1, sizeof(*info.values));
	if (info.keywords == NULL || info.values == NULL) {
		vs_pq_conninfo_fini(&info);
		return VS_ENOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		const PQconninfoOption *option = &info.options[i];

		info.keywords[i] = option->keyword;
		info.values[i] = option->val != NULL ? option->val : conn_default(option->keyword);
	}
	*ret_info = info;
	return 0;
}

void
vs_pq_conninfo_fini(struct vs_pq_conninfo *info)
{
	PQconninfoFree(info->options);
	free(info->keywords);
	free(info->values);
	*info = (struct vs_pq_conninfo){ .options = NULL };
}

static int
args_put(struct vs_pq_args *out, int i, const struct vs_arg *arg)
{
	out->value[i] = NULL;
	out->length[i] = 0;
	out->format[i] = 0;
	switch (arg->type) {
	case VS_ARG_TEXT:
		out->value[i] = arg->ptr;
		return 0;
	case VS_ARG_INT:
		(void)snprintf(out->num[i], sizeof(out->num[i]), "%" PRId64, arg->num);
		out->value[i] = out->num[i];
		return 0;
	case VS_ARG_BOOL:
		out->value[i] = arg->num != 0 ? "t" : "f";
		return 0;
	case VS_ARG_BYTES:
		if (arg->len > MAX_BYTES)
			return VS_ETOOBIG;
		out->value[i] = arg->ptr;
		out->length[i] = (int)arg->len;
		out->format[i] = 1;
		return 0;
	}
	return VS_EDBBUG;
}

int
vs_pq_args(const struct vs_stmt *stmt, const struct vs_arg *args, size_t nargs,
    struct vs_pq_args *ret_args)
{
	if (nargs != (size_t)stmt->nparams || nargs > VS_DB_MAX_ARGS)
		return VS_EDBBUG;
	ret_args->count = (int)nargs;
	for (size_t i = 0; i < nargs; i++) {
		int rc = args_put(ret_args, (int)i, &args[i]);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static bool
prepared_has(const struct vs_pq_prepared *prepared, const struct vs_stmt *stmt)
{
	for (size_t i = 0; i < prepared->count; i++) {
		if (prepared->stmt[i] == stmt)
			return true;
	}
	return false;
}

static void
prepared_drop(struct vs_pq_prepared *prepared, const struct vs_stmt *stmt)
{
	for (size_t i = 0; i < prepared->count; i++) {
		if (prepared->stmt[i] == stmt)
			prepared->stmt[i--] = prepared->stmt[--prepared->count];
	}
}

static int
send_prepare(PGconn *conn, struct vs_pq_prepared *prepared, const struct vs_stmt *stmt,
    struct vs_pq_exchange *exchange)
{
	if (prepared_has(prepared, stmt))
		return 0;
	if (prepared->count == VS_PQ_MAX_PREPARED)
		return VS_EFULL;
	if (PQsendPrepare(conn, stmt->name, stmt->sql, 0, NULL) != 1)
		return VS_EDB;
	/* At once: the next statement may be sent before this one is answered. */
	prepared->stmt[prepared->count++] = stmt;
	exchange->preparing[exchange->npreparing++] = stmt;
	return 0;
}

int
vs_pq_send(PGconn *conn, struct vs_pq_prepared *prepared, const char *workspace,
    const struct vs_stmt *stmt, const struct vs_pq_args *args, struct vs_pq_exchange *ret_exchange)
{
	int rc = 0;

	*ret_exchange = (struct vs_pq_exchange){ .stmt = stmt };
	if (workspace != NULL)
		rc = send_prepare(conn, prepared, SET_WORKSPACE, ret_exchange);
	if (rc == 0)
		rc = send_prepare(conn, prepared, stmt, ret_exchange);
	if (rc < 0)
		return rc;
	if (workspace != NULL) {
		if (PQsendQueryPrepared(conn, SET_WORKSPACE->name, 1, &workspace, NULL, NULL, 0) !=
		    1)
			return VS_EDB;
		ret_exchange->set_workspace = true;
	}
	if (PQsendQueryPrepared(
		conn, stmt->name, args->count, args->value, args->length, args->format, 0) != 1)
		return VS_EDB;
	if (PQpipelineSync(conn) != 1)
		return VS_EDB;
	return 0;
}

/* The result of step exchange->seen, which went well. */
static void
take_good(struct vs_pq_exchange *exchange, PGresult *res)
{
	int step = exchange->seen++;
	int own = exchange->npreparing + (exchange->set_workspace ? 1 : 0);

	if (step == own && exchange->answer == NULL)
		exchange->answer = res;
	else
		PQclear(res);
}

/*
 * What was being prepared is not. 26000 says that the server knows less than we
 * believed: a pooler between us, or a preparation before this one that failed.
 */
static void
take_error(struct vs_pq_exchange *exchange, struct vs_pq_prepared *prepared, PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	for (int i = exchange->seen; i < exchange->npreparing; i++)
		prepared_drop(prepared, exchange->preparing[i]);
	if (state != NULL && strcmp(state, "26000") == 0) {
		prepared_drop(prepared, SET_WORKSPACE);
		prepared_drop(prepared, exchange->stmt);
	}
	if (exchange->error == NULL)
		exchange->error = res;
	else
		PQclear(res);
}

bool
vs_pq_take(struct vs_pq_exchange *exchange, struct vs_pq_prepared *prepared, PGresult *res)
{
	switch (PQresultStatus(res)) {
	case PGRES_PIPELINE_SYNC:
		PQclear(res);
		return true;
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
		take_good(exchange, res);
		return false;
	case PGRES_PIPELINE_ABORTED:
		PQclear(res);
		return false;
	default:
		/* More gaps than steps: libpq and we are out of step, do not spin. */
		if (res == NULL)
			return ++exchange->gaps > MAX_GAPS;
		take_error(exchange, prepared, res);
		return false;
	}
}

/* Does the answer have the shape that the table declares? */
static int
check_shape(const struct vs_stmt *stmt, const PGresult *res, char errtext[VS_PQ_ERRTEXT_SIZE])
{
	int rows = PQntuples(res);

	if (PQresultStatus(res) == PGRES_TUPLES_OK && PQnfields(res) != stmt->ncols) {
		(void)snprintf(errtext, VS_PQ_ERRTEXT_SIZE, "%s: %d columns instead of %d",
		    stmt->name, PQnfields(res), stmt->ncols);
		return VS_EDBBUG;
	}
	if (rows > 1 && (stmt->rows == VS_ROWS_ONE || stmt->rows == VS_ROWS_OPT)) {
		(void)snprintf(
		    errtext, VS_PQ_ERRTEXT_SIZE, "%s: %d rows instead of one", stmt->name, rows);
		return VS_EDBBUG;
	}
	return rows == 0 && stmt->rows == VS_ROWS_ONE ? VS_ENOENT : 0;
}

int
vs_pq_verdict(struct vs_pq_exchange *exchange, PGresult **ret_res, char errtext[VS_PQ_ERRTEXT_SIZE])
{
	int rc;

	errtext[0] = '\0';
	*ret_res = NULL;
	if (exchange->error != NULL) {
		vs_pq_errtext(exchange->error, errtext);
		rc = vs_db_map_sqlstate(PQresultErrorField(exchange->error, PG_DIAG_SQLSTATE));
	} else if (exchange->answer == NULL) {
		(void)snprintf(errtext, VS_PQ_ERRTEXT_SIZE, "%s: no answer", exchange->stmt->name);
		rc = VS_EDBBUG;
	} else {
		rc = check_shape(exchange->stmt, exchange->answer, errtext);
	}
	if (rc == 0) {
		*ret_res = exchange->answer;
		exchange->answer = NULL;
	}
	vs_pq_exchange_fini(exchange);
	return rc;
}

void
vs_pq_exchange_fini(struct vs_pq_exchange *exchange)
{
	PQclear(exchange->answer);
	PQclear(exchange->error);
	exchange->answer = NULL;
	exchange->error = NULL;
}

/* Classes whose primary messages speak of objects and the server, never of values. */
static const char *const wordy_classes[] = { "08", "57", "XX", "42", "53", "3F" };

void
vs_pq_errtext(const PGresult *res, char errtext[VS_PQ_ERRTEXT_SIZE])
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *constraint = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);
	const char *words = NULL;

	if (state == NULL)
		state = "no sqlstate";
	for (size_t i = 0; i < VS_COUNTOF(wordy_classes); i++) {
		if (strncmp(state, wordy_classes[i], 2) == 0)
			words = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	}
	(void)snprintf(errtext, VS_PQ_ERRTEXT_SIZE, "%s%s%s%s%s", state,
	    constraint != NULL ? " " : "", constraint != NULL ? constraint : "",
	    words != NULL ? " " : "", words != NULL ? words : "");
}

void
vs_pq_conn_errtext(const PGconn *conn, char errtext[VS_PQ_ERRTEXT_SIZE])
{
	const char *words = PQerrorMessage(conn);

	(void)snprintf(errtext, VS_PQ_ERRTEXT_SIZE, "%.*s", (int)strcspn(words, "\n"), words);
}

void
vs_pq_ignore_notice(void *ctx, const char *message)
{
	(void)ctx;
	(void)message;
}

bool
vs_pq_channel_ok(const char *channel)
{
	size_t len = strlen(channel);

	return len > 0 && len < VS_PQ_CHANNEL_SIZE && (channel[0] < '0' || channel[0] > '9') &&
	       strspn(channel, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}
