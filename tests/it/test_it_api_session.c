/* SPDX-License-Identifier: Apache-2.0 */
/* Reading, extending and ending a session. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "tests/support/api.h"
#include "tests/support/sql.h"

#define NO_ID "01JZZZZZZZZZZZZZZZZZZZZZZZ"

static struct api *api;

static int
group_setup(void **state)
{
	(void)state;
	api = api_new(2);
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	api_free(api);
	return 0;
}

/* method on /v1/sessions/<id><tail>. */
static struct http_answer
call(enum api_who who, const char *method, const char *id, const char *tail, const char *headers,
    const char *body)
{
	struct http_answer answer;
	char path[512];

	(void)snprintf(path, sizeof(path), "/v1/sessions/%s%s", id, tail);
	api_do(api,
	    &(const struct api_call){
		.method = method, .path = path, .who = who, .headers = headers, .body = body },
	    &answer);
	return answer;
}

static void
expect_problem(struct http_answer answer, int status, const char *slug)
{
	const char *type = http_at(&answer, "/type");

	if (answer.status != status || type == NULL || strstr(type, slug) == NULL)
		fail_msg("not %d %s: %s", status, slug, answer.text);
	http_answer_fini(&answer);
}

/* Each pair is a pointer and what stands there. */
static void
expect_at(const struct http_answer *answer, int status, const char *const *pairs)
{
	if (answer->status != status)
		fail_msg("%d instead of %d: %s", answer->status, status, answer->text);
	for (; *pairs != NULL; pairs += 2) {
		const char *got = http_at(answer, pairs[0]);

		if (got == NULL || strcmp(got, pairs[1]) != 0)
			fail_msg("%s: %s instead of %s", pairs[0], got, pairs[1]);
	}
}
#define EXPECT(answer, status, ...) \
	expect_at(&(answer), (status), (const char *const[]){ __VA_ARGS__, NULL })

static int64_t
time_at(const struct http_answer *answer, const char *pointer)
{
	int64_t ms;

	assert_int_equal(vs_clock_rfc3339_parse(http_at(answer, pointer), &ms), 0);
	return ms;
}

static void
session_get__shows_each_step_of_a_life(void **state)
{
	char id[VS_ULID_SIZE], timing[HTTP_VALUE_SIZE];
	struct http_answer answer;

	(void)state;
	api_session(api, "{\"timeout_seconds\":60}", id);
	answer = call(VIEWER, "GET", id, "", NULL, NULL);
	EXPECT(answer, 200, "/id", id, "/status", "QUEUED", "/queue_position", "1", "/expires_at",
	    "null", "/provisioning_at", "null");
	http_answer_fini(&answer);
	api_claim(api, id);
	answer = call(VIEWER, "GET", id, "", NULL, NULL);
	EXPECT(answer, 200, "/status", "PROVISIONING", "/queue_position", "null", "/running_at",
	    "null");
	assert_int_equal(
	    time_at(&answer, "/expires_at"), time_at(&answer, "/provisioning_at") + 60000);
	http_answer_fini(&answer);
	api_run(api, id);
	answer = call(VIEWER, "GET", id, "", NULL, NULL);
	EXPECT(answer, 200, "/status", "RUNNING", "/ended_at", "null", "/cdp_clients", "0");
	assert_true(time_at(&answer, "/running_at") >= time_at(&answer, "/provisioning_at"));
	assert_non_null(http_header(&answer, "Server-Timing", timing));
	assert_non_null(strstr(timing, ", queue;dur="));
	assert_non_null(strstr(timing, ", provision;dur="));
	http_answer_fini(&answer);
	api_fail(api, id, "oom_killed");
	answer = call(VIEWER, "GET", id, "", NULL, NULL);
	EXPECT(answer, 200, "/status", "ERRORED", "/error/code", "oom_killed", "/error/message",
	    "test", "/connect_url", "null", "/live_view_url", "null", "/released_at", "null",
	    "/release_reason", "null");
	http_answer_fini(&answer);
}

static void
session_get__is_404_for_ids_that_are_not_there(void **state)
{
	(void)state;
	expect_problem(call(VIEWER, "GET", NO_ID, "", NULL, NULL), 404, "not-found");
	expect_problem(
	    call(VIEWER, "GET", "01jzzzzzzzzzzzzzzzzzzzzzzz", "", NULL, NULL), 404, "not-found");
}

static void
session_get__refuses_parameters_it_does_not_know(void **state)
{
	static const char *const bad[] = { "?x=1", "?wait_for=running",
		"?wait_for=", "?wait_seconds=5", "?wait_for=RUNNING&wait_seconds=31",
		"?wait_for=RUNNING&wait_seconds=-1", "?wait_for=RUNNING&wait_for=RUNNING",
		"?limit=5" };
	char id[VS_ULID_SIZE];

	(void)state;
	api_session(api, "{}", id);
	for (size_t i = 0; i < VS_COUNTOF(bad); i++)
		expect_problem(call(VIEWER, "GET", id, bad[i], NULL, NULL), 400, "validation");
	expect_problem(call(VIEWER, "GET", id, "?wait_for=%FF", NULL, NULL), 400, "bad-request");
}

#define RELEASE "{\"status\":\"REQUEST_RELEASE\"}"

static void
session_release__ends_a_session_in_every_live_state(void **state)
{
	static const char *const methods[] = { "PATCH", "POST", "PATCH" };

	(void)state;
	for (int step = 0; step < 3; step++) {
		struct http_answer answer;
		char id[VS_ULID_SIZE];

		api_session(api, "{}", id);
		if (step > 0)
			api_claim(api, id);
		if (step > 1)
			api_run(api, id);
		answer = call(OPERATOR, methods[step], id, "", NULL, RELEASE);
		EXPECT(answer, 200, "/status", "COMPLETED", "/release_reason", "client_release",
		    "/connect_url", "null", "/error", "null");
		assert_int_equal(time_at(&answer, "/released_at"), time_at(&answer, "/ended_at"));
		http_answer_fini(&answer);
	}
}

static void
session_release__again_changes_nothing(void **state)
{
	struct http_answer first, again;
	char id[VS_ULID_SIZE];

	(void)state;
	api_session(api, "{}", id);
	first = call(OPERATOR, "PATCH", id, "", NULL, RELEASE);
	again = call(OPERATOR, "PATCH", id, "", NULL, RELEASE);
	assert_int_equal(again.status, 200);
	assert_string_equal(first.body, again.body);
	assert_int_equal(
	    sql_int(
		api->sql, "SELECT count(*) FROM ventus.session_event WHERE session_id = '%s'", id),
	    2);
	http_answer_fini(&first);
	http_answer_fini(&again);
	api_session(api, "{}", id);
	api_fail(api, id, "queue_timeout");
	again = call(OPERATOR, "PATCH", id, "", NULL, RELEASE);
	EXPECT(again, 200, "/status", "ERRORED", "/release_reason", "null");
	http_answer_fini(&again);
}

static void
session_release__refuses_any_other_body(void **state)
{
	static const struct {
		const char *body, *slug;
	} bad[] = {
		{ "{}", "validation" },
		{ "null", "validation" },
		{ "[]", "validation" },
		{ "{\"status\":\"COMPLETED\"}", "validation" },
		{ "{\"status\":\"request_release\"}", "validation" },
		{ "{\"status\":null}", "validation" },
		{ "{\"status\":\"REQUEST_RELEASE\",\"reason\":\"x\"}", "validation" },
		{ "{\"timeout_seconds\":60}", "validation" },
		{ "", "invalid-json" },
		{ "REQUEST_RELEASE", "invalid-json" },
	};
	struct http_answer answer;
	char id[VS_ULID_SIZE];

	(void)state;
	api_session(api, "{}", id);
	for (size_t i = 0; i < VS_COUNTOF(bad); i++) {
		expect_problem(
		    call(OPERATOR, "PATCH", id, "", NULL, bad[i].body), 400, bad[i].slug);
		expect_problem(call(OPERATOR, "POST", id, "", NULL, bad[i].body), 400, bad[i].slug);
	}
	answer = call(OPERATOR, "GET", id, "", NULL, NULL);
	EXPECT(answer, 200, "/status", "QUEUED");
	http_answer_fini(&answer);
}

static void
session_force_stop__ends_it_and_audits_who_and_why(void **state)
{
	struct http_answer answer;
	char id[VS_ULID_SIZE];

	(void)state;
	api_session(api, "{}", id);
	api_claim(api, id);
	answer = call(ADMIN, "DELETE", id, "", "X-Reason:   runs away \xc3\xa9  \r\n", NULL);
	EXPECT(answer, 200, "/status", "COMPLETED", "/release_reason", "admin_force_stop");
	http_answer_fini(&answer);
	assert_int_equal(sql_int(api->sql,
			     "SELECT count(*) FROM ventus.audit WHERE target_id = '%s'"
			     " AND class = 'operator' AND action = 'session.force_stop'"
			     " AND reason = 'runs away \xc3\xa9' AND actor_id = '%.29s'",
			     id, api->key[ADMIN]),
	    1);
	/* Again: the session as it is, and no second act. */
	answer = call(ADMIN, "DELETE", id, "", "X-Reason: once more please\r\n", NULL);
	EXPECT(answer, 200, "/status", "COMPLETED", "/release_reason", "admin_force_stop");
	http_answer_fini(&answer);
}

static void
session_force_stop__wants_a_reason_of_8_characters(void **state)
{
	char id[VS_ULID_SIZE], header[600] = "X-Reason: ";
	struct http_answer answer;

	(void)state;
	api_session(api, "{}", id);
	expect_problem(call(ADMIN, "DELETE", id, "", NULL, NULL), 400, "reason-required");
	expect_problem(
	    call(ADMIN, "DELETE", id, "", "X-Reason: \r\n", NULL), 400, "reason-required");
	expect_problem(call(ADMIN, "DELETE", id, "", "X-Reason:  1234567  \r\n", NULL), 400,
	    "reason-required");
	expect_problem(
	    call(ADMIN, "DELETE", id, "",
		"X-Reason: \xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\r\n", NULL),
	    400, "reason-required");
	expect_problem(call(ADMIN, "DELETE", id, "", "X-Reason: 1234567\xff\r\n", NULL), 400,
	    "reason-required");
	memset(header + strlen(header), 'x', 501);
	memcpy(header + strlen("X-Reason: ") + 501, "\r\n", 3);
	expect_problem(call(ADMIN, "DELETE", id, "", header, NULL), 400, "reason-required");
	memcpy(header + strlen("X-Reason: ") + 500, "\r\n", 3);
	answer = call(ADMIN, "DELETE", id, "", header, NULL);
	EXPECT(answer, 200, "/status", "COMPLETED");
	http_answer_fini(&answer);
}

static void
session_keepalive__moves_the_deadline_on(void **state)
{
	static const struct {
		const char *body;
		int64_t by;
	} rows[] = { { "{\"extend_seconds\":1}", 1 }, { "{\"extend_seconds\":86400}", 86400 },
		{ "{}", 600 }, { "{\"extend_seconds\":null}", 600 }, { "", 600 } };
	struct http_answer answer;
	char id[VS_ULID_SIZE];
	int64_t expires;

	(void)state;
	api_session(api, "{\"timeout_seconds\":60}", id);
	api_claim(api, id);
	answer = call(VIEWER, "GET", id, "", NULL, NULL);
	expires = time_at(&answer, "/expires_at");
	http_answer_fini(&answer);
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		answer = call(OPERATOR, "POST", id, ":keepalive", NULL, rows[i].body);
		expires += rows[i].by * 1000;
		assert_int_equal(answer.status, 200);
		assert_int_equal(time_at(&answer, "/expires_at"), expires);
		http_answer_fini(&answer);
		if (i == 0)
			api_run(api, id);
	}
	answer = call(OPERATOR, "POST", id, "%3Akeepalive", NULL, "{}");
	EXPECT(answer, 200, "/status", "RUNNING");
	http_answer_fini(&answer);
}

static void
session_keepalive__is_409_before_the_start_and_after_the_end(void **state)
{
	char id[VS_ULID_SIZE];

	(void)state;
	api_session(api, "{}", id);
	expect_problem(call(OPERATOR, "POST", id, ":keepalive", NULL, "{}"), 409, "state-conflict");
	api_fail(api, id, "queue_timeout");
	expect_problem(call(OPERATOR, "POST", id, ":keepalive", NULL, "{}"), 409, "state-conflict");
	expect_problem(call(OPERATOR, "POST", NO_ID, ":keepalive", NULL, "{}"), 404, "not-found");
}

static void
session_keepalive__refuses_other_bodies(void **state)
{
	static const char *const bad[] = { "{\"extend_seconds\":0}", "{\"extend_seconds\":86401}",
		"{\"extend_seconds\":-5}", "{\"extend_seconds\":\"600\"}",
		"{\"extend_seconds\":600.5}", "{\"seconds\":600}", "[]", "null", "600" };
	char id[VS_ULID_SIZE];

	(void)state;
	api_session(api, "{}", id);
	api_claim(api, id);
	for (size_t i = 0; i < VS_COUNTOF(bad); i++)
		expect_problem(
		    call(OPERATOR, "POST", id, ":keepalive", NULL, bad[i]), 400, "validation");
	expect_problem(call(OPERATOR, "POST", id, ":keepalive", NULL, "{"), 400, "invalid-json");
}

static void
session_events__tell_the_life_in_order(void **state)
{
	struct http_answer answer, session;
	char id[VS_ULID_SIZE];

	(void)state;
	api_session(api, "{\"timeout_seconds\":60}", id);
	api_claim(api, id);
	api_run(api, id);
	answer = call(OPERATOR, "POST", id, ":keepalive", NULL, "");
	http_answer_fini(&answer);
	answer = call(OPERATOR, "PATCH", id, "", "X-Request-Id: the-end\r\n", RELEASE);
	http_answer_fini(&answer);
	answer = call(VIEWER, "GET", id, "/events", NULL, NULL);
	session = call(VIEWER, "GET", id, "", NULL, NULL);
	EXPECT(answer, 200, "/has_more", "false", "/next_cursor", "null", "/data/0/seq", "1",
	    "/data/0/event", "admit", "/data/0/from_status", "null", "/data/0/to_status", "QUEUED",
	    "/data/0/expires_at", "null", "/data/1/event", "claim", "/data/1/from_status", "QUEUED",
	    "/data/1/to_status", "PROVISIONING", "/data/2/event", "ready", "/data/3/event",
	    "extend", "/data/3/to_status", "RUNNING", "/data/4/event", "release",
	    "/data/4/to_status", "COMPLETED", "/data/4/release_reason", "client_release",
	    "/data/4/request_id", "the-end");
	/* The last one is the row. */
	assert_string_equal(http_at(&answer, "/data/4/to_status"), http_at(&session, "/status"));
	assert_string_equal(
	    http_at(&answer, "/data/4/expires_at"), http_at(&session, "/expires_at"));
	assert_null(http_at(&answer, "/data/5"));
	http_answer_fini(&answer);
	http_answer_fini(&session);
	expect_problem(call(VIEWER, "GET", NO_ID, "/events", NULL, NULL), 404, "not-found");
}

static void
session_events__come_in_pages(void **state)
{
	char id[VS_ULID_SIZE], other[VS_ULID_SIZE], query[256];
	struct http_answer answer, next;

	(void)state;
	api_session(api, "{}", id);
	api_claim(api, id);
	api_run(api, id);
	answer = call(VIEWER, "GET", id, "/events?limit=2", NULL, NULL);
	EXPECT(answer, 200, "/has_more", "true", "/data/1/seq", "2");
	assert_null(http_at(&answer, "/data/2"));
	(void)snprintf(
	    query, sizeof(query), "/events?limit=2&cursor=%s", http_at(&answer, "/next_cursor"));
	next = call(VIEWER, "GET", id, query, NULL, NULL);
	EXPECT(next, 200, "/has_more", "false", "/data/0/seq", "3");
	http_answer_fini(&next);
	http_answer_fini(&answer);
	/* A cursor of one session is none of another. */
	api_session(api, "{}", other);
	expect_problem(call(VIEWER, "GET", other, query, NULL, NULL), 400, "validation");
	expect_problem(call(VIEWER, "GET", id, "/events?cursor=x", NULL, NULL), 400, "validation");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session_get__shows_each_step_of_a_life),
		cmocka_unit_test(session_get__is_404_for_ids_that_are_not_there),
		cmocka_unit_test(session_get__refuses_parameters_it_does_not_know),
		cmocka_unit_test(session_release__ends_a_session_in_every_live_state),
		cmocka_unit_test(session_release__again_changes_nothing),
		cmocka_unit_test(session_release__refuses_any_other_body),
		cmocka_unit_test(session_force_stop__ends_it_and_audits_who_and_why),
		cmocka_unit_test(session_force_stop__wants_a_reason_of_8_characters),
		cmocka_unit_test(session_keepalive__moves_the_deadline_on),
		cmocka_unit_test(session_keepalive__is_409_before_the_start_and_after_the_end),
		cmocka_unit_test(session_keepalive__refuses_other_bodies),
		cmocka_unit_test(session_events__tell_the_life_in_order),
		cmocka_unit_test(session_events__come_in_pages),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
