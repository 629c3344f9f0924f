/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * conn - a client's connection and, later, the one made for it: both halves of
 * everything the agent carries.
 *
 * A request is read from the client side; what the client shall get is put into the
 * upstream side's buffer, be it our own answer or what an upstream sent. A state is a
 * row: what is polled, how long, and the function that runs until it has to wait.
 * Only conn_drive() calls it, only conn_goto() changes the state; conn_bury() is the
 * one way to close, and memory goes after the batch.
 *
 * Owner: the conn_set. Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/list.h"
#include "lib/loop.h"

#define CONN_BUF_MAX	65536	/* bytes held in each direction */

enum conn_which { CONN_CLIENT, CONN_UPSTREAM };
enum conn_next { CONN_WAIT, CONN_AGAIN, CONN_CLOSE };

struct conn;

struct conn_state {
	const char	*name;
	uint32_t	 timeout_ms;	/* in this state, or idle where touched; 0: no limit */
	uint32_t	 poll[2];	/* EPOLL* for each side */
	enum conn_next	(*run)(struct conn *conn);
	void		(*timeout)(struct conn *conn);	/* NULL: bury */
};

struct conn_side {
	struct vs_watch	 io;		/* fd -1: not there */
	struct vs_buf	 in;		/* read from this side, or made for the other one */
	int64_t		 limit;		/* bytes that may still be read; -1: any number */
	bool		 eof;		/* nothing more will be read */
	bool		 shut;		/* our end of writing is closed */
};

struct conn_set {
	struct vs_loop	*loop;
	struct vs_node	 live, dead;
	size_t		 count, max;
	size_t		 conn_size;	/* of the struct that begins with a struct conn */
	void		(*buried)(struct conn *conn);	/* let go of what conn borrows; may be NULL */
	struct vs_watch	 listener;	/* not polled while the set is full */
	void		(*accepted)(struct conn *conn);	/* goto the first state */
};

struct conn {
	uint32_t	 magic;		/* CONN_MAGIC alive, CONN_DEAD in the graveyard */
	struct vs_node	 node;		/* on set->live or set->dead */
	struct conn_set	*set;
	const struct conn_state *state;
	struct conn_side side[2];
	struct vs_timer	 timer;
	vs_msec		 touched;	/* last progress */
	bool		 driving;
};

/* conn_size, buried and accepted are set by the caller before. */
int	conn_set_init(struct conn_set *set, struct vs_loop *loop, size_t max) VS_MUST_USE;
void	conn_set_fini(struct conn_set *set);	/* closes everything */

/* Accept from fd (owned from now on, non-blocking). */
int	conn_set_listen(struct conn_set *set, int fd) VS_MUST_USE;

void	conn_goto(struct conn *conn, const struct conn_state *state);
void	conn_drive(struct conn *conn);
void	conn_bury(struct conn *conn);	/* idempotent */

/* Give the connection its other socket; taken also on failure. */
int	conn_set_upstream(struct conn *conn, int fd) VS_MUST_USE;

/* Read what is there, within room and limit. VS_EAGAIN, VS_ECLOSED, VS_EFULL. */
int	conn_read(struct conn *conn, enum conn_which which) VS_MUST_USE;

/* Write what is held for that side. 0: all of it; VS_EAGAIN; VS_ECLOSED. */
int	conn_write_to(struct conn *conn, enum conn_which which) VS_MUST_USE;

/* Send the rest of what is held for the client, then close. */
extern const struct conn_state conn_draining;
