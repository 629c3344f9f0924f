/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/runtime/local_rt.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/runtime/local_proc.h"

#define LAST_WORD_MS     500 /* what an agent wrote before its exit is read by then */
#define EXIT_STATUS_MS   200 /* ... and the exit follows the end of the stream by then */
#define SWEEP_FIRST_MS   10
#define SWEEP_MAX_MS     500
#define HEALTH_MISSES    3
#define DEADLINE_FUZZ_MS 1000 /* the caller works it out anew each time, to the millisecond */

static void rt_sweep(struct vs_timer *timer);

bool
local_rt_socket(const struct local *local, const char *id, char ret_path[LOCAL_SOCKET_SIZE])
{
	int n = snprintf(ret_path, LOCAL_SOCKET_SIZE, "%s/%s/agent.sock", local->rt_dir, id);

	return n > 0 && n < LOCAL_SOCKET_SIZE;
}

struct local_rt *
local_rt_new(struct local *local, const struct local_rec *rec, enum local_phase phase)
{
	struct local_rt *rt = calloc(1, sizeof(*rt));

	if (rt == NULL)
		return NULL;
	rt->local = local;
	rt->rec = *rec;
	rt->phase = phase;
	rt->pidfd = -1;
	rt->exit_status = -1;
	rt->sweep_ms = SWEEP_FIRST_MS;
	vs_list_append(&local->runtimes, &rt->node);
	return rt;
}

void
local_rt_free(struct local_rt *rt)
{
	vs_list_remove(&rt->node);
	vs_loop_timer_clear(rt->local->loop, &rt->timer);
	vs_loop_remove(rt->local->loop, &rt->exit_watch);
	if (rt->pidfd >= 0)
		(void)close(rt->pidfd);
	agent_client_free(rt->agent);
	free(rt);
}

struct local_rt *
local_rt_find(struct local *local, const char *id)
{
	struct vs_node *it, *tmp;

	VS_LIST_EACH(it, tmp, &local->runtimes) {
		struct local_rt *rt = VS_CONTAINER(it, struct local_rt, node);

		if (strcmp(rt->rec.id, id) == 0)
			return rt;
	}
	return NULL;
}

/* Without memory for a timer there is no later: do it at once. */
static void
rt_timer(struct local_rt *rt, vs_msec in_ms, void (*fn)(struct vs_timer *))
{
	if (vs_loop_timer(rt->local->loop, &rt->timer, vs_clock_mono_ms() + in_ms, fn, rt) < 0) {
		rt->timer.ctx = rt;
		fn(&rt->timer);
	}
}

static void
rt_end(struct local_rt *rt, enum vs_runtime_end end, const char *detail)
{
	if (rt->phase >= LOCAL_ENDED)
		return;
	rt->phase = LOCAL_ENDED;
	rt->local->hooks.ended(rt->local->hooks.ctx, rt->rec.id, end, detail);
}

/* The agent has left without a last word: the best guess at the reason. */
static void
rt_verdict(struct vs_timer *timer)
{
	struct local_rt *rt = timer->ctx;
	char detail[64];

	if (local_cgroup_oom_kills(&rt->rec.cgroup) > 0 && rt->exit_status < 0) {
		rt_end(rt, VS_RUNTIME_OOM_KILLED, "the agent was killed for want of memory");
	} else if (rt->exit_status >= 0 && !rt->was_ready) {
		(void)snprintf(
		    detail, sizeof(detail), "the agent ended with status %d", rt->exit_status);
		rt_end(rt, VS_RUNTIME_START_FAILED, detail);
	} else {
		rt_end(rt, VS_RUNTIME_AGENT_LOST,
		    rt->exited ? "the agent has ended" : "the agent does not answer");
	}
}

/* The end of the stream and of the process, in either order; the second one decides. */
static void
rt_verdict_soon(struct local_rt *rt, vs_msec wait_ms)
{
	if (rt->phase < LOCAL_ENDED)
		rt_timer(rt, rt->lost && rt->exited ? 0 : wait_ms, rt_verdict);
}

static void
on_ready(void *ctx)
{
	struct local_rt *rt = ctx;
	char endpoint[LOCAL_SOCKET_SIZE + 5] = "unix:";

	if (rt->phase != LOCAL_STARTING)
		return;
	rt->phase = LOCAL_READY;
	rt->was_ready = true;
	(void)local_rt_socket(rt->local, rt->rec.id, endpoint + 5);
	rt->local->hooks.ready(rt->local->hooks.ctx, rt->rec.id, endpoint);
}

static void
on_ended(void *ctx, enum vs_runtime_end end, const char *detail)
{
	struct local_rt *rt = ctx;

	rt->ended_by_itself = true;
	rt_end(rt, end, detail);
}

static void
on_lost(void *ctx, int rc)
{
	struct local_rt *rt = ctx;

	(void)rc; /* whatever it was: there will be no more events */
	rt->lost = true;
	rt_verdict_soon(rt, EXIT_STATUS_MS);
}

/* Reap it if it is ours; an agent of an earlier reaperd is init's. */
static void
rt_reap(struct local_rt *rt)
{
	siginfo_t info = { .si_pid = 0 };
	int rc;

	do
		rc = waitid(P_PIDFD, (id_t)rt->pidfd, &info, WEXITED | WNOHANG);
	while (rc < 0 && errno == EINTR);
	if (rc == 0 && info.si_pid != 0 && info.si_code == CLD_EXITED)
		rt->exit_status = info.si_status;
	(void)close(rt->pidfd);
	rt->pidfd = -1;
}

static void
on_exit_event(struct vs_watch *watch, uint32_t revents)
{
	struct local_rt *rt = watch->ctx;

	(void)revents;
	vs_loop_remove(rt->local->loop, watch);
	rt->exited = true;
	rt_reap(rt);
	if (rt->phase >= LOCAL_STOPPING)
		local_rt_sweep_soon(rt);
	else
		rt_verdict_soon(rt, LAST_WORD_MS);
}

void
local_rt_watch(struct local_rt *rt, int pidfd, const char *secret, vs_msec give_up_ms)
{
	struct agent_hooks hooks = {
		.ready = on_ready, .ended = on_ended, .lost = on_lost, .ctx = rt
	};
	char path[LOCAL_SOCKET_SIZE];
	struct agent_peer peer = { .base_url = "http://agent",
		.unix_path = path,
		.secret = secret,
		.give_up_ms = give_up_ms };
	int rc;

	rt->pidfd = pidfd;
	rc = vs_loop_add(rt->local->loop, &rt->exit_watch, pidfd, EPOLLIN, on_exit_event, rt);
	if (rc == 0 && local_rt_socket(rt->local, rt->rec.id, path))
		rt->agent = agent_client_new(rt->local->loop, rt->local->httpc, &peer, &hooks);
	if (rt->agent != NULL)
		return;
	rt->lost = true;
	rt_verdict_soon(rt, 0);
}

void
local_rt_found_dead(struct local_rt *rt)
{
	rt->exited = rt->lost = true;
	rt_verdict_soon(rt, 0);
}

/* SIGKILL for all that may belong to it; how many were there. */
static size_t
rt_kill(struct local_rt *rt)
{
	size_t n = 0;

	if (!rt->exited) {
		/* Its pid cannot have gone to another: the pidfd says that it has not ended. */
		(void)kill(-rt->rec.agent.pid, SIGKILL);
		(void)pidfd_send_signal(rt->pidfd, SIGKILL, NULL, 0);
		n++;
	}
	if (rt->rec.cgroup.memory[0] != '\0')
		n += local_cgroup_kill(&rt->rec.cgroup);
	else if (rt->rec.uid > 0)
		n += local_proc_kill_uid(rt->rec.uid);
	return n;
}

int
local_rt_remove(struct local_rt *rt)
{
	vs_autofd int lock_fd = -1;
	int rc;

	if (rt_kill(rt) > 0)
		return VS_EAGAIN;
	rc = local_cgroup_remove(&rt->rec.cgroup);
	if (rc < 0)
		return rc;
	rc = local_rec_lock(rt->local->rt_fd, &lock_fd);
	if (rc < 0)
		return rc;
	rc = local_dir_remove(rt->local->rt_fd, rt->rec.id);
	if (rc < 0)
		return rc;
	local_rec_remove(rt->local->rt_fd, rt->rec.id);
	return 0;
}

/* Until it works: there is no giving up on a process that might still run. */
static void
rt_sweep(struct vs_timer *timer)
{
	struct local_rt *rt = timer->ctx;
	struct vs_runtime_hooks hooks = rt->local->hooks;
	bool tell = rt->phase != LOCAL_DEBRIS;
	char id[VS_ULID_SIZE];

	if (tell)
		rt->phase = LOCAL_SWEEPING;
	if (local_rt_remove(rt) < 0) {
		rt->sweep_ms = rt->sweep_ms * 2 < SWEEP_MAX_MS ? rt->sweep_ms * 2 : SWEEP_MAX_MS;
		if (vs_loop_timer(rt->local->loop, &rt->timer, vs_clock_mono_ms() + rt->sweep_ms,
			rt_sweep, rt) < 0)
			rt->phase = LOCAL_ENDED; /* no memory: the next stop begins again */
		return;
	}
	memcpy(id, rt->rec.id, sizeof(id));
	local_rt_free(rt);
	if (tell)
		hooks.gone(hooks.ctx, id);
}

void
local_rt_sweep_soon(struct local_rt *rt)
{
	rt_timer(rt, 0, rt_sweep);
}

static void
on_stop_answer(void *ctx, int rc)
{
	/* Deaf or gone: what it would have done is done for it. */
	if (rc < 0)
		local_rt_sweep_soon(ctx);
}

void
local_rt_stop(struct local_rt *rt)
{
	bool told_us = rt->ended_by_itself;

	if (rt->phase == LOCAL_DEBRIS)
		rt->phase = LOCAL_SWEEPING; /* somebody wants to hear of its end after all */
	if (rt->phase >= LOCAL_STOPPING)
		return;
	rt->phase = LOCAL_STOPPING;
	if (rt->exited || rt->agent == NULL ||
	    (!told_us && agent_client_stop(rt->agent, on_stop_answer) < 0))
		local_rt_sweep_soon(rt);
	else
		rt_timer(rt, LOCAL_STOP_GRACE_MS, rt_sweep);
}

static void
on_deadline_answer(void *ctx, int rc)
{
	struct local_rt *rt = ctx;

	/* When it failed, the next extend sends it again. */
	if (rc == 0)
		rt->deadline_told = rt->deadline_sent;
}

void
local_rt_extend(struct local_rt *rt, int64_t deadline_wall_ms)
{
	if (rt->phase > LOCAL_READY || rt->agent == NULL ||
	    llabs(rt->deadline_told - deadline_wall_ms) < DEADLINE_FUZZ_MS)
		return;
	if (agent_client_deadline(rt->agent, deadline_wall_ms, on_deadline_answer) == 0)
		rt->deadline_sent = deadline_wall_ms;
}

static void
on_health_answer(void *ctx, int rc)
{
	struct local_rt *rt = ctx;

	rt->misses = rc < 0 ? rt->misses + 1 : 0;
	if (rt->misses >= HEALTH_MISSES)
		rt_end(rt, VS_RUNTIME_AGENT_LOST, "the agent does not answer");
}

void
local_rt_check(struct local_rt *rt)
{
	if (rt->phase == LOCAL_READY && rt->agent != NULL)
		(void)!agent_client_health(rt->agent, on_health_answer); /* or one is under way */
}
