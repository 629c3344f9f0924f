/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cdpd/route.h"
#include "lib/err.h"

#define ID      "01J9ZZZZZZZZZZZZZZZZZZZZZZ"
#define DOOR    "/v1/sessions/" ID "/cdp"
#define LONG_ID "0123456789012345678901234567890123456789012345678901234567890123"

static void
route__finds_the_door_and_nothing_else(void **state)
{
	static const struct {
		const char *target, *agent_path; /* NULL: no such address */
		enum route_kind kind;
	} rows[] = {
		{ DOOR, "/cdp", ROUTE_TUNNEL },
		{ DOOR "/", "/cdp", ROUTE_TUNNEL },
		{ DOOR "?token=x", "/cdp", ROUTE_TUNNEL },
		{ DOOR "/?token=x/y", "/cdp", ROUTE_TUNNEL },
		{ DOOR "/devtools/page/A1-b", "/cdp/devtools/page/A1-b", ROUTE_TUNNEL },
		{ DOOR "/devtools/browser/A1-b/", "/cdp/devtools/browser/A1-b", ROUTE_TUNNEL },
		{ DOOR "/json/version", "/cdp/json/version", ROUTE_DOCUMENT },
		{ DOOR "/json/version/?token=x", "/cdp/json/version", ROUTE_DOCUMENT },
		{ DOOR "/json/list", "/cdp/json/list", ROUTE_DOCUMENT },
		{ DOOR "/json/protocol", "/cdp/json/protocol", ROUTE_VERBATIM },
		{ DOOR "//", NULL, 0 },
		{ DOOR "x", NULL, 0 },
		{ DOOR "/json", NULL, 0 },
		{ DOOR "/json/new", NULL, 0 },
		{ DOOR "/json/close/A1", NULL, 0 },
		{ DOOR "/json/version/x", NULL, 0 },
		{ DOOR "/devtools/page/", NULL, 0 },
		{ DOOR "/devtools/page/a/b", NULL, 0 },
		{ DOOR "/devtools/page/..", NULL, 0 },
		{ DOOR "/devtools/page/" LONG_ID, "/cdp/devtools/page/" LONG_ID, ROUTE_TUNNEL },
		{ DOOR "/devtools/page/" LONG_ID "a", NULL, 0 },
		{ "/v1/sessions/" ID, NULL, 0 },
		{ "/v1/sessions/" ID "?/cdp", NULL, 0 },
		{ "/v1/sessions/01j9zzzzzzzzzzzzzzzzzzzzzz/cdp", NULL, 0 },
		{ "/v1/sessions/81J9ZZZZZZZZZZZZZZZZZZZZZZ/cdp", NULL, 0 },
		{ "/v1/sessions/01J9/cdp", NULL, 0 },
		{ "/v1/sessions/", NULL, 0 },
		{ "/", NULL, 0 },
		{ "", NULL, 0 },
	};
	struct route route;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		struct vs_str target = { .ptr = rows[i].target, .len = strlen(rows[i].target) };
		int rc = route_find(target, &route);

		if (rc != (rows[i].agent_path != NULL ? 0 : VS_ENOENT))
			fail_msg("%s", rows[i].target);
		if (rc < 0)
			continue;
		assert_string_equal(route.session_id, ID);
		assert_string_equal(route.agent_path, rows[i].agent_path);
		assert_int_equal(route.kind, rows[i].kind);
	}
}

/* token NULL: refused. */
static void
route__takes_one_token_from_header_or_query(void **state)
{
	static const struct {
		const char *target, *field, *token;
	} rows[] = {
		{ "/x?token=abc.d-e_f", "X: y", "abc.d-e_f" },
		{ "/x?a=b&token=abc&c=d", "X: y", "abc" },
		{ "/x", "Authorization: Bearer abc", "abc" },
		{ "/x", "authorization: bearer abc", "abc" },
		{ "/x?token=query", "Authorization: Bearer header", "header" },
		{ "/x?token=abc", "Authorization: Basic abc", NULL },
		{ "/x?token=a&token=b", "X: y", NULL },
		{ "/x?token=", "X: y", NULL },
		{ "/x?xtoken=abc", "X: y", NULL },
		{ "/x", "X: y", NULL },
		{ "/x?", "X: y", NULL },
		{ "/x?&&", "X: y", NULL },
	};
	char text[512], token[VS_JWT_MAX + 1];
	struct vs_http_head head;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		(void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n",
		    rows[i].target, rows[i].field);
		assert_int_equal(vs_http_request(text, strlen(text), &head), 0);
		if (route_token(&head, token) != (rows[i].token != NULL ? 0 : VS_EAUTH))
			fail_msg("%s", text);
		if (rows[i].token != NULL)
			assert_string_equal(token, rows[i].token);
	}
}

static void
route__refuses_a_token_longer_than_any(void **state)
{
	char text[VS_JWT_MAX + 200], token[VS_JWT_MAX + 1];
	struct vs_http_head head;
	size_t len;

	(void)state;
	for (size_t size = VS_JWT_MAX; size <= VS_JWT_MAX + 1; size++) {
		len = (size_t)snprintf(text, sizeof(text), "GET /x?token=");
		memset(text + len, 'a', size);
		(void)snprintf(
		    text + len + size, sizeof(text) - len - size, " HTTP/1.1\r\nHost: h\r\n\r\n");
		assert_int_equal(vs_http_request(text, strlen(text), &head), 0);
		assert_int_equal(route_token(&head, token), size == VS_JWT_MAX ? 0 : VS_EAUTH);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(route__finds_the_door_and_nothing_else),
		cmocka_unit_test(route__takes_one_token_from_header_or_query),
		cmocka_unit_test(route__refuses_a_token_longer_than_any),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
