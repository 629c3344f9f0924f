/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/probe.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/httphead.h"
#include "lib/ws.h"

static const struct {
	const char *url, *host, *port, *target;
} urls[] = {
	{ "ws://localhost/", "localhost", "80", "/" },
	{ "ws://localhost", "localhost", "80", "/" },
	{ "ws://h?token=a.b", "h", "80", "/?token=a.b" },
	{ "ws://h:8080/v1/sessions/01J/cdp?token=a.b-_", "h", "8080",
	    "/v1/sessions/01J/cdp?token=a.b-_" },
	{ "ws://127.0.0.1:1/x:y", "127.0.0.1", "1", "/x:y" },
	{ "ws://[::1]:9222/x", "::1", "9222", "/x" },
	{ "ws://[::1]/x", "::1", "80", "/x" },
};

static void
probe_url_parse__takes_a_url_apart(void **state)
{
	struct probe_url got;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(urls); i++) {
		if (probe_url_parse(urls[i].url, &got) != 0)
			fail_msg("%s", urls[i].url);
		assert_string_equal(got.host, urls[i].host);
		assert_string_equal(got.port, urls[i].port);
		assert_string_equal(got.target, urls[i].target);
	}
}

static void
probe_url_parse__refuses_what_is_none(void **state)
{
	static const char *const bad[] = { "", "http://h/", "ws:/h/", "ws://", "ws:///x",
		"ws://h:x/", "ws://h:/", "ws://h:123456/", "ws://u@h/", "ws://h/a b",
		"ws://h/\r\nX: y", "ws://h/#x", "ws://[::1", "ws://[]/", "ws://[::1]x/",
		"ws://h/\xc3\xa9" };
	struct probe_url got;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(bad); i++) {
		if (probe_url_parse(bad[i], &got) != VS_EINVAL)
			fail_msg("%s", bad[i]);
	}
	assert_int_equal(probe_url_parse("wss://h/", &got), VS_EUNSUPP);
}

/* What the server says after the handshake, or instead of it. */
struct script {
	const char *head;  /* NULL: a right handshake */
	const char *bytes; /* after it */
	size_t len;
	int piece;         /* bytes per write; 0: all at once */
	const char *fault; /* what the probe must say; NULL: it succeeds */
	int rc;
};

static void
put(int fd, const char *bytes, size_t len, size_t piece)
{
	for (size_t at = 0; at < len; at += piece) {
		size_t n = len - at < piece ? len - at : piece;

		if (write(fd, bytes + at, n) != (ssize_t)n)
			_exit(1);
	}
}

/* In a child: one connection, the script, then the end of file. */
static void
serve(int listener, const struct script *script)
{
	int fd = accept(listener, NULL, NULL);
	char head[2048] = "", answer[256], accept_key[VS_WS_ACCEPT_SIZE];
	struct vs_http_head request;
	const struct vs_str *key;
	ssize_t n;

	n = read(fd, head, sizeof(head));
	if (n <= 0 || vs_http_request(head, (size_t)n, &request) != 0)
		_exit(1);
	key = vs_http_find(&request, "Sec-WebSocket-Key");
	if (key == NULL || vs_ws_accept(key->ptr, key->len, accept_key) != 0)
		_exit(1);
	(void)snprintf(answer, sizeof(answer),
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: %s\r\n\r\n",
	    accept_key);
	if (script->head != NULL)
		(void)snprintf(answer, sizeof(answer), "%s", script->head);
	put(fd, answer, strlen(answer), 4096);
	put(fd, script->bytes, script->len, script->piece > 0 ? (size_t)script->piece : 4096);
	(void)shutdown(fd, SHUT_WR);
	while (read(fd, head, sizeof(head)) > 0)
		;
	_exit(0);
}

static void
run_script(const char *name, const struct script *script)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t size = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char url[128], product[PROBE_PRODUCT_SIZE] = "";
	struct vs_buf fault;
	pid_t pid;
	int rc;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		serve(listener, script);
	(void)close(listener);
	(void)snprintf(url, sizeof(url), "ws://127.0.0.1:%d/x?token=secret", ntohs(at.sin_port));
	vs_buf_init(&fault, 1024);
	rc = probe_run(url, vs_clock_mono_ms() + 10000, &fault, product);
	if (rc != script->rc)
		fail_msg("%s: %s (%s)", name, vs_err_text(rc), vs_buf_str(&fault));
	if (script->fault != NULL && strstr(vs_buf_str(&fault), script->fault) == NULL)
		fail_msg("%s: \"%s\"", name, vs_buf_str(&fault));
	assert_null(strstr(vs_buf_str(&fault), "secret"));
	if (rc == 0)
		assert_string_equal(product, "Chrome/1.2");
	vs_buf_fini(&fault);
	assert_int_equal(waitpid(pid, &rc, 0), pid);
}

#define ANSWER      "{\"id\":1,\"result\":{\"product\":\"Chrome/1.2\",\"x\":1}}"
#define FRAME(text) text, sizeof(text) - 1

static const struct {
	const char *name;
	struct script script;
} scripts[] = {
	{ "plain", { NULL, FRAME("\x81\x30" ANSWER), 0, NULL, 0 } },
	{ "byte by byte", { NULL, FRAME("\x81\x30" ANSWER), 1, NULL, 0 } },
	{ "after an event and a ping",
	    { NULL, FRAME("\x81\x0e{\"method\":\"x\"}\x89\x02hi\x81\x30" ANSWER), 3, NULL, 0 } },
	{ "fragments around a ping",
	    { NULL,
		FRAME("\x01\x05{\"id\"\x89\x03yes\x80\x2b:1,\"result\":{\"product\":\"Chrome/1.2\","
		      "\"x\":1}}"),
		0, NULL, 0 } },
	{ "close", { NULL,
		       FRAME("\x88\x09\x0f\xa1"
			     "expired"),
		       0, "closed: 4001 expired", VS_ECLOSED } },
	{ "close without code", { NULL, FRAME("\x88\x00"), 0, "without a reason", VS_ECLOSED } },
	{ "end of file", { NULL, "", 0, 0, "the connection was closed", VS_ECLOSED } },
	{ "cut", { NULL, FRAME("\x81\x30{\"id\""), 0, "the connection was closed", VS_ECLOSED } },
	{ "not JSON", { NULL, FRAME("\x81\x03{a}"), 0, "not JSON", VS_EPROTO } },
	{ "refused", { NULL, FRAME("\x81\x13{\"id\":1,\"error\":{}}"), 0, "refused", VS_EPROTO } },
	{ "no product", { NULL, FRAME("\x81\x22{\"id\":1,\"result\":{\"product\":null}}"), 0,
			    "refused", VS_EPROTO } },
	{ "a list", { NULL, FRAME("\x81\x02[]\x88\x00"), 0, "without a reason", VS_ECLOSED } },
	{ "control characters",
	    { NULL, FRAME("\x81\x2a{\"id\":1,\"result\":{\"product\":\"a\\u001b[2J\"}}"), 0,
		"no plain text", VS_EPROTO } },
	{ "masked", { NULL, FRAME("\x81\x81\x01\x02\x03\x04x"), 0, "no websocket", VS_EPROTO } },
	{ "too big", { NULL, FRAME("\x81\x7f\x00\x00\x00\x00\x7f\x00\x00\x00"), 0, "no websocket",
			 VS_ETOOBIG } },
	{ "401", { "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "", 0, 0,
		     "answered 401", VS_EAUTH } },
	{ "410", { "HTTP/1.1 410 Gone\r\n\r\n", "", 0, 0, "answered 410", VS_ESTATE } },
	{ "wrong accept", { "HTTP/1.1 101 X\r\nSec-WebSocket-Accept: AAAA\r\n\r\n", "", 0, 0,
			      "no websocket handshake", VS_EPROTO } },
	{ "no HTTP", { "SSH-2.0-x\r\n\r\n", "", 0, 0, "not HTTP", VS_EPROTO } },
};

static void
probe_run__tells_what_the_other_side_did(void **state)
{
	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(scripts); i++)
		run_script(scripts[i].name, &scripts[i].script);
}

static void
probe_run__gives_up_in_time(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t size = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char url[64], product[PROBE_PRODUCT_SIZE];
	struct vs_buf fault;

	(void)state;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
	(void)snprintf(url, sizeof(url), "ws://127.0.0.1:%d/", ntohs(at.sin_port));
	vs_buf_init(&fault, 1024);
	assert_int_equal(probe_run(url, vs_clock_mono_ms() + 50, &fault, product), VS_ETIMEDOUT);
	assert_string_equal(vs_buf_str(&fault), "no answer in time");
	(void)close(listener);
	vs_buf_clear(&fault);
	assert_int_equal(probe_run(url, vs_clock_mono_ms() + 5000, &fault, product), VS_ECLOSED);
	assert_string_equal(vs_buf_str(&fault), "no connection");
	vs_buf_fini(&fault);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probe_url_parse__takes_a_url_apart),
		cmocka_unit_test(probe_url_parse__refuses_what_is_none),
		cmocka_unit_test(probe_run__tells_what_the_other_side_did),
		cmocka_unit_test(probe_run__gives_up_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
