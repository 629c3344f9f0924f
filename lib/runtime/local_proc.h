/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * local_proc - which process is it really: pids are used again, so one is named by
 * its pid, the clock tick it was started at and the boot it was started in.
 *
 * Threads: one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base.h"

#define LOCAL_BOOT_SIZE	37	/* a UUID and its NUL */

struct local_proc {
	pid_t		pid;		/* 0: there never was one */
	uint64_t	start_ticks;	/* field 22 of /proc/<pid>/stat */
	char		boot[LOCAL_BOOT_SIZE];
};

/* Name a process that runs now. VS_ENOENT. */
int	local_proc_name(pid_t pid, struct local_proc *ret_proc) VS_MUST_USE;

/* A pidfd of just this process. VS_ENOENT: it has ended (a zombie too). */
int	local_proc_open(const struct local_proc *proc, int *ret_pidfd) VS_MUST_USE;

/* SIGKILL for every process of a uid (never 0); how many there were. */
size_t	local_proc_kill_uid(int64_t uid);

/* Is any process of a uid in [first, first + count) alive? Sets used[uid - first]. */
void	local_proc_uids(int64_t first, size_t count, bool *used);
