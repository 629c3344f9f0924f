/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/wsclient.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/err.h"
#include "lib/httphead.h"

static void
wsclient_wait(struct wsclient *ws, short events, vs_msec limit)
{
	struct pollfd pfd = { .fd = ws->fd, .events = events };
	vs_msec left = limit - vs_clock_mono_ms();

	if (left <= 0 || poll(&pfd, 1, (int)left) <= 0)
		fail_msg("the other side is silent");
}

static void
wsclient_write(struct wsclient *ws, const uint8_t *bytes, size_t len)
{
	vs_msec limit = vs_clock_mono_ms() + WSCLIENT_WAIT_MS;
	ssize_t n;

	while (len > 0) {
		n = send(ws->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			wsclient_wait(ws, POLLOUT, limit);
		else if (n < 0)
			fail_msg("send: %s", strerror(errno));
		bytes += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

/* False: end of the stream. */
static bool
wsclient_read(struct wsclient *ws, vs_msec limit)
{
	uint8_t *at;
	size_t room;
	ssize_t n;

	wsclient_wait(ws, POLLIN, limit);
	assert_int_equal(vs_buf_reserve(&ws->in, 65536, &at, &room), 0);
	n = recv(ws->fd, at, room, MSG_DONTWAIT);
	if (n > 0)
		vs_buf_filled(&ws->in, (size_t)n);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

void
wsclient_ask(struct wsclient *ws, const char *socket_path, const char *target, const char *fields)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char request[4096];
	int len;

	*ws = (struct wsclient){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	vs_buf_init(&ws->in, WSCLIENT_BUF_MAX);
	assert_true(ws->fd >= 0);
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", socket_path);
	if (connect(ws->fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		fail_msg("connect: %s", strerror(errno));
	len = snprintf(request, sizeof(request),
	    "GET %s HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
	    target, fields);
	assert_in_range(len, 1, sizeof(request) - 1);
	wsclient_write(ws, (const uint8_t *)request, (size_t)len);
}

int
wsclient_answer(struct wsclient *ws)
{
	vs_msec limit = vs_clock_mono_ms() + WSCLIENT_WAIT_MS;
	struct vs_http_head head;
	size_t body;
	int rc;

	for (;;) {
		rc = vs_http_answer((const char *)vs_buf_data(&ws->in), vs_buf_len(&ws->in), &head);
		body = rc == 0 && head.content_length > 0 ? (size_t)head.content_length : 0;
		if (rc == 0 && vs_buf_len(&ws->in) >= head.size + body)
			break;
		assert_true(rc == 0 || rc == VS_EAGAIN);
		if (!wsclient_read(ws, limit))
			fail_msg("cut before an answer");
	}
	assert_true(head.size < sizeof(ws->head) && body < sizeof(ws->body));
	memcpy(ws->head, vs_buf_data(&ws->in), head.size);
	memcpy(ws->body, vs_buf_data(&ws->in) + head.size, body);
	ws->status = head.status;
	if (ws->status == 101)
		assert_non_null(strstr(ws->head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
	vs_buf_consume(&ws->in, head.size + body);
	return ws->status;
}

int
wsclient_open(struct wsclient *ws, const char *socket_path, const char *target)
{
	wsclient_ask(ws, socket_path, target,
	    "Origin: http://evil.example\r\n"
	    "Sec-WebSocket-Extensions: permessage-deflate\r\n");
	return wsclient_answer(ws);
}

void
wsclient_close(struct wsclient *ws)
{
	if (ws->fd >= 0)
		(void)close(ws->fd);
	ws->fd = -1;
	vs_buf_fini(&ws->in);
}

void
wsclient_send(struct wsclient *ws, enum vs_ws_opcode opcode, const void *payload, size_t len)
{
	struct vs_buf out;

	ws->closed = opcode == VS_WS_CLOSE;
	vs_buf_init(&out, WSCLIENT_BUF_MAX);
	wsframe_put(&out, opcode, true, true, payload, len);
	wsclient_write(ws, vs_buf_data(&out), vs_buf_len(&out));
	vs_buf_fini(&out);
}

void
wsclient_send_text(struct wsclient *ws, const char *text)
{
	wsclient_send(ws, VS_WS_TEXT, text, strlen(text));
}

void
wsclient_next(struct wsclient *ws, struct wsframe *ret_frame)
{
	vs_msec limit = vs_clock_mono_ms() + WSCLIENT_WAIT_MS;

	for (;;) {
		while (!wsframe_peek(&ws->in, ret_frame)) {
			if (!wsclient_read(ws, limit))
				fail_msg("cut instead of a frame");
		}
		vs_buf_consume(&ws->in, ret_frame->size); /* its bytes stay until the next read */
		if (ret_frame->opcode != VS_WS_PING)
			return;
		wsclient_send(ws, VS_WS_PONG, ret_frame->payload, ret_frame->len);
	}
}

void
wsclient_expect_text(struct wsclient *ws, const char *text)
{
	struct wsframe frame;

	wsclient_next(ws, &frame);
	assert_int_equal(frame.opcode, VS_WS_TEXT);
	if (frame.len != strlen(text) || memcmp(frame.payload, text, frame.len) != 0)
		fail_msg("%.*s", (int)frame.len, (const char *)frame.payload);
}

void
wsclient_expect_close(struct wsclient *ws, uint16_t code, const char *reason)
{
	struct wsframe frame;
	char text[128];

	wsclient_next(ws, &frame);
	assert_int_equal(wsframe_close_code(&frame, text, sizeof(text)), code);
	assert_string_equal(text, reason);
	if (!ws->closed)
		wsclient_send(ws, VS_WS_CLOSE, frame.payload, frame.len);
}

void
wsclient_expect_eof(struct wsclient *ws)
{
	vs_msec limit = vs_clock_mono_ms() + WSCLIENT_WAIT_MS;

	while (wsclient_read(ws, limit))
		continue;
}
