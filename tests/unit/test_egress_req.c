/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lib/err.h"
#include "runtime-image/agent/egress_req.h"

static char request_text[8192];

static struct vs_http_head
request(const char *line, const char *fields)
{
	struct vs_http_head head;

	int len = snprintf(
	    request_text, sizeof(request_text), "%s HTTP/1.1\r\nHost: x\r\n%s\r\n", line, fields);
	assert_int_equal(vs_http_request(request_text, (size_t)len, &head), 0);
	return head;
}

static void
egress_req__reads_host_and_port(void **state)
{
	static const struct {
		const char *line, *host;
		uint16_t port;
		bool connect;
	} rows[] = {
		{ "CONNECT example.org:443", "example.org", 443, true },
		{ "CONNECT [2001:db8::1]:443", "2001:db8::1", 443, true },
		{ "CONNECT 192.0.2.1:65535", "192.0.2.1", 65535, true },
		{ "GET http://example.org/", "example.org", 80, false },
		{ "GET http://example.org", "example.org", 80, false },
		{ "GET HTTP://example.org?x", "example.org", 80, false },
		{ "POST http://example.org:8080/a", "example.org", 8080, false },
		{ "GET http://[::1]/", "::1", 80, false },
		{ "GET http://[::1]:81/", "::1", 81, false },
		{ "GET http://a_b-c.D/", "a_b-c.D", 80, false },
	};
	struct egress_req req;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		struct vs_http_head head = request(rows[i].line, "");

		if (egress_req_parse(&head, &req) != 0)
			fail_msg("%s", rows[i].line);
		assert_string_equal(req.host, rows[i].host);
		assert_int_equal(req.port, rows[i].port);
		assert_int_equal(req.connect, rows[i].connect);
	}
}

static void
egress_req__refuses_what_is_no_proxy_request(void **state)
{
	static const char *const rows[] = {
		"GET /",
		"GET *",
		"OPTIONS *",
		"GET https://example.org/",
		"GET ftp://example.org/",
		"GET http:///",
		"GET http://:80/",
		"GET http://user@example.org/",
		"GET http://user:pass@example.org/",
		"GET http://example.org:/",
		"GET http://example.org:0/",
		"GET http://example.org:65536/",
		"GET http://example.org:8x/",
		"GET http://[::1/",
		"GET http://[::1]x/",
		"GET http://[fe80::1%25eth0]/",
		"GET http://exa%6dple.org/",
		"CONNECT example.org",
		"CONNECT example.org:",
		"CONNECT :443",
		"CONNECT example.org:443/",
		"CONNECT http://example.org:443",
		"CONNECT []:443",
	};
	struct egress_req req;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		struct vs_http_head head = request(rows[i], "");

		if (egress_req_parse(&head, &req) != VS_EPROTO)
			fail_msg("%s", rows[i]);
	}
}

static void
egress_req__refuses_a_name_that_is_too_long(void **state)
{
	char line[512] = "CONNECT ";
	struct vs_http_head head;
	struct egress_req req;

	(void)state;
	memset(line + 8, 'a', 254);
	memcpy(line + 8 + 254, ":80", 4);
	head = request(line, "");
	assert_int_equal(egress_req_parse(&head, &req), VS_EPROTO);
	memcpy(line + 8 + 253, ":80", 4);
	head = request(line, "");
	assert_int_equal(egress_req_parse(&head, &req), 0);
}

static void
assert_head(const char *line, const char *fields, const char *want)
{
	struct vs_http_head head = request(line, fields);
	struct egress_req req;
	struct vs_buf out;

	vs_buf_init(&out, 8192);
	assert_int_equal(egress_req_parse(&head, &req), 0);
	assert_int_equal(egress_req_head(&head, &req, &out), 0);
	assert_string_equal(vs_buf_str(&out), want);
	vs_buf_fini(&out);
}

static void
egress_req__sends_on_what_is_meant_for_the_server(void **state)
{
	(void)state;
	assert_head("GET http://example.org:8080/a?b=c",
	    "Proxy-Connection: keep-alive\r\nproxy-authorization: Basic x\r\nTE: trailers\r\n"
	    "Connection: keep-alive, X-Hop\r\nKeep-Alive: 5\r\nx-hop: 1\r\nUpgrade: h2c\r\n"
	    "Accept: */*\r\nCookie: a=b\r\n",
	    "GET /a?b=c HTTP/1.1\r\nHost: example.org:8080\r\nConnection: close\r\n"
	    "Accept: */*\r\nCookie: a=b\r\n\r\n");
	assert_head("POST http://[::1]:81", "Content-Length: 3\r\n",
	    "POST / HTTP/1.1\r\nHost: [::1]:81\r\nConnection: close\r\n"
	    "Content-Length: 3\r\n\r\n");
	assert_head("GET http://example.org?x", "",
	    "GET /?x HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n");
}

static void
egress_req__knows_chromes_own_services(void **state)
{
	(void)state;
	assert_true(egress_req_phones_home("update.googleapis.com"));
	assert_true(egress_req_phones_home("UPDATE.googleapis.COM."));
	assert_true(egress_req_phones_home("a.b.update.googleapis.com"));
	assert_false(egress_req_phones_home("xupdate.googleapis.com"));
	assert_false(egress_req_phones_home("update.googleapis.com.example.org"));
	assert_false(egress_req_phones_home("googleapis.com"));
	assert_false(egress_req_phones_home("."));
	assert_false(egress_req_phones_home(""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(egress_req__reads_host_and_port),
		cmocka_unit_test(egress_req__refuses_what_is_no_proxy_request),
		cmocka_unit_test(egress_req__refuses_a_name_that_is_too_long),
		cmocka_unit_test(egress_req__sends_on_what_is_meant_for_the_server),
		cmocka_unit_test(egress_req__knows_chromes_own_services),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
