/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * worker - one process that answers one request after the other.
 *
 * Its exit status: 0 when told to stop, else the master starts another.
 */

#include "fcgi/wait.h"
#include "lib/conf.h"

struct worker_setup {
	const struct vs_conf	*conf;
	int			 listen_fd;	/* non-blocking, shared by all */
	struct wait_slots	*waiting;
};

/* For struct vs_prefork; ctx is a struct worker_setup. */
int	worker_run(void *ctx, int slot);
