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

#include "lib/cleanup.h"
#include "lib/model/sess.h"
#include "tests/support/pg.h"
#include "tests/support/seed.h"
#include "tests/support/sql.h"

struct fixture {
	struct pg *pg;
	PGconn *conn;
	char ws[VS_ULID_SIZE];
};

static int
setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	fx->pg = pg_new();
	fx->conn = sql_open(fx->pg, "postgres");
	seed_workspace(fx->conn, 1, fx->ws);
	*state = fx;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fx = *state;

	PQfinish(fx->conn);
	pg_free(fx->pg);
	free(fx);
	return 0;
}

#define EDGE_COUNT(fx, where, ...) \
	sql_int((fx)->conn, "SELECT count(*) FROM ventus.session_edge WHERE " where, ##__VA_ARGS__)

static void
session_edge__has_the_states_of_sess_def(void **state)
{
	struct fixture *fx = *state;
	int known = 0;

#define SESS_STATUS(name, final) \
	assert_int_equal(sql_int(fx->conn, "SELECT ventus.is_final('" #name "')::int"), (final)); \
	assert_true((EDGE_COUNT(fx, "from_status = '" #name "'") == 0) == (final)); \
	if (final) \
		assert_true(EDGE_COUNT(fx, "to_status = '" #name "'") > 0); \
	known++;
#define SESS_EVENT(name, text)
#define SESS_ERROR(code)
#include "lib/model/sess.def"
#undef SESS_STATUS
#undef SESS_EVENT
#undef SESS_ERROR
	assert_int_equal(
	    sql_int(fx->conn,
		"SELECT count(DISTINCT s) FROM ventus.session_edge, LATERAL (VALUES (from_status),"
		" (to_status)) v (s)"),
	    known);
}

static void
session_edge__has_the_events_of_sess_def(void **state)
{
	struct fixture *fx = *state;

#define SESS_STATUS(name, final)
#define SESS_EVENT(name, text) assert_true(EDGE_COUNT(fx, "event = '%s'", text) > 0);
#define SESS_ERROR(code)
#include "lib/model/sess.def"
#undef SESS_STATUS
#undef SESS_EVENT
#undef SESS_ERROR
	assert_int_equal(sql_int(fx->conn, "SELECT count(DISTINCT event) FROM ventus.session_edge"),
	    SESS_EVENT_COUNT);
}

static void
session_edge__leads_from_every_state_to_an_end(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(
	    sql_int(fx->conn,
		"WITH RECURSIVE ends (s) AS ("
		"  SELECT to_status FROM ventus.session_edge WHERE ventus.is_final(to_status)"
		"  UNION SELECT e.from_status FROM ventus.session_edge e JOIN ends ON e.to_status "
		"= s)"
		"SELECT count(*) FROM ventus.session_edge WHERE from_status NOT IN (SELECT s FROM "
		"ends)"),
	    0);
	assert_int_equal(EDGE_COUNT(fx, "ventus.is_final(from_status)"), 0);
	assert_int_equal(EDGE_COUNT(fx, "to_status = 'COMPLETED' AND release_reason IS NULL"), 0);
	assert_int_equal(EDGE_COUNT(fx, "to_status = 'ERRORED' AND event <> 'fail'"), 0);
}

/* Put a session into a state the shortest way. */
static void
session_in(struct fixture *fx, const char *status, char ret_id[VS_ULID_SIZE])
{
	seed_session(fx->conn, fx->ws, 0, ret_id);
	if (strcmp(status, "QUEUED") == 0)
		return;
	if (strcmp(status, "ERRORED") == 0) {
		assert_true(seed_move(fx->conn, ret_id, "fail",
		    "ROW('pod_crashed','x',NULL,NULL)::ventus.move_args"));
		return;
	}
	if (strcmp(status, "COMPLETED") == 0) {
		assert_true(seed_move(fx->conn, ret_id, "release", NULL));
		return;
	}
	assert_true(seed_move(fx->conn, ret_id, "claim", NULL));
	if (strcmp(status, "RUNNING") == 0)
		assert_true(seed_move(fx->conn, ret_id, "ready", NULL));
	if (strcmp(status, "EXPIRED") == 0)
		assert_true(seed_move(fx->conn, ret_id, "deadline", NULL));
}

/* Every state and every event: what has an edge follows it, what has none changes nothing. */
static void
session_move__follows_the_edges_and_nothing_else(void **state)
{
	static const char *const statuses[] = { "QUEUED", "PROVISIONING", "RUNNING", "COMPLETED",
		"EXPIRED", "ERRORED" };
	struct fixture *fx = *state;

	for (size_t s = 0; s < VS_COUNTOF(statuses); s++) {
		for (int e = 0; e < SESS_EVENT_COUNT; e++) {
			const char *event = sess_event_text((enum sess_event)e);
			vs_autofree char *to = sql_text(fx->conn,
			    "SELECT to_status FROM ventus.session_edge"
			    " WHERE from_status = '%s' AND event = '%s'",
			    statuses[s], event);
			vs_autofree char *before = NULL;
			vs_autofree char *after = NULL;
			char id[VS_ULID_SIZE];

			session_in(fx, statuses[s], id);
			before = sql_text(
			    fx->conn, "SELECT s::text FROM ventus.session s WHERE id = '%s'", id);
			assert_int_equal(seed_move(fx->conn, id, event,
					     "ROW('oom_killed', 'x', 60, 'why')::ventus.move_args"),
			    to != NULL);
			after = sql_text(fx->conn,
			    to != NULL ? "SELECT status FROM ventus.session s WHERE id = '%s'"
				       : "SELECT s::text FROM ventus.session s WHERE id = '%s'",
			    id);
			assert_string_equal(after, to != NULL ? to : before);
		}
	}
}

static void
session_move__writes_row_event_audit_and_runtime_at_once(void **state)
{
	struct fixture *fx = *state;
	char id[VS_ULID_SIZE], runtime[VS_ULID_SIZE];
	int64_t audits;

	seed_running(fx->conn, fx->ws, 0, id, runtime);
	audits = sql_int(fx->conn, "SELECT count(*) FROM ventus.audit");
	assert_true(seed_move(fx->conn, id, "extend", "ROW(NULL,NULL,600,NULL)::ventus.move_args"));
	assert_int_equal(sql_int(fx->conn,
			     "SELECT extract(epoch FROM expires_at - provisioning_at)"
			     "  FROM ventus.session WHERE id = '%s'",
			     id),
	    2400);
	assert_true(seed_move(
	    fx->conn, id, "force_stop", "ROW(NULL,NULL,NULL,'stuck for hours')::ventus.move_args"));
	assert_int_equal(
	    sql_int(fx->conn,
		"SELECT count(*) FROM ventus.session WHERE id = '%s' AND status = 'COMPLETED'"
		" AND release_reason = 'admin_force_stop' AND ended_at >= running_at"
		" AND error_code IS NULL",
		id),
	    1);
	assert_int_equal(
	    sql_int(fx->conn,
		"SELECT count(*) FROM ventus.runtime WHERE id = '%s' AND state = 'STOPPING'"
		" AND stopping_at IS NOT NULL",
		runtime),
	    1);
	assert_int_equal(sql_int(fx->conn, "SELECT count(*) FROM ventus.audit"), audits + 2);
	assert_int_equal(
	    sql_int(fx->conn,
		"SELECT count(*) FROM ventus.audit WHERE target_id = '%s' AND class = 'operator'"
		" AND action = 'session.force_stop' AND reason = 'stuck for hours'"
		" AND request_id = 'req-test' AND actor_id = 'test'",
		id),
	    1);
	/* Again: the second call finds a final state and leaves no trace. */
	assert_false(seed_move(fx->conn, id, "release", NULL));
	assert_int_equal(sql_int(fx->conn, "SELECT count(*) FROM ventus.audit"), audits + 2);
}

/* Folding the history gives the row: that is what /events promises. */
static void
session_event__folds_into_the_row(void **state)
{
	struct fixture *fx = *state;
	char id[VS_ULID_SIZE];

	seed_running(fx->conn, fx->ws, 0, id, NULL);
	assert_true(seed_move(fx->conn, id, "extend", "ROW(NULL,NULL,90,NULL)::ventus.move_args"));
	assert_true(seed_move(
	    fx->conn, id, "fail", "ROW('browser_crashed','m',NULL,NULL)::ventus.move_args"));
	assert_int_equal(
	    sql_int(fx->conn,
		"SELECT count(*) FROM ventus.session s WHERE id = '%s' AND"
		" (status, coalesce(release_reason, '-'), error_code, expires_at) ="
		" (SELECT to_status, coalesce(release_reason, '-'), error_code, expires_at"
		"    FROM ventus.session_event WHERE session_id = s.id ORDER BY seq DESC LIMIT 1)",
		id),
	    1);
	assert_int_equal(
	    sql_int(fx->conn,
		"SELECT count(*) FROM (SELECT seq, from_status, lag(to_status) OVER w AS was,"
		" row_number() OVER w AS n FROM ventus.session_event WHERE session_id = '%s'"
		" WINDOW w AS (ORDER BY seq)) e WHERE seq <> n OR from_status IS DISTINCT FROM was",
		id),
	    0);
	assert_int_equal(
	    sql_int(
		fx->conn, "SELECT count(*) FROM ventus.session_event WHERE session_id = '%s'", id),
	    5);
}

static int64_t
broken_links(PGconn *conn)
{
	return sql_int(conn,
	    "SELECT count(*) FROM ventus.audit a"
	    " WHERE a.hash <> ventus.audit_hash(coalesce((SELECT p.hash FROM ventus.audit p"
	    "  WHERE p.workspace_id = a.workspace_id AND p.seq = a.seq - 1), sha256('')), a)");
}

static void
audit__is_a_chain_that_shows_a_change(void **state)
{
	struct fixture *fx = *state;

	assert_true(sql_int(fx->conn, "SELECT count(*) FROM ventus.audit") > 10);
	assert_int_equal(broken_links(fx->conn), 0);
	sql_do(fx->conn, "SET timezone = 'Asia/Tokyo'");
	assert_int_equal(broken_links(fx->conn), 0);
	sql_do(fx->conn, "RESET timezone");
	/* What only a superuser can do, past the triggers. */
	sql_do(fx->conn, "BEGIN; SET LOCAL session_replication_role = replica;"
			 "UPDATE ventus.audit SET actor_id = 'nobody' WHERE seq = 3");
	assert_int_equal(broken_links(fx->conn), 1);
	sql_do(fx->conn, "ROLLBACK; BEGIN; SET LOCAL session_replication_role = replica;"
			 "DELETE FROM ventus.audit WHERE seq = 3");
	assert_int_equal(broken_links(fx->conn), 1);
	sql_do(fx->conn, "ROLLBACK");
}

static void
session_move__tells_whoever_listens(void **state)
{
	struct fixture *fx = *state;
	PGconn *listener = sql_open(fx->pg, "ventus_proxy");
	struct pollfd at = { .fd = PQsocket(listener), .events = POLLIN };
	char id[VS_ULID_SIZE], want[128];
	PGnotify *note = NULL;

	session_in(fx, "RUNNING", id);
	sql_do(listener, "LISTEN ventus_session");
	assert_true(seed_move(fx->conn, id, "release", NULL));
	while (note == NULL) {
		assert_int_equal(poll(&at, 1, 10000), 1);
		assert_int_equal(PQconsumeInput(listener), 1);
		note = PQnotifies(listener);
	}
	(void)snprintf(want, sizeof(want), "%s COMPLETED client_release", id);
	assert_string_equal(note->extra, want);
	PQfreemem(note);
	PQfinish(listener);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session_edge__has_the_states_of_sess_def),
		cmocka_unit_test(session_edge__has_the_events_of_sess_def),
		cmocka_unit_test(session_edge__leads_from_every_state_to_an_end),
		cmocka_unit_test(session_move__follows_the_edges_and_nothing_else),
		cmocka_unit_test(session_move__writes_row_event_audit_and_runtime_at_once),
		cmocka_unit_test(session_event__folds_into_the_row),
		cmocka_unit_test(audit__is_a_chain_that_shows_a_change),
		cmocka_unit_test(session_move__tells_whoever_listens),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
