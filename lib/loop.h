/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * loop - one epoll, timers, signals, and hooks after each batch of events.
 *
 * Level-triggered, unless a watch asks for EPOLLET. A callback may add, change or remove any watch or timer, also
 * its own; events of the same batch for a removed watch are not delivered. Memory
 * that an event might still point at is freed in an after-batch hook.
 *
 * Owner: the daemon. Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "lib/base.h"

struct vs_loop;

struct vs_watch {
	int		 fd;		/* -1 after removal */
	uint32_t	 events;	/* EPOLL* as last set */
	uint32_t	 pending;	/* the loop's: place in the present batch + 1, or 0 */
	void		(*fn)(struct vs_watch *watch, uint32_t revents); /* NULL while not added */
	void		*ctx;
};

struct vs_timer {
	size_t		 slot;		/* index in the heap + 1; 0 while not set */
	vs_msec		 at;		/* monotonic */
	void		(*fn)(struct vs_timer *timer);
	void		*ctx;
};

struct vs_loop	*vs_loop_new(void);	/* NULL: no memory or no descriptor */
void	vs_loop_free(struct vs_loop *loop);

/* A zeroed watch or timer is one that is not added, not set. */
int	vs_loop_add(struct vs_loop *loop, struct vs_watch *watch, int fd, uint32_t events,
	    void (*fn)(struct vs_watch *, uint32_t), void *ctx) VS_MUST_USE;
/*
 * No-op if equal. With 0 nothing is delivered, not even EPOLLHUP or EPOLLERR, until
 * set otherwise. Not for a watch with EPOLLEXCLUSIVE, which can only be removed.
 */
void	vs_loop_set(struct vs_loop *loop, struct vs_watch *watch, uint32_t events);
/* Report once more what is ready: for an EPOLLET watch that was not read to its end. */
void	vs_loop_again(struct vs_loop *loop, struct vs_watch *watch);
void	vs_loop_remove(struct vs_loop *loop, struct vs_watch *watch);	/* idempotent; does not close fd */

/* One shot. Setting a set timer moves it. VS_ENOMEM. */
int	vs_loop_timer(struct vs_loop *loop, struct vs_timer *timer, vs_msec at,
	    void (*fn)(struct vs_timer *), void *ctx) VS_MUST_USE;
void	vs_loop_timer_clear(struct vs_loop *loop, struct vs_timer *timer);	/* idempotent */

/* Deliver signo as an ordinary event. It is blocked here and stays so after the loop's end. */
int	vs_loop_signal(struct vs_loop *loop, int signo, void (*fn)(void *ctx, int signo), void *ctx)
	    VS_MUST_USE;

/* Called once after each batch of events; there is room for 8. */
int	vs_loop_after_batch(struct vs_loop *loop, void (*fn)(void *ctx), void *ctx) VS_MUST_USE;

/* The monotonic time at the start of this batch: a cheap clock for deadlines. */
vs_msec	vs_loop_now(const struct vs_loop *loop);

int	vs_loop_run(struct vs_loop *loop) VS_MUST_USE;	/* until vs_loop_stop() */
int	vs_loop_once(struct vs_loop *loop, vs_msec max_wait_ms) VS_MUST_USE;	/* one batch; tests */
void	vs_loop_stop(struct vs_loop *loop);
