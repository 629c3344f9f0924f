/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * wait - how a GET with wait_for holds its worker, and how many may at once.
 *
 * Each worker has a byte in memory shared by all of them and writes only its own,
 * so that one killed while waiting frees its place by being started again.
 */

#include <stdbool.h>
#include <stdint.h>

#include "lib/base.h"

struct app;
struct req;
struct sess;
struct wait_slots;

/* Before the fork. NULL: no memory. At most half of the workers wait at once. */
struct wait_slots	*wait_slots_new(int workers);
void	wait_slots_free(struct wait_slots *slots);

/* False: enough are waiting, answer now. Take once, give back once. */
bool	wait_slots_take(struct wait_slots *slots, int slot);
void	wait_slots_give(struct wait_slots *slots, int slot);

/* What ends a wait besides the session itself. */
struct wait_until {
	int	 wanted;	/* enum sess_status: reached or passed */
	vs_msec	 deadline;	/* monotonic */
};

/*
 * Read the session again until it is there, the deadline is over or the worker is
 * told to stop. sess is the row as it is then. A client that leaves is not noticed:
 * lighttpd does not tell.
 */
int	wait_for_session(struct app *app, struct req *req, const struct wait_until *until,
	    struct sess *sess) VS_MUST_USE;
