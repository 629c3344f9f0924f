/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/model/sess.h"

struct fixture {
	struct vs_arena arena;
	struct vs_json_issues issues;
	struct sess_spec spec;
	bool impossible;
};

static int
setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	vs_arena_init(&fx->arena, 64 * 1024 * 1024);
	*state = fx;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fx = *state;

	vs_arena_fini(&fx->arena);
	free(fx);
	return 0;
}

static int
parse(struct fixture *fx, const char *text)
{
	vs_autojson struct json_object *body = NULL;
	struct vs_json_fault fault;

	fx->issues.arena = &fx->arena;
	fx->issues.count = fx->issues.dropped = 0;
	fx->impossible = false;
	if (vs_json_parse(text, strlen(text), &fault, &body) < 0)
		fail_msg("byte %zu: %s of %.100s", fault.offset, fault.what, text);
	return sess_spec_parse(body, &fx->arena, &fx->spec, &fx->issues, &fx->impossible);
}

/* The pointers of all issues, "a b c". */
static const char *
pointers(struct fixture *fx)
{
	const char *text = "";

	for (size_t i = 0; i < fx->issues.count; i++)
		text = vs_arena_printf(
		    &fx->arena, "%s%s%s", text, i > 0 ? " " : "", fx->issues.item[i].pointer);
	return text;
}

static void
sess_spec_parse__fills_in_the_defaults(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(parse(fx, "{}"), 0);
	assert_null(fx->spec.region);
	assert_string_equal(fx->spec.runtime_kind, "chromium");
	assert_int_equal(fx->spec.timeout_seconds, 1800);
	assert_int_equal(fx->spec.keep_alive_seconds, 0);
	assert_int_equal(fx->spec.viewport_width, 1280);
	assert_int_equal(fx->spec.viewport_height, 720);
	assert_null(fx->spec.user_agent);
	assert_null(fx->spec.labels);
	assert_false(fx->spec.recording_enabled);
}

static void
sess_spec_parse__takes_every_field_that_is_available(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(
	    parse(fx, "{\"region\":\"us-east1\",\"runtime_kind\":\"rda\",\"timeout_seconds\":86400,"
		      "\"keep_alive_seconds\":86400,\"viewport\":{\"width\":7680,\"height\":4320},"
		      "\"user_agent\":\"Mozilla/5.0 "
		      "\xe2\x80\xa6\",\"labels\":{\"a.b_c/d-E9\":\"\xc3\xa9\"},"
		      "\"recording\":{\"enabled\":false}}"),
	    0);
	assert_string_equal(fx->spec.region, "us-east1");
	assert_string_equal(fx->spec.runtime_kind, "rda");
	assert_int_equal(fx->spec.timeout_seconds, 86400);
	assert_int_equal(fx->spec.keep_alive_seconds, 86400);
	assert_int_equal(fx->spec.viewport_width, 7680);
	assert_int_equal(fx->spec.viewport_height, 4320);
	assert_string_equal(fx->spec.user_agent, "Mozilla/5.0 \xe2\x80\xa6");
	assert_string_equal(fx->spec.labels, "{\"a.b_c/d-E9\":\"\xc3\xa9\"}");
}

static void
sess_spec_parse__takes_null_for_absent(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(
	    parse(fx, "{\"region\":null,\"runtime_kind\":null,\"timeout_seconds\":null,"
		      "\"keep_alive_seconds\":null,\"viewport\":null,\"user_agent\":null,"
		      "\"proxy\":null,\"profile_id\":null,\"profile_version\":null,"
		      "\"storage_state\":null,\"labels\":null,\"recording\":null}"),
	    0);
	assert_int_equal(fx->spec.timeout_seconds, 1800);
	assert_string_equal(fx->spec.runtime_kind, "chromium");
	assert_int_equal(
	    parse(fx, "{\"recording\":{\"enabled\":null},\"viewport\":{\"width\":null}}"), 0);
	assert_int_equal(fx->spec.viewport_width, 1280);
}

static void
sess_spec_parse__takes_what_asks_for_nothing(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(parse(fx, "{\"storage_state\":{}}"), 0);
	assert_int_equal(parse(fx, "{\"storage_state\":{\"cookies\":[],\"origins\":[]}}"), 0);
	assert_int_equal(parse(fx, "{\"recording\":{}}"), 0);
	assert_int_equal(parse(fx, "{\"labels\":{}}"), 0);
	assert_int_equal(parse(fx, "{\"viewport\":{\"height\":240}}"), 0);
	assert_int_equal(fx->spec.viewport_width, 1280);
	assert_int_equal(fx->spec.viewport_height, 240);
}

#define COOKIE \
	"{\"name\":\"n\",\"value\":\"v\",\"domain\":\".example.com\",\"path\":\"/\"," \
	"\"expires\":-1,\"httpOnly\":true,\"secure\":false,\"sameSite\":\"Lax\"}"
#define ORIGIN(o) "{\"storage_state\":{\"origins\":[{\"origin\":\"" o "\",\"localStorage\":[]}]}}"
#define PROXY(u)  "{\"proxy\":{\"url\":\"" u "\"}}"

/* clang-format off */
static const struct {
	const char *body, *want;	/* pointers of the issues */
} bad[] = {
	{ "[]", "" },
	{ "null", "" },
	{ "\"x\"", "" },
	{ "{\"timeout\":60}", "/timeout" },
	{ "{\"Region\":\"x\"}", "/Region" },
	{ "{\"a/b~c\":1}", "/a~1b~0c" },
	{ "{\"region\":7}", "/region" },
	{ "{\"region\":\"\"}", "/region" },
	{ "{\"region\":\"-a\"}", "/region" },
	{ "{\"region\":\"US\"}", "/region" },
	{ "{\"region\":\"a.b\"}", "/region" },
	{ "{\"runtime_kind\":\"firefox\"}", "/runtime_kind" },
	{ "{\"timeout_seconds\":59}", "/timeout_seconds" },
	{ "{\"timeout_seconds\":86401}", "/timeout_seconds" },
	{ "{\"timeout_seconds\":600.0}", "/timeout_seconds" },
	{ "{\"timeout_seconds\":\"600\"}", "/timeout_seconds" },
	{ "{\"timeout_seconds\":true}", "/timeout_seconds" },
	{ "{\"keep_alive_seconds\":-1}", "/keep_alive_seconds" },
	{ "{\"keep_alive_seconds\":86401}", "/keep_alive_seconds" },
	{ "{\"viewport\":{\"width\":319}}", "/viewport/width" },
	{ "{\"viewport\":{\"width\":7681}}", "/viewport/width" },
	{ "{\"viewport\":{\"height\":239}}", "/viewport/height" },
	{ "{\"viewport\":{\"height\":4321}}", "/viewport/height" },
	{ "{\"viewport\":{\"depth\":24}}", "/viewport/depth" },
	{ "{\"viewport\":[1280,720]}", "/viewport" },
	{ "{\"user_agent\":\"\"}", "/user_agent" },
	{ "{\"user_agent\":\"a\\tb\"}", "/user_agent" },
	{ "{\"user_agent\":\"a\\r\\nX: y\"}", "/user_agent" },
	{ "{\"user_agent\":\"\xc2\x85\"}", "/user_agent" },
	{ "{\"user_agent\":\"a\xe2\x80\xa8\"}", "/user_agent" },
	{ "{\"labels\":[]}", "/labels" },
	{ "{\"labels\":{\"a\":1}}", "/labels/a" },
	{ "{\"labels\":{\"a\":null}}", "/labels/a" },
	{ "{\"labels\":{\"\":\"x\"}}", "/labels/" },
	{ "{\"labels\":{\"a b\":\"x\"}}", "/labels/a b" },
	{ "{\"labels\":{\"a/~\":\"x\"}}", "/labels/a~1~0" },
	{ "{\"labels\":{\"a b\":2}}", "/labels/a b /labels/a b" },
	{ "{\"recording\":true}", "/recording" },
	{ "{\"recording\":{\"enabled\":\"yes\"}}", "/recording/enabled" },
	{ "{\"recording\":{\"fps\":5}}", "/recording/fps" },
	{ "{\"profile_id\":\"01J\"}", "/profile_id" },
	{ "{\"profile_id\":\"01jzzzzzzzzzzzzzzzzzzzzzzz\"}", "/profile_id" },
	{ "{\"profile_version\":1}", "/profile_version" },
	{ "{\"profile_id\":\"01JZZZZZZZZZZZZZZZZZZZZZZZ\",\"profile_version\":0}", "/profile_version" },
	{ "{\"proxy\":\"http://a:1\"}", "/proxy" },
	{ "{\"proxy\":{}}", "/proxy/url" },
	{ "{\"proxy\":{\"username\":\"u\"}}", "/proxy/url" },
	{ "{\"proxy\":{\"url\":null}}", "/proxy/url" },
	{ PROXY("a:1"), "/proxy/url" },
	{ PROXY("ftp://a:1"), "/proxy/url" },
	{ PROXY("http://a"), "/proxy/url" },
	{ PROXY("http://a:"), "/proxy/url" },
	{ PROXY("http://a:0"), "/proxy/url" },
	{ PROXY("http://a:65536"), "/proxy/url" },
	{ PROXY("http://a:+1"), "/proxy/url" },
	{ PROXY("http://u:p@a:1"), "/proxy/url" },
	{ PROXY("http://a:1/"), "/proxy/url" },
	{ PROXY("http://a:1?x"), "/proxy/url" },
	{ PROXY("http://:1"), "/proxy/url" },
	{ PROXY("http://[::1:1"), "/proxy/url" },
	{ PROXY("http://[]:1"), "/proxy/url" },
	{ PROXY("http://a b:1"), "/proxy/url" },
	{ "{\"storage_state\":[]}", "/storage_state" },
	{ "{\"storage_state\":{\"cookies\":{}}}", "/storage_state/cookies" },
	{ "{\"storage_state\":{\"cookies\":[1]}}", "/storage_state/cookies/0" },
	{ "{\"storage_state\":{\"cookies\":[" COOKIE ",{\"name\":\"n\",\"value\":\"v\",\"path\":\"/\"}]}}",
	    "/storage_state/cookies/1/domain" },
	{ "{\"storage_state\":{\"cookies\":[{\"name\":\"n\",\"value\":\"v\",\"domain\":\"d\","
	    "\"path\":\"/\",\"sameSite\":\"lax\",\"expires\":\"never\",\"secure\":1,\"x\":1}]}}",
	    "/storage_state/cookies/0/sameSite /storage_state/cookies/0/expires"
	    " /storage_state/cookies/0/secure /storage_state/cookies/0/x" },
	{ ORIGIN("example.com"), "/storage_state/origins/0/origin" },
	{ ORIGIN("file:///etc"), "/storage_state/origins/0/origin" },
	{ ORIGIN("https://a/b"), "/storage_state/origins/0/origin" },
	{ ORIGIN("https://a/"), "/storage_state/origins/0/origin" },
	{ "{\"storage_state\":{\"origins\":[{\"origin\":\"https://a\"}]}}",
	    "/storage_state/origins/0/localStorage" },
	{ "{\"storage_state\":{\"origins\":[{\"origin\":\"https://a\",\"localStorage\":[{\"name\":1}]}]}}",
	    "/storage_state/origins/0/localStorage/0/name"
	    " /storage_state/origins/0/localStorage/0/value" },
	{ "{\"storage_state\":{\"indexedDB\":[]}}", "/storage_state/indexedDB" },
	/* All faults at once, in the order of the body. */
	{ "{\"timeout_seconds\":1,\"nope\":1,\"viewport\":{\"width\":1,\"height\":1},"
	    "\"labels\":{\"a\":1,\"b\":2},\"user_agent\":3}",
	    "/timeout_seconds /nope /viewport/width /viewport/height /labels/a /labels/b"
	    " /user_agent" },
	/* A malformed field that is not available either is malformed first. */
	{ "{\"recording\":{\"enabled\":true},\"timeout_seconds\":1}", "/timeout_seconds" },
};

static const struct {
	const char *body, *want;
	bool impossible;
} refused[] = {
	{ "{\"recording\":{\"enabled\":true}}", "/recording/enabled", false },
	{ PROXY("http://proxy.example.com:8080"), "/proxy", false },
	{ PROXY("https://[2001:db8::1]:443"), "/proxy", false },
	{ PROXY("socks5://127.0.0.1:1080"), "/proxy", false },
	{ PROXY("HTTP://a_b.c:1"), "/proxy", false },
	{ "{\"proxy\":{\"url\":\"http://a:1\",\"username\":\"u\",\"password\":\"p\"}}", "/proxy", false },
	{ "{\"profile_id\":\"01JZZZZZZZZZZZZZZZZZZZZZZZ\",\"profile_version\":3}", "/profile_id", false },
	{ "{\"storage_state\":{\"cookies\":[" COOKIE "]}}", "/storage_state", false },
	{ ORIGIN("http://localhost:3000"), "/storage_state", false },
	{ "{\"proxy\":{\"url\":\"http://a:1\"},\"recording\":{\"enabled\":true}}",
	    "/recording/enabled /proxy", false },
	{ "{\"runtime_kind\":\"rda\",\"storage_state\":{}}", "/storage_state", true },
	{ "{\"runtime_kind\":\"rda\",\"storage_state\":{\"cookies\":[" COOKIE "]}}",
	    "/storage_state", true },
	{ "{\"runtime_kind\":\"rda\",\"profile_id\":\"01JZZZZZZZZZZZZZZZZZZZZZZZ\"}",
	    "/profile_id", true },
};
/* clang-format on */

static void
sess_spec_parse__names_every_fault(void **state)
{
	struct fixture *fx = *state;

	for (size_t i = 0; i < VS_COUNTOF(bad); i++) {
		int rc = parse(fx, bad[i].body);

		if (rc != VS_EINVAL || strcmp(pointers(fx), bad[i].want) != 0)
			fail_msg("%s: %s, \"%s\"", bad[i].body, vs_err_text(rc), pointers(fx));
	}
}

static void
sess_spec_parse__says_what_is_impossible_or_not_there_yet(void **state)
{
	struct fixture *fx = *state;

	for (size_t i = 0; i < VS_COUNTOF(refused); i++) {
		int rc = parse(fx, refused[i].body);

		if (rc != VS_EUNSUPP || strcmp(pointers(fx), refused[i].want) != 0 ||
		    fx->impossible != refused[i].impossible)
			fail_msg("%s: %s, \"%s\"", refused[i].body, vs_err_text(rc), pointers(fx));
	}
}

/* {"<member>": <front><unit repeated count times><back>} */
static const char *
repeated(struct fixture *fx, const char *front, const char *unit, size_t count, const char *back)
{
	const size_t len = strlen(unit);
	char *middle = vs_arena_alloc(&fx->arena, count * len + 1);

	assert_non_null(middle);
	for (size_t i = 0; i < count; i++)
		memcpy(middle + i * len, unit, len);
	return vs_arena_printf(&fx->arena, "%s%s%s", front, middle, back);
}

static void
sess_spec_parse__counts_characters_not_bytes(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(
	    parse(fx, repeated(fx, "{\"labels\":{\"a\":\"", "\xe2\x82\xac", 255, "\"}}")), 0);
	assert_int_equal(
	    parse(fx, repeated(fx, "{\"labels\":{\"a\":\"", "\xe2\x82\xac", 256, "\"}}")),
	    VS_EINVAL);
	assert_string_equal(pointers(fx), "/labels/a");
	assert_int_equal(parse(fx, repeated(fx, "{\"user_agent\":\"", "x", 512, "\"}")), 0);
	assert_int_equal(parse(fx, repeated(fx, "{\"user_agent\":\"", "x", 513, "\"}")), VS_EINVAL);
	assert_int_equal(parse(fx, repeated(fx, "{\"region\":\"", "x", 63, "\"}")), 0);
	assert_int_equal(parse(fx, repeated(fx, "{\"region\":\"", "x", 64, "\"}")), VS_EINVAL);
	assert_int_equal(parse(fx, repeated(fx, "{\"labels\":{\"", "k", 63, "\":\"\"}}")), 0);
	assert_int_equal(
	    parse(fx, repeated(fx, "{\"labels\":{\"", "k", 64, "\":\"\"}}")), VS_EINVAL);
	assert_int_equal(
	    parse(fx, repeated(fx, "{\"labels\":{\"", "k", 9999, "\":\"\"}}")), VS_EINVAL);
	assert_string_equal(pointers(fx), "/labels");
}

static int
parse_labels(struct fixture *fx, size_t count)
{
	struct vs_buf text;
	int rc;

	vs_buf_init(&text, 1024 * 1024);
	assert_int_equal(vs_buf_puts(&text, "{\"labels\":{"), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(vs_buf_printf(&text, "%s\"k%zu\":\"v\"", i > 0 ? "," : "", i), 0);
	assert_int_equal(vs_buf_puts(&text, "}}"), 0);
	rc = parse(fx, vs_buf_str(&text));
	vs_buf_fini(&text);
	return rc;
}

static void
sess_spec_parse__takes_64_labels_and_no_more(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(parse_labels(fx, 64), 0);
	assert_int_equal(parse_labels(fx, 65), VS_EINVAL);
	assert_string_equal(pointers(fx), "/labels");
	assert_int_equal(parse_labels(fx, 5000), VS_EINVAL);
	assert_string_equal(pointers(fx), "/labels");
}

#define STATE_FRONT \
	"{\"storage_state\":{\"origins\":[{\"origin\":\"https://" \
	"a\",\"localStorage\":[{\"name\":\"\",\"value\":\""
#define STATE_BACK "\"}]}]}}"

static void
sess_spec_parse__takes_a_storage_state_of_4_mib(void **state)
{
	struct fixture *fx = *state;
	const size_t around = strlen(STATE_FRONT STATE_BACK) - strlen("{\"storage_state\":}");
	const size_t limit = 4 * 1024 * 1024;

	assert_int_equal(
	    parse(fx, repeated(fx, STATE_FRONT, "x", limit - around, STATE_BACK)), VS_EUNSUPP);
	assert_string_equal(pointers(fx), "/storage_state");
	assert_int_equal(
	    parse(fx, repeated(fx, STATE_FRONT, "x", limit - around + 1, STATE_BACK)), VS_EINVAL);
	assert_string_equal(pointers(fx), "/storage_state");
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(sess_spec_parse__fills_in_the_defaults),
		TEST(sess_spec_parse__takes_every_field_that_is_available),
		TEST(sess_spec_parse__takes_null_for_absent),
		TEST(sess_spec_parse__takes_what_asks_for_nothing),
		TEST(sess_spec_parse__names_every_fault),
		TEST(sess_spec_parse__says_what_is_impossible_or_not_there_yet),
		TEST(sess_spec_parse__counts_characters_not_bytes),
		TEST(sess_spec_parse__takes_64_labels_and_no_more),
		TEST(sess_spec_parse__takes_a_storage_state_of_4_mib),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
