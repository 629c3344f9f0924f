/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * local_spawn - start the agent of one runtime.
 *
 * The child leads a session of its own and outlives reaperd. It inherits nothing
 * but standard error and the specification on descriptor 3.
 *
 * Threads: one (the caller must have no other).
 */

#include <stdint.h>
#include <sys/types.h>

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/runtime/local_cgroup.h"
#include "lib/runtime/runtime.h"

struct local_spawn {
	const char			*agent_path;
	const char			*spec;		/* the JSON for descriptor 3 */
	size_t				 spec_len;
	int64_t				 uid;		/* 0: the caller's */
	const struct local_cgroup	*cgroup;
	int				 rec_fd;	/* the child signs here */
	int				 lock_fd;	/* and then lets go of this */
};

/* *ret_pid has the agent, or a process that ends with status 126 or 127. */
int	local_spawn(const struct local_spawn *spawn, pid_t *ret_pid) VS_MUST_USE;

/* What the specification says besides the runtime's own. */
struct local_spec_site {
	const struct vs_region	*region;
	const char		*dir, *secret;
	const char		*memory_cgroup;	/* "": none */
	int64_t			 socket_group;	/* -1: none */
};

/* The specification as PROTOCOL.md has it, appended to out. */
int	local_spec_print(const struct vs_runtime_spec *spec, const struct local_spec_site *site,
	    struct vs_buf *out) VS_MUST_USE;

/*
 * Run "agent --self-test" as uid. 0, or VS_EUNSUPP with what it said in fault.
 * Blocks, for 30 s at most.
 */
int	local_self_test(const char *agent_path, int64_t uid, struct vs_buf *fault) VS_MUST_USE;
