/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * prefork - a master that keeps N workers alive and does nothing else.
 *
 * Workers get the master's listening descriptors by inheritance, die with it
 * (SIGKILL by PR_SET_PDEATHSIG), and are started again when they die, a slot at most
 * once in respawn_pause_ms. SIGTERM or SIGINT to the master becomes SIGTERM to the
 * workers and is waited for, a second one ends the wait; SIGHUP is passed on. A worker
 * begins with an empty signal mask and default dispositions (SIGPIPE as the master
 * has it), so it installs its own before anything else.
 *
 * Threads: one, in the master, when vs_prefork_run() is called.
 */

#include "lib/base.h"

struct vs_prefork {
	int		 workers;
	vs_msec		 respawn_pause_ms;
	vs_msec		 stop_wait_ms;		/* then SIGKILL */
	int		(*work)(void *ctx, int slot);	/* runs in the child; its exit status */
	void		*ctx;
};

/*
 * Returns in the master only, when all workers are gone: 0 after SIGTERM/SIGINT.
 * VS_EINVAL, VS_ENOMEM: before any was started.
 */
int	vs_prefork_run(const struct vs_prefork *prefork) VS_MUST_USE;
