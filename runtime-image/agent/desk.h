/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * desk - the outer end of the link: takes the egress listener, keeps a few sockets of
 * the session's network at hand, hears which process of the desktop ended.
 *
 * The inner end may be in a hostile browser's hands. A message out of place or a
 * descriptor that is not the socket it should be ends the link.
 *
 * Owner: embedded in the agent. Threads: one.
 */

#include "lib/base.h"
#include "lib/loop.h"
#include "runtime-image/agent/link.h"

#define DESK_SPARE	2	/* sockets held ready */

struct desk_hooks {
	void	(*listener)(void *ctx, int fd);		/* fd is yours */
	void	(*sockets)(void *ctx);			/* desk_take_socket() may succeed now */
	void	(*child_ended)(void *ctx, enum link_child child, int wait_status);
	void	(*failed)(void *ctx, const char *why);	/* could not set up the desktop */
	void	(*lost)(void *ctx);		/* the link closed, or broke the protocol */
};

struct desk {
	struct vs_loop		*loop;
	struct vs_watch		 watch;		/* the descriptor is the sandbox's */
	const struct desk_hooks	*hooks;
	void			*ctx;
	int			 spare[DESK_SPARE + LINK_MAX_FDS];
	int			 nspare, asked;	/* asked for and not yet here */
	int			 wanted;	/* takers that went away empty-handed */
	bool			 greeted;
};

void	desk_init(struct desk *desk, struct vs_loop *loop, const struct desk_hooks *hooks, void *ctx);
int	desk_attach(struct desk *desk, int link_fd) VS_MUST_USE;
void	desk_fini(struct desk *desk);

/* An unconnected TCP socket of the session's network, yours. VS_EAGAIN: sockets() follows. */
int	desk_take_socket(struct desk *desk, int *ret_fd) VS_MUST_USE;
