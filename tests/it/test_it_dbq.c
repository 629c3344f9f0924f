/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/dbq.h"
#include "lib/err.h"
#include "tests/support/pg.h"
#include "tests/support/sql.h"

#define WAIT_MS   20000
#define MAX_QUEUE 200

static const struct vs_stmt echo_stmt = { .name = "t_echo",
	.nparams = 2,
	.ncols = 2,
	.rows = VS_ROWS_ONE,
	.repeatable = true,
	.sql = "SELECT $1::text, $2::bigint" };
static const struct vs_stmt once_stmt = { .name = "t_once",
	.nparams = 2,
	.ncols = 2,
	.rows = VS_ROWS_ONE,
	.sql = "SELECT $1::text, $2::bigint" };
static const struct vs_stmt sleep_stmt = { .name = "t_sleep",
	.ncols = 1,
	.rows = VS_ROWS_ONE,
	.repeatable = true,
	.sql = "SELECT 1 FROM pg_sleep(1.5)" };
static const struct vs_stmt bad_stmt = {
	.name = "t_bad", .ncols = 1, .rows = VS_ROWS_ONE, .sql = "SELECT no_such_column"
};

struct fixture {
	struct pg *pg;
	struct vs_loop *loop;
	struct vs_dbq *dbq;
	int ups, downs;
	char why[256], note[64];
	int answers, rcs[MAX_QUEUE]; /* in the order they came */
	int64_t nums[MAX_QUEUE];
	uint64_t ticket; /* to forget in the next answer */
	bool hang_up;    /* ask again from inside the answer */
};

static void
on_notify(void *ctx, const char *channel, const char *payload)
{
	struct fixture *fx = ctx;

	(void)snprintf(fx->note, sizeof(fx->note), "%s %s", channel, payload);
}

static void
on_up(void *ctx)
{
	struct fixture *fx = ctx;

	assert_true(vs_dbq_is_up(fx->dbq));
	fx->ups++;
}

static void
on_down(void *ctx, const char *why)
{
	struct fixture *fx = ctx;

	fx->downs++;
	(void)snprintf(fx->why, sizeof(fx->why), "%s", why);
}

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

static int
setup(void **state)
{
	struct fixture *fx = *state;
	const struct vs_dbq_hooks hooks = {
		.notify = on_notify, .up = on_up, .down = on_down, .ctx = fx
	};
	char dsn[PG_DSN_SIZE];

	*fx = (struct fixture){ .pg = fx->pg };
	fx->loop = vs_loop_new();
	assert_non_null(fx->loop);
	pg_dsn(fx->pg, "ventus_proxy", dsn);
	fx->dbq = vs_dbq_new(fx->loop, dsn, MAX_QUEUE, &hooks);
	assert_non_null(fx->dbq);
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fx = *state;

	vs_dbq_free(fx->dbq);
	vs_loop_free(fx->loop);
	return 0;
}

#define LOOP_UNTIL(fx, cond) \
	do { \
		vs_msec limit_ = vs_clock_mono_ms() + WAIT_MS; \
		while (!(cond)) { \
			if (vs_clock_mono_ms() > limit_) \
				fail_msg("never: %s", #cond); \
			assert_int_equal(vs_loop_once((fx)->loop, 100), 0); \
		} \
	} while (0)

static void ask(struct fixture *fx, const struct vs_stmt *stmt, int64_t num);

static void
on_answer(void *ctx, int rc, const PGresult *res)
{
	struct fixture *fx = ctx;
	int i = fx->answers++;

	assert_true(i < MAX_QUEUE);
	assert_true((rc == 0) == (res != NULL));
	fx->rcs[i] = rc;
	fx->nums[i] = res != NULL && PQnfields(res) == 2 ? vs_col_int(res, 0, 1, -1) : -1;
	if (rc == VS_EDBBUG)
		assert_non_null(strstr(vs_dbq_errtext(fx->dbq), "no_such_column"));
	if (fx->ticket != 0)
		vs_dbq_forget(fx->dbq, fx->ticket);
	if (fx->hang_up) {
		fx->hang_up = false;
		ask(fx, &echo_stmt, 777);
	}
}

static void
ask_within(
    struct fixture *fx, const struct vs_stmt *stmt, int64_t num, vs_msec wait, uint64_t *ret_ticket)
{
	char text[32];
	const struct vs_arg args[] = { VS_TEXT(text), VS_INT(num) };

	(void)snprintf(text, sizeof(text), "text %d", (int)num);
	assert_int_equal(vs_dbq_run(fx->dbq, stmt, args, (size_t)stmt->nparams,
			     vs_clock_mono_ms() + wait, on_answer, fx, ret_ticket),
	    0);
	(void)memset(text, 'x', sizeof(text)); /* it was copied */
}

static void
ask(struct fixture *fx, const struct vs_stmt *stmt, int64_t num)
{
	ask_within(fx, stmt, num, WAIT_MS, NULL);
}

static void
dbq_run__answers_in_order_through_one_connection(void **state)
{
	struct fixture *fx = *state;

	for (int i = 0; i < 150; i++)
		ask(fx, i % 3 == 0 ? &once_stmt : &echo_stmt, i);
	assert_int_equal(fx->answers, 0);
	LOOP_UNTIL(fx, fx->answers == 150);
	for (int i = 0; i < 150; i++) {
		assert_int_equal(fx->rcs[i], 0);
		assert_int_equal(fx->nums[i], i);
	}
	assert_int_equal(fx->ups, 1);
	assert_int_equal(fx->downs, 0);
}

static void
dbq_run__keeps_one_failure_from_the_others(void **state)
{
	struct fixture *fx = *state;
	static const int want[] = { 0, VS_EDBBUG, 0, VS_ERACED, 0, VS_EDBBUG };

	ask(fx, &echo_stmt, 0);
	ask(fx, &bad_stmt, 1);
	ask(fx, &once_stmt, 2);
	ask(fx, &bad_stmt, 3);
	ask(fx, &echo_stmt, 4);
	LOOP_UNTIL(fx, fx->answers == 5);
	ask(fx, &bad_stmt, 5);
	LOOP_UNTIL(fx, fx->answers == 6);
	for (int i = 0; i < 6; i++)
		assert_int_equal(fx->rcs[i], want[i]);
}

static void
dbq_run__may_be_called_from_an_answer(void **state)
{
	struct fixture *fx = *state;

	fx->hang_up = true;
	ask(fx, &echo_stmt, 1);
	LOOP_UNTIL(fx, fx->answers == 2);
	assert_int_equal(fx->nums[1], 777);
}

static void
dbq_run__is_bounded(void **state)
{
	struct fixture *fx = *state;

	for (int i = 0; i < MAX_QUEUE; i++)
		ask(fx, &echo_stmt, i);
	assert_int_equal(vs_dbq_run(fx->dbq, &echo_stmt, VS_ARGS(VS_TEXT(""), VS_INT(0)),
			     vs_clock_mono_ms() + WAIT_MS, on_answer, fx, NULL),
	    VS_EFULL);
	assert_int_equal(vs_dbq_run(fx->dbq, &echo_stmt, VS_NOARGS, vs_clock_mono_ms() + WAIT_MS,
			     on_answer, fx, NULL),
	    VS_EDBBUG);
	LOOP_UNTIL(fx, fx->answers == MAX_QUEUE);
	ask_within(fx, &echo_stmt, 5, WAIT_MS, NULL);
	fx->answers = 0;
	LOOP_UNTIL(fx, fx->answers == 1);
}

static void
dbq_forget__drops_the_callback_and_nothing_else(void **state)
{
	struct fixture *fx = *state;
	uint64_t ticket;

	ask_within(fx, &echo_stmt, 1, WAIT_MS, &ticket);
	ask(fx, &echo_stmt, 2);
	vs_dbq_forget(fx->dbq, ticket);
	vs_dbq_forget(fx->dbq, 987654321);
	LOOP_UNTIL(fx, fx->answers == 1);
	assert_int_equal(fx->nums[0], 2);
}

static void
dbq_run__waits_while_the_server_is_away(void **state)
{
	struct fixture *fx = *state;

	pg_stop(fx->pg);
	ask(fx, &once_stmt, 1);
	ask_within(fx, &echo_stmt, 2, 300, NULL);
	LOOP_UNTIL(fx, fx->downs == 1 && fx->answers == 1);
	assert_int_equal(fx->rcs[0], VS_EDB); /* the second: its time is over */
	assert_false(vs_dbq_is_up(fx->dbq));
	pg_start(fx->pg);
	LOOP_UNTIL(fx, fx->answers == 2);
	assert_int_equal(fx->rcs[1], 0);
	assert_int_equal(fx->nums[1], 1);
	assert_int_equal(fx->ups, 1);
	assert_int_equal(fx->downs, 1);
}

/* What is under way while the server goes: told, or sent again, in order. */
static void
dbq_run__repeats_only_what_may_run_twice(void **state)
{
	struct fixture *fx = *state;

	ask(fx, &echo_stmt, 0);
	LOOP_UNTIL(fx, fx->answers == 1);
	ask(fx, &sleep_stmt, 1);
	ask(fx, &once_stmt, 2);
	ask(fx, &echo_stmt, 3);
	ask(fx, &echo_stmt, 4);
	assert_int_equal(vs_loop_once(fx->loop, 1000), 0); /* all four are sent */
	pg_kill(fx->pg);
	LOOP_UNTIL(fx, fx->answers == 2);
	assert_int_equal(fx->rcs[1], VS_EDB);
	assert_int_equal(fx->downs, 1);
	pg_start(fx->pg);
	LOOP_UNTIL(fx, fx->answers == 5);
	assert_int_equal(fx->rcs[2], 0);
	assert_int_equal(fx->nums[3], 3);
	assert_int_equal(fx->nums[4], 4);
	assert_int_equal(fx->ups, 2);
}

static void
dbq_forget__holds_while_lost_statements_are_told(void **state)
{
	struct fixture *fx = *state;

	ask(fx, &echo_stmt, 0);
	LOOP_UNTIL(fx, fx->answers == 1);
	ask(fx, &sleep_stmt, 1);
	ask(fx, &once_stmt, 2);
	ask_within(fx, &once_stmt, 3, WAIT_MS, &fx->ticket);
	assert_int_equal(vs_loop_once(fx->loop, 1000), 0);
	pg_kill(fx->pg);
	LOOP_UNTIL(fx, fx->downs == 1);
	assert_int_equal(fx->answers, 2); /* the first of the two forgot the other */
	pg_start(fx->pg);
	LOOP_UNTIL(fx, fx->answers == 3);
}

static void
dbq_listen__hears_again_after_a_reconnect(void **state)
{
	struct fixture *fx = *state;
	PGconn *conn;

	assert_int_equal(vs_dbq_listen(fx->dbq, "ventus_one"), 0);
	LOOP_UNTIL(fx, fx->ups == 1);
	assert_int_equal(vs_dbq_listen(fx->dbq, "ventus_two"), 0);
	ask(fx, &echo_stmt, 1);
	LOOP_UNTIL(fx, fx->answers == 1);
	for (int round = 0; round < 2; round++) {
		conn = sql_open(fx->pg, "postgres");
		sql_do(conn, "NOTIFY ventus_one, 'a'");
		LOOP_UNTIL(fx, strcmp(fx->note, "ventus_one a") == 0);
		sql_do(conn, "NOTIFY ventus_two, 'b'");
		LOOP_UNTIL(fx, strcmp(fx->note, "ventus_two b") == 0);
		PQfinish(conn);
		pg_stop(fx->pg);
		LOOP_UNTIL(fx, fx->downs == round + 1);
		pg_start(fx->pg);
		LOOP_UNTIL(fx, fx->ups == round + 2);
	}
	assert_int_equal(vs_dbq_listen(fx->dbq, "Nonsense"), VS_EINVAL);
}

/* A server that has stopped without closing: deadlines hold, later answers are not mixed up. */
static void
dbq_run__keeps_deadlines_when_the_server_is_silent(void **state)
{
	struct fixture *fx = *state;

	ask(fx, &echo_stmt, 0);
	LOOP_UNTIL(fx, fx->answers == 1);
	pg_pause(fx->pg);
	ask_within(fx, &echo_stmt, 1, 200, NULL);
	LOOP_UNTIL(fx, fx->answers == 2);
	assert_int_equal(fx->rcs[1], VS_EDB);
	ask(fx, &echo_stmt, 2);
	pg_resume(fx->pg);
	LOOP_UNTIL(fx, fx->answers == 3);
	assert_int_equal(fx->nums[2], 2);
	assert_int_equal(fx->downs, 0);
}

static void
dbq_free__tells_all_that_wait(void **state)
{
	struct fixture *fx = *state;

	ask(fx, &echo_stmt, 0);
	LOOP_UNTIL(fx, fx->answers == 1);
	ask(fx, &sleep_stmt, 1);
	ask(fx, &echo_stmt, 2);
	assert_int_equal(vs_loop_once(fx->loop, 1000), 0);
	ask(fx, &echo_stmt, 3);
	vs_dbq_free(fx->dbq);
	fx->dbq = NULL;
	assert_int_equal(fx->answers, 4);
	for (int i = 1; i < 4; i++)
		assert_int_equal(fx->rcs[i], VS_ECLOSED);
}

static void
dbq_new__refuses_a_malformed_string(void **state)
{
	struct fixture *fx = *state;

	assert_null(vs_dbq_new(fx->loop, "nonsense", 1, NULL));
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(dbq_run__answers_in_order_through_one_connection),
		TEST(dbq_run__keeps_one_failure_from_the_others),
		TEST(dbq_run__may_be_called_from_an_answer),
		TEST(dbq_run__is_bounded),
		TEST(dbq_forget__drops_the_callback_and_nothing_else),
		TEST(dbq_run__waits_while_the_server_is_away),
		TEST(dbq_run__repeats_only_what_may_run_twice),
		TEST(dbq_forget__holds_while_lost_statements_are_told),
		TEST(dbq_listen__hears_again_after_a_reconnect),
		TEST(dbq_run__keeps_deadlines_when_the_server_is_silent),
		TEST(dbq_free__tells_all_that_wait),
		TEST(dbq_new__refuses_a_malformed_string),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
