/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "ctl/tenant_sql.h"
#include "lib/model/api_key.h"
#include "lib/model/cdp_client.h"
#include "lib/model/runtime_sql.h"
#include "lib/model/sess.h"
#include "lib/pq.h"
#include "tests/support/pg.h"
#include "tests/support/sql.h"

static const size_t one = 1;

/* Every table of statements, and the roles that run each. */
static const struct {
	const char *name;
	const struct vs_stmt *stmts;
	const size_t *count;
	const char *roles[4];
} tables[] = {
	{ "vs_pq_stmts", vs_pq_stmts, &vs_pq_stmts_count,
	    { "ventus_api", "ventus_proxy", "ventus_reaper" } },
	{ "sess_stmts", sess_stmts, &sess_stmts_count, { "ventus_api" } },
	{ "api_key_stmts", api_key_stmts, &api_key_stmts_count, { "ventus_owner" } },
	{ "cdp_client_stmts", cdp_client_stmts, &cdp_client_stmts_count, { "ventus_proxy" } },
	{ "runtime_stmts", runtime_stmts, &runtime_stmts_count, { "ventus_reaper" } },
	{ "runtime_stmt_lead", &runtime_stmt_lead, &one, { "ventus_reaper" } },
	{ "runtime_stmt_leader", &runtime_stmt_leader, &one, { "ventus_reaper" } },
	{ "runtime_stmt_name", &runtime_stmt_name, &one, { "ventus_reaper" } },
	{ "tenant_stmts", tenant_stmts, &tenant_stmts_count, { "ventus_owner" } },
};

static int
setup(void **state)
{
	*state = pg_new();
	return 0;
}

static int
teardown(void **state)
{
	pg_free(*state);
	return 0;
}

static void
check_stmt(PGconn *conn, const char *table, const struct vs_stmt *stmt)
{
	PGresult *res = PQprepare(conn, stmt->name, stmt->sql, 0, NULL);

	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		fail_msg("%s: %s: %s", table, stmt->name, PQresultErrorMessage(res));
	PQclear(res);
	res = PQdescribePrepared(conn, stmt->name);
	if (PQnparams(res) != stmt->nparams || PQnfields(res) != stmt->ncols)
		fail_msg("%s: %s: %d parameters and %d columns, but the table says %d and %d",
		    table, stmt->name, PQnparams(res), PQnfields(res), stmt->nparams, stmt->ncols);
	assert_true(stmt->nparams <= VS_DB_MAX_ARGS);
	PQclear(res);
}

/* One connection per role for all tables: so no two statements share a name. */
static void
stmt__every_row_is_what_the_server_makes_of_it(void **state)
{
	static const char *const roles[] = { "ventus_api", "ventus_proxy", "ventus_reaper",
		"ventus_owner" };

	for (size_t r = 0; r < VS_COUNTOF(roles); r++) {
		PGconn *conn = sql_open(*state, roles[r]);

		for (size_t t = 0; t < VS_COUNTOF(tables); t++) {
			assert_true(*tables[t].count > 0);
			for (size_t i = 0; i < *tables[t].count; i++)
				check_stmt(conn, tables[t].name, &tables[t].stmts[i]);
		}
		PQfinish(conn);
	}
}

/* EXPLAIN starts a statement without running it: that checks every privilege. */
static bool
may_run(PGconn *conn, const struct vs_stmt *stmt)
{
	char args[VS_DB_MAX_ARGS * 6 + 1] = "";
	bool may;

	for (int i = 0; i < stmt->nparams; i++) {
		size_t len = strlen(args);

		(void)snprintf(args + len, sizeof(args) - len, "%sNULL", i == 0 ? "" : ", ");
	}
	sql_do(conn, "PREPARE p AS %s", stmt->sql);
	may = strcmp(sql_state(conn, "EXPLAIN EXECUTE p%s%s%s", stmt->nparams > 0 ? " (" : "", args,
			 stmt->nparams > 0 ? ")" : ""),
		  "42501") != 0;
	sql_do(conn, "DEALLOCATE p");
	return may;
}

static void
stmt__every_role_may_run_its_statements(void **state)
{
	for (size_t t = 0; t < VS_COUNTOF(tables); t++) {
		for (const char *const *role = tables[t].roles; *role != NULL; role++) {
			PGconn *conn = sql_open(*state, *role);

			for (size_t i = 0; i < *tables[t].count; i++) {
				if (!may_run(conn, &tables[t].stmts[i]))
					fail_msg(
					    "%s may not run %s", *role, tables[t].stmts[i].name);
			}
			PQfinish(conn);
		}
	}
}

static void
stmt__no_daemon_may_run_another_ones(void **state)
{
	PGconn *api = sql_open(*state, "ventus_api"), *proxy = sql_open(*state, "ventus_proxy");

	assert_false(may_run(api, &tenant_stmts[tenant_stmts_count - 1]));
	assert_false(may_run(api, &cdp_client_stmts[0]));
	for (size_t i = 0; i < sess_stmts_count; i++)
		assert_false(may_run(proxy, &sess_stmts[i]));
	for (size_t i = 0; i < runtime_stmts_count; i++)
		assert_false(may_run(proxy, &runtime_stmts[i]));
	PQfinish(api);
	PQfinish(proxy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stmt__every_row_is_what_the_server_makes_of_it),
		cmocka_unit_test(stmt__every_role_may_run_its_statements),
		cmocka_unit_test(stmt__no_daemon_may_run_another_ones),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
