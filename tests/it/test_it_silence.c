/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "lib/clock.h"
#include "lib/dbq.h"
#include "lib/err.h"
#include "tests/support/pg.h"

#define WAIT_MS 40000

static const struct vs_stmt one_stmt = {
	.name = "t_one", .ncols = 1, .rows = VS_ROWS_ONE, .sql = "SELECT 1"
};

struct outcome {
	int ups, downs, answers, rc;
	char why[64];
};

static void
on_up(void *ctx)
{
	((struct outcome *)ctx)->ups++;
}

static void
on_down(void *ctx, const char *why)
{
	struct outcome *out = ctx;

	out->downs++;
	(void)snprintf(out->why, sizeof(out->why), "%s", why);
}

static void
on_answer(void *ctx, int rc, const PGresult *res)
{
	struct outcome *out = ctx;

	(void)res;
	out->answers++;
	out->rc = rc;
}

static void
loop_until(struct vs_loop *loop, const int *count, int want)
{
	vs_msec limit = vs_clock_mono_ms() + WAIT_MS;

	while (*count < want) {
		assert_true(vs_clock_mono_ms() < limit);
		assert_int_equal(vs_loop_once(loop, 100), 0);
	}
}

/*
 * A server that has stopped without closing its sockets: both forms give up after 15
 * seconds, which pass for both at once here, and come back when it does.
 */
static void
db__counts_a_silent_server_as_lost(void **state)
{
	struct outcome out = { .ups = 0 };
	const struct vs_dbq_hooks hooks = { .up = on_up, .down = on_down, .ctx = &out };
	struct pg *pg = pg_new();
	struct vs_loop *loop = vs_loop_new();
	struct vs_dbq *dbq;
	struct vs_db *db;
	char dsn[PG_DSN_SIZE];

	(void)state;
	pg_dsn(pg, "ventus_api", dsn);
	db = vs_db_new(dsn);
	dbq = vs_dbq_new(loop, dsn, 10, &hooks);
	assert_int_equal(vs_db_run(db, NULL, &one_stmt, VS_NOARGS, NULL), 0);
	loop_until(loop, &out.ups, 1);

	pg_pause(pg);
	assert_int_equal(vs_dbq_run(dbq, &one_stmt, VS_NOARGS, vs_clock_mono_ms() + WAIT_MS,
			     on_answer, &out, NULL),
	    0);
	assert_int_equal(vs_loop_once(loop, 1000), 0);
	assert_int_equal(vs_db_run(db, NULL, &one_stmt, VS_NOARGS, NULL), VS_EDB);
	assert_string_equal(vs_db_errtext(db), "the server is silent");
	loop_until(loop, &out.downs, 1);
	assert_string_equal(out.why, "the server is silent");
	assert_int_equal(out.answers, 1);
	assert_int_equal(out.rc, VS_EDB);
	pg_resume(pg);

	assert_int_equal(vs_db_run(db, NULL, &one_stmt, VS_NOARGS, NULL), 0);
	loop_until(loop, &out.ups, 2);
	vs_dbq_free(dbq);
	vs_db_free(db);
	vs_loop_free(loop);
	pg_free(pg);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(db__counts_a_silent_server_as_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
