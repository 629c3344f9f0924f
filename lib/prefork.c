/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/prefork.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"

#define WORKERS_MAX 1024
#define FOR_EVER    INT64_MAX

struct slot {
	pid_t pid;        /* 0: nobody */
	vs_msec start_at; /* not before; monotonic */
};

struct master {
	const struct vs_prefork *prefork;
	struct slot *slots;
	sigset_t signals;    /* what the master waits for; blocked */
	sigset_t outer_mask; /* as it was before */
	bool stopping;
	vs_msec kill_at; /* FOR_EVER: not yet stopping, or killed already */
};

/* As after exec from a shell, but for SIGPIPE: a worker writes to peers that leave. */
static void
signals_reset(void)
{
	const struct sigaction dflt = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++) {
		if (signo != SIGPIPE && signo != SIGKILL && signo != SIGSTOP)
			(void)sigaction(signo, &dflt, NULL); /* refused for libc's own two */
	}
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static VS_NORETURN void
worker_run(const struct vs_prefork *prefork, int slot, pid_t master)
{
	/* The master may have died before the kernel was asked to tell. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != master)
		_exit(EXIT_FAILURE);
	signals_reset();
	exit(prefork->work(prefork->ctx, slot));
}

/* At most one start of a slot in respawn_pause_ms, so that a crash cannot spin. */
static void
slot_start(struct master *master, int index)
{
	const struct vs_prefork *prefork = master->prefork;
	struct slot *slot = &master->slots[index];
	pid_t self = getpid();
	pid_t pid;

	slot->start_at = vs_clock_mono_ms() + prefork->respawn_pause_ms;
	(void)fflush(NULL); /* or the worker's exit prints what is buffered here once more */
	pid = fork();
	if (pid == 0)
		worker_run(prefork, index, self);
	if (pid < 0) {
		log_warning(
		    "worker.fork", VS_LOG_ERR(vs_err_from_errno(errno)), VS_LOG_INT("slot", index));
		return;
	}
	slot->pid = pid;
}

static void
slots_start(struct master *master)
{
	vs_msec now = vs_clock_mono_ms();

	for (int i = 0; i < master->prefork->workers; i++) {
		if (master->slots[i].pid == 0 && master->slots[i].start_at <= now)
			slot_start(master, i);
	}
}

static void
slots_signal(const struct master *master, int signo)
{
	for (int i = 0; i < master->prefork->workers; i++) {
		if (master->slots[i].pid > 0)
			(void)kill(master->slots[i].pid, signo);
	}
}

static int
slots_count(const struct master *master)
{
	int count = 0;

	for (int i = 0; i < master->prefork->workers; i++)
		count += master->slots[i].pid > 0;
	return count;
}

static void
slots_reap(struct master *master)
{
	for (int i = 0; i < master->prefork->workers; i++) {
		struct slot *slot = &master->slots[i];
		int status;

		if (slot->pid == 0 || waitpid(slot->pid, &status, WNOHANG) != slot->pid)
			continue;
		if (!master->stopping)
			log_warning("worker.exit", VS_LOG_INT("slot", i),
			    VS_LOG_INT("worker", slot->pid),
			    VS_LOG_INT("status", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
			    VS_LOG_INT("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
		slot->pid = 0;
	}
}

/* When something is due without a signal. */
static vs_msec
master_next(const struct master *master)
{
	vs_msec next = master->kill_at;

	for (int i = 0; i < master->prefork->workers && !master->stopping; i++) {
		if (master->slots[i].pid == 0 && master->slots[i].start_at < next)
			next = master->slots[i].start_at;
	}
	return next;
}

/* The next signal, or 0 when it was time for something else. */
static int
master_wait(const struct master *master)
{
	vs_msec next = master_next(master);
	vs_msec left = next - vs_clock_mono_ms();
	struct timespec timeout;
	int signo;

	if (next == FOR_EVER) {
		signo = sigwaitinfo(&master->signals, NULL);
		return signo > 0 ? signo : 0;
	}
	if (left < 0)
		left = 0;
	timeout = (struct timespec){ left / 1000, left % 1000 * 1000000 };
	signo = sigtimedwait(&master->signals, NULL, &timeout);
	return signo > 0 ? signo : 0;
}

/* The first TERM asks the workers to end, a second one does not wait for them. */
static void
master_stop(struct master *master)
{
	vs_msec now = vs_clock_mono_ms();

	master->kill_at = master->stopping ? now : now + master->prefork->stop_wait_ms;
	if (!master->stopping)
		log_info("master.stop", VS_LOG_INT("workers", slots_count(master)));
	master->stopping = true;
	slots_signal(master, SIGTERM);
}

static void
master_kill_late(struct master *master)
{
	if (vs_clock_mono_ms() < master->kill_at)
		return;
	master->kill_at = FOR_EVER;
	log_warning("master.kill", VS_LOG_INT("workers", slots_count(master)));
	slots_signal(master, SIGKILL);
}

static void
master_loop(struct master *master)
{
	for (;;) {
		int signo;

		if (!master->stopping)
			slots_start(master);
		signo = master_wait(master);
		slots_reap(master);
		if (signo == SIGTERM || signo == SIGINT)
			master_stop(master);
		else if (signo == SIGHUP)
			slots_signal(master, SIGHUP);
		if (master->stopping && slots_count(master) == 0)
			return;
		master_kill_late(master);
	}
}

int
vs_prefork_run(const struct vs_prefork *prefork)
{
	static const int wanted[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
	struct master master = { .prefork = prefork, .kill_at = FOR_EVER };
	struct sigaction before;

	if (prefork->workers < 1 || prefork->workers > WORKERS_MAX)
		return VS_EINVAL;
	master.slots = calloc((size_t)prefork->workers, sizeof(*master.slots));
	if (master.slots == NULL)
		return VS_ENOMEM;
	(void)sigemptyset(&master.signals);
	for (size_t i = 0; i < VS_COUNTOF(wanted); i++)
		(void)sigaddset(&master.signals, wanted[i]);
	(void)sigprocmask(SIG_BLOCK, &master.signals, &master.outer_mask);
	/* Ignored, as some starters leave it, it would reap the workers unseen. */
	(void)sigaction(SIGCHLD, &(struct sigaction){ .sa_handler = SIG_DFL }, &before);
	master_loop(&master);
	(void)sigaction(SIGCHLD, &before, NULL);
	(void)sigprocmask(SIG_SETMASK, &master.outer_mask, NULL);
	free(master.slots);
	return 0;
}
