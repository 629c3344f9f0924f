/* SPDX-License-Identifier: Apache-2.0 */
#include "cdpd/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cdpd/addr.h"
#include "cdpd/conn_states.h"
#include "cdpd/handshake.h"
#include "cdpd/relay.h"
#include "cdpd/reply.h"
#include "cdpd/server.h"
#include "cdpd/tunnel.h"
#include "lib/err.h"
#include "lib/httphead.h"

/* Where an endpoint of the database is: "unix:<path>" or "tcp:<host>:<port>". */
static const struct dial_scheme {
	const char *prefix;
	int (*parse)(const char *text, struct sockaddr_storage *ret_addr, socklen_t *ret_len);
} dial_schemes[] = {
	{ "unix:", addr_unix },
	{ "tcp:", addr_tcp },
};

static int
dial_endpoint(const char *endpoint, struct sockaddr_storage *ret_addr, socklen_t *ret_len)
{
	for (size_t i = 0; i < VS_COUNTOF(dial_schemes); i++) {
		size_t len = strlen(dial_schemes[i].prefix);

		if (strncmp(endpoint, dial_schemes[i].prefix, len) == 0)
			return dial_schemes[i].parse(endpoint + len, ret_addr, ret_len);
	}
	return VS_EINVAL;
}

static int
dial_connect(const char *endpoint, int *ret_fd)
{
	struct sockaddr_storage addr;
	int on = 1, fd, rc;
	socklen_t len;

	rc = dial_endpoint(endpoint, &addr, &len);
	if (rc < 0)
		return rc;
	fd = socket(addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return vs_err_from_errno(errno);
	if (addr.ss_family != AF_UNIX) /* latency only: nothing depends on it */
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (const struct sockaddr *)&addr, len) < 0 && errno != EINPROGRESS) {
		rc = vs_err_from_errno(errno);
		(void)close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

/* No Origin and no extensions: Chrome refuses the one and would compress by the other. */
static int
dial_print_upgrade(const struct handshake *hs, struct vs_buf *out)
{
	int rc;

	rc = vs_buf_printf(out,
	    "Upgrade: websocket\r\n"
	    "Connection: Upgrade\r\n"
	    "Sec-WebSocket-Key: %s\r\n"
	    "Sec-WebSocket-Version: 13\r\n",
	    hs->ws_key);
	if (rc == 0 && hs->ws_protocol != NULL)
		rc = vs_buf_printf(out, "Sec-WebSocket-Protocol: %s\r\n", hs->ws_protocol);
	return rc;
}

static int
dial_print(const struct handshake *hs, const char *secret, struct vs_buf *out)
{
	int rc;

	rc = vs_buf_printf(out,
	    "GET %s HTTP/1.1\r\n"
	    "Host: 127.0.0.1\r\n"
	    "Authorization: Bearer %s\r\n"
	    "X-Request-Id: %s\r\n",
	    hs->agent_path, secret, hs->request_id);
	if (rc == 0)
		rc = hs->kind == ROUTE_TUNNEL ? dial_print_upgrade(hs, out)
					      : vs_buf_puts(out, "Connection: close\r\n");
	return rc < 0 ? rc : vs_buf_puts(out, "\r\n");
}

int
dial_start(struct conn *client, const struct cdp_client_grant *grant)
{
	char secret[VS_RUNTIME_SECRET_SIZE];
	struct conn *upstream;
	int fd = -1, rc;

	rc = vs_keyring_runtime_secret(
	    client->srv->ring, grant->secret_kid, grant->runtime_id, secret);
	if (rc < 0)
		return rc;
	rc = dial_connect(grant->endpoint, &fd);
	if (rc < 0)
		return rc;
	upstream = conn_new(client->srv, CONN_UPSTREAM, fd, &upstream_connect);
	if (upstream == NULL)
		return VS_ENOMEM;
	conn_pair(client, upstream);
	upstream->tunnel = client->tunnel;
	client->tunnel->upstream = upstream;
	rc = dial_print(client->handshake, secret, &upstream->out);
	explicit_bzero(secret, sizeof(secret));
	if (rc < 0)
		conn_fail(upstream, "no-memory");
	upstream->moved = vs_loop_now(client->srv->loop);
	return 0;
}

enum conn_next
dial_connected(struct conn *c)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 || err != 0)
		return conn_close(c, "agent unreachable");
	if (c->peer->handshake->kind == ROUTE_TUNNEL)
		conn_goto(c, &upstream_answer);
	else
		conn_goto(c, &upstream_document);
	return relay_flush(c);
}

/* NULL, or why this is not the agent passing on Chrome's consent. */
static const char *
dial_answer_fault(const struct vs_http_head *head, const char *ws_key)
{
	const struct vs_str *accept = vs_http_find(head, "Sec-WebSocket-Accept");
	char want[VS_WS_ACCEPT_SIZE];

	if (head->status != 101)
		return "agent refused";
	if (!vs_http_has_token(head, "Upgrade", "websocket") || accept == NULL ||
	    vs_ws_accept(ws_key, strlen(ws_key), want) < 0 || !vs_str_eq(*accept, want) ||
	    vs_http_find(head, "Sec-WebSocket-Extensions") != NULL)
		return "agent answered nonsense";
	return NULL;
}

/* Give the client Chrome's consent, and let the frames pass. */
static enum conn_next
dial_done(struct conn *c, const struct vs_http_head *head)
{
	struct conn *client = c->peer;
	struct handshake *hs = client->handshake;
	const struct vs_str *accept = vs_http_find(head, "Sec-WebSocket-Accept");
	const struct vs_str *protocol = vs_http_find(head, "Sec-WebSocket-Protocol");
	char accept_text[VS_WS_ACCEPT_SIZE] = "", protocol_text[WS_PROTOCOL_SIZE] = "";
	struct vs_buf out;
	int rc;

	memcpy(accept_text, accept->ptr, accept->len);
	if (protocol != NULL && protocol->len < sizeof(protocol_text))
		memcpy(protocol_text, protocol->ptr, protocol->len);
	vs_buf_init(&out, 2048);
	rc = reply_upgrade(
	    accept_text, protocol_text[0] != '\0' ? protocol_text : NULL, hs->request_id, &out);
	if (rc == 0)
		conn_send(client, vs_buf_data(&out), vs_buf_len(&out));
	vs_buf_fini(&out);
	if (rc < 0)
		return conn_close(c, "no-memory");
	vs_buf_consume(&hs->answer, head->size);
	tunnel_start(client);
	return CONN_WAIT;
}

enum conn_next
dial_answer(struct conn *c)
{
	struct handshake *hs = c->peer->handshake;
	struct vs_http_head head;
	const char *fault;
	uint8_t *at;
	size_t room;
	ssize_t n;
	int rc;

	if (vs_buf_reserve(&hs->answer, 0, &at, &room) < 0)
		return conn_close(c, "agent answered nonsense");
	n = recv(c->fd, at, room, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return CONN_WAIT;
	if (n <= 0)
		return conn_close(c, "agent closed");
	vs_buf_filled(&hs->answer, (size_t)n);
	rc = vs_http_answer((const char *)vs_buf_data(&hs->answer), vs_buf_len(&hs->answer), &head);
	if (rc == VS_EAGAIN)
		return CONN_WAIT;
	fault = rc < 0 ? "agent answered nonsense" : dial_answer_fault(&head, hs->ws_key);
	return fault != NULL ? conn_close(c, fault) : dial_done(c, &head);
}
