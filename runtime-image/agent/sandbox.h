/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sandbox - bubblewrap around the desktop, from the agent's side.
 *
 * Nothing of the host but read-only system files is in it, no path is shared for
 * writing, and its network is an empty namespace. It dies with the agent: bwrap and
 * the first process by PR_SET_PDEATHSIG, and the latter also when the link closes.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base.h"
#include "runtime-image/agent/spec.h"

struct sandbox {
	pid_t	 pid;		/* bwrap */
	int	 link_fd;	/* these are owned, non-blocking */
	int	 cdp_in_fd;	/* what Chrome reads */
	int	 cdp_out_fd;
	int	 log_fd;	/* Chrome's stdout and stderr */
	int	 bwrap_fd;	/* what bwrap complains of */
};

/* On failure *ret_sandbox holds nothing. */
int	sandbox_start(const struct agent_spec *spec, struct sandbox *ret_sandbox) VS_MUST_USE;

/* Close what is open; the processes are not touched. Safe on a sandbox never started. */
void	sandbox_fini(struct sandbox *sandbox);

/* SIGKILL for every process this one is the parent of, by birth or adoption. */
void	sandbox_kill_children(void);

/*
 * Run argv in the same namespaces without a desktop, output to fd, at most 5 s. Its
 * wait status, or -1. The self-test's way to see whether sandboxes work here.
 */
int	sandbox_probe(const char *const *argv, int output_fd);
