/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "tests/support/pg.h"
#include "tests/support/seed.h"
#include "tests/support/sql.h"

struct fixture {
	struct pg *pg;
	PGconn *conn, *api;
	char mine[VS_ULID_SIZE], theirs[VS_ULID_SIZE]; /* workspaces */
	char session[VS_ULID_SIZE];                    /* of mine */
};

static int
setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	fx->pg = pg_new();
	fx->conn = sql_open(fx->pg, "postgres");
	fx->api = sql_open(fx->pg, "ventus_api");
	seed_workspace(fx->conn, 1, fx->mine);
	seed_workspace(fx->conn, 1, fx->theirs);
	seed_session(fx->conn, fx->mine, 0, fx->session);
	*state = fx;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fx = *state;

	PQfinish(fx->api);
	PQfinish(fx->conn);
	pg_free(fx->pg);
	free(fx);
	return 0;
}

static int64_t
visible(struct fixture *fx, const char *workspace)
{
	sql_workspace(fx->api, workspace);
	return sql_int(fx->api, "SELECT (SELECT count(*) FROM ventus.session)"
				" + (SELECT count(*) FROM ventus.session_event)"
				" + (SELECT count(*) FROM ventus.idempotency)");
}

static void
api__sees_one_workspace_and_without_one_nothing(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(visible(fx, ""), 0);
	assert_int_equal(visible(fx, fx->theirs), 0);
	assert_int_equal(visible(fx, fx->mine), 3);
}

static void
api__moves_nothing_outside_its_workspace(void **state)
{
	struct fixture *fx = *state;
	static const char move[] = "SELECT count(*) FROM ventus.session_move(%s%s%s, '%s',"
				   " 'release', NULL, " SEED_ACTOR ")";

	/* The workspace in the argument, in the setting, in both, in none. */
	sql_workspace(fx->api, fx->theirs);
	assert_int_equal(sql_int(fx->api, move, "'", fx->mine, "'", fx->session), 0);
	assert_int_equal(sql_int(fx->api, move, "'", fx->theirs, "'", fx->session), 0);
	assert_int_equal(sql_int(fx->api, move, "", "NULL", "", fx->session), 0);
	sql_workspace(fx->api, "");
	assert_int_equal(sql_int(fx->api, move, "'", fx->mine, "'", fx->session), 0);
	sql_workspace(fx->api, fx->mine);
	assert_int_equal(sql_int(fx->api, move, "'", fx->theirs, "'", fx->session), 0);
	assert_int_equal(
	    sql_int(fx->conn,
		"SELECT count(*) FROM ventus.session WHERE id = '%s' AND status = 'QUEUED'",
		fx->session),
	    1);
}

static void
api__admits_nothing_outside_its_workspace(void **state)
{
	struct fixture *fx = *state;
	char id[VS_ULID_SIZE];

	vs_ulid_new(id);
	sql_workspace(fx->api, fx->mine);
	assert_string_equal(
	    sql_state(fx->api, "SELECT 1 FROM %s", seed_admit_sql(fx->theirs, id, "x", 0)),
	    "42501");
	sql_workspace(fx->api, "");
	assert_string_equal(
	    sql_state(fx->api, "SELECT 1 FROM %s", seed_admit_sql(fx->mine, id, "x", 0)), "42501");
	assert_int_equal(sql_int(fx->conn, "SELECT count(*) FROM ventus.session"), 1);
}

/* A position counts all tenants' sessions, and says nothing else of them. */
static void
queue_position__counts_what_it_does_not_show(void **state)
{
	struct fixture *fx = *state;
	char id[VS_ULID_SIZE];

	seed_session(fx->conn, fx->theirs, 0, id);
	sql_workspace(fx->api, fx->theirs);
	assert_int_equal(sql_int(fx->api, "SELECT ventus.queue_position('%s')", id), 2);
	assert_int_equal(sql_int(fx->api, "SELECT count(*) FROM ventus.session"), 1);
	sql_do(fx->conn,
	    "SELECT 1 FROM ventus.session_move(NULL, '%s', 'release', NULL, " SEED_ACTOR ")", id);
}

static void
history__cannot_be_changed_even_by_its_owner(void **state)
{
	static const char *const tables[] = { "session_event", "audit" };
	struct fixture *fx = *state;
	PGconn *owner = sql_open(fx->pg, "ventus_owner");

	for (size_t i = 0; i < VS_COUNTOF(tables); i++) {
		PGconn *who[] = { owner, fx->conn };

		for (size_t w = 0; w < VS_COUNTOF(who); w++) {
			assert_string_equal(
			    sql_state(who[w], "UPDATE ventus.%s SET at = now()", tables[i]),
			    "42501");
			assert_string_equal(
			    sql_state(who[w], "DELETE FROM ventus.%s", tables[i]), "42501");
			assert_string_equal(
			    sql_state(who[w], "TRUNCATE ventus.%s", tables[i]), "42501");
		}
		assert_true(sql_int(fx->conn, "SELECT count(*) FROM ventus.%s", tables[i]) > 0);
	}
	PQfinish(owner);
}

/* Tables and columns, then functions: all that a role may do, written out. */
static const struct {
	const char *role, *tables, *functions;
} grants[] = {
	{ "ventus_api",
	    "idempotency:SELECT(created_at,key,payload_sha256,session_id,workspace_id) "
	    "schema_migration:SELECT session:SELECT session_event:SELECT",
	    "api_key_find api_key_touch in_reach is_final ms queue_position session_admit"
	    " session_move workspace" },
	{ "ventus_proxy",
	    "cdp_client:SELECT schema_migration:SELECT "
	    "session:SELECT(error_code,id,release_reason,status)",
	    "cdp_client_close cdp_client_open cdpd_instance_beat in_reach is_final ms workspace" },
	{ "ventus_reaper",
	    "cdp_client:SELECT cdpd_instance:SELECT idempotency:DELETE idempotency:SELECT "
	    "runtime:SELECT schema_migration:SELECT session:SELECT workspace:SELECT",
	    "cdpd_instance_reap in_reach is_final ms queue_position runtime_ended runtime_gone"
	    " runtime_ready session_claim session_expire session_move session_queue_timeout"
	    " workspace" },
	{ "ventus_queue", "session:SELECT(created_at,id,region,runtime_kind,status)",
	    "queue_position" },
	{ "public", NULL, NULL },
};

static void
expect_text(const char *role, const char *got, const char *want)
{
	if (got == NULL || want == NULL) {
		assert_null(got);
		assert_null(want);
	} else if (strcmp(got, want) != 0) {
		fail_msg("%s has\n%s\ninstead of\n%s", role, got, want);
	}
}

static void
roles__have_what_they_need_and_no_more(void **state)
{
	struct fixture *fx = *state;

	for (size_t i = 0; i < VS_COUNTOF(grants); i++) {
		const char *role = grants[i].role;
		vs_autofree char *tables = sql_text(fx->conn,
		    "WITH g AS ("
		    " SELECT c.relname, x.privilege_type || '' AS what"
		    "   FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', "
		    "c.relowner))) x"
		    "  WHERE c.relnamespace = 'ventus'::regnamespace AND c.relkind IN ('r', 'p', "
		    "'v')"
		    "    AND coalesce(nullif(x.grantee, 0)::regrole::text, 'public') = '%s'"
		    " UNION ALL"
		    " SELECT c.relname, x.privilege_type || '(' ||"
		    "        string_agg(a.attname, ',' ORDER BY a.attname) || ')'"
		    "   FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid,"
		    "        aclexplode(a.attacl) x"
		    "  WHERE c.relnamespace = 'ventus'::regnamespace"
		    "    AND coalesce(nullif(x.grantee, 0)::regrole::text, 'public') = '%s'"
		    "  GROUP BY c.relname, x.privilege_type)"
		    "SELECT string_agg(relname || ':' || what, ' ' ORDER BY relname || ':' || what"
		    " COLLATE \"C\") FROM g",
		    role, role);
		vs_autofree char *functions = sql_text(fx->conn,
		    "SELECT string_agg(p.proname, ' ' ORDER BY p.proname)"
		    "  FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) "
		    "x"
		    " WHERE p.pronamespace = 'ventus'::regnamespace"
		    "   AND coalesce(nullif(x.grantee, 0)::regrole::text, 'public') = '%s'",
		    role);

		expect_text(role, tables, grants[i].tables);
		expect_text(role, functions, grants[i].functions);
	}
}

static void
roles__own_nothing_and_may_not_pass_the_walls(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(
	    sql_int(fx->conn,
		"SELECT count(*) FROM pg_roles WHERE rolname LIKE 'ventus\\_%%' AND"
		" (rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication)"),
	    0);
	assert_int_equal(
	    sql_int(fx->conn,
		"SELECT count(*) FROM pg_class WHERE relnamespace = 'ventus'::regnamespace"
		" AND relowner <> 'ventus_owner'::regrole"),
	    0);
	assert_int_equal(
	    sql_int(fx->conn,
		"SELECT count(*) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
		" WHERE c.relnamespace = 'ventus'::regnamespace AND c.relkind = 'r'"
		" AND a.attname = 'workspace_id' AND NOT (relrowsecurity AND relforcerowsecurity)"
		" AND c.relname NOT IN ('api_key')"),
	    0);
}

/* A SECURITY DEFINER function with a caller's search_path runs the caller's code. */
static void
functions__pin_their_search_path(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(
	    sql_int(fx->conn,
		"SELECT count(*) FROM pg_proc WHERE pronamespace = 'ventus'::regnamespace"
		" AND prosecdef AND NOT coalesce('search_path=\"\"' = ANY (proconfig), false)"),
	    0);
	sql_do(fx->conn,
	    "SET ROLE ventus_owner; CREATE FUNCTION ventus.t_new() RETURNS int LANGUAGE sql"
	    " AS 'SELECT 1'; RESET ROLE");
	assert_string_equal(sql_state(fx->api, "SELECT ventus.t_new()"), "42501");
	sql_do(fx->conn, "DROP FUNCTION ventus.t_new()");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(api__sees_one_workspace_and_without_one_nothing),
		cmocka_unit_test(api__moves_nothing_outside_its_workspace),
		cmocka_unit_test(api__admits_nothing_outside_its_workspace),
		cmocka_unit_test(queue_position__counts_what_it_does_not_show),
		cmocka_unit_test(history__cannot_be_changed_even_by_its_owner),
		cmocka_unit_test(roles__have_what_they_need_and_no_more),
		cmocka_unit_test(roles__own_nothing_and_may_not_pass_the_walls),
		cmocka_unit_test(functions__pin_their_search_path),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
