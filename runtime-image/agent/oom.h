/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * oom - has the kernel killed something in our memory cgroup? Version 1 counts in
 * memory.oom_control, version 2 in memory.events; both write "oom_kill <n>".
 */

#include <stdbool.h>
#include <stdint.h>

#include "lib/base.h"

struct oom_watch {
	int		 fd;		/* -1: no cgroup to look at */
	uint64_t	 base;		/* the count when we began */
};

/* cgroup NULL: nothing is watched. VS_ENOENT: that directory counts no kills. */
int	oom_open(struct oom_watch *watch, const char *cgroup) VS_MUST_USE;
void	oom_close(struct oom_watch *watch);

bool	oom_killed(const struct oom_watch *watch);

/* The number behind "oom_kill " at the start of a line. */
bool	oom_parse(const char *text, uint64_t *ret_count);
