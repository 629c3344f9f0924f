/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "fcgi/reply.h"
#include "lib/err.h"

struct fixture {
	struct vs_arena arena;
	struct vs_buf out;
	struct reply rep;
};

static int
setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	vs_arena_init(&fx->arena, 1024 * 1024);
	vs_buf_init(&fx->out, 1024 * 1024);
	reply_init(&fx->rep, &fx->arena, "https://api.example.com", "r1");
	*state = fx;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fx = *state;

	reply_fini(&fx->rep);
	vs_buf_fini(&fx->out);
	vs_arena_fini(&fx->arena);
	free(fx);
	return 0;
}

static const char *
printed(struct fixture *fx)
{
	vs_buf_clear(&fx->out);
	assert_int_equal(reply_print(&fx->rep, &fx->out), 0);
	return vs_buf_str(&fx->out);
}

static void
reply_print__writes_json_with_the_headers_of_every_answer(void **state)
{
	struct fixture *fx = *state;
	struct json_object *body = json_object_new_object();

	json_object_object_add(body, "a", json_object_new_string("/\xc3\xa9"));
	reply_header(&fx->rep, "Location", "/v1/%s", "x");
	assert_int_equal(reply_json(&fx->rep, 202, body), 0);
	assert_string_equal(printed(fx),
	    "Status: 202\r\nContent-Type: application/json; charset=utf-8\r\nX-Request-Id: r1\r\n"
	    "Cache-Control: no-store\r\nLocation: /v1/x\r\n\r\n{\"a\":\"/\xc3\xa9\"}");
}

static void
reply_print__writes_a_problem_with_its_issues(void **state)
{
	struct fixture *fx = *state;
	const char *text;

	fx->rep.instance = "/v1/sessions";
	vs_json_issue(&fx->rep.issues, "/region", "must be %s", "good");
	assert_int_equal(reply_problem(&fx->rep, VS_PROBLEM_VALIDATION, NULL), 0);
	text = printed(fx);
	assert_memory_equal(text, "Status: 400\r\nContent-Type: application/problem+json\r\n", 50);
	assert_non_null(strstr(text, "\"type\":\"https://api.example.com/errors/validation\""));
	assert_non_null(strstr(text, "\"instance\":\"/v1/sessions\""));
	assert_non_null(strstr(text, "\"request_id\":\"r1\""));
	assert_non_null(
	    strstr(text, "\"errors\":[{\"pointer\":\"/region\",\"detail\":\"must be good\"}]"));
}

static void
reply__the_last_answer_counts(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(reply_json(&fx->rep, 200, json_object_new_object()), 0);
	assert_int_equal(reply_problem(&fx->rep, VS_PROBLEM_NOT_FOUND, "gone"), 0);
	assert_memory_equal(printed(fx), "Status: 404\r\n", 13);
	assert_non_null(strstr(vs_buf_str(&fx->out), "\"detail\":\"gone\""));
	assert_int_equal(reply_json(&fx->rep, 200, json_object_new_object()), 0);
	assert_memory_equal(printed(fx), "Status: 200\r\n", 13);
	assert_int_equal(reply_json(&fx->rep, 201, json_object_new_array()), 0);
	assert_non_null(strstr(printed(fx), "\r\n\r\n[]"));
}

static void
reply_header__breaks_the_reply_rather_than_split_it(void **state)
{
	struct fixture *fx = *state;

	reply_header(&fx->rep, "Location", "/a\r\nSet-Cookie: x=%d", 1);
	assert_int_equal(reply_json(&fx->rep, 200, json_object_new_object()), 0);
	assert_int_equal(reply_print(&fx->rep, &fx->out), VS_ENOMEM);
}

static void
reply_print__fails_when_something_did_not_fit(void **state)
{
	struct fixture *fx = *state;
	char big[REPLY_HEAD_MAX + 1];

	assert_int_equal(reply_json(&fx->rep, 200, NULL), 0);
	assert_int_equal(reply_print(&fx->rep, &fx->out), VS_ENOMEM);
	reply_failure(&fx->rep, VS_ENOMEM);
	assert_memory_equal(printed(fx), "Status: 500\r\n", 13);
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	reply_header(&fx->rep, "X", "%s", big);
	vs_buf_clear(&fx->out);
	assert_int_equal(reply_print(&fx->rep, &fx->out), VS_ENOMEM);
}

static void
reply_failure__says_what_may_be_tried_again(void **state)
{
	static const struct {
		int rc;
		const char *status;
	} rows[] = {
		{ VS_EDB, "Status: 503\r\n" },
		{ VS_ERACED, "Status: 503\r\n" },
		{ VS_ETIMEDOUT, "Status: 503\r\n" },
		{ VS_EDBBUG, "Status: 500\r\n" },
		{ VS_EINVAL, "Status: 500\r\n" },
		{ VS_EFORBIDDEN, "Status: 500\r\n" },
	};
	struct fixture *fx = *state;

	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		bool retry = strstr(rows[i].status, "503") != NULL;

		reply_header(&fx->rep, "Location", "/half-made");
		reply_failure(&fx->rep, rows[i].rc);
		assert_memory_equal(printed(fx), rows[i].status, 13);
		assert_null(strstr(vs_buf_str(&fx->out), "half-made"));
		assert_int_equal(strstr(vs_buf_str(&fx->out), "Retry-After: 1\r\n") != NULL, retry);
	}
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(reply_print__writes_json_with_the_headers_of_every_answer),
		TEST(reply_print__writes_a_problem_with_its_issues),
		TEST(reply__the_last_answer_counts),
		TEST(reply_header__breaks_the_reply_rather_than_split_it),
		TEST(reply_print__fails_when_something_did_not_fit),
		TEST(reply_failure__says_what_may_be_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
