/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime-image/agent/agent.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"
#include "runtime-image/agent/api.h"
#include "runtime-image/agent/egress.h"

#define START_MS      60000
#define TICK_MS       1000
#define KILL_AGAIN_MS 50
#define LINGER_MS     1500

const char *
agent_state_text(enum agent_state state)
{
	static const char *const texts[] = { "starting", "ready", "ended" };

	return texts[state];
}

const char *
agent_end_text(enum agent_end end)
{
	static const char *const texts[] = {
#define END(name, word) word,
#include "runtime-image/agent/end.def"
#undef END
	};

	return texts[end];
}

/* --- Ending --- */

static void
agent_linger_over(struct vs_timer *timer)
{
	struct agent *agent = timer->ctx;

	vs_loop_stop(agent->loop);
}

/*
 * A sandbox that cannot be made fails sooner than the driver connects: the end waits a
 * moment for somebody to hear of it. Who asked for the end needs not be told.
 */
static void
agent_leave_if_reaped(struct agent *agent)
{
	if (agent->state != AGENT_ENDED || !agent->reaped)
		return;
	if (agent->told || agent->end == END_STOPPED ||
	    vs_loop_timer(agent->loop, &agent->tick, vs_loop_now(agent->loop) + LINGER_MS,
		agent_linger_over, agent) < 0)
		vs_loop_stop(agent->loop);
}

void
agent_told(struct agent *agent)
{
	if (agent->told)
		return;
	agent->told = true;
	agent_leave_if_reaped(agent);
}

/*
 * Killing bwrap kills the sandbox's first process and with it the namespace. One of
 * bwrap's helpers may have been forked and not yet have asked to die with its parent:
 * it has become our child, so we look again until there is none.
 */
static void
agent_kill(struct vs_timer *timer)
{
	struct agent *agent = timer->ctx;

	if (agent->reaped)
		return;
	sandbox_kill_children();
	(void)!vs_loop_timer(
	    agent->loop, timer, vs_loop_now(agent->loop) + KILL_AGAIN_MS, agent_kill, agent);
}

void
agent_end(struct agent *agent, enum agent_end end, const char *detail)
{
	if (agent->state == AGENT_ENDED)
		return;
	agent->state = AGENT_ENDED;
	agent->end = end;
	(void)snprintf(agent->detail, sizeof(agent->detail), "%s", detail == NULL ? "" : detail);
	log_info("runtime.ended", VS_LOG_STR("runtime", agent->spec.id),
	    VS_LOG_STR("session", agent->spec.session_id), VS_LOG_STR("end", agent_end_text(end)),
	    VS_LOG_STR("detail", agent->detail));
	api_state_changed(agent->api);
	vs_loop_timer_clear(agent->loop, &agent->tick);
	agent_kill(&agent->tick);
	agent_leave_if_reaped(agent);
}

/* bwrap speaks only when it fails, its first line is kept; it comes in pieces. */
static void
agent_on_bwrap(struct vs_watch *watch, uint32_t revents)
{
	struct agent *agent = watch->ctx;
	size_t have = strlen(agent->bwrap_says);
	char text[256];

	(void)revents;
	ssize_t len = read(watch->fd, text, sizeof(text) - 1);
	if (len < 0 && errno == EAGAIN)
		return;
	if (len <= 0) {
		vs_loop_remove(agent->loop, watch);
		return;
	}
	text[len] = '\0';
	if (strchr(agent->bwrap_says, '\n') == NULL)
		(void)snprintf(
		    agent->bwrap_says + have, sizeof(agent->bwrap_says) - have, "%s", text);
}

/* Nothing more is written when this is called: take all of it. */
static void
agent_hear_bwrap_out(struct agent *agent)
{
	for (int i = 0; i < 16 && agent->bwrap.fd >= 0; i++)
		agent_on_bwrap(&agent->bwrap, 0);
	agent->bwrap_says[strcspn(agent->bwrap_says, "\n")] = '\0';
}

static void
agent_on_child(void *ctx, int signo)
{
	struct agent *agent = ctx;
	pid_t pid;
	int status;

	(void)signo;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != agent->sandbox.pid)
			continue;
		agent_hear_bwrap_out(agent);
		if (agent->bwrap_says[0] != '\0' && agent->state == AGENT_STARTING)
			agent_end(agent, END_START_FAILED, agent->bwrap_says);
	}
	if (pid == 0 || errno != ECHILD)
		return;
	agent->reaped = true;
	if (oom_killed(&agent->oom))
		agent_end(agent, END_OOM_KILLED, "memory limit reached");
	agent_end(agent, agent->state == AGENT_STARTING ? END_START_FAILED : END_DESKTOP_CRASHED,
	    "the sandbox is gone");
	agent_leave_if_reaped(agent);
}

static void
agent_on_stop_signal(void *ctx, int signo)
{
	(void)signo;
	agent_end(ctx, END_STOPPED, "signal");
}

/* --- The watch once a second: clock, memory, start --- */

static void agent_tick(struct vs_timer *timer);

/* Once a second at least, so that a wall clock that was set shows within one. */
static void
agent_plan_tick(struct agent *agent)
{
	int64_t left = agent->spec.deadline_ms - vs_clock_wall_ms();
	vs_msec wait = left < 1 ? 1 : left < TICK_MS ? left : TICK_MS;

	if (vs_loop_timer(
		agent->loop, &agent->tick, vs_loop_now(agent->loop) + wait, agent_tick, agent) < 0)
		agent_end(agent, END_DEADLINE, "no memory for the deadline's timer");
}

static void
agent_tick(struct vs_timer *timer)
{
	struct agent *agent = timer->ctx;

	if (vs_clock_wall_ms() >= agent->spec.deadline_ms)
		agent_end(agent, END_DEADLINE, NULL);
	else if (oom_killed(&agent->oom))
		agent_end(agent, END_OOM_KILLED, "memory limit reached");
	else if (agent->state == AGENT_STARTING && vs_loop_now(agent->loop) > agent->start_deadline)
		agent_end(agent, END_START_FAILED, "the browser did not answer in time");
	else
		agent_plan_tick(agent);
}

void
agent_set_deadline(struct agent *agent, int64_t deadline_wall_ms)
{
	agent->spec.deadline_ms = deadline_wall_ms;
	if (agent->state != AGENT_ENDED)
		agent_plan_tick(agent);
}

/* --- What the parts report --- */

static void
agent_on_chrome(void *ctx)
{
	struct agent *agent = ctx;

	if (agent->state != AGENT_STARTING || !chrome_ready(&agent->chrome))
		return;
	agent->state = AGENT_READY;
	log_info("runtime.ready", VS_LOG_STR("runtime", agent->spec.id),
	    VS_LOG_STR("session", agent->spec.session_id),
	    VS_LOG_INT("start_ms", vs_clock_mono_ms() - (agent->start_deadline - START_MS)));
	api_state_changed(agent->api);
}

static void
agent_on_listener(void *ctx, int fd)
{
	struct agent *agent = ctx;

	if (egress_listen(agent->egress, fd) < 0)
		agent_end(agent, END_START_FAILED, "no memory for the egress relay");
}

static void
agent_on_sockets(void *ctx)
{
	struct agent *agent = ctx;

	api_sockets_came(agent->api);
}

static enum agent_end
agent_child_end(const struct agent *agent, enum link_child child, int status)
{
	if (oom_killed(&agent->oom))
		return END_OOM_KILLED;
	if (agent->state == AGENT_STARTING)
		return END_START_FAILED;
	if (child != LINK_CHROME)
		return END_DESKTOP_CRASHED;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? END_BROWSER_CLOSED
							     : END_BROWSER_CRASHED;
}

static void
agent_on_desktop_child(void *ctx, enum link_child child, int status)
{
	static const char *const names[LINK_CHILDREN] = {
		[LINK_CHROME] = "browser",
		[LINK_XVNC] = "X server",
		[LINK_OPENBOX] = "window manager",
	};
	struct agent *agent = ctx;
	char detail[AGENT_DETAIL_SIZE];

	(void)snprintf(detail, sizeof(detail), "%s ended with %s %d", names[child],
	    WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	agent_end(agent, agent_child_end(agent, child, status), detail);
}

static void
agent_on_desk_failed(void *ctx, const char *why)
{
	agent_end(ctx, END_START_FAILED, why);
}

/* Before the greeting bwrap's exit follows, and it has a better explanation. */
static void
agent_on_desk_lost(void *ctx)
{
	struct agent *agent = ctx;

	if (agent->desk.greeted)
		agent_end(agent, oom_killed(&agent->oom) ? END_OOM_KILLED : END_DESKTOP_CRASHED,
		    "the link to the sandbox closed");
}

/* --- Starting --- */

static int
agent_watch_signals(struct agent *agent)
{
	int rc;

	/* Processes of a killed sandbox come to us, so that we see the last of them go. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	rc = vs_loop_signal(agent->loop, SIGCHLD, agent_on_child, agent);
	if (rc == 0)
		rc = vs_loop_signal(agent->loop, SIGTERM, agent_on_stop_signal, agent);
	if (rc == 0)
		rc = vs_loop_signal(agent->loop, SIGINT, agent_on_stop_signal, agent);
	return rc;
}

int
agent_start(struct agent *agent)
{
	static const struct desk_hooks hooks = { .listener = agent_on_listener,
		.sockets = agent_on_sockets,
		.child_ended = agent_on_desktop_child,
		.failed = agent_on_desk_failed,
		.lost = agent_on_desk_lost };
	struct sandbox *sandbox = &agent->sandbox;

	agent->tick.ctx = agent;
	agent->start_deadline = vs_clock_mono_ms() + START_MS;
	chrome_init(&agent->chrome, agent->loop, &agent->spec.viewport, agent_on_chrome, agent);
	desk_init(&agent->desk, agent->loop, &hooks, agent);
	int rc = agent_watch_signals(agent);
	if (rc == 0)
		rc = sandbox_start(&agent->spec, sandbox);
	if (rc == 0)
		rc = desk_attach(&agent->desk, sandbox->link_fd);
	if (rc == 0)
		rc = chrome_attach(
		    &agent->chrome, sandbox->cdp_in_fd, sandbox->cdp_out_fd, sandbox->log_fd);
	if (rc == 0)
		rc = vs_loop_add(
		    agent->loop, &agent->bwrap, sandbox->bwrap_fd, EPOLLIN, agent_on_bwrap, agent);
	if (rc == 0)
		agent_plan_tick(agent);
	return rc;
}

void
agent_fini(struct agent *agent)
{
	chrome_fini(&agent->chrome);
	desk_fini(&agent->desk);
	if (agent->bwrap.ctx != NULL)
		vs_loop_remove(agent->loop, &agent->bwrap);
	sandbox_fini(&agent->sandbox);
	oom_close(&agent->oom);
	agent_spec_fini(&agent->spec);
}
