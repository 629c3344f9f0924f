/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime-image/agent/relay.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "lib/err.h"

static const struct conn_state relay_closing;
static uint8_t relay_scratch[CONN_BUF_MAX];

void
relay_limit(struct conn_side *side, int64_t bytes)
{
	side->limit = bytes;
	side->eof = bytes == 0;
}

static size_t
relay_allowed(const struct conn_side *from)
{
	if (from->limit >= 0 && (uint64_t)from->limit < sizeof(relay_scratch))
		return (size_t)from->limit;
	return sizeof(relay_scratch);
}

static void
relay_count(struct conn_side *from, size_t len)
{
	if (from->limit < 0)
		return;
	from->limit -= (int64_t)len;
	if (from->limit == 0)
		from->eof = true;
}

/* Send len bytes of the scratch; hold what the reader does not take now. */
static int
relay_pass(struct conn *conn, enum conn_which from, size_t len)
{
	ssize_t sent =
	    send(conn->side[!from].io.fd, relay_scratch, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent < 0 && errno != EAGAIN && errno != EINTR)
		return VS_ECLOSED;
	size_t done = sent < 0 ? 0 : (size_t)sent;
	return done == len ? 0
			   : vs_buf_append(&conn->side[from].in, relay_scratch + done, len - done);
}

/* One read's worth from a side to the other. VS_EAGAIN: there was nothing. */
static int
relay_move(struct conn *conn, enum conn_which from)
{
	struct conn_side *side = &conn->side[from];
	size_t want = relay_allowed(side);

	ssize_t len = recv(side->io.fd, relay_scratch, want, MSG_DONTWAIT);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return VS_EAGAIN;
	if (len <= 0) {
		side->eof = true;
		return 0;
	}
	conn->touched = vs_loop_now(conn->set->loop);
	relay_count(side, (size_t)len);
	return relay_pass(conn, from, (size_t)len);
}

/* The reader is gone: nothing more needs to be fetched for it. */
static void
relay_give_up(struct conn *conn, enum conn_which from)
{
	vs_buf_clear(&conn->side[from].in);
	conn->side[from].eof = true;
}

static void
relay_direction(struct conn *conn, enum conn_which from)
{
	struct conn_side *side = &conn->side[from];
	struct conn_side *to = &conn->side[!from];
	int rc = 0;

	if (to->shut)
		return;
	if (vs_buf_len(&side->in) > 0)
		rc = conn_write_to(conn, !from);
	else if (!side->eof)
		rc = relay_move(conn, from);
	if (rc < 0 && rc != VS_EAGAIN)
		relay_give_up(conn, from);
	if (!side->eof || vs_buf_len(&side->in) > 0)
		return;
	to->shut = true;
	/* A request that ended by its length is no end of file: Chrome would hang up. */
	if (side->limit < 0)
		(void)shutdown(to->io.fd, SHUT_WR);
}

/* Has a client whose request is over more to say, or left? Either way it is finished. */
static bool
relay_overrun(struct conn *conn)
{
	const struct conn_side *client = &conn->side[CONN_CLIENT];
	char byte;

	return client->limit == 0 && recv(client->io.fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) >= 0;
}

static bool
relay_over(struct conn *conn)
{
	const struct conn_side *client = &conn->side[CONN_CLIENT];

	if (client->shut && (conn->side[CONN_UPSTREAM].shut || client->limit == 0))
		return true;
	return relay_overrun(conn);
}

static uint32_t
relay_interest(const struct conn *conn, enum conn_which which)
{
	const struct conn_side *side = &conn->side[which];
	bool over = which == CONN_CLIENT && side->limit == 0;
	uint32_t events = 0;

	if ((!side->eof && vs_buf_len(&side->in) == 0) || over)
		events |= EPOLLIN;
	if (vs_buf_len(&conn->side[!which].in) > 0)
		events |= EPOLLOUT;
	return events;
}

static enum conn_next
relay_run(struct conn *conn)
{
	relay_direction(conn, CONN_CLIENT);
	relay_direction(conn, CONN_UPSTREAM);
	if (relay_over(conn))
		return CONN_CLOSE;
	if (conn->state == &relay_endless &&
	    (conn->side[CONN_CLIENT].shut || conn->side[CONN_UPSTREAM].shut))
		conn_goto(conn, &relay_closing);
	for (int i = 0; i < 2; i++)
		vs_loop_set(
		    conn->set->loop, &conn->side[i].io, relay_interest(conn, (enum conn_which)i));
	return CONN_WAIT;
}

const struct conn_state relay_endless = {
	.name = "relay",
	.poll = { EPOLLIN, EPOLLIN },
	.run = relay_run,
};

const struct conn_state relay_idle = {
	.name = "relay",
	.timeout_ms = 10 * 60 * 1000,
	.poll = { EPOLLIN, EPOLLIN },
	.run = relay_run,
};

static const struct conn_state relay_closing = {
	.name = "relay closing",
	.timeout_ms = 10 * 1000,
	.poll = { EPOLLIN, EPOLLIN },
	.run = relay_run,
};
