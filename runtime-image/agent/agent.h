/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * agent - the life of one runtime: starting, ready, ended.
 *
 * Every way to end goes through agent_end(): the first reason wins, everyone who
 * listens is told, the sandbox is killed, and the program leaves when the last of its
 * processes has been reaped.
 */

#include <stdbool.h>

#include "lib/base.h"
#include "lib/loop.h"
#include "runtime-image/agent/chrome.h"
#include "runtime-image/agent/desk.h"
#include "runtime-image/agent/oom.h"
#include "runtime-image/agent/sandbox.h"
#include "runtime-image/agent/spec.h"

struct api;
struct egress;

enum agent_state { AGENT_STARTING, AGENT_READY, AGENT_ENDED };

enum agent_end {
#define END(name, word) END_##name,
#include "runtime-image/agent/end.def"
#undef END
};

#define AGENT_DETAIL_SIZE	160

struct agent {
	struct vs_loop		*loop;
	struct agent_spec	 spec;
	enum agent_state	 state;
	enum agent_end		 end;		/* once ended */
	char			 detail[AGENT_DETAIL_SIZE];
	struct sandbox		 sandbox;
	struct chrome		 chrome;
	struct desk		 desk;
	struct oom_watch	 oom;
	struct api		*api;		/* owned */
	struct egress		*egress;	/* owned */
	struct vs_timer		 tick;
	vs_msec			 start_deadline;
	bool			 reaped;	/* the sandbox's processes are all gone */
	bool			 told;		/* somebody has heard of the end */
	char			 bwrap_says[AGENT_DETAIL_SIZE];	/* its first complaint */
	struct vs_watch		 bwrap;
};

/* Signals, timers, the sandbox. The loop, the specification and the API are there. */
int	agent_start(struct agent *agent) VS_MUST_USE;

/* detail: a short text of our own, no page's data; may be NULL. */
void	agent_end(struct agent *agent, enum agent_end end, const char *detail);

/* The end was written to a client. */
void	agent_told(struct agent *agent);

void	agent_set_deadline(struct agent *agent, int64_t deadline_wall_ms);

const char	*agent_state_text(enum agent_state state);
const char	*agent_end_text(enum agent_end end);

void	agent_fini(struct agent *agent);
