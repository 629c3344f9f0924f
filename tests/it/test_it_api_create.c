/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/sessions, sentence by sentence. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/api.h"
#include "tests/support/sql.h"

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

static struct http_answer
post_as(enum api_who who, const char *key, const char *body, const char *type)
{
	struct http_answer answer;
	char *header = NULL;

	assert_true(asprintf(&header, "Idempotency-Key: %s\r\n", key) > 0);
	api_do(api,
	    &(const struct api_call){ .method = "POST",
		.path = "/v1/sessions",
		.who = who,
		.headers = header,
		.body = body,
		.type = type },
	    &answer);
	free(header);
	return answer;
}

static struct http_answer
post(const char *key, const char *body)
{
	return post_as(OPERATOR, key, body, NULL);
}

static void
expect_problem(struct http_answer answer, int status, const char *slug, const char *pointer)
{
	const char *type = http_at(&answer, "/type");

	if (answer.status != status || type == NULL || strstr(type, slug) == NULL)
		fail_msg("not %d %s: %s", status, slug, answer.text);
	if (pointer != NULL)
		assert_string_equal(http_at(&answer, "/errors/0/pointer"), pointer);
	http_answer_fini(&answer);
}

/* Does the answer have the header with this value; NULL: not at all. */
static void
expect_header(const struct http_answer *answer, const char *name, const char *want)
{
	char value[HTTP_VALUE_SIZE];
	const char *got = http_header(answer, name, value);

	if ((got == NULL) != (want == NULL) || (want != NULL && strcmp(got, want) != 0))
		fail_msg("%s: %s instead of %s", name, got != NULL ? got : "(none)",
		    want != NULL ? want : "(none)");
}

static void
session_create__answers_202_queued_with_location(void **state)
{
	struct http_answer answer = post("create-1", "{\"labels\":{\"team\":\"rcm\"}}");
	char location[64];

	(void)state;
	assert_int_equal(answer.status, 202);
	assert_string_equal(http_at(&answer, "/status"), "QUEUED");
	assert_string_equal(http_at(&answer, "/queue_position"), "1");
	assert_string_equal(http_at(&answer, "/workspace_id"), api->workspace[0]);
	assert_string_equal(http_at(&answer, "/region"), "us-east1");
	assert_string_equal(http_at(&answer, "/runtime_kind"), "chromium");
	assert_string_equal(http_at(&answer, "/timeout_seconds"), "1800");
	assert_string_equal(http_at(&answer, "/viewport/width"), "1280");
	assert_string_equal(http_at(&answer, "/labels/team"), "rcm");
	assert_string_equal(http_at(&answer, "/recording/enabled"), "false");
	assert_string_equal(http_at(&answer, "/expires_at"), "null");
	(void)snprintf(location, sizeof(location), "/v1/sessions/%s", http_at(&answer, "/id"));
	expect_header(&answer, "Location", location);
	expect_header(&answer, "Retry-After", "1");
	expect_header(&answer, "Idempotent-Replayed", NULL);
	expect_header(&answer, "Content-Type", "application/json; charset=utf-8");
	http_answer_fini(&answer);
}

static void
session_create__counts_the_place_in_the_queue(void **state)
{
	struct http_answer first = post("queue-1", "{\"region\":\"eu-1\"}");
	struct http_answer second = post_as(STRANGER, "queue-2", "{\"region\":\"eu-1\"}", NULL);
	struct http_answer other = post("queue-3", "{\"region\":\"eu-2\"}");

	(void)state;
	assert_string_equal(http_at(&first, "/queue_position"), "1");
	assert_string_equal(http_at(&second, "/queue_position"), "2");
	assert_string_equal(http_at(&other, "/queue_position"), "1");
	http_answer_fini(&first);
	http_answer_fini(&second);
	http_answer_fini(&other);
}

static void
session_create__gives_a_connect_url_that_stays(void **state)
{
	struct http_answer answer = post("url-1", "{}");
	struct http_answer again;
	char front[128], path[64];

	(void)state;
	(void)snprintf(front, sizeof(front), "wss://api.example.com/v1/sessions/%s/cdp?token=ey",
	    http_at(&answer, "/id"));
	assert_memory_equal(http_at(&answer, "/connect_url"), front, strlen(front));
	(void)snprintf(
	    front, sizeof(front), "https://api.example.com/v/%s?token=ey", http_at(&answer, "/id"));
	assert_memory_equal(http_at(&answer, "/live_view_url"), front, strlen(front));
	assert_string_equal(http_at(&answer, "/recording_url"), "null");
	(void)snprintf(path, sizeof(path), "/v1/sessions/%s", http_at(&answer, "/id"));
	api_do(api, &(const struct api_call){ .method = "GET", .path = path, .who = OPERATOR },
	    &again);
	assert_string_equal(http_at(&again, "/connect_url"), http_at(&answer, "/connect_url"));
	http_answer_fini(&answer);
	http_answer_fini(&again);
}

static void
session_create__writes_event_and_audit_row_with_it(void **state)
{
	struct http_answer answer;
	const char *id;

	(void)state;
	api_do(api,
	    &(const struct api_call){ .method = "POST",
		.path = "/v1/sessions",
		.who = OPERATOR,
		.headers = "Idempotency-Key: audit-1\r\nX-Request-Id: audit-req\r\n"
			   "User-Agent: tester/1\r\n",
		.body = "{}" },
	    &answer);
	id = http_at(&answer, "/id");
	assert_int_equal(sql_int(api->sql,
			     "SELECT count(*) FROM ventus.audit WHERE target_id = '%s'"
			     " AND action = 'session.create' AND class = 'tenant'"
			     " AND actor_kind = 'key' AND actor_id = '%.29s' AND reason IS NULL"
			     " AND user_agent = 'tester/1' AND request_id = 'audit-req'",
			     id, api->key[OPERATOR]),
	    1);
	assert_int_equal(sql_int(api->sql,
			     "SELECT count(*) FROM ventus.session_event WHERE session_id = '%s'"
			     " AND event = 'admit' AND request_id = 'audit-req'",
			     id),
	    1);
	http_answer_fini(&answer);
}

static void
session_create__replays_the_same_key_whatever_the_payload(void **state)
{
	static const struct {
		const char *body, *type;
		bool same;
	} again[] = {
		{ "{\"timeout_seconds\":60}", NULL, true },
		{ "{\"timeout_seconds\":61}", NULL, false },
		{ "{\"timeout_seconds\":1}", NULL, false },
		{ "{\"nope\":", NULL, false },
		{ "", NULL, false },
		{ "hello", "text/plain", false },
		{ "{\"recording\":{\"enabled\":true}}", NULL, false },
	};
	struct http_answer first = post("replay-1", "{\"timeout_seconds\":60}");

	(void)state;
	assert_int_equal(first.status, 202);
	for (size_t i = 0; i < VS_COUNTOF(again); i++) {
		struct http_answer answer =
		    post_as(OPERATOR, "replay-1", again[i].body, again[i].type);

		if (answer.status != 200)
			fail_msg("%s: %s", again[i].body, answer.text);
		assert_string_equal(http_at(&answer, "/id"), http_at(&first, "/id"));
		assert_string_equal(http_at(&answer, "/timeout_seconds"), "60");
		expect_header(&answer, "Idempotent-Replayed", "true");
		expect_header(
		    &answer, "Idempotency-Payload-Mismatch", again[i].same ? NULL : "true");
		expect_header(&answer, "Location", NULL);
		http_answer_fini(&answer);
	}
	http_answer_fini(&first);
}

static void
session_create__replays_the_session_as_it_is_now(void **state)
{
	struct http_answer first = post("replay-now", "{}"), answer;
	char id[VS_ULID_SIZE];

	(void)state;
	memcpy(id, http_at(&first, "/id"), VS_ULID_SIZE);
	http_answer_fini(&first);
	api_fail(api, id, "queue_timeout");
	answer = post("replay-now", "{}");
	assert_int_equal(answer.status, 200);
	assert_string_equal(http_at(&answer, "/status"), "ERRORED");
	assert_string_equal(http_at(&answer, "/error/code"), "queue_timeout");
	assert_string_equal(http_at(&answer, "/connect_url"), "null");
	assert_string_equal(http_at(&answer, "/live_view_url"), "null");
	assert_string_equal(http_at(&answer, "/queue_position"), "null");
	http_answer_fini(&answer);
}

static void
session_create__keeps_the_keys_of_workspaces_apart(void **state)
{
	struct http_answer mine = post("apart", "{}");
	struct http_answer theirs = post_as(STRANGER, "apart", "{}", NULL);

	(void)state;
	assert_int_equal(mine.status, 202);
	assert_int_equal(theirs.status, 202);
	assert_string_not_equal(http_at(&mine, "/id"), http_at(&theirs, "/id"));
	http_answer_fini(&mine);
	http_answer_fini(&theirs);
}

static void
session_create__frees_the_key_after_24_hours(void **state)
{
	struct http_answer first = post("window", "{}"), answer;

	(void)state;
	sql_do(api->sql, "UPDATE ventus.idempotency SET created_at = now() - interval '23 hours 59"
			 " minutes' WHERE key = 'window'");
	answer = post("window", "{}");
	assert_int_equal(answer.status, 200);
	http_answer_fini(&answer);
	sql_do(api->sql, "UPDATE ventus.idempotency SET created_at = now() - interval '24 hours'"
			 " WHERE key = 'window'");
	/* A body that is refused finds nothing either. */
	expect_problem(post("window", "{"), 400, "invalid-json", NULL);
	answer = post("window", "{}");
	assert_int_equal(answer.status, 202);
	assert_string_not_equal(http_at(&answer, "/id"), http_at(&first, "/id"));
	http_answer_fini(&answer);
	http_answer_fini(&first);
}

static void
session_create__leaves_the_key_free_when_it_refuses(void **state)
{
	struct http_answer answer;
	int64_t before = sql_int(api->sql, "SELECT count(*) FROM ventus.session");

	(void)state;
	expect_problem(post("refused", "{\"timeout_seconds\":1}"), 400, "validation", NULL);
	expect_problem(post("refused", "{"), 400, "invalid-json", NULL);
	expect_problem(
	    post("refused", "{\"recording\":{\"enabled\":true}}"), 422, "not-available", NULL);
	expect_problem(
	    post_as(OPERATOR, "refused", "{}", "text/plain"), 415, "unsupported-media-type", NULL);
	assert_int_equal(sql_int(api->sql, "SELECT count(*) FROM ventus.session"), before);
	answer = post("refused", "{}");
	assert_int_equal(answer.status, 202);
	http_answer_fini(&answer);
}

#define RACERS 50

static void
session_create__makes_one_session_of_fifty_concurrent_posts(void **state)
{
	char id[VS_ULID_SIZE] = "";
	int fds[RACERS], created = 0, replayed = 0;

	(void)state;
	for (int i = 0; i < RACERS; i++)
		fds[i] = api_start(api, &(const struct api_call){ .method = "POST",
					    .path = "/v1/sessions",
					    .who = OPERATOR,
					    .headers = "Idempotency-Key: race\r\n",
					    .body = "{}" });
	for (int i = 0; i < RACERS; i++) {
		struct http_answer answer;

		http_read(fds[i], &answer);
		created += answer.status == 202;
		replayed += answer.status == 200;
		if (answer.status != 202 && answer.status != 200)
			fail_msg("%s", answer.text);
		if (id[0] == '\0')
			memcpy(id, http_at(&answer, "/id"), VS_ULID_SIZE);
		assert_string_equal(http_at(&answer, "/id"), id);
		http_answer_fini(&answer);
	}
	assert_int_equal(created, 1);
	assert_int_equal(replayed, RACERS - 1);
	assert_int_equal(
	    sql_int(api->sql, "SELECT count(*) FROM ventus.idempotency WHERE key = 'race'"), 1);
}

static void
session_create__needs_an_idempotency_key_of_visible_ascii(void **state)
{
	char key[257];
	struct http_answer answer;

	(void)state;
	api_do(api,
	    &(const struct api_call){
		.method = "POST", .path = "/v1/sessions", .who = OPERATOR, .body = "{}" },
	    &answer);
	expect_problem(answer, 400, "idempotency-key-missing", NULL);
	expect_problem(post("a b", "{}"), 400, "idempotency-key-invalid", NULL);
	expect_problem(post("a, b", "{}"), 400, "idempotency-key-invalid", NULL);
	expect_problem(post("\xc3\xa9", "{}"), 400, "idempotency-key-invalid", NULL);
	memset(key, 'k', sizeof(key));
	key[256] = '\0';
	expect_problem(post(key, "{}"), 400, "idempotency-key-invalid", NULL);
	key[255] = '\0';
	answer = post(key, "{}");
	assert_int_equal(answer.status, 202);
	http_answer_fini(&answer);
	answer = post("!~\"'\\{}", "{}");
	assert_int_equal(answer.status, 202);
	http_answer_fini(&answer);
	answer = post("!~\"'\\{}", "{}");
	assert_int_equal(answer.status, 200);
	http_answer_fini(&answer);
}

static void
session_create__refuses_json_that_is_not_strict(void **state)
{
	static const char *const bad[] = { "", "{", "{}{}", "{\"a\":1,\"a\":2}",
		"{\"timeout_seconds\":NaN}", "{\"timeout_seconds\":1e400}", "{'a':1}",
		"{\"a\":\"\\u0000\"}", "{\"a\":\"\xff\"}", "{\"a\":\"\\ud800\"}", "{\"a\":01}",
		"// x\n{}", "{\"a\":\"\t\"}" };

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(bad); i++)
		expect_problem(post("strict", bad[i]), 400, "invalid-json", NULL);
}

static void
session_create__refuses_json_nested_5000_deep(void **state)
{
	char body[5000 + 32] = "{\"labels\":";

	(void)state;
	memset(body + strlen(body), '[', 5000);
	expect_problem(post("deep", body), 400, "invalid-json", NULL);
}

static void
session_create__names_every_fault(void **state)
{
	struct http_answer answer =
	    post("faults", "{\"timeout\":1,\"viewport\":{\"width\":1,\"height\":1}}");

	(void)state;
	assert_int_equal(answer.status, 400);
	assert_string_equal(http_at(&answer, "/errors/0/pointer"), "/timeout");
	assert_string_equal(http_at(&answer, "/errors/1/pointer"), "/viewport/width");
	assert_string_equal(http_at(&answer, "/errors/2/pointer"), "/viewport/height");
	assert_non_null(http_at(&answer, "/errors/2/detail"));
	assert_null(http_at(&answer, "/errors/3"));
	http_answer_fini(&answer);
}

static void
session_create__says_422_for_what_cannot_be(void **state)
{
	(void)state;
	expect_problem(post("r422", "{\"recording\":{\"enabled\":true}}"), 422, "not-available",
	    "/recording/enabled");
	expect_problem(
	    post("r422", "{\"proxy\":{\"url\":\"http://p:1\"}}"), 422, "not-available", "/proxy");
	expect_problem(post("r422", "{\"profile_id\":\"01JZZZZZZZZZZZZZZZZZZZZZZZ\"}"), 422,
	    "not-available", "/profile_id");
	expect_problem(post("r422", "{\"runtime_kind\":\"rda\",\"storage_state\":{}}"), 422,
	    "impossible", "/storage_state");
}

static void
session_create__wants_json_in_utf8(void **state)
{
	struct http_answer answer;

	(void)state;
	expect_problem(post_as(OPERATOR, "type", "{}", ""), 415, "unsupported-media-type", NULL);
	expect_problem(post_as(OPERATOR, "type", "{}", "application/x-www-form-urlencoded"), 415,
	    "unsupported-media-type", NULL);
	expect_problem(post_as(OPERATOR, "type", "{}", "application/json; charset=latin1"), 415,
	    "unsupported-media-type", NULL);
	answer = post_as(OPERATOR, "type", "{}", "application/json;charset=UTF-8");
	assert_int_equal(answer.status, 202);
	http_answer_fini(&answer);
}

static void
session_create__refuses_a_body_of_9_mib(void **state)
{
	const size_t size = 9 * 1024 * 1024;
	char *body = malloc(size + 1);

	(void)state;
	assert_non_null(body);
	memset(body, ' ', size);
	body[size] = '\0';
	expect_problem(post("big", body), 413, "body-too-large", NULL);
	/* Just below the cap it is looked at: a jar at its limit is one of 4 MiB. */
	body[8 * 1024 * 1024] = '\0';
	expect_problem(post("big", body), 400, "invalid-json", NULL);
	free(body);
}

static void
session_create__stores_what_was_asked_for(void **state)
{
	struct http_answer answer = post("stored",
	    "{\"region\":\"r-1\",\"runtime_kind\":\"rda\",\"timeout_seconds\":86400,"
	    "\"keep_alive_seconds\":7,\"viewport\":{\"width\":320,\"height\":240},"
	    "\"user_agent\":\"It's \\\"me\\\"\",\"labels\":{\"a\":\"\xe2\x82\xac\",\"b\":\"\"}}");

	(void)state;
	assert_int_equal(answer.status, 202);
	assert_string_equal(http_at(&answer, "/region"), "r-1");
	assert_string_equal(http_at(&answer, "/runtime_kind"), "rda");
	assert_string_equal(http_at(&answer, "/timeout_seconds"), "86400");
	assert_string_equal(http_at(&answer, "/keep_alive_seconds"), "7");
	assert_string_equal(http_at(&answer, "/viewport/height"), "240");
	assert_string_equal(http_at(&answer, "/user_agent"), "It's \"me\"");
	assert_string_equal(http_at(&answer, "/labels/a"), "\xe2\x82\xac");
	assert_string_equal(http_at(&answer, "/labels/b"), "");
	http_answer_fini(&answer);
}

static void
session_create__says_how_long_the_database_took(void **state)
{
	struct http_answer answer = post("timing", "{}");
	char value[HTTP_VALUE_SIZE];

	(void)state;
	assert_memory_equal(http_header(&answer, "Server-Timing", value), "db;dur=", 7);
	http_answer_fini(&answer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session_create__answers_202_queued_with_location),
		cmocka_unit_test(session_create__counts_the_place_in_the_queue),
		cmocka_unit_test(session_create__gives_a_connect_url_that_stays),
		cmocka_unit_test(session_create__writes_event_and_audit_row_with_it),
		cmocka_unit_test(session_create__replays_the_same_key_whatever_the_payload),
		cmocka_unit_test(session_create__replays_the_session_as_it_is_now),
		cmocka_unit_test(session_create__keeps_the_keys_of_workspaces_apart),
		cmocka_unit_test(session_create__frees_the_key_after_24_hours),
		cmocka_unit_test(session_create__leaves_the_key_free_when_it_refuses),
		cmocka_unit_test(session_create__makes_one_session_of_fifty_concurrent_posts),
		cmocka_unit_test(session_create__needs_an_idempotency_key_of_visible_ascii),
		cmocka_unit_test(session_create__refuses_json_that_is_not_strict),
		cmocka_unit_test(session_create__refuses_json_nested_5000_deep),
		cmocka_unit_test(session_create__names_every_fault),
		cmocka_unit_test(session_create__says_422_for_what_cannot_be),
		cmocka_unit_test(session_create__wants_json_in_utf8),
		cmocka_unit_test(session_create__refuses_a_body_of_9_mib),
		cmocka_unit_test(session_create__stores_what_was_asked_for),
		cmocka_unit_test(session_create__says_how_long_the_database_took),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
