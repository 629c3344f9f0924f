/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime-image/agent/conn.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/err.h"

#define CONN_MAGIC        0x434f4e4eU
#define CONN_DEAD         0x44454144U
#define CONN_ACCEPT_BATCH 16
#define CONN_READ_MIN     4096

static void
conn_close_side(struct conn *conn, struct conn_side *side)
{
	int fd = side->io.fd;

	if (fd < 0)
		return;
	vs_loop_remove(conn->set->loop, &side->io);
	(void)close(fd);
	side->io.fd = -1;
}

static void
conn_event(struct vs_watch *watch, uint32_t revents)
{
	struct conn *conn = watch->ctx;

	(void)revents;
	if (conn->magic == CONN_MAGIC)
		conn_drive(conn);
}

static void
conn_expired(struct vs_timer *timer)
{
	struct conn *conn = timer->ctx;
	vs_msec due = conn->touched + conn->state->timeout_ms;

	if (due > vs_loop_now(conn->set->loop)) {
		if (vs_loop_timer(conn->set->loop, timer, due, conn_expired, conn) == 0)
			return;
	} else if (conn->state->timeout != NULL) {
		conn->state->timeout(conn);
		return;
	}
	conn_bury(conn);
}

void
conn_goto(struct conn *conn, const struct conn_state *state)
{
	struct vs_loop *loop = conn->set->loop;

	conn->state = state;
	conn->touched = vs_loop_now(loop);
	for (int i = 0; i < 2; i++) {
		if (conn->side[i].io.fd >= 0)
			vs_loop_set(loop, &conn->side[i].io, state->poll[i]);
	}
	vs_loop_timer_clear(loop, &conn->timer);
	if (state->timeout_ms != 0 &&
	    vs_loop_timer(
		loop, &conn->timer, conn->touched + state->timeout_ms, conn_expired, conn) < 0)
		conn_bury(conn);
}

void
conn_drive(struct conn *conn)
{
	enum conn_next next = CONN_AGAIN;

	assert(!conn->driving);
	conn->driving = true;
	while (next == CONN_AGAIN && conn->magic == CONN_MAGIC)
		next = conn->state->run(conn);
	conn->driving = false;
	if (next == CONN_CLOSE)
		conn_bury(conn);
}

void
conn_bury(struct conn *conn)
{
	struct conn_set *set = conn->set;

	if (conn->magic != CONN_MAGIC)
		return;
	conn->magic = CONN_DEAD;
	if (set->buried != NULL)
		set->buried(conn);
	vs_loop_timer_clear(set->loop, &conn->timer);
	for (int i = 0; i < 2; i++) {
		conn_close_side(conn, &conn->side[i]);
		vs_buf_fini(&conn->side[i].in);
	}
	vs_list_remove(&conn->node);
	vs_list_append(&set->dead, &conn->node);
	set->count--;
	if (set->listener.fd >= 0)
		vs_loop_set(set->loop, &set->listener, EPOLLIN);
}

static void
conn_set_free_dead(void *ctx)
{
	struct conn_set *set = ctx;

	while (!vs_list_empty(&set->dead)) {
		struct conn *conn = VS_LIST_FIRST(&set->dead, struct conn, node);

		vs_list_remove(&conn->node);
		free(conn);
	}
}

int
conn_set_init(struct conn_set *set, struct vs_loop *loop, size_t max)
{
	assert(set->conn_size >= sizeof(struct conn) && set->accepted != NULL);
	set->loop = loop;
	set->max = max;
	set->count = 0;
	set->listener.fd = -1;
	vs_list_init(&set->live);
	vs_list_init(&set->dead);
	return vs_loop_after_batch(loop, conn_set_free_dead, set);
}

void
conn_set_fini(struct conn_set *set)
{
	if (set->loop == NULL)
		return;
	while (!vs_list_empty(&set->live))
		conn_bury(VS_LIST_FIRST(&set->live, struct conn, node));
	conn_set_free_dead(set);
	if (set->listener.fd >= 0) {
		int fd = set->listener.fd;

		vs_loop_remove(set->loop, &set->listener);
		(void)close(fd);
		set->listener.fd = -1;
	}
}

/* Messages of CDP and TLS must not wait for an acknowledgement; not for unix sockets. */
static void
conn_no_delay(int fd)
{
	const int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* fd is taken. NULL: no memory; it is closed then. */
static struct conn *
conn_new(struct conn_set *set, int fd)
{
	struct conn *conn = calloc(1, set->conn_size);

	if (conn == NULL) {
		(void)close(fd);
		return NULL;
	}
	conn_no_delay(fd);
	conn->magic = CONN_MAGIC;
	conn->set = set;
	conn->timer.ctx = conn;
	for (int i = 0; i < 2; i++) {
		vs_buf_init(&conn->side[i].in, CONN_BUF_MAX);
		conn->side[i].io.fd = -1;
		conn->side[i].limit = -1;
	}
	vs_list_init(&conn->node);
	if (vs_loop_add(set->loop, &conn->side[CONN_CLIENT].io, fd, 0, conn_event, conn) < 0) {
		(void)close(fd);
		free(conn);
		return NULL;
	}
	vs_list_append(&set->live, &conn->node);
	set->count++;
	return conn;
}

/*
 * A full set leaves later clients in the kernel's queue; out of descriptors is the same
 * case: the listener is polled again when a connection ends.
 */
static void
conn_set_accept(struct vs_watch *watch, uint32_t revents)
{
	struct conn_set *set = watch->ctx;

	(void)revents;
	for (int i = 0; i < CONN_ACCEPT_BATCH && set->count < set->max; i++) {
		int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE) && set->count > 0)
			vs_loop_set(set->loop, watch, 0);
		if (fd < 0)
			return;
		struct conn *conn = conn_new(set, fd);
		if (conn != NULL)
			set->accepted(conn);
	}
	if (set->count >= set->max)
		vs_loop_set(set->loop, watch, 0);
}

int
conn_set_listen(struct conn_set *set, int fd)
{
	int rc = vs_loop_add(set->loop, &set->listener, fd, EPOLLIN, conn_set_accept, set);

	if (rc < 0)
		(void)close(fd);
	return rc;
}

int
conn_set_upstream(struct conn *conn, int fd)
{
	struct conn_side *side = &conn->side[CONN_UPSTREAM];

	conn_close_side(conn, side);
	conn_no_delay(fd);
	int rc = vs_loop_add(conn->set->loop, &side->io, fd, 0, conn_event, conn);
	if (rc < 0)
		(void)close(fd);
	return rc;
}

int
conn_read(struct conn *conn, enum conn_which which)
{
	struct conn_side *side = &conn->side[which];
	uint8_t *at;
	size_t room;

	int rc = vs_buf_reserve(&side->in, CONN_READ_MIN, &at, &room);
	if (rc < 0)
		return rc;
	ssize_t len = recv(side->io.fd, at, room, MSG_DONTWAIT);
	if (len < 0)
		return vs_err_from_errno(errno == EINTR ? EAGAIN : errno);
	if (len == 0)
		return VS_ECLOSED;
	vs_buf_filled(&side->in, (size_t)len);
	conn->touched = vs_loop_now(conn->set->loop);
	return 0;
}

int
conn_write_to(struct conn *conn, enum conn_which which)
{
	struct vs_buf *held = &conn->side[!which].in;

	while (vs_buf_len(held) > 0) {
		ssize_t len = send(conn->side[which].io.fd, vs_buf_data(held), vs_buf_len(held),
		    MSG_DONTWAIT | MSG_NOSIGNAL);

		if (len < 0)
			return vs_err_from_errno(errno == EINTR ? EAGAIN : errno);
		vs_buf_consume(held, (size_t)len);
		conn->touched = vs_loop_now(conn->set->loop);
	}
	vs_buf_trim(held);
	return 0;
}

static enum conn_next
conn_drain(struct conn *conn)
{
	return conn_write_to(conn, CONN_CLIENT) == VS_EAGAIN ? CONN_WAIT : CONN_CLOSE;
}

const struct conn_state conn_draining = {
	.name = "draining",
	.timeout_ms = 10000,
	.poll = { EPOLLOUT, 0 },
	.run = conn_drain,
};
