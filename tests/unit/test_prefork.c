/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/prefork.h"

#define DEADLINE_MS 20000

/* What a worker tells the test; smaller than PIPE_BUF, so never mixed. */
struct note {
	int slot;
	pid_t pid;
	enum { NOTE_STARTED, NOTE_SIGNAL, NOTE_BAD_SIGNALS } what;
};

static int ends[2]; /* master and workers hold [1]: end of file means that all are gone */
static pid_t master;

static void
tell(int slot, int what)
{
	const struct note note = { slot, getpid(), what };

	if (write(ends[1], &note, sizeof(note)) != (ssize_t)sizeof(note))
		_exit(9);
}

/* The next note; false at the end of file. */
static bool
hear(struct note *note)
{
	struct pollfd in = { .fd = ends[0], .events = POLLIN };
	ssize_t n;

	assert_int_equal(poll(&in, 1, DEADLINE_MS), 1);
	n = read(ends[0], note, sizeof(*note));
	assert_true(n == 0 || n == (ssize_t)sizeof(*note));
	return n > 0;
}

/* Start a master with these workers; wait until each has said so. */
static void
master_start(struct vs_prefork prefork, pid_t *ret_pids)
{
	struct note note;

	assert_int_equal(pipe(ends), 0);
	master = fork();
	assert_true(master >= 0);
	if (master == 0) {
		vs_log_fd(-1);
		(void)close(ends[0]);
		exit(vs_prefork_run(&prefork) == 0 ? 0 : 1);
	}
	assert_int_equal(close(ends[1]), 0);
	for (int i = 0; ret_pids != NULL && i < prefork.workers; i++) {
		assert_true(hear(&note));
		assert_int_equal(note.what, NOTE_STARTED);
		ret_pids[note.slot] = note.pid;
	}
}

/* The master's exit status, when it and all workers are gone. */
static int
master_join(void)
{
	struct note note;
	int status;

	while (hear(&note))
		assert_int_not_equal(note.what, NOTE_BAD_SIGNALS);
	assert_int_equal(waitpid(master, &status, 0), master);
	assert_int_equal(close(ends[0]), 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int
work_until_term(void *ctx, int slot)
{
	(void)ctx;
	tell(slot, NOTE_STARTED);
	while (pause() < 0)
		continue;
	return 0;
}

static int
work_and_ignore_term(void *ctx, int slot)
{
	(void)sigaction(SIGTERM, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	return work_until_term(ctx, slot);
}

static int
work_and_fail(void *ctx, int slot)
{
	(void)ctx;
	tell(slot, NOTE_STARTED);
	return 1;
}

static int
work_and_look_at_signals(void *ctx, int slot)
{
	struct sigaction action;
	sigset_t mask;

	(void)ctx;
	if (sigprocmask(SIG_SETMASK, NULL, &mask) != 0)
		return 1;
	for (int signo = 1; signo < NSIG; signo++) {
		if (sigismember(&mask, signo) == 1)
			tell(slot, NOTE_BAD_SIGNALS);
		if (signo != SIGPIPE && sigaction(signo, NULL, &action) == 0 &&
		    action.sa_handler != SIG_DFL)
			tell(slot, NOTE_BAD_SIGNALS);
	}
	return work_until_term(ctx, slot);
}

static int
work_until_hup(void *ctx, int slot)
{
	sigset_t set;
	int signo;

	(void)ctx;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	tell(slot, NOTE_STARTED);
	while (sigwait(&set, &signo) == 0)
		tell(slot, NOTE_SIGNAL);
	return 1;
}

static void
prefork_run__starts_a_dead_worker_again(void **state)
{
	pid_t pids[3];
	struct note note;

	(void)state;
	master_start((struct vs_prefork){ 3, 10, 5000, work_until_term, NULL }, pids);
	assert_int_equal(kill(pids[1], SIGKILL), 0);
	assert_true(hear(&note));
	assert_int_equal(note.slot, 1);
	assert_int_not_equal(note.pid, pids[1]);
	assert_int_equal(kill(pids[0], 0), 0);
	assert_int_equal(kill(master, SIGTERM), 0);
	assert_int_equal(master_join(), 0);
}

static void
prefork_run__ends_with_its_workers_at_int_too(void **state)
{
	pid_t pids[2];

	(void)state;
	master_start((struct vs_prefork){ 2, 10, 5000, work_until_term, NULL }, pids);
	assert_int_equal(kill(master, SIGINT), 0);
	assert_int_equal(master_join(), 0);
	assert_int_equal(kill(pids[0], 0), -1);
	assert_int_equal(errno, ESRCH);
}

static void
prefork_run__kills_who_does_not_stop_in_time(void **state)
{
	vs_msec before;
	pid_t pids[2];

	(void)state;
	master_start((struct vs_prefork){ 2, 10, 200, work_and_ignore_term, NULL }, pids);
	before = vs_clock_mono_ms();
	assert_int_equal(kill(master, SIGTERM), 0);
	assert_int_equal(master_join(), 0);
	assert_true(vs_clock_mono_ms() - before >= 199);
}

static void
prefork_run__waits_no_longer_after_a_second_term(void **state)
{
	pid_t pids[1];

	(void)state;
	master_start(
	    (struct vs_prefork){ 1, 10, 10 * DEADLINE_MS, work_and_ignore_term, NULL }, pids);
	assert_int_equal(kill(master, SIGTERM), 0);
	assert_int_equal(kill(master, SIGINT), 0);
	assert_int_equal(master_join(), 0);
}

static void
prefork_run__takes_its_workers_along_when_killed(void **state)
{
	pid_t pids[3];

	(void)state;
	master_start((struct vs_prefork){ 3, 10, 5000, work_and_ignore_term, NULL }, pids);
	assert_int_equal(kill(master, SIGKILL), 0);
	assert_int_equal(master_join(), -SIGKILL);
}

static void
prefork_run__gives_workers_clean_signals(void **state)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct sigaction usr1, chld;
	sigset_t set, before;
	pid_t pids[1];

	(void)state;
	assert_int_equal(sigaction(SIGUSR1, &ignore, &usr1), 0);
	assert_int_equal(sigaction(SIGCHLD, &ignore, &chld), 0);
	(void)sigfillset(&set);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, &before), 0);
	master_start((struct vs_prefork){ 1, 10, 5000, work_and_look_at_signals, NULL }, pids);
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	assert_int_equal(sigaction(SIGUSR1, &usr1, NULL), 0);
	assert_int_equal(sigaction(SIGCHLD, &chld, NULL), 0);
	assert_int_equal(kill(master, SIGTERM), 0);
	assert_int_equal(master_join(), 0);
}

static void
prefork_run__passes_hup_on(void **state)
{
	struct note note;
	pid_t pids[2];

	(void)state;
	master_start((struct vs_prefork){ 2, 10, 5000, work_until_hup, NULL }, pids);
	assert_int_equal(kill(master, SIGHUP), 0);
	for (int i = 0; i < 2; i++) {
		assert_true(hear(&note));
		assert_int_equal(note.what, NOTE_SIGNAL);
		assert_int_equal(note.pid, pids[note.slot]);
	}
	assert_int_equal(kill(master, SIGTERM), 0);
	assert_int_equal(master_join(), 0);
}

static void
prefork_run__paces_a_worker_that_dies_at_once(void **state)
{
	vs_msec before = vs_clock_mono_ms();
	struct note note;

	(void)state;
	master_start((struct vs_prefork){ 1, 50, 5000, work_and_fail, NULL }, NULL);
	for (int i = 0; i < 6; i++)
		assert_true(hear(&note));
	assert_true(vs_clock_mono_ms() - before >= 5 * 50 - 5);
	assert_int_equal(kill(master, SIGTERM), 0);
	assert_int_equal(master_join(), 0);
}

static void
prefork_run__refuses_no_workers(void **state)
{
	struct vs_prefork prefork = { 0, 50, 5000, work_and_fail, NULL };

	(void)state;
	assert_int_equal(vs_prefork_run(&prefork), VS_EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefork_run__starts_a_dead_worker_again),
		cmocka_unit_test(prefork_run__ends_with_its_workers_at_int_too),
		cmocka_unit_test(prefork_run__kills_who_does_not_stop_in_time),
		cmocka_unit_test(prefork_run__waits_no_longer_after_a_second_term),
		cmocka_unit_test(prefork_run__takes_its_workers_along_when_killed),
		cmocka_unit_test(prefork_run__gives_workers_clean_signals),
		cmocka_unit_test(prefork_run__passes_hup_on),
		cmocka_unit_test(prefork_run__paces_a_worker_that_dies_at_once),
		cmocka_unit_test(prefork_run__refuses_no_workers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
