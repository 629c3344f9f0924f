/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/migrate_files.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/pq.h"

#define OWNER "ventus_owner"

VS_DEFINE_AUTO(cleanup_conn, PGconn *, PQfinish)

/* One run of migrate_run(). */
struct run {
	PGconn *conn;
	struct migrate_files files;
	struct vs_buf *fault;
	struct migrate_report report;
};

static int
fault_put(struct vs_buf *fault, int err, const char *what, const char *words)
{
	int rc = vs_buf_printf(fault, "%s: %.*s", what, (int)strcspn(words, "\n"), words);

	return rc < 0 ? rc : err;
}

static int
open_conn(const char *conninfo, struct vs_buf *fault, PGconn **ret_conn)
{
	struct vs_pq_conninfo info;
	PGconn *conn;
	int rc = vs_pq_conninfo(conninfo, &info);

	if (rc == VS_EINVAL)
		return fault_put(fault, VS_ECONF, "[database] owner", "malformed");
	if (rc < 0)
		return rc;
	conn = PQconnectdbParams(info.keywords, info.values, 0);
	vs_pq_conninfo_fini(&info);
	if (conn == NULL)
		return VS_ENOMEM;
	if (PQstatus(conn) != CONNECTION_OK) {
		rc = fault_put(fault, VS_EDB, "[database] owner", PQerrorMessage(conn));
		PQfinish(conn);
		return rc;
	}
	*ret_conn = conn;
	return 0;
}

/* The line of the text that the server complains of; 0: it does not say. */
static int
fault_line(const PGresult *res, const char *text)
{
	const char *position = PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION);
	long at = position != NULL ? strtol(position, NULL, 10) : 0;
	int line = at > 0 ? 1 : 0;

	/* Characters are counted, and our files are ASCII. */
	for (long i = 0; i < at - 1 && text[i] != '\0'; i++)
		line += text[i] == '\n';
	return line;
}

static int
fault_result(struct vs_buf *fault, const PGresult *res, const char *name, const char *text)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *words = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	int rc = vs_buf_printf(fault, "%s:%d: %s %s", name, fault_line(res, text),
	    state != NULL ? state : "-----", words != NULL ? words : "connection lost");

	if (rc < 0)
		return rc;
	return state == NULL || vs_db_map_sqlstate(state) == VS_EDB ? VS_EDB : VS_ESTATE;
}

/* Any number of statements, of our own or of a file. */
static int
exec_text(PGconn *conn, const char *name, const char *text, struct vs_buf *fault)
{
	vs_autores PGresult *res = PQexec(conn, text);

	switch (PQresultStatus(res)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
		return 0;
	default:
		return fault_result(fault, res, name, text);
	}
}

static int
become_owner(PGconn *conn, struct vs_buf *fault)
{
	vs_autores PGresult *res = PQexec(conn, "SET ROLE " OWNER);

	if (PQresultStatus(res) == PGRES_COMMAND_OK)
		return exec_text(conn, "settings",
		    "SET search_path = ''; SET client_min_messages = warning", fault);
	return fault_put(fault, VS_ESTATE, "cannot become " OWNER,
	    "ventusctl migrate --roles makes the roles; this role must be a superuser or a "
	    "member of " OWNER);
}

static const char begin_sql[] =
    "BEGIN;"
    "SELECT pg_advisory_xact_lock(hashtext('ventus.migrate'));"
    "CREATE SCHEMA IF NOT EXISTS ventus;"
    "CREATE TABLE IF NOT EXISTS ventus.schema_migration ("
    " version integer PRIMARY KEY,"
    " name text NOT NULL,"
    " sha256 text NOT NULL,"
    " applied_at timestamptz NOT NULL DEFAULT now());"
    "GRANT SELECT ON ventus.schema_migration TO ventus_api, ventus_proxy, ventus_reaper";

/* Is what was applied what the files say? */
static int
compare(struct run *run, const PGresult *applied)
{
	int count = PQntuples(applied);

	for (int i = 0; i < count; i++) {
		const char *name = PQgetvalue(applied, i, 1);

		if ((size_t)i >= run->files.count)
			return fault_put(run->fault, VS_ESTATE, name,
			    "is applied but not part of this release: the schema is newer");
		if (vs_col_int(applied, i, 0, 0) != i + 1)
			return fault_put(run->fault, VS_ESTATE, name,
			    "a migration before it is not in ventus.schema_migration");
		if (strcmp(PQgetvalue(applied, i, 2), run->files.file[i].sha256) != 0)
			return fault_put(
			    run->fault, VS_ESTATE, name, "has changed since it was applied");
	}
	run->report.version = count;
	return 0;
}

static int
read_applied(struct run *run)
{
	vs_autores PGresult *res = PQexec(
	    run->conn, "SELECT version, name, sha256 FROM ventus.schema_migration ORDER BY 1");

	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		return fault_result(run->fault, res, "ventus.schema_migration", "");
	return compare(run, res);
}

static int
apply(struct run *run, const struct migrate_file *file)
{
	const char *const values[] = { file->name, file->sha256 };
	vs_autores PGresult *res = NULL;
	int rc = exec_text(run->conn, file->name, file->text, run->fault);

	if (rc < 0)
		return rc;
	if (PQtransactionStatus(run->conn) != PQTRANS_INTRANS)
		return fault_put(run->fault, VS_ECONF, file->name, "ends its own transaction");
	res = PQexecParams(run->conn,
	    "INSERT INTO ventus.schema_migration (version, name, sha256)"
	    " VALUES (left($1::text, 4)::integer, $1::text, $2::text)",
	    2, NULL, values, NULL, NULL, 0);
	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		return fault_result(run->fault, res, file->name, "");
	run->report.applied++;
	run->report.version++;
	return 0;
}

/* One transaction: the next missing file, if there is one. */
static int
step(struct run *run, bool *ret_done)
{
	int rc = exec_text(run->conn, "begin", begin_sql, run->fault);

	if (rc == 0)
		rc = read_applied(run);
	if (rc < 0)
		return rc;
	*ret_done = (size_t)run->report.version == run->files.count;
	if (!*ret_done)
		rc = apply(run, &run->files.file[run->report.version]);
	return rc < 0 ? rc : exec_text(run->conn, "commit", "COMMIT", run->fault);
}

static int
load_files(const char *sql_dir, struct run *run)
{
	vs_autofree char *dir = NULL;

	if (asprintf(&dir, "%s/migrate", sql_dir) < 0) {
		dir = NULL;
		return VS_ENOMEM;
	}
	return migrate_files_load(dir, run->fault, &run->files);
}

int
migrate_run(const char *conninfo, const char *sql_dir, struct vs_buf *fault,
    struct migrate_report *ret_report)
{
	struct run run = { .fault = fault };
	bool done = false;
	int rc = load_files(sql_dir, &run);

	if (rc == 0)
		rc = open_conn(conninfo, fault, &run.conn);
	if (rc == 0)
		rc = become_owner(run.conn, fault);
	while (rc == 0 && !done)
		rc = step(&run, &done);
	PQfinish(run.conn);
	migrate_files_fini(&run.files);
	if (rc == 0)
		*ret_report = run.report;
	return rc;
}

static const char grant_sql[] =
    "DO $$ BEGIN"
    " EXECUTE format('GRANT CREATE ON DATABASE %I TO " OWNER "', current_database());"
    "END $$";

int
migrate_roles(const char *conninfo, const char *sql_dir, struct vs_buf *fault)
{
	vs_autofree char *path = NULL;
	vs_autofree char *text = NULL;
	vs_auto(cleanup_conn) PGconn *conn = NULL;
	int rc;

	if (asprintf(&path, "%s/roles.sql", sql_dir) < 0) {
		path = NULL;
		return VS_ENOMEM;
	}
	rc = migrate_file_read(path, fault, &text);
	if (rc == 0)
		rc = open_conn(conninfo, fault, &conn);
	if (rc == 0)
		rc = exec_text(conn, "roles.sql", text, fault);
	/* Only this database's: roles.sql may be run from any of the cluster. */
	if (rc == 0)
		rc = exec_text(conn, "grant", grant_sql, fault);
	return rc;
}
