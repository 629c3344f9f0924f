/* SPDX-License-Identifier: Apache-2.0 */
#include "cdpd/conn.h"

#include <assert.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cdpd/frames.h"
#include "cdpd/handshake.h"
#include "cdpd/server.h"
#include "cdpd/tunnel.h"

static void
conn_ready(struct vs_watch *watch, uint32_t revents)
{
	conn_drive(watch->ctx, revents);
}

struct conn *
conn_new(struct server *srv, enum conn_side side, int fd, const struct conn_state *state)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		(void)close(fd);
		return NULL;
	}
	c->magic = CONN_MAGIC;
	c->side = (uint8_t)side;
	c->srv = srv;
	c->fd = fd;
	c->io.fd = -1;
	c->chunk = CONN_CHUNK_MIN;
	vs_buf_init(&c->out, CONN_OUT_MAX);
	vs_ws_track_init(
	    &c->track, side == CONN_CLIENT, (uint64_t)srv->conf->cdpd_max_message_bytes);
	vs_list_append(&srv->live[side], &c->node);
	if (side == CONN_CLIENT)
		srv->nclients++;
	conn_goto(c, state);
	return c;
}

void
conn_pair(struct conn *client, struct conn *upstream)
{
	assert(client->peer == NULL && upstream->peer == NULL);
	client->peer = upstream;
	upstream->peer = client;
}

void
conn_goto(struct conn *c, const struct conn_state *next)
{
	assert(c->magic == CONN_MAGIC);
	c->state = next;
	c->deadline = next->timeout_ms == 0 ? 0 : vs_loop_now(c->srv->loop) + next->timeout_ms;
}

enum conn_next
conn_close(struct conn *c, const char *why)
{
	if (c->why == NULL)
		c->why = why;
	return CONN_CLOSE;
}

void
conn_fail(struct conn *c, const char *why)
{
	if (c->why == NULL)
		c->why = why;
	c->failed = true;
}

/* A peer that has not taken what it was sent is not sent more. */
static bool
conn_may_read(const struct conn *c)
{
	return c->state->readable != NULL && (c->peer == NULL || vs_buf_len(&c->peer->out) == 0);
}

static uint32_t
conn_interest(const struct conn *c)
{
	uint32_t events = 0;

	/* While the peer is behind, this one's bytes are noted and not read: no change of wishes. */
	if (c->state->edge)
		events |= EPOLLIN | EPOLLRDHUP | EPOLLET;
	else if (conn_may_read(c))
		events |= EPOLLIN;
	if (c->state->writable != NULL && vs_buf_len(&c->out) > 0)
		events |= EPOLLOUT;
	/* Waiting for somebody else: only the peer's going away matters. */
	if (c->state->readable == NULL && c->state->writable == NULL)
		events |= EPOLLRDHUP;
	return events;
}

/* In the next batch, so that no connection keeps the others waiting. */
static void
conn_read_again(struct conn *c)
{
	c->unread = false;
	vs_loop_again(c->srv->loop, &c->io);
}

/*
 * Poll for what the state wants. Interest 0 stays in epoll without being reported
 * (lib/loop.h): the HUP of a paused half waits until there is room for its last bytes.
 */
static void
conn_settle(struct conn *c)
{
	uint32_t events;

	if (c == NULL || c->magic != CONN_MAGIC)
		return;
	if (!c->failed) {
		events = conn_interest(c);
		if (c->io.fd >= 0)
			vs_loop_set(c->srv->loop, &c->io, events);
		else if (vs_loop_add(c->srv->loop, &c->io, c->fd, events, conn_ready, c) < 0)
			conn_fail(c, "no-memory");
	}
	if (c->unread && !c->failed && conn_may_read(c))
		conn_read_again(c);
	if (c->failed)
		conn_bury(c, NULL);
}

/* One look at the events. Handlers run here and nowhere else. */
static enum conn_next
conn_step(struct conn *c, uint32_t revents)
{
	const struct conn_state *state = c->state;
	enum conn_next next = CONN_WAIT;

	if ((revents & ~(uint32_t)EPOLLOUT) != 0) {
		if (conn_may_read(c))
			next = state->readable(c);
		else if (state->edge)
			c->unread = true;
		else if (state->readable == NULL && state->writable == NULL)
			return conn_close(c, "peer-gone");
	}
	if (next == CONN_WAIT && c->state->writable != NULL && !c->failed &&
	    (revents & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0 && vs_buf_len(&c->out) > 0)
		next = c->state->writable(c);
	return next;
}

void
conn_drive(struct conn *c, uint32_t revents)
{
	struct conn *peer_before, *peer_after;
	enum conn_next next = CONN_WAIT;

	if (c->magic != CONN_MAGIC)
		return;
	peer_before = c->peer;
	if ((revents & EPOLLHUP) != 0)
		c->hung_up = true;
	if ((revents & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		c->ending = true;
	do {
		if (revents != 0 && !c->failed)
			next = conn_step(c, revents);
	} while (next == CONN_AGAIN);
	peer_after = c->peer;
	if (next == CONN_CLOSE)
		conn_bury(c, NULL);
	conn_settle(c);
	conn_settle(peer_after);
	if (peer_before != peer_after)
		conn_settle(peer_before);
	/* Burying the peer may have given this half something to say, or ended it. */
	if (c->peer != peer_before)
		conn_settle(c);
}

void
conn_check(struct conn *c, vs_msec now)
{
	enum conn_next next = CONN_WAIT;
	struct conn *peer = c->peer;

	if (c->magic != CONN_MAGIC)
		return;
	if (vs_buf_len(&c->out) > 0 && now - c->moved >= CONN_STALL_MS)
		next = conn_close(c, "stalled");
	else if (c->deadline != 0 && now >= c->deadline)
		next = c->state->expired != NULL ? c->state->expired(c)
						 : conn_close(c, c->state->name);
	else if (c->tunnel != NULL && c->side == CONN_CLIENT)
		tunnel_check(c->tunnel, now);
	if (next == CONN_CLOSE)
		conn_bury(c, NULL);
	conn_settle(c);
	conn_settle(peer);
	conn_settle(c);
}

void
conn_bury(struct conn *c, const char *why)
{
	struct conn *peer = c->peer;
	struct server *srv = c->srv;

	if (c->magic != CONN_MAGIC)
		return;
	c->magic = CONN_DEAD;
	if (c->why == NULL)
		c->why = why;
	if (peer != NULL)
		peer->peer = c->peer = NULL;
	vs_loop_remove(srv->loop, &c->io);
	(void)close(c->fd); /* nothing is left to be said on it */
	c->fd = -1;
	vs_list_remove(&c->node);
	vs_list_append(&srv->dead, &c->node);
	vs_buf_fini(&c->out);
	frames_drop(c);
	if (c->side == CONN_UPSTREAM) {
		tunnel_upstream_buried(c);
		return;
	}
	srv->nclients--;
	handshake_free(c->handshake, srv);
	c->handshake = NULL;
	tunnel_client_buried(c);
	if (peer != NULL)
		conn_bury(peer, "client-gone");
}

void
conn_free(struct conn *c)
{
	assert(c->magic == CONN_DEAD);
	free(c);
}

/*
 * The socket takes no more. A client that does not is gone; an agent may still have the
 * browser's last replies to give, so it is read to its end and sent nothing.
 */
static void
conn_write_failed(struct conn *c)
{
	if (c->side == CONN_UPSTREAM && c->state->readable != NULL)
		c->spent = true;
	else
		conn_fail(c, "peer-gone");
}

/* Writes what the socket takes, or throws it away; how much is gone is returned. */
static size_t
conn_write(struct conn *c, const uint8_t *bytes, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len && !c->spent) {
		n = send(c->fd, bytes + done, len - done, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0) {
			done += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			break;
		conn_write_failed(c);
		if (c->failed)
			break;
	}
	if (done > 0)
		c->moved = vs_loop_now(c->srv->loop);
	return c->spent ? len : done;
}

void
conn_send(struct conn *c, const void *bytes, size_t len)
{
	size_t done = 0;

	if (c->failed || len == 0)
		return;
	if (vs_buf_len(&c->out) == 0) {
		done = conn_write(c, bytes, len);
		c->moved = vs_loop_now(c->srv->loop);
	}
	if (done == len || c->failed)
		return;
	if (vs_buf_append(&c->out, (const uint8_t *)bytes + done, len - done) < 0)
		conn_fail(c, "no-memory");
}

void
conn_flush(struct conn *c)
{
	size_t done;

	if (c->failed || vs_buf_len(&c->out) == 0)
		return;
	done = conn_write(c, vs_buf_data(&c->out), vs_buf_len(&c->out));
	vs_buf_consume(&c->out, done);
	vs_buf_trim(&c->out);
}

size_t
conn_room(const struct conn *c)
{
	uint32_t mem[SK_MEMINFO_VARS] = { 0 }, used;
	socklen_t len = sizeof(mem);

	/* TCP counts what is queued, a unix socket what is allocated. */
	if (getsockopt(c->fd, SOL_SOCKET, SO_MEMINFO, mem, &len) < 0)
		return CONN_CHUNK_MIN;
	used = mem[SK_MEMINFO_WMEM_QUEUED];
	if (used < mem[SK_MEMINFO_WMEM_ALLOC])
		used = mem[SK_MEMINFO_WMEM_ALLOC];
	if (mem[SK_MEMINFO_SNDBUF] < used + CONN_CHUNK_MIN)
		return CONN_CHUNK_MIN;
	return mem[SK_MEMINFO_SNDBUF] - used;
}

bool
conn_discard(struct conn *c)
{
	ssize_t n;

	do {
		n = recv(c->fd, c->srv->scratch, CONN_CHUNK_MIN, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}
