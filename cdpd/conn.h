/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * conn - one socket: a client's, or the one to a session's agent.
 *
 * What it waits for is a row of conn_states.c. Handlers look at the world and give a
 * verdict; conn_drive() alone calls them, computes what to poll for, and closes.
 * conn_bury() closes at once and frees after the batch of events, because both
 * halves of a tunnel can be in one batch.
 *
 * out holds what is waiting to be written to this socket; while it holds anything,
 * the peer is not read, and that is all the flow control there is.
 *
 * Owner: srv->live, then srv->dead. Threads: one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/list.h"
#include "lib/loop.h"
#include "lib/ws.h"

#define CONN_MAGIC	0x636f6e6eU
#define CONN_DEAD	0x64656164U

struct conn;
struct frames_held;
struct handshake;
struct server;
struct tunnel;

enum conn_next {
	CONN_WAIT,	/* nothing more to do now */
	CONN_AGAIN,	/* the state changed: run the new one */
	CONN_CLOSE	/* bury it; c->why says why */
};

typedef enum conn_next (*conn_fn)(struct conn *c);

/* What a connection is waiting for. One row per state; all rows in conn_states.c. */
struct conn_state {
	const char	*name;
	uint32_t	 timeout_ms;	/* 0: no limit, or one the state's owner sets */
	conn_fn		 readable;	/* NULL: not polled for input; a hang-up closes */
	conn_fn		 writable;	/* NULL: out is never written */
	conn_fn		 expired;	/* NULL: closed when the time is over */
	bool		 edge;		/* polled edge-triggered: readable() notes what it left in unread */
};

enum conn_side { CONN_CLIENT, CONN_UPSTREAM };

/* By how often a message touches them: a worker may have thousands. */
struct conn {
	uint32_t		 magic;		/* CONN_MAGIC while alive, CONN_DEAD in the graveyard */
	uint8_t			 side;		/* enum conn_side */
	bool			 failed:1;	/* the socket is of no more use; the next to look buries it */
	bool			 hung_up:1;	/* EPOLLHUP was seen: neither direction lives */
	bool			 ending:1;	/* the end of what it sends is near, or an error */
	bool			 unread:1;	/* there may be bytes that no event will tell of again */
	bool			 mid_frame:1;	/* the peer has the beginning of a frame but not its end */
	bool			 judged:1;	/* the frame under way is held back until it is whole */
	bool			 deaf:1;	/* its frames make no sense any more: track is not fed */
	bool			 spent:1;	/* an agent that takes no more: its last words are still read */
	int			 fd;		/* owned; io.fd is -1 while not polled */
	uint32_t		 chunk;		/* how much one read asks for; follows what comes */
	const struct conn_state	*state;		/* changed only by conn_goto() */
	struct conn		*peer;		/* the other half; NULL before pairing and after a death */
	struct server		*srv;
	struct tunnel		*tunnel;	/* both halves, from the moment the client is counted */
	struct frames_held	*held;		/* read but not to be passed yet; NULL: nothing */
	vs_msec			 moved;		/* when out last shrank or came to hold something */
	struct vs_watch		 io;
	struct vs_buf		 out;		/* capped at CONN_OUT_MAX */
	struct vs_ws_track	 track;		/* of what is read from this socket */
	vs_msec			 deadline;	/* of the state; 0: none */
	const char		*why;		/* first reason to close, static; later ones lose */
	struct handshake	*handshake;	/* client, until it is upgraded or refused; owned */
	struct vs_node		 node;		/* on srv->live or srv->dead */
};

#define CONN_CHUNK_MIN	(64U * 1024)
#define CONN_CHUNK_MAX	(512U * 1024)
#define CONN_OUT_MAX	(CONN_CHUNK_MAX + 16U * 1024)	/* one read and what we say ourselves */
#define CONN_STALL_MS	60000

/* Takes fd. NULL: no memory, and fd is closed. */
struct conn	*conn_new(struct server *srv, enum conn_side side, int fd,
		    const struct conn_state *state);

void	conn_pair(struct conn *client, struct conn *upstream);

/* Run handlers until one has to wait, then settle both halves. The only caller of handlers. */
void	conn_drive(struct conn *c, uint32_t revents);
void	conn_goto(struct conn *c, const struct conn_state *next);

/* The deadline sweep's look at one connection. */
void	conn_check(struct conn *c, vs_msec now);

/*
 * Close now, free later. Idempotent. A client takes its upstream half along; an
 * upstream half leaves its client to be told. Callers: conn.c, shutdown.
 */
void	conn_bury(struct conn *c, const char *why);

/* Verdict and note of the reason in one. */
enum conn_next	conn_close(struct conn *c, const char *why);

/* For whoever found the socket dead but must not bury: settled by conn_drive(). */
void	conn_fail(struct conn *c, const char *why);

/*
 * Write now what can be written, keep the rest in out. A dead socket or a full out
 * marks the conn failed. conn_flush() is the writable handler's work.
 */
void	conn_send(struct conn *c, const void *bytes, size_t len);
void	conn_flush(struct conn *c);

/* How much the socket takes at once, about; CONN_CHUNK_MIN is always said. */
size_t	conn_room(const struct conn *c);

/* Throw away what arrives. True at the end of the stream. */
bool	conn_discard(struct conn *c);

void	conn_free(struct conn *c);	/* the graveyard's */
