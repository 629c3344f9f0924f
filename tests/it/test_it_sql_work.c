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
#include "lib/clock.h"
#include "tests/support/pg.h"
#include "tests/support/seed.h"
#include "tests/support/sql.h"

#define RACERS  40
#define WAIT_MS 20000

struct fixture {
	struct pg *pg;
	PGconn *conn;
};

static int
group_setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	fx->pg = pg_new();
	fx->conn = sql_open(fx->pg, "postgres");
	*state = fx;
	return 0;
}

static int
group_teardown(void **state)
{
	struct fixture *fx = *state;

	PQfinish(fx->conn);
	pg_free(fx->pg);
	free(fx);
	return 0;
}

/* Each test begins with nothing queued, nothing running and no runtime present. */
static int
setup(void **state)
{
	struct fixture *fx = *state;

	sql_do(fx->conn,
	    "SELECT m.moved FROM ventus.session s, LATERAL ventus.session_move(NULL, s.id,"
	    " 'release', NULL, " SEED_ACTOR ") m WHERE NOT ventus.is_final(s.status);"
	    "UPDATE ventus.runtime SET state = 'GONE'");
	return 0;
}

/* The session claimed; owned, NULL when there was none. */
static char *
claim(PGconn *conn, int capacity)
{
	char runtime[VS_ULID_SIZE];

	vs_ulid_new(runtime);
	return sql_text(conn,
	    "SELECT id FROM ventus.session_claim('local', 'chromium', %d, '%s', 'k', " SEED_ACTOR
	    ")",
	    capacity, runtime);
}

static void
expect_claim(PGconn *conn, const char *want)
{
	vs_autofree char *got = claim(conn, 100);

	assert_non_null(got);
	assert_string_equal(got, want);
}

static void
session_claim__is_fair_between_workspaces(void **state)
{
	struct fixture *fx = *state;
	char many[VS_ULID_SIZE], few[VS_ULID_SIZE], m[3][VS_ULID_SIZE], f[2][VS_ULID_SIZE];

	seed_workspace(fx->conn, 1, many);
	seed_workspace(fx->conn, 1, few);
	for (int i = 0; i < 3; i++)
		seed_session(fx->conn, many, 0, m[i]);
	for (int i = 0; i < 2; i++)
		seed_session(fx->conn, few, 0, f[i]);
	expect_claim(fx->conn, m[0]);
	expect_claim(fx->conn, f[0]);
	expect_claim(fx->conn, m[1]);
	expect_claim(fx->conn, f[1]);
	expect_claim(fx->conn, m[2]);
	assert_null(claim(fx->conn, 100));
}

static void
session_claim__counts_weights(void **state)
{
	struct fixture *fx = *state;
	char heavy[VS_ULID_SIZE], light[VS_ULID_SIZE], h[4][VS_ULID_SIZE], l[2][VS_ULID_SIZE];

	seed_workspace(fx->conn, 3, heavy);
	seed_workspace(fx->conn, 1, light);
	for (int i = 0; i < 2; i++)
		seed_session(fx->conn, light, 0, l[i]);
	for (int i = 0; i < 4; i++)
		seed_session(fx->conn, heavy, 0, h[i]);
	expect_claim(fx->conn, l[0]); /* nobody has any: the oldest */
	expect_claim(fx->conn, h[0]);
	expect_claim(fx->conn, h[1]);
	expect_claim(fx->conn, h[2]);
	expect_claim(fx->conn, l[1]); /* 3/3 and 1/1: the older one */
	expect_claim(fx->conn, h[3]);
}

static void
session_claim__takes_only_its_region_and_kind(void **state)
{
	struct fixture *fx = *state;
	char ws[VS_ULID_SIZE], id[VS_ULID_SIZE];

	seed_workspace(fx->conn, 1, ws);
	seed_session(fx->conn, ws, 0, id);
	sql_do(fx->conn, "UPDATE ventus.session SET region = 'elsewhere' WHERE id = '%s'", id);
	assert_null(claim(fx->conn, 100));
	sql_do(fx->conn,
	    "UPDATE ventus.session SET region = 'local', runtime_kind = 'rda' WHERE id = '%s'", id);
	assert_null(claim(fx->conn, 100));
	sql_do(fx->conn, "UPDATE ventus.session SET runtime_kind = 'chromium' WHERE id = '%s'", id);
	expect_claim(fx->conn, id);
}

static void
open_racers(struct fixture *fx, const char *user, PGconn *racer[RACERS])
{
	for (int i = 0; i < RACERS; i++) {
		racer[i] = sql_open(fx->pg, user);
		sql_do(racer[i], "SET lock_timeout = '20s'; SET statement_timeout = '20s'");
	}
}

/* Rows of the statement under way; its failure fails the test. */
static int
finish_one(PGconn *conn)
{
	PGresult *res = PQgetResult(conn);
	int rows = PQntuples(res);

	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		fail_msg("%s", PQresultErrorMessage(res));
	PQclear(res);
	assert_null(PQgetResult(conn));
	return rows;
}

static int
finish_racers(PGconn *racer[RACERS])
{
	int rows = 0;

	for (int i = 0; i < RACERS; i++) {
		rows += finish_one(racer[i]);
		PQfinish(racer[i]);
	}
	return rows;
}

static void
session_claim__never_passes_the_capacity_under_racers(void **state)
{
	struct fixture *fx = *state;
	PGconn *racer[RACERS];
	char ws[VS_ULID_SIZE], id[VS_ULID_SIZE], text[512];

	seed_workspace(fx->conn, 1, ws);
	for (int i = 0; i < RACERS; i++)
		seed_session(fx->conn, ws, 0, id);
	open_racers(fx, "ventus_reaper", racer);
	for (int i = 0; i < RACERS; i++) {
		vs_ulid_new(id);
		(void)snprintf(text, sizeof(text),
		    "SELECT id FROM ventus.session_claim('local', 'chromium', 7, '%s', "
		    "'k'," SEED_ACTOR ")",
		    id);
		assert_int_equal(PQsendQuery(racer[i], text), 1);
	}
	assert_int_equal(finish_racers(racer), 7);
	assert_int_equal(
	    sql_int(fx->conn, "SELECT count(*) FROM ventus.runtime WHERE state <> 'GONE'"), 7);
	assert_null(claim(fx->conn, 7));
	sql_do(fx->conn, "SELECT ventus.runtime_gone((SELECT id FROM ventus.runtime WHERE state <> "
			 "'GONE' LIMIT 1))");
	free(claim(fx->conn, 7));
	assert_int_equal(
	    sql_int(fx->conn, "SELECT count(*) FROM ventus.runtime WHERE state <> 'GONE'"), 7);
}

static void
runtime_ready__refuses_a_runtime_that_nobody_wants(void **state)
{
	struct fixture *fx = *state;
	char ws[VS_ULID_SIZE], id[VS_ULID_SIZE], runtime[VS_ULID_SIZE];
	static const char ready[] =
	    "SELECT ventus.runtime_ready('%s', 'unix:/x', " SEED_ACTOR ")::int";

	seed_workspace(fx->conn, 1, ws);
	seed_session(fx->conn, ws, 0, id);
	vs_ulid_new(runtime);
	sql_do(fx->conn,
	    "SELECT id FROM ventus.session_claim('local', 'chromium', 9, '%s', 'k', " SEED_ACTOR
	    ")",
	    runtime);
	assert_true(seed_move(fx->conn, id, "release", NULL));
	assert_int_equal(sql_int(fx->conn, ready, runtime), 0);
	seed_running(fx->conn, ws, 0, id, runtime);
	assert_int_equal(sql_int(fx->conn, ready, runtime), 1); /* told twice */
	assert_int_equal(sql_int(fx->conn, ready, "01J00000000000000000000009"), 0);
}

static const struct {
	const char *from, *event, *code, *want; /* want: status, reason or code */
} ends[] = {
	{ "RUNNING", "fail", "'browser_crashed'", "ERRORED browser_crashed" },
	{ "RUNNING", "browser_closed", "NULL", "COMPLETED browser_closed" },
	{ "PROVISIONING", "fail", "'provision_timeout'", "ERRORED provision_timeout" },
	{ "PROVISIONING", "browser_closed", "NULL", "ERRORED image_start_failed" },
	{ "COMPLETED", "fail", "'pod_crashed'", "COMPLETED client_release" },
};

static void
runtime_ended__gives_its_session_the_right_end(void **state)
{
	struct fixture *fx = *state;
	char ws[VS_ULID_SIZE], id[VS_ULID_SIZE], runtime[VS_ULID_SIZE];

	seed_workspace(fx->conn, 1, ws);
	for (size_t i = 0; i < VS_COUNTOF(ends); i++) {
		vs_autofree char *got = NULL;

		if (strcmp(ends[i].from, "PROVISIONING") == 0) {
			seed_session(fx->conn, ws, 0, id);
			vs_ulid_new(runtime);
			sql_do(fx->conn,
			    "SELECT id FROM ventus.session_claim('local', 'chromium', 99, '%s', "
			    "'k'," SEED_ACTOR ")",
			    runtime);
		} else {
			seed_running(fx->conn, ws, 0, id, runtime);
		}
		if (strcmp(ends[i].from, "COMPLETED") == 0)
			assert_true(seed_move(fx->conn, id, "release", NULL));
		sql_do(fx->conn, "SELECT ventus.runtime_ended('%s', '%s', %s, 'm', " SEED_ACTOR ")",
		    runtime, ends[i].event, ends[i].code);
		got = sql_text(fx->conn,
		    "SELECT status || ' ' || coalesce(error_code, release_reason)"
		    "  FROM ventus.session WHERE id = '%s'",
		    id);
		assert_string_equal(got, ends[i].want);
		assert_int_equal(sql_int(fx->conn,
				     "SELECT count(*) FROM ventus.runtime WHERE id = '%s' AND "
				     "state = 'STOPPING'",
				     runtime),
		    1);
	}
}

/* The verdict of one open; owned. */
static char *
cdp_open(PGconn *conn, const char *ws, const char *session, const char *instance,
    char ret_client[VS_ULID_SIZE])
{
	vs_ulid_new(ret_client);
	return sql_text(conn,
	    "SELECT verdict FROM ventus.cdp_client_open('%s', '%s', '%s', '%s', 2)", ws, session,
	    ret_client, instance);
}

static void
expect_open(PGconn *conn, const char *ws, const char *session, const char *instance,
    char ret_client[VS_ULID_SIZE], const char *want)
{
	vs_autofree char *got = cdp_open(conn, ws, session, instance, ret_client);

	assert_non_null(got);
	assert_string_equal(got, want);
}

static void
cdp_close(PGconn *conn, const char *client, const char *event)
{
	sql_do(conn, "SELECT ventus.cdp_client_close('%s', '%s', " SEED_ACTOR ")", client, event);
}

static void
expect_session(PGconn *conn, const char *id, const char *want)
{
	vs_autofree char *got = sql_text(conn,
	    "SELECT status || ' ' || cdp_clients || ' ' || coalesce(release_reason, '-')"
	    "  FROM ventus.session WHERE id = '%s'",
	    id);

	assert_string_equal(got, want);
}

static void
new_instance(PGconn *conn, int lease_seconds, char ret_id[VS_ULID_SIZE])
{
	vs_ulid_new(ret_id);
	sql_do(conn, "SELECT ventus.cdpd_instance_beat('%s', 'test', %d)", ret_id, lease_seconds);
}

static void
cdp_client__the_last_to_leave_ends_the_session(void **state)
{
	struct fixture *fx = *state;
	PGconn *proxy = sql_open(fx->pg, "ventus_proxy");
	char ws[VS_ULID_SIZE], id[VS_ULID_SIZE], instance[VS_ULID_SIZE], one[VS_ULID_SIZE],
	    two[VS_ULID_SIZE], three[VS_ULID_SIZE];

	seed_workspace(fx->conn, 1, ws);
	new_instance(proxy, 60, instance);
	seed_session(fx->conn, ws, 0, id);
	expect_open(proxy, ws, id, instance, one, "wait");
	assert_true(seed_move(fx->conn, id, "claim", NULL));
	assert_true(seed_move(fx->conn, id, "ready", NULL));
	expect_open(proxy, ws, id, instance, one, "open");
	expect_open(proxy, ws, id, instance, two, "open");
	expect_open(proxy, ws, id, instance, three, "full");
	cdp_close(proxy, one, "cdp_disconnect");
	cdp_close(proxy, one, "cdp_disconnect"); /* told twice */
	expect_session(fx->conn, id, "RUNNING 1 -");
	cdp_close(proxy, two, "cdp_disconnect");
	expect_session(fx->conn, id, "COMPLETED 0 cdp_disconnect");
	expect_open(proxy, ws, id, instance, one, "gone");
	assert_null(cdp_open(proxy, id, id, instance, one)); /* another workspace */
	PQfinish(proxy);
}

static void
cdp_client__keep_alive_outlives_its_clients(void **state)
{
	struct fixture *fx = *state;
	PGconn *proxy = sql_open(fx->pg, "ventus_proxy");
	char ws[VS_ULID_SIZE], id[VS_ULID_SIZE], instance[VS_ULID_SIZE], one[VS_ULID_SIZE],
	    two[VS_ULID_SIZE];

	seed_workspace(fx->conn, 1, ws);
	new_instance(proxy, 60, instance);
	seed_running(fx->conn, ws, 300, id, NULL);
	expect_open(proxy, ws, id, instance, one, "open");
	cdp_close(proxy, one, "cdp_disconnect");
	expect_session(fx->conn, id, "RUNNING 0 -");
	expect_open(proxy, ws, id, instance, one, "open");
	cdp_close(proxy, one, "browser_closed");
	expect_session(fx->conn, id, "RUNNING 0 -");
	/* Without keep-alive one client that closes the browser ends it for all. */
	seed_running(fx->conn, ws, 0, id, NULL);
	expect_open(proxy, ws, id, instance, one, "open");
	expect_open(proxy, ws, id, instance, two, "open");
	cdp_close(proxy, one, "browser_closed");
	expect_session(fx->conn, id, "COMPLETED 0 browser_closed");
	cdp_close(proxy, two, "cdp_disconnect");
	PQfinish(proxy);
}

static int64_t
reap(PGconn *conn)
{
	return sql_int(conn, "SELECT ventus.cdpd_instance_reap(" SEED_ACTOR ")");
}

static void
expire_lease(PGconn *conn, const char *instance)
{
	sql_do(conn,
	    "UPDATE ventus.cdpd_instance SET lease_until = now() - interval '1 second'"
	    " WHERE id = '%s'",
	    instance);
}

/* Until the time that a start of the server gives is over. */
static void
wait_for_grace(PGconn *conn)
{
	sql_do(conn, "SELECT pg_sleep(greatest(0, extract(epoch FROM"
		     " pg_postmaster_start_time() + interval '10 seconds' - clock_timestamp())))");
}

static void
cdpd_instance_reap__gives_time_after_a_start_of_the_server(void **state)
{
	struct fixture *fx = *state;
	char ws[VS_ULID_SIZE], id[VS_ULID_SIZE], instance[VS_ULID_SIZE], client[VS_ULID_SIZE];

	seed_workspace(fx->conn, 1, ws);
	new_instance(fx->conn, 60, instance);
	seed_running(fx->conn, ws, 0, id, NULL);
	expect_open(fx->conn, ws, id, instance, client, "open");
	expire_lease(fx->conn, instance);
	PQfinish(fx->conn);
	pg_stop(fx->pg);
	pg_start(fx->pg);
	fx->conn = sql_open(fx->pg, "postgres");
	assert_int_equal(reap(fx->conn), 0);
	expect_session(fx->conn, id, "RUNNING 1 -");
	wait_for_grace(fx->conn);
	assert_int_equal(reap(fx->conn), 1);
	expect_session(fx->conn, id, "COMPLETED 0 cdp_disconnect");
}

/* Two clients of one session on a dead instance are both counted out in one round. */
static void
cdpd_instance_reap__closes_every_client_of_a_dead_one(void **state)
{
	struct fixture *fx = *state;
	PGconn *reaper = sql_open(fx->pg, "ventus_reaper");
	char ws[VS_ULID_SIZE], both[VS_ULID_SIZE], kept[VS_ULID_SIZE], shared[VS_ULID_SIZE],
	    dead[VS_ULID_SIZE], live[VS_ULID_SIZE], client[VS_ULID_SIZE];

	wait_for_grace(fx->conn);
	seed_workspace(fx->conn, 1, ws);
	new_instance(fx->conn, 60, dead);
	new_instance(fx->conn, 60, live);
	seed_running(fx->conn, ws, 0, both, NULL);
	seed_running(fx->conn, ws, 300, kept, NULL);
	seed_running(fx->conn, ws, 0, shared, NULL);
	expect_open(fx->conn, ws, both, dead, client, "open");
	expect_open(fx->conn, ws, both, dead, client, "open");
	expect_open(fx->conn, ws, kept, dead, client, "open");
	expect_open(fx->conn, ws, shared, dead, client, "open");
	expect_open(fx->conn, ws, shared, live, client, "open");
	assert_int_equal(reap(reaper), 0);
	expire_lease(fx->conn, dead);
	assert_int_equal(reap(reaper), 1);
	expect_session(fx->conn, both, "COMPLETED 0 cdp_disconnect");
	expect_session(fx->conn, kept, "RUNNING 0 -");
	expect_session(fx->conn, shared, "RUNNING 1 -");
	assert_int_equal(reap(reaper), 0);
	PQfinish(reaper);
}

static void
cdpd_instance_reap__does_not_wait_for_a_locked_session(void **state)
{
	struct fixture *fx = *state;
	PGconn *reaper = sql_open(fx->pg, "ventus_reaper");
	char ws[VS_ULID_SIZE], id[VS_ULID_SIZE], dead[VS_ULID_SIZE], client[VS_ULID_SIZE];

	wait_for_grace(fx->conn);
	seed_workspace(fx->conn, 1, ws);
	new_instance(fx->conn, -1, dead);
	seed_running(fx->conn, ws, 0, id, NULL);
	expect_open(fx->conn, ws, id, dead, client, "open");
	sql_do(fx->conn, "BEGIN; SELECT 1 FROM ventus.session WHERE id = '%s' FOR UPDATE", id);
	assert_int_equal(reap(reaper), 0);
	sql_do(fx->conn, "ROLLBACK");
	expect_session(fx->conn, id, "RUNNING 1 -");
	assert_int_equal(reap(reaper), 1);
	expect_session(fx->conn, id, "COMPLETED 0 cdp_disconnect");
	PQfinish(reaper);
}

/* Until the statement under way on conn is answered, or as many locks are waited for. */
static void
wait_done_or_blocked(struct fixture *fx, PGconn *conn, int blocked)
{
	vs_msec deadline = vs_clock_mono_ms() + WAIT_MS;

	while (PQconsumeInput(conn) == 1 && PQisBusy(conn) &&
	       sql_int(fx->conn, "SELECT count(*) FROM pg_locks WHERE NOT granted") < blocked)
		assert_true(vs_clock_mono_ms() < deadline);
}

/*
 * A batch holds sessions and an audit head while a single move holds one session and
 * wants the head. Someone holds the session in the middle, so that a batch which waits
 * for sessions would stand between the first and the last of them.
 */
static void
session_expire__cannot_deadlock_with_a_release(void **state)
{
	struct fixture *fx = *state;
	PGconn *batch = sql_open(fx->pg, "ventus_reaper"), *single = sql_open(fx->pg, "ventus_api");
	char ws[VS_ULID_SIZE], id[3][VS_ULID_SIZE], text[512];

	seed_workspace(fx->conn, 1, ws);
	for (int i = 0; i < 3; i++) {
		seed_running(fx->conn, ws, 0, id[i], NULL);
		sql_do(fx->conn,
		    "UPDATE ventus.session SET expires_at = now() - interval '%d s' WHERE id = "
		    "'%s'",
		    9 - i, id[i]);
	}
	sql_workspace(single, ws);
	sql_do(batch, "SET lock_timeout = '20s'; SET statement_timeout = '20s'");
	sql_do(single, "SET lock_timeout = '20s'; SET statement_timeout = '20s'");
	sql_do(fx->conn, "BEGIN; SELECT FROM ventus.session WHERE id = '%s' FOR UPDATE", id[1]);
	assert_int_equal(
	    PQsendQuery(batch, "SELECT id FROM ventus.session_expire('local', " SEED_ACTOR ")"), 1);
	wait_done_or_blocked(fx, batch, 1);
	(void)snprintf(text, sizeof(text),
	    "SELECT moved FROM ventus.session_move('%s', '%s', 'release', NULL, " SEED_ACTOR ")",
	    ws, id[2]);
	assert_int_equal(PQsendQuery(single, text), 1);
	wait_done_or_blocked(fx, single, 2);
	sql_do(fx->conn, "ROLLBACK");
	assert_int_equal(finish_one(batch), 2);
	assert_int_equal(finish_one(single), 1);
	expect_session(fx->conn, id[0], "EXPIRED 0 timeout");
	expect_session(fx->conn, id[1], "RUNNING 0 -");
	expect_session(fx->conn, id[2], "EXPIRED 0 timeout");
	PQfinish(batch);
	PQfinish(single);
}

static void
session_queue_timeout__tells_no_pool_from_no_room(void **state)
{
	struct fixture *fx = *state;
	char ws[VS_ULID_SIZE], waits[VS_ULID_SIZE], nowhere[VS_ULID_SIZE], young[VS_ULID_SIZE];

	seed_workspace(fx->conn, 1, ws);
	seed_session(fx->conn, ws, 0, waits);
	seed_session(fx->conn, ws, 0, nowhere);
	seed_session(fx->conn, ws, 0, young);
	sql_do(fx->conn,
	    "UPDATE ventus.session SET created_at = now() - interval '3 minutes'"
	    " WHERE id IN ('%s', '%s')",
	    waits, nowhere);
	sql_do(fx->conn, "UPDATE ventus.session SET region = 'moon' WHERE id = '%s'", nowhere);
	assert_int_equal(
	    sql_int(fx->conn,
		"SELECT count(*) FROM ventus.session_queue_timeout('{local/chromium}', "
		"120," SEED_ACTOR ")"),
	    2);
	assert_int_equal(sql_int(fx->conn,
			     "SELECT count(*) FROM ventus.session WHERE (id, status, error_code) IN"
			     " (('%s', 'ERRORED', 'queue_timeout'),"
			     "  ('%s', 'ERRORED', 'region_unavailable'))",
			     waits, nowhere),
	    2);
	expect_session(fx->conn, young, "QUEUED 0 -");
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup(fn, setup)
	const struct CMUnitTest tests[] = {
		TEST(session_claim__is_fair_between_workspaces),
		TEST(session_claim__counts_weights),
		TEST(session_claim__takes_only_its_region_and_kind),
		TEST(session_claim__never_passes_the_capacity_under_racers),
		TEST(runtime_ready__refuses_a_runtime_that_nobody_wants),
		TEST(runtime_ended__gives_its_session_the_right_end),
		TEST(cdp_client__the_last_to_leave_ends_the_session),
		TEST(cdp_client__keep_alive_outlives_its_clients),
		TEST(cdpd_instance_reap__gives_time_after_a_start_of_the_server),
		TEST(cdpd_instance_reap__closes_every_client_of_a_dead_one),
		TEST(cdpd_instance_reap__does_not_wait_for_a_locked_session),
		TEST(session_expire__cannot_deadlock_with_a_release),
		TEST(session_queue_timeout__tells_no_pool_from_no_room),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
