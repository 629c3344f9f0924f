/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/sql.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/pq.h"

PGconn *
sql_open(const struct pg *pg, const char *user)
{
	char dsn[PG_DSN_SIZE];
	PGconn *conn;

	pg_dsn(pg, user, dsn);
	conn = PQconnectdb(dsn);
	if (PQstatus(conn) != CONNECTION_OK)
		fail_msg("%s", PQerrorMessage(conn));
	(void)PQsetNoticeProcessor(conn, vs_pq_ignore_notice, NULL);
	return conn;
}

static PGresult *sql_vrun(PGconn *conn, const char *fmt, va_list args) VS_PRINTF(2, 0);

static PGresult *
sql_vrun(PGconn *conn, const char *fmt, va_list args)
{
	char *text = NULL;
	PGresult *res;

	if (vasprintf(&text, fmt, args) < 0)
		fail_msg("out of memory");
	res = PQexec(conn, text);
	free(text);
	return res;
}

static PGresult *
must(PGconn *conn, PGresult *res)
{
	if (PQresultStatus(res) != PGRES_COMMAND_OK && PQresultStatus(res) != PGRES_TUPLES_OK)
		fail_msg("%s", PQerrorMessage(conn));
	return res;
}

void
sql_do(PGconn *conn, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	PQclear(must(conn, sql_vrun(conn, fmt, args)));
	va_end(args);
}

static char *
first_text(PGresult *res)
{
	char *text = NULL;

	if (PQntuples(res) > 0 && !PQgetisnull(res, 0, 0))
		text = strdup(PQgetvalue(res, 0, 0));
	PQclear(res);
	return text;
}

int64_t
sql_int(PGconn *conn, const char *fmt, ...)
{
	va_list args;
	char *text;
	int64_t num;

	va_start(args, fmt);
	text = first_text(must(conn, sql_vrun(conn, fmt, args)));
	va_end(args);
	if (text == NULL)
		fail_msg("no value: %s", fmt);
	num = strtoll(text, NULL, 10);
	free(text);
	return num;
}

char *
sql_text(PGconn *conn, const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	text = first_text(must(conn, sql_vrun(conn, fmt, args)));
	va_end(args);
	return text;
}

const char *
sql_state(PGconn *conn, const char *fmt, ...)
{
	static char state[6];
	const char *field;
	va_list args;
	PGresult *res;

	va_start(args, fmt);
	res = sql_vrun(conn, fmt, args);
	va_end(args);
	field = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	(void)snprintf(state, sizeof(state), "%s", field != NULL ? field : "00000");
	PQclear(res);
	return state;
}

void
sql_workspace(PGconn *conn, const char *workspace)
{
	sql_do(conn, "SELECT set_config('ventus.workspace_id', '%s', false)", workspace);
}
