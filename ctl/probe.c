/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/httphead.h"
#include "lib/jsonio.h"
#include "lib/ws.h"

#define MAX_ANSWER  (VS_HTTP_HEAD_MAX + 65536)
#define MAX_MESSAGE (1024 * 1024)
#define QUESTION    "{\"id\":1,\"method\":\"Browser.getVersion\"}"

struct probe {
	int fd;
	vs_msec deadline;
	struct vs_buf in;  /* bytes read, not yet taken */
	struct vs_buf msg; /* payload of the message under way */
	struct vs_buf *fault;
};

static int
say(struct probe *probe, int err, const char *what)
{
	int rc = vs_buf_puts(probe->fault, what);

	return rc < 0 ? rc : err;
}

static bool
copy_part(char *out, size_t size, const char *text, size_t len)
{
	if (len == 0 || len >= size)
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return true;
}

int
probe_url_parse(const char *url, struct probe_url *ret_url)
{
	const char *host = url + 5, *target, *port;
	size_t host_len, len;

	if (strncmp(url, "wss://", 6) == 0)
		return VS_EUNSUPP;
	if (strncmp(url, "ws://", 5) != 0)
		return VS_EINVAL;
	for (const char *c = url; *c != '\0'; c++) {
		if (*c <= ' ' || *c > '~' || *c == '#' || *c == '@')
			return VS_EINVAL;
	}
	len = strcspn(host, "/?");
	target = host + len;
	if (host[0] == '[') {
		host_len = strcspn(host, "]");
		port = host + host_len + 1;
		if (host_len >= len ||
		    !copy_part(ret_url->host, sizeof(ret_url->host), host + 1, host_len - 1))
			return VS_EINVAL;
	} else {
		host_len = strcspn(host, ":/?");
		port = host + host_len;
		if (!copy_part(ret_url->host, sizeof(ret_url->host), host, host_len))
			return VS_EINVAL;
	}
	if (port == target)
		(void)snprintf(ret_url->port, sizeof(ret_url->port), "80");
	else if (*port != ':' || strspn(port + 1, "0123456789") != (size_t)(target - port - 1) ||
		 !copy_part(
		     ret_url->port, sizeof(ret_url->port), port + 1, (size_t)(target - port - 1)))
		return VS_EINVAL;
	len = (size_t)snprintf(
	    ret_url->target, sizeof(ret_url->target), "%s%s", target[0] == '/' ? "" : "/", target);
	return len < sizeof(ret_url->target) ? 0 : VS_EINVAL;
}

/* Until the socket is ready or the time is over. */
static int
wait_for(const struct probe *probe, short events)
{
	for (;;) {
		struct pollfd at = { .fd = probe->fd, .events = events };
		vs_msec left = probe->deadline - vs_clock_mono_ms();
		int n = left > 0 ? poll(&at, 1, (int)left) : 0;

		if (n > 0)
			return 0;
		if (n == 0)
			return VS_ETIMEDOUT;
		if (errno != EINTR)
			return VS_EIO;
	}
}

static int
connect_one(struct probe *probe, const struct addrinfo *ai)
{
	int fault = 0;
	socklen_t size = sizeof(fault);
	int rc;

	probe->fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe->fd < 0)
		return vs_err_from_errno(errno);
	if (connect(probe->fd, ai->ai_addr, ai->ai_addrlen) == 0)
		return 0;
	rc = errno == EINPROGRESS ? wait_for(probe, POLLOUT) : vs_err_from_errno(errno);
	if (rc == 0 && getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &fault, &size) != 0)
		fault = errno;
	if (rc == 0 && fault != 0)
		rc = vs_err_from_errno(fault);
	if (rc < 0) {
		(void)close(probe->fd);
		probe->fd = -1;
	}
	return rc;
}

static int
connect_any(struct probe *probe, const struct probe_url *url)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	int rc = VS_ECLOSED;

	if (getaddrinfo(url->host, url->port, &hints, &list) != 0)
		return say(probe, VS_EIO, "the host has no address");
	for (const struct addrinfo *ai = list; ai != NULL && rc < 0; ai = ai->ai_next)
		rc = connect_one(probe, ai);
	freeaddrinfo(list);
	return rc < 0 ? say(probe, rc, "no connection") : 0;
}

static int
send_all(struct probe *probe, const void *bytes, size_t len)
{
	size_t sent = 0;

	while (sent < len) {
		ssize_t n =
		    send(probe->fd, (const uint8_t *)bytes + sent, len - sent, MSG_NOSIGNAL);
		int rc = 0;

		if (n >= 0)
			sent += (size_t)n;
		else if (errno == EAGAIN)
			rc = wait_for(probe, POLLOUT);
		else
			rc = vs_err_from_errno(errno);
		if (rc < 0)
			return say(probe, rc, "cannot write to the connection");
	}
	return 0;
}

static int
read_more(struct probe *probe)
{
	uint8_t bytes[16384];
	int rc = wait_for(probe, POLLIN);
	ssize_t n;

	if (rc < 0)
		return say(probe, rc, "no answer in time");
	n = recv(probe->fd, bytes, sizeof(bytes), 0);
	if (n == 0)
		return say(probe, VS_ECLOSED, "the connection was closed");
	if (n < 0)
		return errno == EAGAIN ? 0 : say(probe, vs_err_from_errno(errno), "read failed");
	rc = vs_buf_append(&probe->in, bytes, (size_t)n);
	return rc < 0 ? say(probe, VS_ETOOBIG, "the answer is too large") : 0;
}

static int
send_request(struct probe *probe, const struct probe_url *url, const char *key)
{
	struct vs_buf out;
	int rc;

	vs_buf_init(&out, 16384);
	rc = vs_buf_printf(&out,
	    "GET %s HTTP/1.1\r\nHost: %s%s%s:%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n",
	    url->target, strchr(url->host, ':') != NULL ? "[" : "", url->host,
	    strchr(url->host, ':') != NULL ? "]" : "", url->port, key);
	if (rc == 0)
		rc = send_all(probe, vs_buf_data(&out), vs_buf_len(&out));
	vs_buf_fini(&out);
	return rc;
}

static int
refused(struct probe *probe, int status)
{
	static const struct {
		int status, err;
	} map[] = { { 401, VS_EAUTH }, { 403, VS_EFORBIDDEN }, { 404, VS_ENOENT },
		{ 408, VS_ETIMEDOUT }, { 410, VS_ESTATE }, { 429, VS_EQUOTA }, { 503, VS_EAGAIN } };
	int rc = vs_buf_printf(probe->fault, "answered %d instead of 101", status);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < VS_COUNTOF(map); i++) {
		if (map[i].status == status)
			return map[i].err;
	}
	return VS_EPROTO;
}

static int
check_answer(struct probe *probe, const struct vs_http_head *head, const char *key)
{
	const struct vs_str *accept = vs_http_find(head, "Sec-WebSocket-Accept");
	char want[VS_WS_ACCEPT_SIZE];
	int rc;

	if (head->status != 101)
		return refused(probe, head->status);
	rc = vs_ws_accept(key, strlen(key), want);
	if (rc < 0)
		return rc;
	if (accept == NULL || !vs_str_eq(*accept, want))
		return say(probe, VS_EPROTO, "the answer is no websocket handshake");
	return 0;
}

static int
handshake(struct probe *probe, const struct probe_url *url)
{
	struct vs_http_head head;
	uint8_t nonce[16];
	char key[25];
	int rc;

	if (RAND_bytes(nonce, sizeof(nonce)) != 1)
		return VS_EIO;
	(void)EVP_EncodeBlock((unsigned char *)key, nonce, sizeof(nonce));
	rc = send_request(probe, url, key);
	while (rc == 0) {
		rc = vs_http_answer(
		    (const char *)vs_buf_data(&probe->in), vs_buf_len(&probe->in), &head);
		if (rc != VS_EAGAIN)
			break;
		rc = read_more(probe);
	}
	if (rc == VS_EPROTO && vs_buf_len(probe->fault) == 0)
		return say(probe, rc, "the answer is not HTTP");
	if (rc == 0)
		rc = check_answer(probe, &head, key);
	if (rc == 0)
		vs_buf_consume(&probe->in, head.size);
	return rc;
}

static int
send_frame(struct probe *probe, enum vs_ws_opcode opcode, const void *payload, size_t len)
{
	uint8_t frame[14 + 256], mask[4];
	size_t head;

	if (RAND_bytes(mask, sizeof(mask)) != 1)
		return VS_EIO;
	head = vs_ws_head(opcode, true, len, mask, frame);
	memcpy(frame + head, payload, len);
	vs_ws_mask(frame + head, len, mask, 0);
	return send_all(probe, frame, head + len);
}

/* What a Close frame says, as far as it is text. */
static int
say_closed(struct probe *probe)
{
	const uint8_t *bytes = vs_buf_data(&probe->msg);
	size_t len = vs_buf_len(&probe->msg);
	int rc;

	if (len < 2)
		return say(probe, VS_ECLOSED, "closed without a reason");
	rc = vs_buf_printf(probe->fault, "closed: %d ", bytes[0] << 8 | bytes[1]);
	for (size_t i = 2; rc == 0 && i < len; i++) {
		if (bytes[i] >= ' ' && bytes[i] <= '~')
			rc = vs_buf_append(probe->fault, &bytes[i], 1);
	}
	return rc < 0 ? rc : VS_ECLOSED;
}

/* VS_EAGAIN: a message, but not the answer. */
static int
take_message(struct probe *probe, char ret_product[PROBE_PRODUCT_SIZE])
{
	vs_autojson struct json_object *obj = NULL;
	struct json_object *id, *result, *product;
	struct vs_json_fault fault;
	const char *text;

	if (vs_json_parse(
		(const char *)vs_buf_data(&probe->msg), vs_buf_len(&probe->msg), &fault, &obj) < 0)
		return say(probe, VS_EPROTO, "the browser's answer is not JSON");
	if (!json_object_object_get_ex(obj, "id", &id) || json_object_get_int64(id) != 1)
		return VS_EAGAIN;
	if (!json_object_object_get_ex(obj, "result", &result) ||
	    !json_object_object_get_ex(result, "product", &product) ||
	    !json_object_is_type(product, json_type_string))
		return say(probe, VS_EPROTO, "the browser refused Browser.getVersion");
	text = json_object_get_string(product);
	for (const char *c = text; *c != '\0'; c++) {
		if (*c < ' ' || *c > '~' || c - text >= PROBE_PRODUCT_SIZE - 1)
			return say(probe, VS_EPROTO, "the browser's product is no plain text");
	}
	(void)snprintf(ret_product, PROBE_PRODUCT_SIZE, "%s", text);
	return 0;
}

/* A frame has ended; msg holds what is not a ping's. VS_EAGAIN: not the answer yet. */
static int
take_frame(
    struct probe *probe, const struct vs_ws_track *track, char ret_product[PROBE_PRODUCT_SIZE])
{
	int rc;

	if (track->frame.opcode == VS_WS_CLOSE)
		return say_closed(probe);
	if (track->in_message || track->frame.opcode > VS_WS_CLOSE)
		return VS_EAGAIN;
	rc = take_message(probe, ret_product);
	vs_buf_clear(&probe->msg);
	return rc;
}

/* One event of the tracker. */
static int
take_event(struct probe *probe, const struct vs_ws_track *track, enum vs_ws_event event,
    size_t taken, char ret_product[PROBE_PRODUCT_SIZE])
{
	bool wanted = track->frame.opcode <= VS_WS_CLOSE;
	int rc = 0;

	if (event == VS_WS_HEAD && track->frame.opcode == VS_WS_CLOSE)
		vs_buf_clear(&probe->msg);
	if ((event == VS_WS_PAYLOAD || event == VS_WS_END) && wanted)
		rc = vs_buf_append(&probe->msg, vs_buf_data(&probe->in), taken);
	if (rc < 0)
		return say(probe, VS_ETOOBIG, "the answer is too large");
	vs_buf_consume(&probe->in, taken);
	return event == VS_WS_END ? take_frame(probe, track, ret_product) : VS_EAGAIN;
}

/* Feed what was read; VS_EAGAIN: read more. */
static int
take_bytes(struct probe *probe, struct vs_ws_track *track, char ret_product[PROBE_PRODUCT_SIZE])
{
	enum vs_ws_event event = VS_WS_HEAD;
	int rc = VS_EAGAIN;

	while (rc == VS_EAGAIN && event != VS_WS_MORE) {
		size_t taken;

		rc = vs_ws_feed(
		    track, vs_buf_data(&probe->in), vs_buf_len(&probe->in), &taken, &event);
		if (rc < 0)
			return say(probe, rc, "the answer is no websocket frame");
		rc = take_event(probe, track, event, taken, ret_product);
	}
	return rc;
}

static int
ask(struct probe *probe, char ret_product[PROBE_PRODUCT_SIZE])
{
	static const uint8_t normal[2] = { 1000 >> 8, 1000 & 255 };
	struct vs_ws_track track;
	int rc = send_frame(probe, VS_WS_TEXT, QUESTION, strlen(QUESTION));

	vs_ws_track_init(&track, false, MAX_MESSAGE);
	while (rc == 0) {
		rc = take_bytes(probe, &track, ret_product);
		if (rc != VS_EAGAIN)
			break;
		rc = read_more(probe);
	}
	if (rc == 0)
		rc = send_frame(probe, VS_WS_CLOSE, normal, sizeof(normal));
	return rc;
}

int
probe_run(
    const char *url, vs_msec deadline, struct vs_buf *fault, char ret_product[PROBE_PRODUCT_SIZE])
{
	struct probe probe = { .fd = -1, .deadline = deadline, .fault = fault };
	struct probe_url parts;
	int rc = probe_url_parse(url, &parts);

	if (rc == VS_EUNSUPP)
		return say(
		    &probe, rc, "wss:// is not supported: probe the ws:// address behind it");
	if (rc < 0)
		return say(&probe, rc, "not a ws:// URL");
	vs_buf_init(&probe.in, MAX_ANSWER);
	vs_buf_init(&probe.msg, MAX_MESSAGE);
	rc = connect_any(&probe, &parts);
	if (rc == 0)
		rc = handshake(&probe, &parts);
	if (rc == 0)
		rc = ask(&probe, ret_product);
	if (probe.fd >= 0)
		(void)close(probe.fd);
	vs_buf_fini(&probe.in);
	vs_buf_fini(&probe.msg);
	return rc;
}
