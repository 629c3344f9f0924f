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

#define ID "01J9ZZZZZZZZZZZZZZZZZZZZZZ"

static void
route__finds_the_door_and_nothing_else(void **state)
{
	static const struct {
		const char *target;
		bool found;
	} rows[] = {
		{ "/v1/sessions/" ID "/cdp", true },
		{ "/v1/sessions/" ID "/cdp/", true },
		{ "/v1/sessions/" ID "/cdp?token=x", true },
		{ "/v1/sessions/" ID "/cdp/?token=x", true },
		{ "/v1/sessions/" ID "/cdp//", false },
		{ "/v1/sessions/" ID "/cdpx", false },
		{ "/v1/sessions/" ID "/cdp/json/new", false },
		{ "/v1/sessions/" ID, false },
		{ "/v1/sessions/" ID "?/cdp", false },
		{ "/v1/sessions/01j9zzzzzzzzzzzzzzzzzzzzzz/cdp", false },
		{ "/v1/sessions/81J9ZZZZZZZZZZZZZZZZZZZZZZ/cdp", false },
		{ "/v1/sessions/01J9/cdp", false },
		{ "/v1/sessions/", false },
		{ "/", false },
		{ "", false },
	};
	struct route route;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		struct vs_str target = { .ptr = rows[i].target, .len = strlen(rows[i].target) };
		int rc = route_find(target, &route);

		if (rc != (rows[i].found ? 0 : VS_ENOENT))
			fail_msg("%s", rows[i].target);
		if (rc == 0)
			assert_string_equal(route.session_id, ID);
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
