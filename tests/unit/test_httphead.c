/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/httphead.h"

#define UPGRADE \
	"GET /v1/sessions/01J/cdp?token=a.b.c HTTP/1.1\r\n" \
	"Host: localhost:8080\r\n" \
	"Upgrade: WebSocket\r\n" \
	"connection: keep-alive, Upgrade\r\n" \
	"Sec-WebSocket-Key:dGhlIHNhbXBsZSBub25jZQ==\r\n" \
	"X-Empty:\r\n" \
	"X-Blanks: \t a b \t \r\n" \
	"\r\n"

static struct vs_http_head head;

static void
httphead__reads_an_upgrade_request(void **state)
{
	(void)state;
	assert_int_equal(vs_http_request(UPGRADE "rest", sizeof(UPGRADE) + 3, &head), 0);
	assert_int_equal(head.size, sizeof(UPGRADE) - 1);
	assert_true(vs_str_eq(head.method, "GET"));
	assert_true(vs_str_eq(head.target, "/v1/sessions/01J/cdp?token=a.b.c"));
	assert_int_equal(head.minor, 1);
	assert_int_equal(head.nfields, 6);
	assert_int_equal(head.content_length, -1);
	assert_false(head.chunked);
	assert_true(vs_str_eq(*vs_http_find(&head, "host"), "localhost:8080"));
	assert_true(vs_str_eq(*vs_http_find(&head, "x-empty"), ""));
	assert_true(vs_str_eq(*vs_http_find(&head, "X-BLANKS"), "a b"));
	assert_null(vs_http_find(&head, "X-Blank"));
	assert_true(vs_http_has_token(&head, "Connection", "upgrade"));
	assert_true(vs_http_has_token(&head, "Upgrade", "websocket"));
	assert_false(vs_http_has_token(&head, "Connection", "up"));
	assert_false(vs_http_has_token(&head, "Connection", ""));
}

/* Every cut is "not yet", told apart from every fault; bytes past the cut are not read. */
static void
httphead__asks_for_more_at_every_cut(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof(UPGRADE) - 1; len++) {
		char *copy = malloc(len == 0 ? 1 : len);

		assert_non_null(copy);
		memcpy(copy, UPGRADE, len);
		assert_int_equal(vs_http_request(copy, len, &head), VS_EAGAIN);
		free(copy);
	}
}

static const struct {
	const char *text;
	int rc;
} requests[] = {
	{ "GET / HTTP/1.1\r\n\r\n", 0 },
	{ "GET / HTTP/1.0\r\n\r\n", 0 },
	{ "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", 0 },
	{ "OPTIONS * HTTP/1.1\r\n\r\n", 0 },
	{ "GET http://example.com/a?b=c|d{e} HTTP/1.1\r\n\r\n", 0 },
	{ "M-SEARCH!#$%&'*+.^_`|~ / HTTP/1.1\r\n\r\n", 0 },
	{ "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 0 },
	{ "POST / HTTP/1.1\r\nContent-Length: 007\r\n\r\n", 0 },
	{ "POST / HTTP/1.1\r\nContent-Length: 999999999999999999\r\n\r\n", 0 },
	{ "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n", 0 },
	{ "GET / HTTP/1.1\r\nX: a\xc3\xa9\xff\r\n\r\n", 0 },
	{ "GET / HTTP/1.1\r\nX: a\r\nX: b\r\n\r\n", 0 },
	/* The first line. */
	{ "\r\nGET / HTTP/1.1\r\n\r\n", VS_EPROTO },
	{ " GET / HTTP/1.1\r\n\r\n", VS_EPROTO },
	{ "GET  / HTTP/1.1\r\n\r\n", VS_EPROTO },
	{ "GET\t/ HTTP/1.1\r\n\r\n", VS_EPROTO },
	{ "GET /  HTTP/1.1\r\n\r\n", VS_EPROTO },
	{ "GET / HTTP/1.1 \r\n\r\n", VS_EPROTO },
	{ "GET /\r\n\r\n", VS_EPROTO },
	{ "GET / HTTP/1.2\r\n\r\n", VS_EPROTO },
	{ "GET / HTTP/2.0\r\n\r\n", VS_EPROTO },
	{ "GET / http/1.1\r\n\r\n", VS_EPROTO },
	{ "GET / HTTP/1.1x\r\n\r\n", VS_EPROTO },
	{ "GET / HTTP/1.11\r\n\r\n", VS_EPROTO },
	{ "G:T / HTTP/1.1\r\n\r\n", VS_EPROTO },
	{ "GET /\x01 HTTP/1.1\r\n\r\n", VS_EPROTO },
	{ "GET /\x7f HTTP/1.1\r\n\r\n", VS_EPROTO },
	{ "GET /\xc3\xa9 HTTP/1.1\r\n\r\n", VS_EPROTO },
	{ "GET /a b HTTP/1.1\r\n\r\n", VS_EPROTO },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", VS_EPROTO },
	{ "\x16\x03\x01\x02", VS_EPROTO },
	/* Line ends. */
	{ "GET / HTTP/1.1\n\n", VS_EPROTO },
	{ "GET / HTTP/1.1\r\r\n\r\n", VS_EPROTO },
	{ "GET / HTTP/1.1\r\nX: a\n\r\n", VS_EPROTO },
	{ "GET / HTTP/1.1\r\nX: a\rb\r\n\r\n", VS_EPROTO },
	{ "GET / HTTP/1.1\r\nX: a\r\n\n", VS_EPROTO },
	{ "GET / HTTP/1.1\r\n\rX", VS_EPROTO },
	/* Fields. */
	{ "GET / HTTP/1.1\r\n X: a\r\n\r\n", VS_EPROTO },
	{ "GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", VS_EPROTO },
	{ "GET / HTTP/1.1\r\nX: a\r\n\tb\r\n\r\n", VS_EPROTO },
	{ "GET / HTTP/1.1\r\nX : a\r\n\r\n", VS_EPROTO },
	{ "GET / HTTP/1.1\r\nX\t: a\r\n\r\n", VS_EPROTO },
	{ "GET / HTTP/1.1\r\n: a\r\n\r\n", VS_EPROTO },
	{ "GET / HTTP/1.1\r\nX\r\n\r\n", VS_EPROTO },
	{ "GET / HTTP/1.1\r\nX(y): a\r\n\r\n", VS_EPROTO },
	{ "GET / HTTP/1.1\r\nX\xc3: a\r\n\r\n", VS_EPROTO },
	{ "GET / HTTP/1.1\r\nX: a\x01\r\n\r\n", VS_EPROTO },
	{ "GET / HTTP/1.1\r\nX: a\x7f\r\n\r\n", VS_EPROTO },
	/* Framing, the stuff of request smuggling. */
	{ "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", VS_EPROTO },
	{ "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\nhost: b\r\n\r\n", VS_EPROTO },
	{ "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", VS_EPROTO },
	{ "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", VS_EPROTO },
	{ "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", VS_EPROTO },
	{ "POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n", VS_EPROTO },
	{ "POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", VS_EPROTO },
	{ "POST / HTTP/1.1\r\nContent-Length: 5 5\r\n\r\n", VS_EPROTO },
	{ "POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n", VS_EPROTO },
	{ "POST / HTTP/1.1\r\nContent-Length: 0x5\r\n\r\n", VS_EPROTO },
	{ "POST / HTTP/1.1\r\nContent-Length: \r\n\r\n", VS_EPROTO },
	{ "POST / HTTP/1.1\r\nContent-Length: 1000000000000000000\r\n\r\n", VS_EPROTO },
	{ "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n", VS_EPROTO },
	{ "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", VS_EPROTO },
	{ "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", VS_EPROTO },
	{ "POST / HTTP/1.1\r\nTransfer-Encoding:\r\n\r\n", VS_EPROTO },
	{ "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", VS_EPROTO },
	{ "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	    VS_EPROTO },
};

static void
httphead__passes_and_refuses_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(requests); i++) {
		int rc = vs_http_request(requests[i].text, strlen(requests[i].text), &head);

		if (rc != requests[i].rc)
			fail_msg("%d instead of %d for %s", rc, requests[i].rc, requests[i].text);
		if (rc == 0)
			assert_int_equal(head.size, strlen(requests[i].text));
	}
}

static void
httphead__refuses_a_nul_anywhere(void **state)
{
	char text[sizeof(UPGRADE)];

	(void)state;
	for (size_t i = 0; i < sizeof(UPGRADE) - 1; i++) {
		memcpy(text, UPGRADE, sizeof(text));
		text[i] = '\0';
		assert_int_equal(vs_http_request(text, sizeof(UPGRADE) - 1, &head), VS_EPROTO);
	}
}

static const struct {
	const char *text;
	int rc, status, minor;
} answers[] = {
	{ "HTTP/1.1 200 OK\r\n\r\n", 0, 200, 1 },
	{ "HTTP/1.0 101 Web Socket Protocol Handshake\r\n\r\n", 0, 101, 0 },
	{ "HTTP/1.1 204 \r\n\r\n", 0, 204, 1 },
	{ "HTTP/1.1 599\r\n\r\n", 0, 599, 1 },
	{ "HTTP/1.1 404 Nicht gefunden \xfc\r\nContent-Length: 4\r\n\r\n", 0, 404, 1 },
	{ "HTTP/1.1 099 No\r\n\r\n", VS_EPROTO, 0, 0 },
	{ "HTTP/1.1 600 No\r\n\r\n", VS_EPROTO, 0, 0 },
	{ "HTTP/1.1 20 No\r\n\r\n", VS_EPROTO, 0, 0 },
	{ "HTTP/1.1 2000 No\r\n\r\n", VS_EPROTO, 0, 0 },
	{ "HTTP/1.1 200\tOK\r\n\r\n", VS_EPROTO, 0, 0 },
	{ "HTTP/1.1 2x0 OK\r\n\r\n", VS_EPROTO, 0, 0 },
	{ "HTTP/1.1  200 OK\r\n\r\n", VS_EPROTO, 0, 0 },
	{ "HTTP/2 200 OK\r\n\r\n", VS_EPROTO, 0, 0 },
	{ "HTTP/1.1 200 OK\n\n", VS_EPROTO, 0, 0 },
	{ "HTTP/1.1 200 O\x01K\r\n\r\n", VS_EPROTO, 0, 0 },
	{ "ICY 200 OK\r\n\r\n", VS_EPROTO, 0, 0 },
	{ "GET / HTTP/1.1\r\n\r\n", VS_EPROTO, 0, 0 },
	{ "HTTP/1.1 200", VS_EAGAIN, 0, 0 },
	{ "HTTP/1.1 200 OK\r", VS_EAGAIN, 0, 0 },
};

static void
httphead__passes_and_refuses_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(answers); i++) {
		int rc = vs_http_answer(answers[i].text, strlen(answers[i].text), &head);

		if (rc != answers[i].rc)
			fail_msg("%d instead of %d for %s", rc, answers[i].rc, answers[i].text);
		if (rc < 0)
			continue;
		assert_int_equal(head.status, answers[i].status);
		assert_int_equal(head.minor, answers[i].minor);
	}
}

static void
httphead__tells_the_body_length(void **state)
{
	static const char fixed[] = "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n";
	static const char chunked[] = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

	(void)state;
	assert_int_equal(vs_http_answer(fixed, sizeof(fixed) - 1, &head), 0);
	assert_int_equal(head.content_length, 1234);
	assert_false(head.chunked);
	assert_int_equal(vs_http_answer(chunked, sizeof(chunked) - 1, &head), 0);
	assert_int_equal(head.content_length, -1);
	assert_true(head.chunked);
}

static void
httphead__finds_tokens_over_lists_and_fields(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\nX: a, ,b\r\nY: q\r\nX:,c d,\tE\t,\r\n\r\n";
	static const char *const in[] = { "a", "B", "c d", "e" };
	static const char *const out[] = { "c", "q", "d", "a, ,b" };

	(void)state;
	assert_int_equal(vs_http_request(text, sizeof(text) - 1, &head), 0);
	for (size_t i = 0; i < VS_COUNTOF(in); i++)
		assert_true(vs_http_has_token(&head, "x", in[i]));
	for (size_t i = 0; i < VS_COUNTOF(out); i++)
		assert_false(vs_http_has_token(&head, "x", out[i]));
}

/* A head of nfields fields; the last value is padded until the whole is size bytes. */
static size_t
make_head(char *text, size_t room, size_t nfields, size_t size)
{
	size_t at = (size_t)snprintf(text, room, "GET / HTTP/1.1\r\n");

	for (size_t i = 1; i < nfields; i++)
		at += (size_t)snprintf(text + at, room - at, "X: y\r\n");
	at += (size_t)snprintf(text + at, room - at, "X: ");
	while (at + 4 < size)
		text[at++] = 'y';
	memcpy(text + at, "\r\n\r\n", 4);
	return at + 4;
}

static void
httphead__caps_size_and_fields(void **state)
{
	static char text[2 * VS_HTTP_HEAD_MAX];
	size_t len;

	(void)state;
	len = make_head(text, sizeof(text), 1, VS_HTTP_HEAD_MAX);
	assert_int_equal(len, VS_HTTP_HEAD_MAX);
	assert_int_equal(vs_http_request(text, len, &head), 0);
	assert_int_equal(vs_http_request(text, len - 1, &head), VS_EAGAIN);
	len = make_head(text, sizeof(text), 1, VS_HTTP_HEAD_MAX + 1);
	assert_int_equal(vs_http_request(text, len - 1, &head), VS_ETOOBIG);
	assert_int_equal(vs_http_request(text, len, &head), VS_ETOOBIG);
	len = make_head(text, sizeof(text), VS_HTTP_MAX_FIELDS, 0);
	assert_int_equal(vs_http_request(text, len, &head), 0);
	assert_int_equal(head.nfields, VS_HTTP_MAX_FIELDS);
	len = make_head(text, sizeof(text), VS_HTTP_MAX_FIELDS + 1, 0);
	assert_int_equal(vs_http_request(text, len, &head), VS_ETOOBIG);
}

static void
httphead__compares_strings(void **state)
{
	struct vs_str str = { .ptr = "Abc", .len = 3 };

	(void)state;
	assert_true(vs_str_eq(str, "Abc"));
	assert_false(vs_str_eq(str, "abc"));
	assert_false(vs_str_eq(str, "Abcd"));
	assert_true(vs_str_eq_nocase(str, "aBC"));
	assert_false(vs_str_eq_nocase(str, "ab"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(httphead__reads_an_upgrade_request),
		cmocka_unit_test(httphead__asks_for_more_at_every_cut),
		cmocka_unit_test(httphead__passes_and_refuses_requests),
		cmocka_unit_test(httphead__refuses_a_nul_anywhere),
		cmocka_unit_test(httphead__passes_and_refuses_answers),
		cmocka_unit_test(httphead__tells_the_body_length),
		cmocka_unit_test(httphead__finds_tokens_over_lists_and_fields),
		cmocka_unit_test(httphead__caps_size_and_fields),
		cmocka_unit_test(httphead__compares_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
