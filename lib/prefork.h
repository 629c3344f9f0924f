/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * prefork - a master that keeps N workers alive and does nothing else.
 *
 * Workers get the master's listening descriptors by inheritance, die with it
 * (PR_SET_PDEATHSIG), and are started again with a pause when they die. SIGTERM to
 * the master is passed on and waited for; SIGHUP is passed on.
 */

#include "lib/base.h"

struct vs_prefork {
	const char	*program;		/* for the log */
	int		 workers;
	vs_msec		 respawn_pause_ms;
	vs_msec		 stop_wait_ms;		/* then SIGKILL */
	int		(*work)(void *ctx, int slot);	/* runs in the child; its exit status */
	void		*ctx;
};

/* Returns in the master only, when all workers are gone: 0 after SIGTERM/SIGINT. */
int	vs_prefork_run(const struct vs_prefork *prefork) VS_MUST_USE;
