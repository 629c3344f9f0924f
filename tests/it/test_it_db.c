/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/db.h"
#include "lib/err.h"
#include "tests/support/pg.h"
#include "tests/support/sql.h"

#define WAIT_MS 10000

static const struct vs_stmt echo_stmt = { .name = "t_echo",
	.nparams = 5,
	.ncols = 5,
	.rows = VS_ROWS_ONE,
	.repeatable = true,
	.sql = "SELECT $1::text, $2::bigint, $3::boolean, $4::bytea, $5::text" };
static const struct vs_stmt workspace_stmt = { .name = "t_workspace",
	.ncols = 1,
	.rows = VS_ROWS_ONE,
	.repeatable = true,
	.sql = "SELECT coalesce(current_setting('ventus.workspace_id', true), '')" };
static const struct vs_stmt none_stmt = {
	.name = "t_none", .ncols = 1, .rows = VS_ROWS_ONE, .sql = "SELECT 1 WHERE false"
};
static const struct vs_stmt two_stmt = {
	.name = "t_two", .ncols = 1, .rows = VS_ROWS_OPT, .sql = "VALUES (1), (2)"
};
static const struct vs_stmt wide_stmt = {
	.name = "t_wide", .ncols = 1, .rows = VS_ROWS_ONE, .sql = "SELECT 1, 2"
};
static const struct vs_stmt once_stmt = {
	.name = "t_once", .ncols = 1, .rows = VS_ROWS_ONE, .sql = "SELECT 7"
};
static const struct vs_stmt die_stmt = { .name = "t_die",
	.ncols = 1,
	.rows = VS_ROWS_ONE,
	.sql = "SELECT pg_terminate_backend(pg_backend_pid())" };
static const struct vs_stmt die_first_stmt = { .name = "t_die_first",
	.ncols = 1,
	.rows = VS_ROWS_ONE,
	.repeatable = true,
	.sql = "SELECT CASE WHEN nextval('public.t_seq') = 1"
	       " THEN pg_terminate_backend(pg_backend_pid()) END" };

struct fixture {
	struct pg *pg;
	struct vs_db *db; /* as ventus_api; fresh for each test */
};

static int
group_setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	fx->pg = pg_new();
	*state = fx;
	return 0;
}

static int
group_teardown(void **state)
{
	struct fixture *fx = *state;

	pg_free(fx->pg);
	free(fx);
	return 0;
}

static struct vs_db *
open_as(const struct fixture *fx, const char *user)
{
	char dsn[PG_DSN_SIZE];
	struct vs_db *db;

	pg_dsn(fx->pg, user, dsn);
	db = vs_db_new(dsn);
	assert_non_null(db);
	return db;
}

static int
setup(void **state)
{
	struct fixture *fx = *state;

	fx->db = open_as(fx, "ventus_api");
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fx = *state;

	vs_db_free(fx->db);
	return 0;
}

static void
expect_run(struct vs_db *db, const struct vs_stmt *stmt, int want)
{
	vs_autores PGresult *res = NULL;
	int rc = vs_db_run(db, NULL, stmt, VS_NOARGS, &res);

	if (rc != want)
		fail_msg("%s: %s instead of %s (%s)", stmt->name, vs_err_text(rc),
		    vs_err_text(want), vs_db_errtext(db));
}

static void
db_run__carries_every_type_both_ways(void **state)
{
	static const uint8_t bytes[] = { 0, 1, 0xff, '\\', 0 };
	struct fixture *fx = *state;
	vs_autores PGresult *res = NULL;
	size_t len;
	uint8_t *got;

	assert_int_equal(vs_db_run(fx->db, NULL, &echo_stmt,
			     VS_ARGS(VS_TEXT("it's \"text\" \xc3\xa9"), VS_INT(INT64_MIN),
				 VS_BOOL(true), VS_BYTES(bytes, sizeof(bytes)), VS_TEXT(NULL)),
			     &res),
	    0);
	assert_string_equal(vs_col_text(res, 0, 0), "it's \"text\" \xc3\xa9");
	assert_true(vs_col_int(res, 0, 1, 0) == INT64_MIN);
	assert_true(vs_col_bool(res, 0, 2));
	got = vs_col_bytes(res, 0, 3, &len);
	assert_int_equal(len, sizeof(bytes));
	assert_memory_equal(got, bytes, len);
	free(got);
	assert_null(vs_col_text(res, 0, 4));
	assert_int_equal(vs_col_int(res, 0, 4, 42), 42);
	assert_false(vs_col_bool(res, 0, 4));
	assert_null(vs_col_bytes(res, 0, 4, &len));
}

static void
db_run__checks_the_shape_that_the_table_declares(void **state)
{
	struct fixture *fx = *state;

	expect_run(fx->db, &none_stmt, VS_ENOENT);
	expect_run(fx->db, &two_stmt, VS_EDBBUG);
	expect_run(fx->db, &wide_stmt, VS_EDBBUG);
	assert_int_equal(vs_db_run(fx->db, NULL, &once_stmt, VS_ARGS(VS_INT(1)), NULL), VS_EDBBUG);
	expect_run(fx->db, &once_stmt, 0);
}

static void
db_run__shows_the_workspace_to_one_statement_only(void **state)
{
	static const char id[] = "01J00000000000000000000001";
	struct fixture *fx = *state;

	for (int i = 0; i < 2; i++) {
		vs_autores PGresult *with = NULL;
		vs_autores PGresult *without = NULL;

		assert_int_equal(vs_db_run(fx->db, id, &workspace_stmt, VS_NOARGS, &with), 0);
		assert_string_equal(vs_col_text(with, 0, 0), id);
		assert_int_equal(vs_db_run(fx->db, NULL, &workspace_stmt, VS_NOARGS, &without), 0);
		assert_string_equal(vs_col_text(without, 0, 0), "");
	}
}

static void
db_run__forgets_the_workspace_of_a_statement_that_failed(void **state)
{
	struct fixture *fx = *state;
	vs_autores PGresult *res = NULL;
	struct vs_stmt bad = once_stmt;

	bad.name = "t_bad_ws";
	bad.sql = "SELECT 1 / 0";
	assert_int_equal(
	    vs_db_run(fx->db, "01J00000000000000000000001", &bad, VS_NOARGS, NULL), VS_EINVAL);
	assert_int_equal(vs_db_run(fx->db, NULL, &workspace_stmt, VS_NOARGS, &res), 0);
	assert_string_equal(vs_col_text(res, 0, 0), "");
}

static const struct vs_stmt failing[] = {
	{ .name = "t_f_syntax", .sql = "SELEC" },
	{ .name = "t_f_table", .sql = "SELECT 1 FROM no_such_table" },
	{ .name = "t_f_zero", .sql = "SELECT 1 / 0" },
	{ .name = "t_f_cast", .sql = "SELECT 'secret'::text::integer" },
	{ .name = "t_f_domain", .sql = "SELECT 'secret'::text::ventus.ulid" },
	{ .name = "t_f_right", .sql = "SELECT 1 FROM ventus.api_key" },
	{ .name = "t_f_timeout", .sql = "SELECT 1 FROM pg_sleep(30)" },
};
static const int failing_want[] = { VS_EDBBUG, VS_EDBBUG, VS_EINVAL, VS_EINVAL, VS_EINVAL,
	VS_EFORBIDDEN, VS_ETIMEDOUT };

static void
db_run__maps_what_the_server_says_and_goes_on(void **state)
{
	struct fixture *fx = *state;

	for (size_t i = 0; i < VS_COUNTOF(failing); i++) {
		expect_run(fx->db, &failing[i], failing_want[i]);
		assert_int_not_equal(strlen(vs_db_errtext(fx->db)), 0);
		assert_null(strstr(vs_db_errtext(fx->db), "secret"));
		expect_run(fx->db, &once_stmt, 0);
		assert_string_equal(vs_db_errtext(fx->db), "");
	}
}

static void
db_run__survives_a_restart_of_the_server_while_idle(void **state)
{
	struct fixture *fx = *state;

	expect_run(fx->db, &once_stmt, 0);
	pg_stop(fx->pg);
	expect_run(fx->db, &once_stmt, VS_EDB);
	expect_run(fx->db, &workspace_stmt, VS_EDB);
	pg_start(fx->pg);
	expect_run(fx->db, &once_stmt, 0);
	pg_stop(fx->pg);
	pg_start(fx->pg);
	/* Not repeatable, but nothing was sent on the dead connection. */
	expect_run(fx->db, &once_stmt, 0);
	pg_kill(fx->pg);
	pg_start(fx->pg);
	expect_run(fx->db, &workspace_stmt, 0);
}

static void
db_run__repeats_only_what_may_run_twice(void **state)
{
	struct fixture *fx = *state;
	struct vs_db *db = open_as(fx, "postgres");
	PGconn *conn = sql_open(fx->pg, "postgres");

	sql_do(conn, "CREATE SEQUENCE public.t_seq");
	expect_run(db, &die_stmt, VS_EDB);
	assert_int_equal(vs_db_fd(db), -1);
	expect_run(db, &die_first_stmt, 0);
	assert_int_equal(sql_int(conn, "SELECT last_value FROM public.t_seq"), 2);
	sql_do(conn, "DROP SEQUENCE public.t_seq");
	PQfinish(conn);
	vs_db_free(db);
}

static void
db_check_schema__knows_this_tree_and_no_other(void **state)
{
	struct fixture *fx = *state;
	PGconn *conn = sql_open(fx->pg, "ventus_owner");

	assert_int_equal(vs_db_check_schema(fx->db), 0);
	sql_do(conn, "INSERT INTO ventus.schema_migration VALUES (999, '0999_x.sql', '')");
	assert_int_equal(vs_db_check_schema(fx->db), VS_ESTATE);
	assert_non_null(strstr(vs_db_errtext(fx->db), "schema 999"));
	sql_do(conn, "DELETE FROM ventus.schema_migration WHERE version = 999");
	sql_do(conn, "REVOKE SELECT ON ventus.schema_migration FROM ventus_api");
	assert_int_equal(vs_db_check_schema(fx->db), VS_ESTATE);
	sql_do(conn, "GRANT SELECT ON ventus.schema_migration TO ventus_api");
	assert_int_equal(vs_db_check_schema(fx->db), 0);
	PQfinish(conn);
}

static void
on_note(void *ctx, const char *channel, const char *payload)
{
	assert_string_equal(channel, "ventus_test");
	(void)snprintf(ctx, 16, "%s", payload);
}

static void
wait_note(struct vs_db *db, const char *want)
{
	vs_msec deadline = vs_clock_mono_ms() + WAIT_MS;
	char got[16] = "";

	while (got[0] == '\0') {
		struct pollfd at = { .fd = vs_db_fd(db), .events = POLLIN };
		vs_msec left = deadline - vs_clock_mono_ms();

		if (left <= 0 || poll(&at, 1, (int)left) <= 0)
			fail_msg("\"%s\" did not come", want);
		assert_int_equal(vs_db_notifies(db, on_note, got), 0);
	}
	assert_string_equal(got, want);
}

static void
db_listen__hears_again_after_a_reconnect(void **state)
{
	struct fixture *fx = *state;
	PGconn *conn = sql_open(fx->pg, "postgres");

	assert_int_equal(vs_db_listen(fx->db, "ventus_test"), 0);
	sql_do(conn, "NOTIFY ventus_test, 'one'");
	wait_note(fx->db, "one");
	PQfinish(conn);
	pg_stop(fx->pg);
	assert_int_equal(vs_db_notifies(fx->db, on_note, NULL), VS_EDB);
	assert_int_equal(vs_db_fd(fx->db), -1);
	pg_start(fx->pg);
	expect_run(fx->db, &once_stmt, 0);
	conn = sql_open(fx->pg, "postgres");
	sql_do(conn, "NOTIFY ventus_test, 'two'");
	wait_note(fx->db, "two");
	PQfinish(conn);
}

static void
db_listen__takes_only_plain_names_and_only_four(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(vs_db_listen(fx->db, "a\"; DROP"), VS_EINVAL);
	assert_int_equal(vs_db_listen(fx->db, ""), VS_EINVAL);
	assert_int_equal(vs_db_listen(fx->db, "a"), 0);
	assert_int_equal(vs_db_listen(fx->db, "b"), 0);
	assert_int_equal(vs_db_listen(fx->db, "c"), 0);
	assert_int_equal(vs_db_listen(fx->db, "d"), 0);
	assert_int_equal(vs_db_listen(fx->db, "e"), VS_EFULL);
}

static void
db_new__reports_a_malformed_string_without_quoting_it(void **state)
{
	struct vs_db *db = vs_db_new("password=hunter2 nonsense");

	(void)state;
	assert_non_null(db);
	expect_run(db, &once_stmt, VS_EDB);
	assert_null(strstr(vs_db_errtext(db), "hunter2"));
	vs_db_free(db);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(db_run__carries_every_type_both_ways),
		TEST(db_run__checks_the_shape_that_the_table_declares),
		TEST(db_run__shows_the_workspace_to_one_statement_only),
		TEST(db_run__forgets_the_workspace_of_a_statement_that_failed),
		TEST(db_run__maps_what_the_server_says_and_goes_on),
		TEST(db_run__survives_a_restart_of_the_server_while_idle),
		TEST(db_run__repeats_only_what_may_run_twice),
		TEST(db_check_schema__knows_this_tree_and_no_other),
		TEST(db_listen__hears_again_after_a_reconnect),
		TEST(db_listen__takes_only_plain_names_and_only_four),
		TEST(db_new__reports_a_malformed_string_without_quoting_it),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
