/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * local_cgroup - memory and process limits of one runtime, where this machine lets
 * us set any.
 *
 * Version 2 when our own cgroup is delegated to us with memory and pids, else
 * version 1 when both hierarchies are there and we may write, else none.
 *
 * Owner: embedded in the driver and in each runtime. Threads: one.
 */

#include <stdint.h>

#include "lib/base.h"

#define LOCAL_CGROUP_PATH	256

enum local_cgroup_kind { LOCAL_CGROUP_NONE, LOCAL_CGROUP_V1, LOCAL_CGROUP_V2 };

/* Directories; with version 2 both are the same. "" with NONE. */
struct local_cgroup {
	char	memory[LOCAL_CGROUP_PATH], pids[LOCAL_CGROUP_PATH];
};

struct local_cgroups {
	enum local_cgroup_kind	kind;
	struct local_cgroup	base;	/* where those of the runtimes are made */
};

struct local_cgroup_limits {
	int64_t	memory_mib, pids;
};

/*
 * What this machine offers. root: /sys/fs/cgroup. self: the text of
 * /proc/self/cgroup. With version 2 this process is moved into a leaf of its own.
 */
void	local_cgroups_find(const char *root, const char *self, struct local_cgroups *ret_cgroups);
const char	*local_cgroup_kind_text(enum local_cgroup_kind kind);

/* Where that of a runtime will be; with NONE ret_cgroup is "". VS_ETOOBIG. */
int	local_cgroup_place(const struct local_cgroups *cgroups, const char *id,
	    struct local_cgroup *ret_cgroup) VS_MUST_USE;

/* Make it (again). VS_EPERM, VS_EIO and so on. */
int	local_cgroup_make(const struct local_cgroup *cgroup, const struct local_cgroup_limits *limits)
	    VS_MUST_USE;

/* Put the calling process in. For the child between fork and exec. */
int	local_cgroup_join(const struct local_cgroup *cgroup) VS_MUST_USE;

/* SIGKILL for all that is in; how many there were. */
size_t	local_cgroup_kill(const struct local_cgroup *cgroup);

/* VS_EAGAIN while something is in. */
int	local_cgroup_remove(const struct local_cgroup *cgroup) VS_MUST_USE;

/*
 * Remove those of runtimes that hold nothing and are older than a minute: nobody has
 * a record of them any more, say because the state directory was removed.
 */
void	local_cgroups_tidy(const struct local_cgroups *cgroups);

/* How often the kernel has killed in it for want of memory. */
int64_t	local_cgroup_oom_kills(const struct local_cgroup *cgroup);
