/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cdpd/request.h"

#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define UPGRADE "Upgrade: websocket\r\n"
#define CONN    "Connection: close, upgrade\r\n"
#define GET     "GET /x?y HTTP/1.1\r\nHost: h\r\n"

static void
parse(const char *text, struct vs_http_head *ret_head)
{
	assert_int_equal(vs_http_request(text, strlen(text), ret_head), 0);
}

static void
request__wants_a_websocket_upgrade(void **state)
{
	static const struct {
		const char *text;
		enum vs_problem fault;
	} rows[] = {
		{ GET UPGRADE CONN VERSION KEY "\r\n", VS_PROBLEM_NONE },
		{ GET "Upgrade: WebSocket\r\nConnection: Upgrade\r\n" VERSION KEY "\r\n",
		    VS_PROBLEM_NONE },
		{ "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
		    VS_PROBLEM_METHOD_NOT_ALLOWED },
		{ "HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n", VS_PROBLEM_METHOD_NOT_ALLOWED },
		{ GET "\r\n", VS_PROBLEM_UPGRADE_REQUIRED },
		{ GET CONN VERSION KEY "\r\n", VS_PROBLEM_UPGRADE_REQUIRED },
		{ GET UPGRADE VERSION KEY "\r\n", VS_PROBLEM_UPGRADE_REQUIRED },
		{ GET UPGRADE CONN KEY "\r\n", VS_PROBLEM_UPGRADE_REQUIRED },
		{ GET UPGRADE CONN "Sec-WebSocket-Version: 8\r\n" KEY "\r\n",
		    VS_PROBLEM_UPGRADE_REQUIRED },
		{ "GET /x HTTP/1.0\r\nHost: h\r\n" UPGRADE CONN VERSION KEY "\r\n",
		    VS_PROBLEM_UPGRADE_REQUIRED },
		{ GET UPGRADE CONN VERSION "\r\n", VS_PROBLEM_BAD_REQUEST },
		{ GET UPGRADE CONN VERSION "Sec-WebSocket-Key: short\r\n\r\n",
		    VS_PROBLEM_BAD_REQUEST },
		{ GET UPGRADE CONN VERSION KEY "Content-Length: 5\r\n\r\n",
		    VS_PROBLEM_BAD_REQUEST },
	};
	struct vs_http_head head;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		parse(rows[i].text, &head);
		if (request_upgrade_fault(&head) != rows[i].fault)
			fail_msg("%s", rows[i].text);
	}
}

static void
request__takes_a_well_formed_request_id(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ GET "X-Request-Id: abc-1.2_Z\r\n\r\n", "abc-1.2_Z" },
		{ GET "\r\n", "mine" },
		{ GET "X-Request-Id: a b\r\n\r\n", "mine" },
		{ GET "X-Request-Id: \r\n\r\n", "mine" },
		{ GET "X-Request-Id: "
		      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n",
		    "mine" },
	};
	struct vs_http_head head;
	char id[REQUEST_ID_SIZE];

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		parse(rows[i].text, &head);
		(void)snprintf(id, sizeof(id), "mine");
		request_id_take(&head, id);
		assert_string_equal(id, rows[i].want);
	}
}

static void
request__leaves_the_query_out_of_the_path(void **state)
{
	struct vs_http_head head;
	char path[REQUEST_PATH_SIZE] = "";

	(void)state;
	parse("GET /a/b?token=secret HTTP/1.1\r\nHost: h\r\n\r\n", &head);
	request_path_take(&head, path);
	assert_string_equal(path, "/a/b");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(request__wants_a_websocket_upgrade),
		cmocka_unit_test(request__takes_a_well_formed_request_id),
		cmocka_unit_test(request__leaves_the_query_out_of_the_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
