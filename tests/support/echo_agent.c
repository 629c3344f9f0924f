/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/echo_agent.h"

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/httphead.h"
#include "lib/loop.h"
#include "lib/ws.h"

#define PEER_BUF_MAX (20U * 1024 * 1024)
#define OUT_HIGH     (1U * 1024 * 1024)
#define IN_HIGH      (10U * 1024 * 1024)

struct peer {
	struct vs_watch io;
	struct vs_buf in, out;
	int fd;
	bool upgraded, ending; /* ending: closed when out is empty */
};

static struct {
	struct vs_loop *loop;
	struct vs_watch listener;
	const char *secret;
	bool exiting;
} agent;

static void
peer_free(struct peer *peer)
{
	vs_loop_remove(agent.loop, &peer->io);
	(void)close(peer->fd);
	vs_buf_fini(&peer->in);
	vs_buf_fini(&peer->out);
	free(peer);
}

static void
peer_put(struct peer *peer, enum vs_ws_opcode opcode, bool fin, const void *payload, size_t len)
{
	uint8_t head[14];
	size_t size = vs_ws_head(opcode, fin, len, NULL, head);

	if (vs_buf_append(&peer->out, head, size) < 0 ||
	    vs_buf_append(&peer->out, payload, len) < 0)
		errx(1, "echo_agent: out of buffer");
}

static void
peer_close_frame(struct peer *peer, uint16_t code, const char *reason)
{
	uint8_t frame[127];
	size_t size = vs_ws_close(code, reason, frame);

	if (vs_buf_append(&peer->out, frame, size) < 0)
		errx(1, "echo_agent: out of buffer");
	peer->ending = true;
}

static bool
text_is(const uint8_t *payload, size_t len, const char *text)
{
	return len == strlen(text) && memcmp(payload, text, len) == 0;
}

/* False: the peer is to be cut. */
static bool
peer_message(struct peer *peer, const struct vs_ws_frame *frame, const uint8_t *payload)
{
	size_t len = (size_t)frame->payload_len;

	if (frame->opcode == VS_WS_CLOSE)
		peer_close_frame(
		    peer, len >= 2 ? (uint16_t)(payload[0] << 8 | payload[1]) : 1000, "");
	else if (text_is(payload, len, "!close"))
		peer_close_frame(peer, 1000, "bye");
	else if (text_is(payload, len, "!die"))
		return false;
	else if (text_is(payload, len, "!exit"))
		_exit(0);
	else if (text_is(payload, len, "!half"))
		return vs_buf_append(&peer->out, "\x81\x05he", 4) == 0;
	else if (memmem(payload, len, "Browser.close", 13) != NULL) {
		peer_put(peer, VS_WS_TEXT, true, "{\"id\":1,\"result\":{}}", 20);
		agent.exiting = true;
	} else if (frame->opcode == VS_WS_PING)
		peer_put(peer, VS_WS_PONG, true, payload, len);
	else
		peer_put(peer, frame->opcode, frame->fin, payload, len);
	return true;
}

static bool
peer_frames(struct peer *peer)
{
	while (vs_buf_len(&peer->out) < OUT_HIGH && !peer->ending) {
		uint8_t *bytes = peer->in.base + peer->in.head;
		size_t have = vs_buf_len(&peer->in), taken = 0;
		enum vs_ws_event event = VS_WS_MORE;
		struct vs_ws_track track;

		if (have < 2)
			return true;
		vs_ws_track_init(&track, true, UINT64_MAX);
		track.in_message = (bytes[0] & 0x0f) == VS_WS_CONT;
		if (vs_ws_feed(&track, bytes, have, &taken, &event) < 0)
			return false;
		if (event != VS_WS_HEAD || have - taken < track.frame.payload_len)
			return true;
		vs_ws_mask(bytes + taken, (size_t)track.frame.payload_len, track.frame.mask, 0);
		if (!peer_message(peer, &track.frame, bytes + taken))
			return false;
		vs_buf_consume(&peer->in, taken + (size_t)track.frame.payload_len);
	}
	return true;
}

static bool
is_socket(struct vs_str target)
{
	return vs_str_eq(target, "/cdp") || vs_str_eq(target, "/cdp/devtools/page/P-1");
}

/* As large as Chrome's own. */
static bool
peer_protocol(struct peer *peer)
{
	static char text[ECHO_AGENT_PROTOCOL_BYTES];

	memset(text, ' ', sizeof(text));
	memcpy(text, "{}", 2);
	return vs_buf_printf(&peer->out, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
		   sizeof(text)) == 0 &&
	       vs_buf_append(&peer->out, text, sizeof(text)) == 0;
}

/* With a length, and without one until the end. */
static bool
peer_document(struct peer *peer, const struct vs_http_head *head)
{
	static const char entry[] =
	    "{\"webSocketDebuggerUrl\":\"ws://127.0.0.1/devtools/page/P-1\"}";

	peer->ending = true;
	if (vs_str_eq(head->target, "/cdp/json/protocol"))
		return peer_protocol(peer);
	if (vs_str_eq(head->target, "/cdp/json/list"))
		return vs_buf_printf(&peer->out, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[%s]",
			   entry) == 0;
	return vs_buf_printf(&peer->out, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
		   strlen(entry), entry) == 0;
}

static bool
peer_upgrade(struct peer *peer)
{
	struct vs_http_head head;
	const struct vs_str *key, *auth;
	char accept[VS_WS_ACCEPT_SIZE], want[128];
	int rc =
	    vs_http_request((const char *)vs_buf_data(&peer->in), vs_buf_len(&peer->in), &head);

	if (rc != 0)
		return rc == VS_EAGAIN;
	if (head.target.len > 10 && memcmp(head.target.ptr, "/cdp/json/", 10) == 0)
		return peer_document(peer, &head);
	(void)snprintf(want, sizeof(want), "Bearer %s", agent.secret);
	key = vs_http_find(&head, "Sec-WebSocket-Key");
	auth = vs_http_find(&head, "Authorization");
	if (auth == NULL || !vs_str_eq(*auth, want) || !is_socket(head.target) ||
	    vs_http_find(&head, "Origin") != NULL ||
	    vs_http_find(&head, "Sec-WebSocket-Extensions") != NULL || key == NULL ||
	    vs_ws_accept(key->ptr, key->len, accept) < 0) {
		peer->ending = true;
		return vs_buf_puts(&peer->out, "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n") == 0;
	}
	vs_buf_consume(&peer->in, head.size);
	peer->upgraded = true;
	return vs_buf_printf(&peer->out,
		   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		   "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		   accept) == 0;
}

static bool
peer_read(struct peer *peer)
{
	uint8_t *at;
	size_t room;
	ssize_t n;

	if (vs_buf_reserve(&peer->in, 65536, &at, &room) < 0)
		errx(1, "echo_agent: in of buffer");
	n = recv(peer->fd, at, room, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	vs_buf_filled(&peer->in, (size_t)n);
	return peer->upgraded || peer_upgrade(peer);
}

static bool
peer_write(struct peer *peer)
{
	ssize_t n;

	while (vs_buf_len(&peer->out) > 0) {
		n = send(peer->fd, vs_buf_data(&peer->out), vs_buf_len(&peer->out),
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		vs_buf_consume(&peer->out, (size_t)n);
	}
	vs_buf_trim(&peer->out);
	vs_buf_trim(&peer->in);
	return !peer->ending;
}

static void
peer_ready(struct vs_watch *watch, uint32_t revents)
{
	struct peer *peer = watch->ctx;
	uint32_t events = EPOLLIN;
	bool ok = true;

	if ((revents & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		ok = peer_read(peer);
	if (ok && peer->upgraded)
		ok = peer_frames(peer);
	if (ok)
		ok = peer_write(peer);
	if (ok && peer->upgraded)
		ok = peer_frames(peer);
	if (agent.exiting)
		_exit(0);
	if (!ok) {
		peer_free(peer);
		return;
	}
	if (vs_buf_len(&peer->out) > 0)
		events = vs_buf_len(&peer->in) < IN_HIGH ? EPOLLIN | EPOLLOUT : EPOLLOUT;
	vs_loop_set(agent.loop, &peer->io, events);
}

static void
agent_accept(struct vs_watch *watch, uint32_t revents)
{
	struct peer *peer;
	int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)revents;
	if (fd < 0)
		return;
	peer = calloc(1, sizeof(*peer));
	if (peer == NULL)
		err(1, "echo_agent");
	peer->fd = fd;
	vs_buf_init(&peer->in, PEER_BUF_MAX);
	vs_buf_init(&peer->out, PEER_BUF_MAX);
	if (vs_loop_add(agent.loop, &peer->io, fd, EPOLLIN, peer_ready, peer) < 0)
		err(1, "echo_agent");
}

static void
agent_main(int listen_fd)
{
	struct rlimit lim = { .rlim_cur = 0 };

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim);
	}
	agent.loop = vs_loop_new();
	if (agent.loop == NULL ||
	    vs_loop_add(agent.loop, &agent.listener, listen_fd, EPOLLIN, agent_accept, NULL) < 0)
		err(1, "echo_agent");
	_exit(vs_loop_run(agent.loop) < 0 ? 1 : 0);
}

pid_t
echo_agent_start(const char *socket_path, const char *secret)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	pid_t pid;

	(void)unlink(socket_path);
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", socket_path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(fd, 4096) < 0)
		err(1, "echo_agent: %s", socket_path);
	pid = fork();
	if (pid < 0)
		err(1, "echo_agent: fork");
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* The test's own sockets must not live on here. */
		if (dup2(fd, 3) < 0 || close_range(4, ~0U, 0) < 0)
			err(1, "echo_agent");
		agent.secret = secret;
		agent_main(3);
	}
	(void)close(fd);
	return pid;
}

void
echo_agent_stop(pid_t pid)
{
	if (pid <= 0)
		return;
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}
