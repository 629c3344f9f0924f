/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lib/err.h"
#include "runtime-image/agent/cdp_path.h"

#define BROWSER "/devtools/browser/11111111-2222-3333-4444-555555555555"
#define UPGRADE "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"

static char request_text[4096];

static struct vs_http_head
request(const char *target, const char *fields)
{
	struct vs_http_head head;

	int len = snprintf(request_text, sizeof(request_text),
	    "GET %s HTTP/1.1\r\nHost: ventus.example\r\n%s\r\n", target, fields);
	assert_int_equal(vs_http_request(request_text, (size_t)len, &head), 0);
	return head;
}

static void
cdp_path__maps_what_clients_ask_for(void **state)
{
	static const struct {
		const char *target;
		bool upgrade;
		int rc;
		const char *path;
	} rows[] = {
		{ "/cdp", true, 0, BROWSER },
		{ "/cdp/", true, 0, BROWSER },
		{ "/cdp?token=x/y", true, 0, BROWSER },
		{ "/cdp/?", true, 0, BROWSER },
		{ "/cdp", false, VS_EINVAL, NULL },
		{ "/cdp/json/version", false, 0, "/json/version" },
		{ "/cdp/json/version/", false, 0, "/json/version" },
		{ "/cdp/json/version/?token=x", false, 0, "/json/version" },
		{ "/cdp/json/list", false, 0, "/json/list" },
		{ "/cdp/json/protocol", false, 0, "/json/protocol" },
		{ "/cdp/json/version", true, VS_EINVAL, NULL },
		{ "/cdp/json", false, VS_ENOENT, NULL },
		{ "/cdp/json/new", false, VS_ENOENT, NULL },
		{ "/cdp/json/close/AB", false, VS_ENOENT, NULL },
		{ "/cdp/json/version//", false, VS_ENOENT, NULL },
		{ "/cdp//json/version", false, VS_ENOENT, NULL },
		{ "/cdp/devtools/page/0AF", true, 0, "/devtools/page/0AF" },
		{ "/cdp/devtools/browser/a-b", true, 0, "/devtools/browser/a-b" },
		{ "/cdp/devtools/page/", true, VS_ENOENT, NULL },
		{ "/cdp/devtools/page/../x", true, VS_ENOENT, NULL },
		{ "/cdp/devtools/page/a%20b", true, VS_ENOENT, NULL },
		{ "/cdp/devtools/inspector.html", false, VS_ENOENT, NULL },
		{ "/cdpx", true, VS_ENOENT, NULL },
		{ "/json/version", false, VS_ENOENT, NULL },
	};
	char path[CDP_PATH_SIZE];
	bool websocket;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		struct vs_http_head head = request(rows[i].target, rows[i].upgrade ? UPGRADE : "");

		int rc = cdp_path_map(&head, BROWSER, path, &websocket);
		if (rc != rows[i].rc)
			fail_msg("%s: %d", rows[i].target, rc);
		if (rc < 0)
			continue;
		assert_string_equal(path, rows[i].path);
		assert_int_equal(websocket, rows[i].upgrade);
	}
}

static void
cdp_path__refuses_a_target_that_is_too_long(void **state)
{
	char target[1024] = "/cdp/devtools/page/", path[CDP_PATH_SIZE];
	struct vs_http_head head;
	bool websocket;

	(void)state;
	memset(target + strlen(target), 'A', 900);
	head = request(target, UPGRADE);
	assert_int_equal(cdp_path_map(&head, BROWSER, path, &websocket), VS_ENOENT);
}

static void
cdp_path__gives_chrome_a_head_of_its_own(void **state)
{
	struct vs_http_head head =
	    request("/cdp", UPGRADE "Origin: https://evil.example\r\nSec-WebSocket-Key: abc==\r\n"
				    "Authorization: Bearer secret\r\nCookie: a=b\r\n"
				    "Sec-WebSocket-Extensions: permessage-deflate\r\n"
				    "Sec-WebSocket-Version: 13\r\n");
	struct vs_buf out;

	(void)state;
	vs_buf_init(&out, 4096);
	assert_int_equal(cdp_path_head(&head, BROWSER, true, 9222, &out), 0);
	assert_string_equal(vs_buf_str(&out),
	    "GET " BROWSER " HTTP/1.1\r\nHost: 127.0.0.1:9222\r\nConnection: Upgrade\r\n"
	    "Upgrade: websocket\r\nSec-WebSocket-Key: abc==\r\nSec-WebSocket-Version: 13\r\n\r\n");
	vs_buf_clear(&out);
	assert_int_equal(cdp_path_head(&head, "/json/list", false, 1, &out), 0);
	assert_string_equal(vs_buf_str(&out),
	    "GET /json/list HTTP/1.1\r\nHost: 127.0.0.1:1\r\nConnection: close\r\n\r\n");
	vs_buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cdp_path__maps_what_clients_ask_for),
		cmocka_unit_test(cdp_path__refuses_a_target_that_is_too_long),
		cmocka_unit_test(cdp_path__gives_chrome_a_head_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
