/* SPDX-License-Identifier: Apache-2.0 */
/* lib/model/sess_sql.c on a real database, and the two walls around a workspace. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/model/sess.h"
#include "tests/support/pg.h"
#include "tests/support/sql.h"

struct fixture {
	struct pg *pg;
	PGconn *sql; /* past row-level security */
	struct vs_db *api, *reaper;
	struct vs_arena arena;
	char workspace[2][VS_ULID_SIZE];
	struct caller caller[2];
};

static const struct caller reaper = { .kind = "system", .id = "test" };

static struct vs_db *
open_as(const struct pg *pg, const char *user)
{
	char dsn[PG_DSN_SIZE];
	struct vs_db *db;

	pg_dsn(pg, user, dsn);
	db = vs_db_new(dsn);
	assert_non_null(db);
	return db;
}

static int
group_setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));
	char tenant[VS_ULID_SIZE];

	assert_non_null(fx);
	fx->pg = pg_new();
	fx->sql = sql_open(fx->pg, "postgres");
	fx->api = open_as(fx->pg, "ventus_api");
	fx->reaper = open_as(fx->pg, "ventus_reaper");
	vs_arena_init(&fx->arena, 64 * 1024 * 1024);
	vs_ulid_new(tenant);
	sql_do(fx->sql, "INSERT INTO ventus.tenant (id, name) VALUES ('%s', 't')", tenant);
	for (int i = 0; i < 2; i++) {
		vs_ulid_new(fx->workspace[i]);
		sql_do(fx->sql,
		    "INSERT INTO ventus.workspace (id, tenant_id, name) VALUES ('%s', '%s', 'w%d')",
		    fx->workspace[i], tenant, i);
		fx->caller[i] = (struct caller){ .kind = "key",
			.id = "vs_k",
			.workspace_id = fx->workspace[i],
			.request_id = "r" };
	}
	*state = fx;
	return 0;
}

static int
group_teardown(void **state)
{
	struct fixture *fx = *state;

	vs_db_free(fx->api);
	vs_db_free(fx->reaper);
	PQfinish(fx->sql);
	pg_free(fx->pg);
	vs_arena_fini(&fx->arena);
	free(fx);
	return 0;
}

static const uint8_t payload[32] = "the same";

static int
admit(struct fixture *fx, int workspace, const char *key, const char *id, struct sess *ret_sess)
{
	const struct sess_spec spec = { .region = "us-east1",
		.runtime_kind = "chromium",
		.timeout_seconds = 600,
		.viewport_width = 1280,
		.viewport_height = 720 };
	const struct sess_admission admission = {
		.spec = &spec, .id = id, .idempotency_key = key, .payload_sha256 = payload
	};
	bool match;

	return sess_admit(
	    fx->api, &fx->arena, &fx->caller[workspace], &admission, ret_sess, &match);
}

static void
fresh(struct fixture *fx, struct sess *ret_sess)
{
	char id[VS_ULID_SIZE];

	vs_ulid_new(id);
	assert_int_equal(admit(fx, 0, id, id, ret_sess), 0);
}

static int
move(struct fixture *fx, const char *id, enum sess_event event, struct sess *ret_sess)
{
	const struct sess_move_args args = { .error_code = "pod_crashed",
		.error_message = "test",
		.extend_seconds = 60,
		.reason = "for the test" };

	return sess_move(fx->reaper, &fx->arena, &reaper, id, event,
	    event == SESS_EVENT_FAIL || event == SESS_EVENT_EXTEND || event == SESS_EVENT_FORCE_STOP
		? &args
		: NULL,
	    ret_sess);
}

/* A new session, brought into this status by the shortest way. */
static void
fresh_in(struct fixture *fx, enum sess_status status, struct sess *ret_sess)
{
	static const struct {
		enum sess_status from;
		enum sess_event event;
	} way[] = {
		[SESS_PROVISIONING] = { SESS_QUEUED, SESS_EVENT_CLAIM },
		[SESS_RUNNING] = { SESS_PROVISIONING, SESS_EVENT_READY },
		[SESS_COMPLETED] = { SESS_QUEUED, SESS_EVENT_RELEASE },
		[SESS_EXPIRED] = { SESS_PROVISIONING, SESS_EVENT_DEADLINE },
		[SESS_ERRORED] = { SESS_QUEUED, SESS_EVENT_FAIL },
	};

	if (status == SESS_QUEUED) {
		fresh(fx, ret_sess);
		return;
	}
	fresh_in(fx, way[status].from, ret_sess);
	assert_int_equal(move(fx, ret_sess->id, way[status].event, ret_sess), 0);
	assert_int_equal(ret_sess->status, status);
}

/* What session_edge says of this pair; "" when there is no edge. Owned. */
static char *
edge_text(struct fixture *fx, enum sess_status from, enum sess_event event)
{
	char *text = sql_text(fx->sql,
	    "SELECT coalesce(max(to_status || ' ' || coalesce(release_reason, '-')), '')"
	    "  FROM ventus.session_edge WHERE from_status = '%s' AND event = '%s'",
	    sess_status_text(from), sess_event_text(event));

	assert_non_null(text);
	return text;
}

static int64_t
count_events(struct fixture *fx, const char *id)
{
	return sql_int(
	    fx->sql, "SELECT count(*) FROM ventus.session_event WHERE session_id = '%s'", id);
}

static void
try_pair(struct fixture *fx, enum sess_status from, enum sess_event event)
{
	char *edge = edge_text(fx, from, event), got[64];
	struct sess before, after;
	int64_t events;
	int rc;

	fresh_in(fx, from, &before);
	events = count_events(fx, before.id);
	rc = move(fx, before.id, event, &after);
	if (*edge == '\0') {
		if (rc != VS_ESTATE || after.status != from ||
		    count_events(fx, before.id) != events)
			fail_msg("%s in %s: %s", sess_event_text(event), sess_status_text(from),
			    vs_err_text(rc));
	} else {
		(void)snprintf(got, sizeof(got), "%s %s", sess_status_text(after.status),
		    after.release_reason != NULL ? after.release_reason : "-");
		if (rc != 0 || strcmp(got, edge) != 0 || count_events(fx, before.id) != events + 1)
			fail_msg("%s in %s: %s, %s", sess_event_text(event), sess_status_text(from),
			    vs_err_text(rc), got);
		assert_int_equal(after.ended_at != 0, sess_status_final(after.status));
		assert_int_equal(after.error_code != NULL, after.status == SESS_ERRORED);
	}
	free(edge);
}

static void
sess_move__follows_every_edge_and_nothing_else(void **state)
{
	struct fixture *fx = *state;

	for (int from = SESS_QUEUED; from <= SESS_ERRORED; from++) {
		for (int event = 0; event < SESS_EVENT_COUNT; event++)
			try_pair(fx, (enum sess_status)from, (enum sess_event)event);
	}
}

/* Any walk: the last event of the history says what the row says. */
static void
sess_events__fold_to_the_row(void **state)
{
	struct fixture *fx = *state;

	srand(1);
	for (int walk = 0; walk < 30; walk++) {
		struct sess_event_row *rows, *last;
		struct sess sess;
		size_t count;

		fresh(fx, &sess);
		for (int step = 0; step < 6; step++)
			assert_true(move(fx, sess.id, (enum sess_event)(rand() % SESS_EVENT_COUNT),
					&sess) != VS_ENOENT);
		assert_int_equal(sess_events_for(fx->api, &fx->arena, &fx->caller[0], sess.id, 0,
				     200, &rows, &count),
		    0);
		for (size_t i = 0; i < count; i++) {
			assert_int_equal(rows[i].seq, i + 1);
			if (i > 0)
				assert_string_equal(rows[i].from_status, rows[i - 1].to_status);
		}
		last = &rows[count - 1];
		assert_string_equal(last->to_status, sess_status_text(sess.status));
		assert_true(last->expires_at == sess.expires_at);
		assert_string_equal(last->release_reason != NULL ? last->release_reason : "",
		    sess.release_reason != NULL ? sess.release_reason : "");
		assert_string_equal(last->error_code != NULL ? last->error_code : "",
		    sess.error_code != NULL ? sess.error_code : "");
	}
}

static void
sess_admit__called_again_with_its_own_id_has_created_it(void **state)
{
	struct fixture *fx = *state;
	struct sess first, again, other;
	char id[VS_ULID_SIZE], other_id[VS_ULID_SIZE];

	vs_ulid_new(id);
	vs_ulid_new(other_id);
	/* What lib/db does when the answer is lost with the connection. */
	assert_int_equal(admit(fx, 0, "lost", id, &first), 0);
	assert_int_equal(admit(fx, 0, "lost", id, &again), 0);
	assert_string_equal(again.id, first.id);
	assert_int_equal(admit(fx, 0, "lost", other_id, &other), VS_EEXIST);
	assert_string_equal(other.id, first.id);
}

static void
sess_for__finds_nothing_of_another_workspace(void **state)
{
	struct fixture *fx = *state;
	struct sess sess, got, *rows;
	struct sess_event_row *events;
	const struct sess_filter filter = { .limit = 50 };
	size_t count;
	bool match;

	fresh(fx, &sess);
	assert_int_equal(
	    sess_load_for(fx->api, &fx->arena, &fx->caller[1], sess.id, &got), VS_ENOENT);
	assert_int_equal(
	    sess_events_for(fx->api, &fx->arena, &fx->caller[1], sess.id, 0, 50, &events, &count),
	    VS_ENOENT);
	assert_int_equal(
	    sess_move(fx->api, &fx->arena, &fx->caller[1], sess.id, SESS_EVENT_RELEASE, NULL, &got),
	    VS_ENOENT);
	assert_int_equal(
	    sess_list_for(fx->api, &fx->arena, &fx->caller[1], &filter, &rows, &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(
	    sess_find_replay(fx->api, &fx->arena, fx->workspace[1], sess.id, payload, &got, &match),
	    VS_ENOENT);
}

/* The statements ask for workspace 0; row-level security is told workspace 1. */
static void
row_security__holds_behind_every_statement(void **state)
{
	struct fixture *fx = *state;
	struct sess sess, after;
	int64_t keys;

	fresh(fx, &sess);
	keys = sql_int(fx->sql, "SELECT count(*) FROM ventus.idempotency");
	for (size_t i = 0; i < sess_stmts_count; i++) {
		const struct vs_stmt *stmt = &sess_stmts[i];
		struct vs_arg args[VS_DB_MAX_ARGS];
		vs_autores PGresult *res = NULL;
		int rc;

		for (int k = 0; k < stmt->nparams; k++)
			args[k] = VS_TEXT(NULL);
		args[0] = VS_TEXT(fx->workspace[0]);
		args[1] = VS_TEXT(sess.id);
		if (strcmp(stmt->name, "sess_admit") == 0) {
			args[0] = VS_TEXT("01JZZZZZZZZZZZZZZZZZZZZZZZ");
			args[1] = VS_TEXT(fx->workspace[0]);
			args[17] = VS_TEXT("walled");
			args[18] = VS_BYTES(payload, sizeof(payload));
		} else if (strcmp(stmt->name, "sess_list") == 0) {
			args[1] = VS_TEXT(NULL);
			args[10] = VS_INT(50);
		} else if (strcmp(stmt->name, "sess_events") == 0) {
			args[2] = VS_INT(0);
			args[3] = VS_INT(50);
		} else if (strcmp(stmt->name, "sess_move") == 0) {
			args[2] = VS_TEXT("release");
		} else if (strcmp(stmt->name, "sess_replay") == 0) {
			args[2] = VS_BYTES(payload, sizeof(payload));
		}
		rc = vs_db_run(fx->api, fx->workspace[1], stmt, args, (size_t)stmt->nparams, &res);
		if (rc == 0 ? PQntuples(res) > 0 : rc != VS_ENOENT && rc != VS_EFORBIDDEN)
			fail_msg(
			    "%s: %s (%s)", stmt->name, vs_err_text(rc), vs_db_errtext(fx->api));
	}
	assert_int_equal(sess_load_for(fx->api, &fx->arena, &fx->caller[0], sess.id, &after), 0);
	assert_int_equal(after.status, SESS_QUEUED);
	assert_int_equal(sql_int(fx->sql, "SELECT count(*) FROM ventus.idempotency"), keys);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sess_move__follows_every_edge_and_nothing_else),
		cmocka_unit_test(sess_events__fold_to_the_row),
		cmocka_unit_test(sess_admit__called_again_with_its_own_id_has_created_it),
		cmocka_unit_test(sess_for__finds_nothing_of_another_workspace),
		cmocka_unit_test(row_security__holds_behind_every_statement),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
