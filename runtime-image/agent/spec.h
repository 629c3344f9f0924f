/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * spec - what a runtime is to be, as the driver says it on descriptor 3.
 *
 * Owner: the agent. Everything lives in the arena until agent_spec_fini().
 */

#include <stdint.h>

#include "lib/arena.h"
#include "lib/base.h"
#include "lib/buf.h"
#include "runtime-image/agent/addr_policy.h"

struct agent_viewport {
	int64_t	 width, height;
};

struct agent_spec {
	const char		*id, *session_id;
	const char		*secret;	/* never printed */
	const char		*dir;
	const char		*user_agent;	/* NULL: Chrome's own */
	const char		*memory_cgroup;	/* NULL: none */
	struct agent_viewport	 viewport;
	int64_t			 deadline_ms;	/* wall clock */
	int64_t			 shm_mib, tmp_mib;
	int64_t			 socket_group;	/* -1: leave it */
	struct json_object	*egress_allow;	/* only while parsing */
	struct addr_policy	 egress;
	struct vs_arena		 arena;
};

/* Faults go into fault as one readable line. agent_spec_fini() follows in any case. */
int	agent_spec_parse(const char *text, size_t len, struct agent_spec *ret_spec,
	    struct vs_buf *fault) VS_MUST_USE;

/* All of fd up to a fixed size, then agent_spec_parse(); fd is closed. */
int	agent_spec_read(int fd, struct agent_spec *ret_spec, struct vs_buf *fault) VS_MUST_USE;

void	agent_spec_fini(struct agent_spec *spec);	/* wipes the secret; idempotent */
