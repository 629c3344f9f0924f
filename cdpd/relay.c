/* SPDX-License-Identifier: Apache-2.0 */
#include "cdpd/relay.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "cdpd/close_code.h"
#include "cdpd/conn_states.h"
#include "cdpd/frames.h"
#include "cdpd/server.h"
#include "cdpd/tunnel.h"
#include "lib/err.h"

#define RELAY_CLOSE_MS 2000 /* for the other side's Close */
#define RELAY_READS    4    /* per wake-up, while they come back full */

/* The frames of one half make no sense, or are too large. */
static void
relay_broken(struct conn *c, int rc)
{
	bool client = c->side == CONN_CLIENT;

	c->deaf = true;
	if (rc == VS_ETOOBIG)
		tunnel_close(c->tunnel, CLOSE_TOO_BIG, "message too big");
	else if (rc == VS_EPROTO && client)
		tunnel_close(c->tunnel, CLOSE_PROTOCOL, "protocol error");
	else
		tunnel_close(c->tunnel, CLOSE_INTERNAL,
		    client ? "internal error" : "browser protocol error");
}

/* len new bytes of c stand in the scratch behind what was held. */
static void
relay_take(struct conn *c, size_t held, size_t len)
{
	struct tunnel *t = c->tunnel;
	vs_msec now = vs_loop_now(c->srv->loop);
	int rc;

	if (c->side == CONN_CLIENT) {
		t->heard = now;
		t->client_bytes += len;
	} else {
		t->upstream_bytes += len;
		if (t->client->state == &client_draining)
			t->client->deadline = now + client_draining.timeout_ms;
	}
	rc = frames_pass(c, c->srv->scratch, held, len);
	if (rc < 0)
		relay_broken(c, rc);
	else if (c->track.closed && c->deadline == 0)
		c->deadline = now + RELAY_CLOSE_MS;
}

/* What came together with a handshake. */
void
relay_early(struct conn *c, const struct vs_buf *early)
{
	size_t len = vs_buf_len(early);

	if (len == 0 || c->failed)
		return;
	memcpy(c->srv->scratch, vs_buf_data(early), len);
	relay_take(c, 0, len);
}

/* A client that is done sending may still wait for replies. */
static enum conn_next
relay_client_eof(struct conn *c)
{
	struct conn *upstream = c->peer;

	if (c->why == NULL)
		c->why = c->track.closed ? "client-close" : "client-gone";
	if (c->hung_up || upstream == NULL)
		return CONN_CLOSE;
	conn_goto(c, &client_draining);
	if (vs_buf_len(&upstream->out) == 0)
		(void)shutdown(upstream->fd, SHUT_WR); /* a dead one is seen by reading */
	return CONN_WAIT;
}

/* No more than the other side takes at once: the rest would have to be kept. */
static size_t
relay_want(const struct conn *c)
{
	size_t room;

	if (c->chunk == CONN_CHUNK_MIN || c->peer == NULL)
		return CONN_CHUNK_MIN;
	room = conn_room(c->peer);
	return room < c->chunk ? room : c->chunk;
}

/* Large reads for those who fill them; small messages bring it down again. */
static uint32_t
relay_next_chunk(const struct conn *c, size_t got)
{
	if (got >= c->chunk)
		return c->chunk < CONN_CHUNK_MAX ? c->chunk * 2 : c->chunk;
	if (got < c->chunk / 4 && c->chunk > CONN_CHUNK_MIN)
		return c->chunk / 2;
	return c->chunk;
}

enum conn_next
relay_read(struct conn *c)
{
	size_t held, want;
	ssize_t n;

	c->unread = true; /* until the socket is found empty */
	for (int i = 0; i < RELAY_READS; i++) {
		held = frames_begin(c, c->srv->scratch);
		want = relay_want(c);
		n = recv(c->fd, c->srv->scratch + held, want, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			c->unread = errno == EINTR;
			break;
		}
		if (n <= 0)
			return c->side == CONN_CLIENT ? relay_client_eof(c)
						      : conn_close(c, "browser-gone");
		relay_take(c, held, (size_t)n);
		if (c->failed || c->state != &tunnel_open || c->peer == NULL)
			break;
		if (vs_buf_len(&c->peer->out) > 0) {
			c->chunk = CONN_CHUNK_MIN;
			break;
		}
		c->chunk = relay_next_chunk(c, (size_t)n);
		/* A short read empties the socket, but the end of the stream is one more read. */
		if ((size_t)n < want && !c->ending) {
			c->unread = false;
			break;
		}
	}
	return CONN_WAIT;
}

enum conn_next
relay_flush(struct conn *c)
{
	conn_flush(c);
	/* The client had done sending, and now everything of it is through. */
	if (vs_buf_len(&c->out) == 0 && c->peer != NULL && c->peer->state == &client_draining)
		(void)shutdown(c->fd, SHUT_WR);
	return CONN_WAIT;
}

enum conn_next
relay_drain(struct conn *c)
{
	conn_flush(c);
	return c->peer == NULL && vs_buf_len(&c->out) == 0 ? CONN_CLOSE : CONN_WAIT;
}

/* Nobody takes what the client says any more. True: its stream is at its end. */
static bool
relay_ignore(struct conn *c)
{
	size_t len;
	ssize_t n;

	if (c->deaf)
		return conn_discard(c);
	n = recv(c->fd, c->srv->scratch, c->chunk, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0)
		return true;
	len = (size_t)n;
	c->deaf = frames_pass(c, c->srv->scratch, 0, len) < 0;
	return false;
}

enum conn_next
relay_close_read(struct conn *c)
{
	if (relay_ignore(c))
		return conn_close(c, "client-gone");
	tunnel_may_part(c->tunnel);
	return CONN_WAIT;
}

enum conn_next
relay_gone_read(struct conn *c)
{
	if (relay_ignore(c))
		return conn_close(c, "client-gone");
	if (c->track.closed)
		tunnel_close(c->tunnel, CLOSE_NORMAL, "");
	return CONN_WAIT;
}

enum conn_next
relay_close_late(struct conn *c)
{
	return conn_close(c, c->side == CONN_CLIENT ? "client-close" : "browser-gone");
}
