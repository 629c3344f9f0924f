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
#include "tests/support/pg.h"
#include "tests/support/seed.h"
#include "tests/support/sql.h"

#define RACERS  50
#define WAIT_MS 20000

struct fixture {
	struct pg *pg;
	PGconn *conn;          /* a superuser's */
	PGconn *racer[RACERS]; /* ventus_api's */
	char ws[VS_ULID_SIZE];
};

/* What the racers of one round got. */
struct outcome {
	int created, replayed, failed;
	char id[VS_ULID_SIZE]; /* the one session all of them saw */
	bool same;
};

static int
setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	fx->pg = pg_new();
	fx->conn = sql_open(fx->pg, "postgres");
	seed_workspace(fx->conn, 1, fx->ws);
	for (int i = 0; i < RACERS; i++) {
		fx->racer[i] = sql_open(fx->pg, "ventus_api");
		sql_workspace(fx->racer[i], fx->ws);
		/* The test's machine may be busy; production's second is tested elsewhere. */
		sql_do(fx->racer[i], "SET lock_timeout = '20s'; SET statement_timeout = '20s'");
	}
	*state = fx;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fx = *state;

	for (int i = 0; i < RACERS; i++)
		PQfinish(fx->racer[i]);
	PQfinish(fx->conn);
	pg_free(fx->pg);
	free(fx);
	return 0;
}

static void
start(struct fixture *fx, int from, const char *key)
{
	for (int i = from; i < RACERS; i++) {
		char id[VS_ULID_SIZE], text[1200];

		vs_ulid_new(id);
		(void)snprintf(text, sizeof(text), "SELECT created, (session).id FROM %s",
		    seed_admit_sql(fx->ws, id, key, 0));
		assert_int_equal(PQsendQuery(fx->racer[i], text), 1);
	}
}

static void
count(struct outcome *out, const PGresult *res)
{
	const char *id;

	if (PQresultStatus(res) != PGRES_TUPLES_OK || PQntuples(res) != 1) {
		print_message("%s\n", PQresultErrorMessage(res));
		out->failed++;
		return;
	}
	if (strcmp(PQgetvalue(res, 0, 0), "t") == 0)
		out->created++;
	else
		out->replayed++;
	id = PQgetvalue(res, 0, 1);
	if (out->id[0] == '\0')
		(void)snprintf(out->id, sizeof(out->id), "%s", id);
	out->same = out->same && strcmp(out->id, id) == 0;
}

static struct outcome
finish(struct fixture *fx, int from)
{
	struct outcome out = { .same = true };

	for (int i = from; i < RACERS; i++) {
		PGresult *res = PQgetResult(fx->racer[i]);

		count(&out, res);
		PQclear(res);
		assert_null(PQgetResult(fx->racer[i]));
	}
	return out;
}

static void
expect(struct outcome out, int created, int replayed)
{
	assert_int_equal(out.failed, 0);
	assert_int_equal(out.created, created);
	assert_int_equal(out.replayed, replayed);
	assert_true(out.same);
}

static void
session_admit__makes_one_session_of_fifty_posts(void **state)
{
	struct fixture *fx = *state;

	for (int round = 0; round < 5; round++) {
		int64_t before = sql_int(fx->conn, "SELECT count(*) FROM ventus.session");
		char key[32];

		(void)snprintf(key, sizeof(key), "fifty-%d", round);
		start(fx, 0, key);
		expect(finish(fx, 0), 1, RACERS - 1);
		assert_int_equal(
		    sql_int(fx->conn, "SELECT count(*) FROM ventus.session"), before + 1);
		start(fx, 0, key);
		expect(finish(fx, 0), 0, RACERS);
	}
	/* Nothing of those that lost: one event and one audit row a session. */
	assert_int_equal(
	    sql_int(fx->conn,
		"SELECT count(*) FROM ventus.session_event e FULL JOIN"
		" (SELECT target_id FROM ventus.audit WHERE action = 'session.create') a"
		" ON a.target_id = e.session_id"
		" WHERE e.session_id IS NULL OR a.target_id IS NULL"),
	    0);
}

static void
session_admit__opens_the_window_again_after_a_day(void **state)
{
	struct fixture *fx = *state;
	struct outcome first, late, again;

	start(fx, 0, "window");
	first = finish(fx, 0);
	expect(first, 1, RACERS - 1);
	sql_do(fx->conn,
	    "UPDATE ventus.idempotency SET created_at = now() - interval '23 hours 59 minutes'"
	    " WHERE key = 'window'");
	start(fx, 0, "window");
	late = finish(fx, 0);
	expect(late, 0, RACERS);
	assert_string_equal(late.id, first.id);
	sql_do(fx->conn,
	    "UPDATE ventus.idempotency SET created_at = now() - interval '24 hours 1 second'"
	    " WHERE key = 'window'");
	start(fx, 0, "window");
	again = finish(fx, 0);
	expect(again, 1, RACERS - 1);
	assert_string_not_equal(again.id, first.id);
}

static void
wait_until_blocked(struct fixture *fx, int count_wanted)
{
	vs_msec deadline = vs_clock_mono_ms() + WAIT_MS;

	while (
	    sql_int(fx->conn, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'ventus_api'"
			      " AND wait_event_type = 'Lock'") < count_wanted)
		assert_true(vs_clock_mono_ms() < deadline);
}

/* A create that is taken back gives the key to the next in the queue. */
static void
session_admit__hands_the_key_on_after_a_rollback(void **state)
{
	struct fixture *fx = *state;
	char id[VS_ULID_SIZE];
	struct outcome out;

	vs_ulid_new(id);
	sql_do(fx->racer[0], "BEGIN");
	assert_int_equal(sql_int(fx->racer[0], "SELECT created::int FROM %s",
			     seed_admit_sql(fx->ws, id, "rollback", 0)),
	    1);
	start(fx, 1, "rollback");
	wait_until_blocked(fx, RACERS - 1);
	sql_do(fx->racer[0], "ROLLBACK");
	out = finish(fx, 1);
	expect(out, 1, RACERS - 2);
	assert_string_not_equal(out.id, id);
}

static void
session_admit__tells_another_payload_and_keeps_the_first(void **state)
{
	struct fixture *fx = *state;
	char id[VS_ULID_SIZE];

	vs_ulid_new(id);
	sql_do(fx->conn, "SELECT 1 FROM %s", seed_admit_sql(fx->ws, id, "payload", 0));
	assert_int_equal(sql_int(fx->conn, "SELECT payload_match::int FROM %s",
			     seed_admit_sql(fx->ws, id, "payload", 0)),
	    1);
	sql_do(fx->conn,
	    "UPDATE ventus.idempotency SET payload_sha256 = sha256('other') WHERE key = 'payload'");
	assert_int_equal(sql_int(fx->conn,
			     "SELECT count(*) FROM %s a WHERE NOT created AND NOT payload_match"
			     " AND (a.session).id = '%s'",
			     seed_admit_sql(fx->ws, id, "payload", 0), id),
	    1);
}

static void
session_admit__keeps_the_keys_of_workspaces_apart(void **state)
{
	struct fixture *fx = *state;
	char other[VS_ULID_SIZE], id[VS_ULID_SIZE];

	seed_workspace(fx->conn, 1, other);
	vs_ulid_new(id);
	assert_int_equal(sql_int(fx->conn, "SELECT created::int FROM %s",
			     seed_admit_sql(fx->ws, id, "shared", 0)),
	    1);
	vs_ulid_new(id);
	assert_int_equal(sql_int(fx->conn, "SELECT created::int FROM %s",
			     seed_admit_sql(other, id, "shared", 0)),
	    1);
}

static void
session_admit__leaves_no_key_behind_when_it_fails(void **state)
{
	struct fixture *fx = *state;
	char id[VS_ULID_SIZE];

	vs_ulid_new(id);
	/* 100000 is past the column's CHECK: what slips through validation ends here. */
	assert_string_equal(sql_state(fx->racer[0], "SELECT created FROM %s",
				seed_admit_sql(fx->ws, id, "fails", 100000)),
	    "23514");
	assert_int_equal(
	    sql_int(fx->conn, "SELECT count(*) FROM ventus.idempotency WHERE key = 'fails'"), 0);
	assert_int_equal(sql_int(fx->racer[0], "SELECT created::int FROM %s",
			     seed_admit_sql(fx->ws, id, "fails", 0)),
	    1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session_admit__makes_one_session_of_fifty_posts),
		cmocka_unit_test(session_admit__opens_the_window_again_after_a_day),
		cmocka_unit_test(session_admit__hands_the_key_on_after_a_rollback),
		cmocka_unit_test(session_admit__tells_another_payload_and_keeps_the_first),
		cmocka_unit_test(session_admit__keeps_the_keys_of_workspaces_apart),
		cmocka_unit_test(session_admit__leaves_no_key_behind_when_it_fails),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
