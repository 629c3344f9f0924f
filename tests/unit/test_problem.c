/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/problem.h"

/* The document as text, checked to be JSON. Freed by the caller. */
static char *
print(const struct vs_problem_doc *doc)
{
	struct json_object *obj = NULL;
	struct vs_json_fault fault;
	struct vs_buf out;
	char *text;

	vs_buf_init(&out, 1 << 20);
	assert_int_equal(vs_problem_print(doc, &out), 0);
	text = strdup(vs_buf_str(&out));
	assert_non_null(text);
	assert_int_equal(vs_json_parse(text, strlen(text), &fault, &obj), 0);
	(void)json_object_put(obj);
	vs_buf_fini(&out);
	return text;
}

static void
expect(const struct vs_problem_doc *doc, const char *expected)
{
	char *text = print(doc);

	assert_string_equal(text, expected);
	free(text);
}

static void
problem__prints_members_in_order(void **state)
{
	struct vs_problem_doc doc = {
		.problem = VS_PROBLEM_NOT_FOUND,
		.public_url = "https://v.example",
		.detail = "no session of that id",
		.instance = "/v1/sessions/01J",
		.request_id = "r-1",
	};

	(void)state;
	expect(&doc,
	    "{\"type\":\"https://v.example/errors/not-found\",\"title\":\"There is no such "
	    "resource\","
	    "\"status\":404,\"detail\":\"no session of that id\",\"instance\":\"/v1/sessions/01J\","
	    "\"request_id\":\"r-1\"}");
}

static void
problem__does_without_optional_members(void **state)
{
	struct vs_problem_doc doc = { .problem = VS_PROBLEM_INTERNAL, .public_url = "http://x" };

	(void)state;
	expect(&doc, "{\"type\":\"http://x/errors/internal\",\"title\":\"The platform "
		     "failed\",\"status\":500,"
		     "\"detail\":\"The platform failed\"}");
}

static void
problem__lists_issues(void **state)
{
	struct vs_arena arena;
	struct vs_json_issues issues = { .arena = &arena };
	struct vs_problem_doc doc = {
		.problem = VS_PROBLEM_VALIDATION,
		.public_url = "http://x",
		.issues = &issues,
	};

	(void)state;
	vs_arena_init(&arena, 1 << 16);
	vs_json_issue(&issues, "/viewport/width", "must be from %d to %d", 1, 2);
	vs_json_issue(&issues, "/a~1b", "there is no field \"a/b\"");
	expect(&doc,
	    "{\"type\":\"http://x/errors/validation\",\"title\":\"Some fields are not valid\","
	    "\"status\":400,\"detail\":\"/viewport/width: must be from 1 to 2 (and 1 "
	    "more)\",\"errors\":["
	    "{\"pointer\":\"/viewport/width\",\"detail\":\"must be from 1 to 2\"},"
	    "{\"pointer\":\"/a~1b\",\"detail\":\"there is no field \\\"a/b\\\"\"}]}");
	vs_arena_fini(&arena);
}

/* Secrets and bytes that are not UTF-8, in everything that can come from a client. */
static void
problem__cleans_what_came_from_outside(void **state)
{
	struct vs_arena arena;
	struct vs_json_issues issues = { .arena = &arena };
	struct vs_problem_doc doc = {
		.problem = VS_PROBLEM_BAD_REQUEST,
		.public_url = "http://x",
		.detail = "bad ?token=abcdefghijkl and \xff\n\x01",
		.instance = "/v1/\xc3\x28",
		.request_id = "r",
		.issues = &issues,
	};
	char *text;

	(void)state;
	vs_arena_init(&arena, 1 << 16);
	vs_json_issue(&issues, "/x", "not ?token=abcdefghijkl");
	text = print(&doc);
	assert_null(strstr(text, "abcdefghijkl"));
	assert_non_null(strstr(text, "[redacted]"));
	assert_non_null(strstr(text, "\"instance\":\"/v1/?(\""));
	assert_non_null(strstr(text, "?\\n\\u0001"));
	free(text);
	vs_arena_fini(&arena);
}

static void
problem__cuts_long_words_and_respects_the_cap(void **state)
{
	static char detail[100000];
	struct vs_problem_doc doc = {
		.problem = VS_PROBLEM_BAD_REQUEST,
		.public_url = "http://x",
		.detail = detail,
	};
	struct vs_buf small;
	char *text;

	(void)state;
	memset(detail, 'a', sizeof(detail) - 1);
	text = print(&doc);
	assert_in_range(strlen(text), 4096, 4500);
	free(text);
	vs_buf_init(&small, 100);
	assert_int_equal(vs_problem_print(&doc, &small), VS_EFULL);
	assert_int_equal(vs_buf_len(&small), 0);
	vs_buf_fini(&small);
}

static void
problem__has_a_whole_row_for_each(void **state)
{
	(void)state;
	for (int i = VS_PROBLEM_NONE + 1; i < VS_PROBLEM_COUNT; i++) {
		const struct vs_problem_row *row = vs_problem_row((enum vs_problem)i);

		assert_in_range(row->status, 400, 599);
		assert_int_equal(
		    strspn(row->slug, "abcdefghijklmnopqrstuvwxyz-"), strlen(row->slug));
		assert_true(row->title[0] != '\0');
		for (int n = VS_PROBLEM_NONE + 1; n < i; n++)
			assert_string_not_equal(
			    vs_problem_row((enum vs_problem)n)->slug, row->slug);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(problem__prints_members_in_order),
		cmocka_unit_test(problem__does_without_optional_members),
		cmocka_unit_test(problem__lists_issues),
		cmocka_unit_test(problem__cleans_what_came_from_outside),
		cmocka_unit_test(problem__cuts_long_words_and_respects_the_cap),
		cmocka_unit_test(problem__has_a_whole_row_for_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
