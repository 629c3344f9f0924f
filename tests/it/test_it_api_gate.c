/* SPDX-License-Identifier: Apache-2.0 */
/* What holds for every address: keys, roles, workspaces, methods, headers, problems. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/route.h"
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

static struct http_answer
call(enum api_who who, const char *method, const char *path, const char *headers, const char *body)
{
	struct http_answer answer;

	api_do(api,
	    &(const struct api_call){
		.method = method, .path = path, .who = who, .headers = headers, .body = body },
	    &answer);
	return answer;
}

static void
expect(struct http_answer answer, int status, const char *slug)
{
	char value[HTTP_VALUE_SIZE], type[128];
	const char *got;

	if (answer.status != status)
		fail_msg("%d instead of %d: %s", answer.status, status, answer.text);
	/* What lighttpd refuses by itself has no request yet. */
	if (http_at(&answer, "/request_id") != NULL || status < 400)
		assert_non_null(http_header(&answer, "X-Request-Id", value));
	if (slug != NULL) {
		(void)snprintf(type, sizeof(type), "https://api.example.com/errors/%s", slug);
		got = http_at(&answer, "/type");
		if (got == NULL || strcmp(got, type) != 0)
			fail_msg("not %s: %s", slug, answer.text);
		assert_string_equal(
		    http_header(&answer, "Content-Type", value), "application/problem+json");
		assert_int_equal(atoi(http_at(&answer, "/status")), status);
	}
	http_answer_fini(&answer);
}

/* A row's path with an id that is nobody's, or this one. */
static void
path_of(const struct route *route, const char *id, char ret_path[128])
{
	const char *brace = strstr(route->path, "{id}");

	if (brace == NULL)
		(void)snprintf(ret_path, 128, "%s", route->path);
	else
		(void)snprintf(ret_path, 128, "%.*s%s%s", (int)(brace - route->path), route->path,
		    id, brace + strlen("{id}"));
}

static const char *
body_of(const struct route *route)
{
	if (route->body == BODY_NONE)
		return NULL;
	return route->body == BODY_JSON ? "{\"status\":\"REQUEST_RELEASE\"}" : "{}";
}

#define ALL_HEADERS "Idempotency-Key: gate\r\nX-Reason: because I can\r\n"

static void
gate__asks_for_a_key_on_every_route_but_the_open_ones(void **state)
{
	(void)state;
	for (size_t i = 0; i < routes_count; i++) {
		char path[128], value[HTTP_VALUE_SIZE];
		struct http_answer answer;

		path_of(&routes[i], NO_ID, path);
		answer = call(
		    NOBODY, method_text(routes[i].method), path, ALL_HEADERS, body_of(&routes[i]));
		if (routes[i].role == ROLE_NONE) {
			expect(answer, 200, NULL);
			continue;
		}
		assert_string_equal(
		    http_header(&answer, "WWW-Authenticate", value), "Bearer realm=\"ventus\"");
		expect(answer, 401, "unauthenticated");
	}
}

static void
gate__tells_nothing_about_paths_without_a_key(void **state)
{
	(void)state;
	expect(call(NOBODY, "GET", "/v1/nothing", NULL, NULL), 401, "unauthenticated");
	expect(call(NOBODY, "PUT", "/v1/sessions", NULL, "{}"), 401, "unauthenticated");
	expect(call(NOBODY, "TRACE", "/v1/sessions", NULL, NULL), 401, "unauthenticated");
	expect(call(VIEWER, "GET", "/v1/nothing", NULL, NULL), 404, "not-found");
}

static void
gate__gives_a_viewer_no_token_that_drives(void **state)
{
	struct http_answer made =
	    call(OPERATOR, "POST", "/v1/sessions", "Idempotency-Key: viewer\r\n", "{}");
	struct http_answer seen;
	char path[64];

	(void)state;
	(void)snprintf(path, sizeof(path), "/v1/sessions/%s", http_at(&made, "/id"));
	assert_string_not_equal(http_at(&made, "/connect_url"), "null");
	seen = call(VIEWER, "GET", path, NULL, NULL);
	assert_string_equal(http_at(&seen, "/connect_url"), "null");
	assert_string_not_equal(http_at(&seen, "/live_view_url"), "null");
	http_answer_fini(&made);
	http_answer_fini(&seen);
}

static void
gate__refuses_a_role_that_is_too_low_and_takes_every_higher_one(void **state)
{
	static const enum api_role role_of[] = { ROLE_NONE, ROLE_VIEWER, ROLE_OPERATOR,
		ROLE_ADMIN };

	(void)state;
	for (size_t i = 0; i < routes_count; i++) {
		for (int who = VIEWER; who <= ADMIN; who++) {
			struct http_answer answer;
			char path[128];

			path_of(&routes[i], NO_ID, path);
			answer = call((enum api_who)who, method_text(routes[i].method), path,
			    ALL_HEADERS, body_of(&routes[i]));
			if (role_of[who] < routes[i].role) {
				expect(answer, 403, "forbidden");
			} else {
				if (answer.status == 401 || answer.status == 403)
					fail_msg("%s: %s", path, answer.text);
				http_answer_fini(&answer);
			}
		}
	}
}

static void
gate__another_workspaces_session_is_not_there(void **state)
{
	char id[VS_ULID_SIZE];
	struct http_answer answer;

	(void)state;
	api_session(api, "{}", id);
	sql_do(api->sql, "UPDATE ventus.api_key SET role = 'admin' WHERE workspace_id = '%s'",
	    api->workspace[1]);
	for (size_t i = 0; i < routes_count; i++) {
		char path[128];

		if (strstr(routes[i].path, "{id}") == NULL)
			continue;
		path_of(&routes[i], id, path);
		expect(call(STRANGER, method_text(routes[i].method), path, ALL_HEADERS,
			   body_of(&routes[i])),
		    404, "not-found");
	}
	answer = call(STRANGER, "GET", "/v1/sessions", NULL, NULL);
	assert_int_equal(answer.status, 200);
	assert_null(strstr(answer.text, id));
	http_answer_fini(&answer);
	answer = call(OPERATOR, "GET", "/v1/sessions", NULL, NULL);
	assert_non_null(strstr(answer.text, id));
	http_answer_fini(&answer);
	sql_do(api->sql, "UPDATE ventus.api_key SET role = 'operator' WHERE workspace_id = '%s'",
	    api->workspace[1]);
}

static void
gate__refuses_keys_that_are_wrong_in_any_way(void **state)
{
	char header[256], other[API_KEY_SIZE];
	const char *key = api->key[VIEWER];
	const char *const bad[] = { "Basic dTpw", "Bearer", "Bearer ", "bearer x",
		"Bearer vs_" NO_ID, "Bearer vs_" NO_ID ".01234567890123456789012345678901", key };

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(bad); i++) {
		(void)snprintf(header, sizeof(header), "Authorization: %s\r\n", bad[i]);
		expect(call(NOBODY, "GET", "/v1/sessions", header, NULL), 401, "unauthenticated");
	}
	/* The right key with one character changed, twice, with a tail, and by another scheme's case. */
	memcpy(other, key, API_KEY_SIZE);
	other[API_KEY_SIZE - 2] = other[API_KEY_SIZE - 2] == 'a' ? 'b' : 'a';
	(void)snprintf(header, sizeof(header), "Authorization: Bearer %s\r\n", other);
	expect(call(NOBODY, "GET", "/v1/sessions", header, NULL), 401, "unauthenticated");
	(void)snprintf(header, sizeof(header), "Authorization: Bearer %s, Bearer %s\r\n", key, key);
	expect(call(NOBODY, "GET", "/v1/sessions", header, NULL), 401, "unauthenticated");
	(void)snprintf(header, sizeof(header), "Authorization: Bearer %sx\r\n", key);
	expect(call(NOBODY, "GET", "/v1/sessions", header, NULL), 401, "unauthenticated");
	(void)snprintf(header, sizeof(header), "Authorization: bEARER %s\r\n", key);
	expect(call(NOBODY, "GET", "/v1/sessions", header, NULL), 200, NULL);
}

static void
gate__a_revoked_key_is_out_at_once(void **state)
{
	(void)state;
	expect(call(VIEWER, "GET", "/v1/sessions", NULL, NULL), 200, NULL);
	sql_do(api->sql, "UPDATE ventus.api_key SET revoked_at = now() WHERE role = 'viewer'");
	expect(call(VIEWER, "GET", "/v1/sessions", NULL, NULL), 401, "unauthenticated");
	sql_do(api->sql, "UPDATE ventus.api_key SET revoked_at = NULL WHERE role = 'viewer'");
	expect(call(VIEWER, "GET", "/v1/sessions", NULL, NULL), 200, NULL);
}

static void
gate__a_suspended_workspace_is_out_at_once(void **state)
{
	(void)state;
	sql_do(api->sql, "UPDATE ventus.workspace SET status = 'SUSPENDED' WHERE id = '%s'",
	    api->workspace[1]);
	expect(call(STRANGER, "GET", "/v1/sessions", NULL, NULL), 401, "unauthenticated");
	expect(call(VIEWER, "GET", "/v1/sessions", NULL, NULL), 200, NULL);
	sql_do(api->sql, "UPDATE ventus.workspace SET status = 'ACTIVE' WHERE id = '%s'",
	    api->workspace[1]);
	expect(call(STRANGER, "GET", "/v1/sessions", NULL, NULL), 200, NULL);
}

static void
gate__notes_when_a_key_was_used(void **state)
{
	(void)state;
	expect(call(STRANGER, "GET", "/v1/sessions", NULL, NULL), 200, NULL);
	assert_int_equal(sql_int(api->sql,
			     "SELECT count(*) FROM ventus.api_key WHERE workspace_id = '%s'"
			     " AND last_used_at > now() - interval '2 minutes'",
			     api->workspace[1]),
	    1);
}

static void
route__other_methods_are_405_with_allow(void **state)
{
	static const char *const methods[] = { "OPTIONS", "TRACE", "QUERY", "PROPFIND" };
	char value[HTTP_VALUE_SIZE];

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(methods); i++) {
		struct http_answer answer = call(VIEWER, methods[i], "/v1/sessions", NULL, NULL);

		if (answer.status == 405)
			assert_string_equal(
			    http_header(&answer, "Allow", value), "POST, GET, HEAD");
		expect(answer, 405, "method-not-allowed");
	}
	expect(call(VIEWER, "PUT", "/v1/sessions", NULL, "{}"), 405, "method-not-allowed");
	expect(call(VIEWER, "DELETE", "/v1/health", NULL, NULL), 405, "method-not-allowed");
	expect(call(VIEWER, "GET", "/v1/sessions/" NO_ID ":keepalive", NULL, NULL), 405,
	    "method-not-allowed");
}

static void
route__head_is_get_without_a_body(void **state)
{
	struct http_answer answer = call(NOBODY, "HEAD", "/v1/health", NULL, NULL);

	(void)state;
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.body, "");
	http_answer_fini(&answer);
}

static void
route__odd_paths_are_404_or_400(void **state)
{
	static const struct {
		const char *path;
		int status;
	} rows[] = {
		{ "/v1", 404 },
		{ "/v1/", 404 },
		{ "/v1/sessions/", 404 },
		{ "/v1/sessions/01jzzzzzzzzzzzzzzzzzzzzzzz", 404 },
		{ "/v1/sessions/%zz", 404 },
		{ "/v1/sessions/\xc3\xa9", 404 },
		{ "/v1/sessions/" NO_ID ":save-profile", 404 },
		{ "/v1/sessions/" NO_ID ":live-view", 404 },
		{ "/v1/profiles", 404 },
		{ "/v1/sessions/a%2Fb", 400 },
		{ "/v1/../v1/sessions", 400 },
		{ "/v1/%00", 400 },
	};

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++)
		expect(call(VIEWER, "GET", rows[i].path, NULL, NULL), rows[i].status,
		    rows[i].status == 404 ? "not-found" : "bad-request");
}

static void
request_id__is_the_callers_or_new_and_on_every_answer(void **state)
{
	static const char *const odd[] = { "X-Request-Id: a b\r\n",
		("X-Request-Id: 0123456789012345678901234567890123456789012345678901234567890123"
		 "4\r\n"),
		"X-Request-Id: {}\r\n" };
	struct http_answer answer;
	char value[HTTP_VALUE_SIZE];

	(void)state;
	answer = call(VIEWER, "GET", "/v1/nothing", "X-Request-Id: My_own.id-1\r\n", NULL);
	assert_string_equal(http_header(&answer, "X-Request-Id", value), "My_own.id-1");
	assert_string_equal(http_at(&answer, "/request_id"), "My_own.id-1");
	http_answer_fini(&answer);
	for (size_t i = 0; i < VS_COUNTOF(odd); i++) {
		answer = call(NOBODY, "GET", "/v1/health", odd[i], NULL);
		assert_true(vs_ulid_ok(http_header(&answer, "X-Request-Id", value), VS_ULID_LEN));
		http_answer_fini(&answer);
	}
}

static void
header__given_twice_under_one_name_is_400(void **state)
{
	(void)state;
	expect(call(ADMIN, "DELETE", "/v1/sessions/" NO_ID,
		   "X-Reason: because I can\r\nX_Reason: another one\r\n", NULL),
	    400, "bad-request");
}

static void
problem__has_every_member(void **state)
{
	struct http_answer answer = call(VIEWER, "GET", "/v1/sessions/" NO_ID, NULL, NULL);
	char value[HTTP_VALUE_SIZE];

	(void)state;
	assert_int_equal(answer.status, 404);
	assert_string_equal(http_at(&answer, "/type"), "https://api.example.com/errors/not-found");
	assert_string_equal(http_at(&answer, "/title"), "There is no such resource");
	assert_string_equal(http_at(&answer, "/status"), "404");
	assert_non_null(http_at(&answer, "/detail"));
	assert_string_equal(http_at(&answer, "/instance"), "/v1/sessions/" NO_ID);
	assert_string_equal(
	    http_at(&answer, "/request_id"), http_header(&answer, "X-Request-Id", value));
	assert_string_equal(http_header(&answer, "Cache-Control", value), "no-store");
	http_answer_fini(&answer);
}

static void
health__answers_everybody(void **state)
{
	struct http_answer answer = call(NOBODY, "GET", "/v1/health", NULL, NULL);

	(void)state;
	assert_int_equal(answer.status, 200);
	assert_string_equal(http_at(&answer, "/status"), "ok");
	http_answer_fini(&answer);
}

static void
ready__says_503_when_the_schema_is_another(void **state)
{
	struct http_answer answer = call(NOBODY, "GET", "/v1/ready", NULL, NULL);

	(void)state;
	assert_int_equal(answer.status, 200);
	assert_string_equal(http_at(&answer, "/status"), "ready");
	http_answer_fini(&answer);
	sql_do(api->sql, "ALTER TABLE ventus.schema_migration RENAME TO schema_migration_away");
	expect(call(NOBODY, "GET", "/v1/ready", NULL, NULL), 503, "unavailable");
	expect(call(NOBODY, "GET", "/v1/health", NULL, NULL), 200, NULL);
	sql_do(api->sql, "ALTER TABLE ventus.schema_migration_away RENAME TO schema_migration");
	expect(call(NOBODY, "GET", "/v1/ready", NULL, NULL), 200, NULL);
}

static void
range__is_not_applied_to_json(void **state)
{
	struct http_answer answer = call(NOBODY, "GET", "/v1/health", "Range: bytes=0-3\r\n", NULL);

	(void)state;
	assert_int_equal(answer.status, 200);
	assert_string_equal(http_at(&answer, "/status"), "ok");
	http_answer_fini(&answer);
}

static void
log__has_one_line_for_each_request_and_no_secret(void **state)
{
	char *logs, *at;
	int lines = 0;

	(void)state;
	expect(call(VIEWER, "GET", "/v1/sessions?label.x=y", "X-Request-Id: log-me-once\r\n", NULL),
	    200, NULL);
	logs = api_logs(api);
	for (at = logs; (at = strstr(at, "log-me-once")) != NULL; at++)
		lines++;
	assert_int_equal(lines, 1);
	assert_non_null(strstr(logs, "\"event\":\"http.request\""));
	for (int who = VIEWER; who < WHO_COUNT; who++)
		assert_null(strstr(logs, api->key[who] + API_KEY_PREFIX_SIZE));
	assert_null(strstr(logs, "token=ey"));
	free(logs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gate__asks_for_a_key_on_every_route_but_the_open_ones),
		cmocka_unit_test(gate__tells_nothing_about_paths_without_a_key),
		cmocka_unit_test(gate__gives_a_viewer_no_token_that_drives),
		cmocka_unit_test(gate__refuses_a_role_that_is_too_low_and_takes_every_higher_one),
		cmocka_unit_test(gate__another_workspaces_session_is_not_there),
		cmocka_unit_test(gate__refuses_keys_that_are_wrong_in_any_way),
		cmocka_unit_test(gate__a_revoked_key_is_out_at_once),
		cmocka_unit_test(gate__a_suspended_workspace_is_out_at_once),
		cmocka_unit_test(gate__notes_when_a_key_was_used),
		cmocka_unit_test(route__other_methods_are_405_with_allow),
		cmocka_unit_test(route__head_is_get_without_a_body),
		cmocka_unit_test(route__odd_paths_are_404_or_400),
		cmocka_unit_test(request_id__is_the_callers_or_new_and_on_every_answer),
		cmocka_unit_test(header__given_twice_under_one_name_is_400),
		cmocka_unit_test(problem__has_every_member),
		cmocka_unit_test(health__answers_everybody),
		cmocka_unit_test(ready__says_503_when_the_schema_is_another),
		cmocka_unit_test(range__is_not_applied_to_json),
		cmocka_unit_test(log__has_one_line_for_each_request_and_no_secret),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
