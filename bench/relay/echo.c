/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay-echo ADDRESS:PORT - the browser's place in the relay measurement.
 *
 * Accepts any websocket handshake. A message comes back as it came, one send for all
 * that one read brought; the text "!N" is answered by one message of N bytes instead,
 * as a screenshot is. Says "ready" on stdout; ends with its standard input.
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/relay/addr.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/httphead.h"
#include "lib/loop.h"
#include "lib/ws.h"

#define READ_BYTES  (256U * 1024)
#define OUT_MAX     (1024U * 1024)
#define ORDER_BYTES 16

struct peer {
	struct vs_watch io;
	int fd;
	bool upgraded;
	struct vs_ws_track track;
	uint64_t payload_at; /* of the frame under way */
	uint64_t blob_left;  /* of an ordered message */
	struct vs_buf out;
};

static struct vs_loop *loop;
static uint8_t input[READ_BYTES], blob[READ_BYTES];
static struct vs_buf reply; /* to what one read brought */

static void
peer_free(struct peer *peer)
{
	vs_loop_remove(loop, &peer->io);
	(void)close(peer->fd);
	vs_buf_fini(&peer->out);
	free(peer);
}

static void
reply_put(const void *bytes, size_t len)
{
	if (vs_buf_append(&reply, bytes, len) < 0)
		errx(1, "a reply of over %u bytes", OUT_MAX);
}

static bool
peer_upgrade(size_t len, size_t *ret_used)
{
	struct vs_http_head head;
	const struct vs_str *key;
	char accept[VS_WS_ACCEPT_SIZE];

	/* The clients here send it in one piece. */
	if (vs_http_request((const char *)input, len, &head) != 0)
		return false;
	key = vs_http_find(&head, "Sec-WebSocket-Key");
	if (key == NULL || vs_ws_accept(key->ptr, key->len, accept) < 0)
		return false;
	*ret_used = head.size;
	return vs_buf_printf(&reply,
		   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		   "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		   accept) == 0;
}

static void
frame_begin(struct peer *peer)
{
	const struct vs_ws_frame *frame = &peer->track.frame;
	uint8_t head[14];

	peer->payload_at = 0;
	reply_put(head, vs_ws_head(frame->opcode, frame->fin, frame->payload_len, NULL, head));
}

/* "!N", whole and in one piece: the message of N bytes instead of its echo. */
static bool
frame_is_order(struct peer *peer, const uint8_t *payload, size_t len)
{
	char text[ORDER_BYTES] = "", *end;
	uint8_t head[14];

	if (peer->payload_at != 0 || len != peer->track.frame.payload_len || len < 2 ||
	    len >= sizeof(text) || payload[0] != '!')
		return false;
	memcpy(text, payload + 1, len - 1);
	peer->blob_left = strtoull(text, &end, 10);
	if (*end != '\0')
		return false;
	vs_buf_truncate(&reply, vs_buf_len(&reply) - 2); /* the echo's head */
	reply_put(head, vs_ws_head(VS_WS_BINARY, true, peer->blob_left, NULL, head));
	return true;
}

static void
frame_payload(struct peer *peer, uint8_t *payload, size_t len)
{
	vs_ws_mask(payload, len, peer->track.frame.mask, peer->payload_at);
	if (!frame_is_order(peer, payload, len))
		reply_put(payload, len);
	peer->payload_at += len;
}

static bool
peer_take(struct peer *peer, size_t len)
{
	enum vs_ws_event event = VS_WS_MORE;
	size_t at = 0, taken;

	vs_buf_clear(&reply);
	if (!peer->upgraded) {
		if (!peer_upgrade(len, &at))
			return false;
		peer->upgraded = true;
	}
	while (at < len || event == VS_WS_HEAD) {
		if (vs_ws_feed(&peer->track, input + at, len - at, &taken, &event) < 0)
			return false;
		if (event == VS_WS_HEAD)
			frame_begin(peer);
		else if (event != VS_WS_MORE && taken > 0)
			frame_payload(peer, input + at, taken);
		at += taken;
	}
	return true;
}

/* How much went; the peer's being gone is seen by the next read. */
static size_t
peer_send(const struct peer *peer, const uint8_t *bytes, size_t len)
{
	ssize_t n = send(peer->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	return n < 0 ? 0 : (size_t)n;
}

static void
peer_flush(struct peer *peer)
{
	size_t want, n;

	vs_buf_consume(
	    &peer->out, peer_send(peer, vs_buf_data(&peer->out), vs_buf_len(&peer->out)));
	if (vs_buf_len(&peer->out) > 0)
		return;
	vs_buf_trim(&peer->out);
	while (peer->blob_left > 0) {
		want = peer->blob_left < sizeof(blob) ? (size_t)peer->blob_left : sizeof(blob);
		n = peer_send(peer, blob, want);
		peer->blob_left -= n;
		if (n < want)
			break;
	}
}

static bool
peer_read(struct peer *peer)
{
	ssize_t n = recv(peer->fd, input, sizeof(input), MSG_DONTWAIT);
	size_t len, sent;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0 || !peer_take(peer, (size_t)n))
		return false;
	len = vs_buf_len(&reply);
	sent = len > 0 ? peer_send(peer, vs_buf_data(&reply), len) : 0;
	if (vs_buf_append(&peer->out, vs_buf_data(&reply) + sent, len - sent) < 0)
		errx(1, "no memory");
	if (sent == len && peer->blob_left > 0)
		peer_flush(peer);
	return true;
}

static void
peer_ready(struct vs_watch *watch, uint32_t revents)
{
	struct peer *peer = watch->ctx;
	bool owes;

	if ((revents & EPOLLOUT) != 0)
		peer_flush(peer);
	else if (!peer_read(peer)) {
		peer_free(peer);
		return;
	}
	owes = vs_buf_len(&peer->out) > 0 || peer->blob_left > 0;
	if (owes && (revents & (EPOLLHUP | EPOLLERR)) != 0)
		peer_free(peer);
	else
		vs_loop_set(loop, &peer->io, owes ? EPOLLOUT : EPOLLIN);
}

static void
echo_accept(struct vs_watch *watch, uint32_t revents)
{
	int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), on = 1;
	struct peer *peer;

	(void)revents;
	if (fd < 0)
		return;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	peer = calloc(1, sizeof(*peer));
	if (peer == NULL)
		err(1, "echo");
	peer->fd = fd;
	vs_buf_init(&peer->out, OUT_MAX);
	vs_ws_track_init(&peer->track, true, UINT64_MAX);
	if (vs_loop_add(loop, &peer->io, fd, EPOLLIN, peer_ready, peer) < 0)
		err(1, "echo");
}

static void
echo_end(struct vs_watch *watch, uint32_t revents)
{
	(void)watch;
	(void)revents;
	vs_loop_stop(loop);
}

int
main(int argc, char **argv)
{
	struct rlimit lim;
	struct sockaddr_in addr;
	struct vs_watch listener, end;
	int fd, on = 1;

	if (argc != 2 || !addr_parse(argv[1], &addr))
		errx(2, "usage: relay-echo ADDRESS:PORT");
	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim);
	}
	vs_buf_init(&reply, OUT_MAX);
	loop = vs_loop_new();
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (loop == NULL || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(fd, 4096) < 0 ||
	    vs_loop_add(loop, &listener, fd, EPOLLIN, echo_accept, NULL) < 0 ||
	    vs_loop_add(loop, &end, STDIN_FILENO, EPOLLIN, echo_end, NULL) < 0)
		err(1, "%s", argv[1]);
	(void)puts("ready");
	(void)fflush(stdout);
	return vs_loop_run(loop) < 0 ? 1 : 0;
}
