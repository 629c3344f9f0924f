/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "lib/model/sess.h"

#define ID "01JZZZZZZZZZZZZZZZZZZZZZZZ"
#define WS "01JYYYYYYYYYYYYYYYYYYYYYYY"

static const struct sess_links no_links;

static const char *
text_of(struct json_object *obj)
{
	return json_object_to_json_string_ext(
	    obj, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

static void
sess_print__shows_a_queued_session_whole(void **state)
{
	const struct sess_links links = { .connect_url = "ws://c", .live_view_url = "http://v" };
	const struct sess sess = {
		.id = ID,
		.workspace_id = WS,
		.status = SESS_QUEUED,
		.region = "us-east1",
		.runtime_kind = "chromium",
		.timeout_seconds = 1800,
		.viewport_width = 1280,
		.viewport_height = 720,
		.labels = "{\"a\": \"b\"}",
		.created_at = 1,
		.queue_position = 3,
	};
	vs_autojson struct json_object *obj = sess_print(&sess, &links, 2);

	(void)state;
	assert_non_null(obj);
	assert_string_equal(text_of(obj),
	    "{\"id\":\"" ID "\",\"workspace_id\":\"" WS
	    "\",\"status\":\"QUEUED\",\"queue_position\":3,"
	    "\"region\":\"us-east1\",\"runtime_kind\":\"chromium\",\"timeout_seconds\":1800,"
	    "\"keep_alive_seconds\":0,\"viewport\":{\"width\":1280,\"height\":720},\"user_agent\":"
	    "null,"
	    "\"proxy\":null,\"profile_id\":null,\"profile_version\":null,\"labels\":{\"a\":\"b\"},"
	    "\"recording\":{\"enabled\":false,\"status\":null},\"connect_url\":\"ws://c\","
	    "\"live_view_url\":\"http://v\",\"recording_url\":null,"
	    "\"created_at\":\"1970-01-01T00:00:00.001Z\",\"provisioning_at\":null,\"running_at\":"
	    "null,"
	    "\"expires_at\":null,\"ended_at\":null,\"released_at\":null,\"release_reason\":null,"
	    "\"error\":null,\"cdp_clients\":0,\"billable_seconds\":0}");
}

static void
expect_member(const struct sess *sess, const char *key, const char *want)
{
	vs_autojson struct json_object *obj = sess_print(sess, &no_links, 10000);
	struct json_object *value = NULL;

	assert_non_null(obj);
	assert_true(json_object_object_get_ex(obj, key, &value));
	assert_string_equal(text_of(value), want);
}

static void
sess_print__calls_only_a_completed_session_released(void **state)
{
	struct sess sess = {
		.id = ID,
		.workspace_id = WS,
		.status = SESS_COMPLETED,
		.ended_at = 2000,
		.running_at = 1000,
		.release_reason = "client_release",
	};

	(void)state;
	expect_member(&sess, "released_at", "\"1970-01-01T00:00:02.000Z\"");
	expect_member(&sess, "release_reason", "\"client_release\"");
	expect_member(&sess, "billable_seconds", "1");
	expect_member(&sess, "error", "null");
	sess.status = SESS_EXPIRED;
	sess.expires_at = 1900;
	expect_member(&sess, "released_at", "null");
	expect_member(&sess, "ended_at", "\"1970-01-01T00:00:02.000Z\"");
}

static void
sess_print__shows_the_error_of_an_errored_session(void **state)
{
	const struct sess sess = {
		.id = ID,
		.workspace_id = WS,
		.status = SESS_ERRORED,
		.ended_at = 2000,
		.error_code = "oom_killed",
		.error_message = "no memory",
	};

	(void)state;
	expect_member(&sess, "error", "{\"code\":\"oom_killed\",\"message\":\"no memory\"}");
}

static void
sess_print__never_shows_a_proxy_password(void **state)
{
	const struct sess sess = {
		.id = ID,
		.workspace_id = WS,
		.status = SESS_RUNNING,
		.proxy_url = "http://p:1",
		.proxy_username = "u",
		.profile_id = ID,
		.profile_version = 2,
	};

	(void)state;
	expect_member(&sess, "proxy", "{\"url\":\"http://p:1\",\"username\":\"u\"}");
	expect_member(&sess, "profile_version", "2");
	expect_member(&sess, "labels", "{}");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sess_print__shows_a_queued_session_whole),
		cmocka_unit_test(sess_print__calls_only_a_completed_session_released),
		cmocka_unit_test(sess_print__shows_the_error_of_an_errored_session),
		cmocka_unit_test(sess_print__never_shows_a_proxy_password),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
