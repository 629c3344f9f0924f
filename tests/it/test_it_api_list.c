/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/sessions: filters, pages, order. */
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

#define SESSIONS 7

static struct api *api;
static char ids[SESSIONS][VS_ULID_SIZE]; /* in order of creation */

static const char *const bodies[SESSIONS] = {
	"{\"region\":\"us-east1\",\"labels\":{\"team\":\"a\"}}",
	"{\"region\":\"us-east1\",\"labels\":{\"team\":\"b\",\"env\":\"x y/&\"}}",
	"{\"region\":\"eu-1\",\"labels\":{\"team\":\"a\",\"env\":\"x y/&\"}}",
	"{\"region\":\"eu-1\",\"runtime_kind\":\"rda\"}",
	"{}",
	"{}",
	"{}",
};

/* A second apart each, from 2026-03-01T00:00:00Z on. */
static int
group_setup(void **state)
{
	char stranger[64];
	struct http_answer answer;

	(void)state;
	api = api_new(2);
	for (int i = 0; i < SESSIONS; i++) {
		api_session(api, bodies[i], ids[i]);
		sql_do(api->sql,
		    "UPDATE ventus.session SET created_at = timestamptz '2026-03-01T00:00:00Z'"
		    " + %d * interval '1 second' WHERE id = '%s'",
		    i, ids[i]);
	}
	(void)snprintf(stranger, sizeof(stranger), "Idempotency-Key: s\r\n");
	api_do(api,
	    &(const struct api_call){ .method = "POST",
		.path = "/v1/sessions",
		.who = STRANGER,
		.headers = stranger,
		.body = bodies[0] },
	    &answer);
	assert_int_equal(answer.status, 202);
	http_answer_fini(&answer);
	api_claim(api, ids[4]);
	api_claim(api, ids[5]);
	api_run(api, ids[5]);
	api_fail(api, ids[6], "queue_timeout");
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
list(const char *query)
{
	struct http_answer answer;
	char path[1024];

	(void)snprintf(path, sizeof(path), "/v1/sessions%s", query);
	api_do(
	    api, &(const struct api_call){ .method = "GET", .path = path, .who = VIEWER }, &answer);
	return answer;
}

/* which: the sessions by number, in the order of the answer. */
static void
expect_list(const char *query, const char *which)
{
	struct http_answer answer = list(query);
	char pointer[32];

	if (answer.status != 200)
		fail_msg("%s: %s", query, answer.text);
	for (size_t i = 0; i <= strlen(which); i++) {
		const char *id;

		(void)snprintf(pointer, sizeof(pointer), "/data/%zu/id", i);
		id = http_at(&answer, pointer);
		if (which[i] == '\0' ? id != NULL
				     : id == NULL || strcmp(id, ids[which[i] - '0']) != 0)
			fail_msg("%s: not %s at %zu: %s", query, which, i, answer.body);
	}
	http_answer_fini(&answer);
}

static void
session_list__filters(void **state)
{
	static const struct {
		const char *query, *which;
	} rows[] = {
		{ "", "6543210" },
		{ "?status=QUEUED", "3210" },
		{ "?status=RUNNING&status=PROVISIONING", "54" },
		{ "?status=RUNNING&status=RUNNING", "5" },
		{ "?status=EXPIRED", "" },
		{ "?region=eu-1", "32" },
		{ "?region=nowhere", "" },
		{ "?runtime_kind=rda", "3" },
		{ "?label.team=a", "20" },
		{ "?label.team=a&label.env=x%20y%2F%26", "2" },
		{ "?label.env=x+y/%26", "21" },
		{ "?label.team=", "" },
		{ "?created_after=2026-03-01T00:00:04Z", "65" },
		{ "?created_before=2026-03-01T00:00:02.001Z", "210" },
		{ "?created_after=2026-03-01T01:00:01%2B01:00&created_before=2026-03-01T00:00:04Z",
		    "32" },
		{ "?profile_id=01JZZZZZZZZZZZZZZZZZZZZZZZ", "" },
		{ "?status=QUEUED&region=us-east1&label.team=b", "1" },
		{ "?limit=2", "65" },
		{ "?limit=200", "6543210" },
	};

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++)
		expect_list(rows[i].query, rows[i].which);
}

static void
session_list__names_every_fault(void **state)
{
	static const struct {
		const char *query, *pointer;
	} rows[] = {
		{ "?limit=0", "/query/limit" },
		{ "?limit=201", "/query/limit" },
		{ "?limit=ten", "/query/limit" },
		{ "?limit=1&limit=2", "/query/limit" },
		{ "?status=running", "/query/status" },
		{ "?status=", "/query/status" },
		{ "?runtime_kind=firefox", "/query/runtime_kind" },
		{ "?profile_id=x", "/query/profile_id" },
		{ "?created_after=yesterday", "/query/created_after" },
		{ "?created_before=2026-03-01", "/query/created_before" },
		{ "?cursor=AAAA", "/query/cursor" },
		{ "?cursor=", "/query/cursor" },
		{ "?order=asc", "/query/order" },
		{ "?labels.team=a", "/query/labels.team" },
	};
	struct http_answer answer;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		const char *pointer;

		answer = list(rows[i].query);
		pointer = http_at(&answer, "/errors/0/pointer");
		if (answer.status != 400 || pointer == NULL ||
		    strcmp(pointer, rows[i].pointer) != 0)
			fail_msg("%s: %s", rows[i].query, answer.text);
		http_answer_fini(&answer);
	}
	answer = list("?limit=0&nope=1&status=x");
	assert_string_equal(http_at(&answer, "/errors/2/pointer"), "/query/status");
	http_answer_fini(&answer);
}

/* The path and query of the Link header, "" when there is none. */
static void
next_of(const struct http_answer *answer, char ret_query[1024])
{
	static const char front[] = "<https://api.example.com/v1/sessions";
	char value[HTTP_VALUE_SIZE];
	const char *link = http_header(answer, "Link", value);

	ret_query[0] = '\0';
	if (link == NULL)
		return;
	assert_memory_equal(link, front, sizeof(front) - 1);
	assert_string_equal(strchr(link, '>'), ">; rel=\"next\"");
	(void)snprintf(ret_query, 1024, "%.*s",
	    (int)(strchr(link, '>') - link - (long)sizeof(front) + 1), link + sizeof(front) - 1);
}

static void
session_list__pages_are_stable_while_sessions_are_added(void **state)
{
	char query[1024] = "?limit=2&label.k=%3C%3E", seen[1024] = "", id[VS_ULID_SIZE];
	int pages = 0;

	(void)state;
	for (int i = 0; i < 5; i++) {
		api_session(api, "{\"labels\":{\"k\":\"<>\"}}", id);
		(void)snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s ", id);
	}
	while (query[0] != '\0') {
		struct http_answer answer = list(query);
		char pointer[32];

		assert_int_equal(answer.status, 200);
		for (int i = 0; i < 2; i++) {
			const char *got;
			char *at;

			(void)snprintf(pointer, sizeof(pointer), "/data/%d/id", i);
			got = http_at(&answer, pointer);
			if (got == NULL)
				continue;
			/* Each of the five once, the newest first. */
			at = strstr(seen, got);
			assert_non_null(at);
			assert_int_equal(strlen(at), VS_ULID_LEN + 1);
			*at = '\0';
		}
		next_of(&answer, query);
		assert_string_equal(
		    http_at(&answer, "/has_more"), query[0] != '\0' ? "true" : "false");
		if (query[0] != '\0')
			assert_non_null(strstr(query, http_at(&answer, "/next_cursor")));
		else
			assert_string_equal(http_at(&answer, "/next_cursor"), "null");
		http_answer_fini(&answer);
		api_session(api, "{\"labels\":{\"k\":\"<>\"}}", id);
		pages++;
	}
	assert_int_equal(pages, 3);
	assert_string_equal(seen, "");
}

static void
session_list__cuts_between_sessions_of_one_instant(void **state)
{
	char query[1024] = "?limit=1&region=same";
	char id[VS_ULID_SIZE];
	int found = 0;

	(void)state;
	for (int i = 0; i < 3; i++)
		api_session(api, "{\"region\":\"same\"}", id);
	sql_do(api->sql, "UPDATE ventus.session SET created_at = '2026-03-02T00:00:00.123456Z'"
			 " WHERE region = 'same'");
	while (query[0] != '\0') {
		struct http_answer answer = list(query);

		assert_int_equal(answer.status, 200);
		assert_non_null(http_at(&answer, "/data/0/id"));
		found++;
		next_of(&answer, query);
		http_answer_fini(&answer);
	}
	assert_int_equal(found, 3);
}

static void
session_list__refuses_a_cursor_of_another_workspace(void **state)
{
	struct http_answer answer = list("?limit=1"), theirs;
	char path[1024];

	(void)state;
	(void)snprintf(
	    path, sizeof(path), "/v1/sessions?cursor=%s", http_at(&answer, "/next_cursor"));
	api_do(api, &(const struct api_call){ .method = "GET", .path = path, .who = STRANGER },
	    &theirs);
	assert_int_equal(theirs.status, 400);
	http_answer_fini(&theirs);
	http_answer_fini(&answer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session_list__filters),
		cmocka_unit_test(session_list__names_every_fault),
		cmocka_unit_test(session_list__pages_are_stable_while_sessions_are_added),
		cmocka_unit_test(session_list__cuts_between_sessions_of_one_instant),
		cmocka_unit_test(session_list__refuses_a_cursor_of_another_workspace),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
