/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * local_rt - one runtime of the local driver, from its start or its discovery until
 * nothing of it is left.
 *
 * Its end is told once (hooks.ended), whoever notices first: the agent's last word,
 * the end of its stream, or of its process. Then somebody has to stop it: a request,
 * after STOP_GRACE_MS a kill, and then a sweep, again and again until processes,
 * cgroup, directory and record are gone (hooks.gone).
 *
 * Owner: struct local. Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/httpc.h"
#include "lib/list.h"
#include "lib/loop.h"
#include "lib/runtime/agent_client.h"
#include "lib/runtime/local_cgroup.h"
#include "lib/runtime/local_rec.h"
#include "lib/runtime/runtime.h"

#define LOCAL_STOP_GRACE_MS	1500

struct local {
	struct vs_runtime_driver	 driver;	/* first: what the caller holds */
	struct vs_loop			*loop;		/* borrowed, as are the next three */
	const struct vs_conf		*conf;
	const struct vs_region		*region;
	const struct vs_keyring		*ring;
	struct vs_runtime_hooks		 hooks;
	struct vs_httpc			*httpc;		/* owned */
	char				*rt_dir;	/* owned: <state_dir>/rt */
	int				 rt_fd;		/* of rt_dir */
	struct local_cgroups		 cgroups;
	int64_t				 socket_group;	/* -1: none */
	bool				 root;
	bool				*strays;	/* owned: uids of the range in use by strangers */
	size_t				 nuids;		/* how long the range is */
	struct vs_node			 runtimes;
};

enum local_phase {
	LOCAL_STARTING,
	LOCAL_READY,
	LOCAL_ENDED,		/* told; waits to be stopped */
	LOCAL_STOPPING,		/* asked to go, not killed yet */
	LOCAL_SWEEPING,		/* killed; what is left is being removed */
	LOCAL_DEBRIS		/* as SWEEPING, but nothing was ever started: not listed */
};

struct local_rt {
	struct vs_node		 node;		/* on local->runtimes */
	struct local		*local;
	struct local_rec	 rec;
	enum local_phase	 phase;
	int			 pidfd;		/* -1: no agent, or it was reaped */
	struct vs_watch		 exit_watch;
	bool			 exited, lost;	/* the process; its stream of events */
	bool			 was_ready, ended_by_itself;
	int			 exit_status;	/* of a child that exited; -1: not known, or a signal */
	struct agent_client	*agent;		/* NULL: none to talk to */
	struct vs_timer		 timer;		/* one at a time: verdict, kill or sweep */
	vs_msec			 sweep_ms;	/* pause to the next sweep */
	int64_t			 deadline_told, deadline_sent;	/* wall ms; 0: never */
	int			 misses;	/* health requests in a row without an answer */
};

/*
 * Start the agent of a runtime that is not there (local_start.c). When that fails,
 * what it has left goes by itself.
 */
int	local_rt_start(struct local *local, const struct vs_runtime_spec *spec, const char *secret)
	    VS_MUST_USE;

/* On local->runtimes, in the phase given, nothing watched yet. NULL: no memory. */
struct local_rt	*local_rt_new(struct local *local, const struct local_rec *rec,
		    enum local_phase phase);
void	local_rt_free(struct local_rt *rt);	/* lets go of it, whatever it does */
struct local_rt	*local_rt_find(struct local *local, const char *id);

/* Watch the process and its events. Takes pidfd. A failure ends the runtime by itself. */
void	local_rt_watch(struct local_rt *rt, int pidfd, const char *secret, vs_msec give_up_ms);

/* Found without a living agent: its end is told from the loop. */
void	local_rt_found_dead(struct local_rt *rt);

void	local_rt_stop(struct local_rt *rt);	/* idempotent */
void	local_rt_sweep_soon(struct local_rt *rt);
void	local_rt_extend(struct local_rt *rt, int64_t deadline_wall_ms);
void	local_rt_check(struct local_rt *rt);

/* One attempt to remove all that is left. VS_EAGAIN: something lives. */
int	local_rt_remove(struct local_rt *rt) VS_MUST_USE;

/* <rt_dir>/<id>/agent.sock. False: too long for a socket. */
#define LOCAL_SOCKET_SIZE	108
bool	local_rt_socket(const struct local *local, const char *id, char ret_path[LOCAL_SOCKET_SIZE]);
