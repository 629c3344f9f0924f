/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/err.h"
#include "lib/loop.h"

#define WAIT_MS 5000 /* only a failing test waits that long */

struct fixture {
	struct vs_loop *loop;
	int pair[4][2];
};

struct seen {
	struct vs_loop *loop;
	int calls;
	uint32_t revents;
	struct vs_watch *victim; /* removed by the callback, */
	bool unwish;             /* or only set to want nothing */
	struct vs_timer *victim_timer;
};

static int
setup(void **state)
{
	static struct fixture fix;

	fix.loop = vs_loop_new();
	for (size_t i = 0; i < VS_COUNTOF(fix.pair); i++) {
		if (socketpair(
			AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fix.pair[i]) < 0)
			return -1;
	}
	*state = &fix;
	return fix.loop == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	struct fixture *fix = *state;

	vs_loop_free(fix->loop);
	for (size_t i = 0; i < VS_COUNTOF(fix->pair); i++) {
		(void)close(fix->pair[i][0]);
		(void)close(fix->pair[i][1]);
	}
	return 0;
}

static void
on_io(struct vs_watch *watch, uint32_t revents)
{
	struct seen *seen = watch->ctx;

	seen->calls++;
	seen->revents = revents;
	if (seen->victim != NULL && seen->unwish)
		vs_loop_set(seen->loop, seen->victim, 0);
	else if (seen->victim != NULL)
		vs_loop_remove(seen->loop, seen->victim);
}

static void
on_timer(struct vs_timer *timer)
{
	struct seen *seen = timer->ctx;

	seen->calls++;
	if (seen->victim_timer != NULL)
		vs_loop_timer_clear(seen->loop, seen->victim_timer);
}

static void
poke(int fd)
{
	assert_int_equal(write(fd, "x", 1), 1);
}

static void
add(struct fixture *fix, struct vs_watch *watch, int fd, uint32_t events, struct seen *seen)
{
	seen->loop = fix->loop;
	assert_int_equal(vs_loop_add(fix->loop, watch, fd, events, on_io, seen), 0);
}

static void
once(struct fixture *fix, vs_msec wait_ms)
{
	assert_int_equal(vs_loop_once(fix->loop, wait_ms), 0);
}

static void
loop__delivers_level_triggered(void **state)
{
	struct fixture *fix = *state;
	struct vs_watch watch = { 0 };
	struct seen seen = { 0 };

	add(fix, &watch, fix->pair[0][0], EPOLLIN, &seen);
	once(fix, 0);
	assert_int_equal(seen.calls, 0);
	poke(fix->pair[0][1]);
	once(fix, WAIT_MS);
	once(fix, WAIT_MS);
	assert_int_equal(seen.calls, 2);
	assert_int_equal(seen.revents, EPOLLIN);
	vs_loop_remove(fix->loop, &watch);
	once(fix, 0);
	assert_int_equal(seen.calls, 2);
}

static void
loop__tells_of_what_was_left_when_asked_again(void **state)
{
	struct fixture *fix = *state;
	struct vs_watch watch = { 0 };
	struct seen seen = { 0 };

	add(fix, &watch, fix->pair[0][0], EPOLLIN | EPOLLRDHUP | EPOLLET, &seen);
	poke(fix->pair[0][1]);
	once(fix, WAIT_MS);
	once(fix, 0);
	assert_int_equal(seen.calls, 1);
	vs_loop_again(fix->loop, &watch);
	once(fix, WAIT_MS);
	once(fix, 0);
	assert_int_equal(seen.calls, 2);
	assert_int_equal(seen.revents, EPOLLIN);
	vs_loop_remove(fix->loop, &watch);
}

static void
loop__refuses_what_epoll_cannot_watch(void **state)
{
	struct fixture *fix = *state;
	struct vs_watch watch = { 0 };
	struct seen seen = { 0 };

	assert_int_equal(vs_loop_add(fix->loop, &watch, -1, EPOLLIN, on_io, &seen), VS_EIO);
	assert_null(watch.fn);
	vs_loop_remove(fix->loop, &watch);
	add(fix, &watch, fix->pair[0][0], EPOLLIN, &seen);
	assert_int_equal(
	    vs_loop_add(fix->loop, &(struct vs_watch){ 0 }, fix->pair[0][0], EPOLLIN, on_io, &seen),
	    VS_EEXIST);
	vs_loop_remove(fix->loop, &watch);
	vs_loop_remove(fix->loop, &watch);
}

static void
loop__changes_the_wish(void **state)
{
	struct fixture *fix = *state;
	struct vs_watch watch = { 0 };
	struct seen seen = { 0 };

	add(fix, &watch, fix->pair[0][0], 0, &seen);
	poke(fix->pair[0][1]);
	once(fix, 0);
	assert_int_equal(seen.calls, 0);
	vs_loop_set(fix->loop, &watch, EPOLLIN | EPOLLOUT);
	once(fix, WAIT_MS);
	assert_int_equal(seen.revents, EPOLLIN | EPOLLOUT);
	vs_loop_set(fix->loop, &watch, EPOLLOUT);
	once(fix, WAIT_MS);
	assert_int_equal(seen.revents, EPOLLOUT);
	vs_loop_set(fix->loop, &watch, 0);
	once(fix, 0);
	assert_int_equal(seen.calls, 2);
	vs_loop_remove(fix->loop, &watch);
}

static void
loop__sleeps_while_a_hung_up_watch_wants_nothing(void **state)
{
	struct fixture *fix = *state;
	struct vs_watch watch = { 0 };
	struct seen seen = { 0 };
	vs_msec start;

	add(fix, &watch, fix->pair[0][0], EPOLLIN, &seen);
	vs_loop_set(fix->loop, &watch, 0);
	assert_int_equal(shutdown(fix->pair[0][1], SHUT_RDWR), 0);
	once(fix, 0); /* the one edge that the kernel reports */
	start = vs_clock_mono_ms();
	once(fix, 30);
	assert_true(vs_clock_mono_ms() - start >= 29);
	assert_int_equal(seen.calls, 0);
	vs_loop_set(fix->loop, &watch, EPOLLIN);
	once(fix, WAIT_MS);
	assert_int_equal(seen.calls, 1);
	assert_true((seen.revents & EPOLLHUP) != 0);
	vs_loop_remove(fix->loop, &watch);
}

static void
loop__drops_events_of_a_watch_removed_in_the_batch(void **state)
{
	struct fixture *fix = *state;
	struct vs_watch watch[2] = { { 0 }, { 0 } };
	struct seen seen[2] = { { .victim = &watch[1] }, { .victim = &watch[0] } };

	for (int i = 0; i < 2; i++) {
		add(fix, &watch[i], fix->pair[i][0], EPOLLIN, &seen[i]);
		poke(fix->pair[i][1]);
	}
	once(fix, WAIT_MS);
	assert_int_equal(seen[0].calls + seen[1].calls, 1);
	vs_loop_remove(fix->loop, &watch[0]);
	vs_loop_remove(fix->loop, &watch[1]);
}

struct reuse {
	struct fixture *fix;
	struct vs_watch *other; /* of the two that are ready, the one not called first */
	struct seen *late;
	int calls;
};

/* The other watch goes, and one for a new descriptor of the same number takes its memory. */
static void
on_io_reuse(struct vs_watch *watch, uint32_t revents)
{
	struct reuse *reuse = watch->ctx;
	struct vs_loop *loop = reuse->fix->loop;
	int fd = reuse->other->fd;

	(void)revents;
	if (++reuse->calls > 1)
		return;
	vs_loop_remove(loop, reuse->other);
	assert_int_equal(dup2(reuse->fix->pair[2][0], fd), fd);
	add(reuse->fix, reuse->other, fd, EPOLLIN, reuse->late);
}

static void
loop__drops_stale_events_of_a_reused_descriptor(void **state)
{
	struct fixture *fix = *state;
	struct vs_watch watch[2] = { { 0 }, { 0 } };
	struct seen late = { 0 };
	struct reuse reuse[2] = {
		{ .fix = fix, .other = &watch[1], .late = &late },
		{ .fix = fix, .other = &watch[0], .late = &late },
	};

	for (int i = 0; i < 2; i++) {
		assert_int_equal(vs_loop_add(fix->loop, &watch[i], fix->pair[i][0], EPOLLIN,
				     on_io_reuse, &reuse[i]),
		    0);
		poke(fix->pair[i][1]);
	}
	once(fix, WAIT_MS);
	assert_int_equal(reuse[0].calls + reuse[1].calls, 1);
	assert_int_equal(late.calls, 0);
	poke(fix->pair[2][1]);
	once(fix, WAIT_MS);
	assert_int_equal(late.calls, 1);
	vs_loop_remove(fix->loop, &watch[0]);
	vs_loop_remove(fix->loop, &watch[1]);
}

static void
loop__drops_events_no_longer_wished_for(void **state)
{
	struct fixture *fix = *state;
	struct vs_watch watch[2] = { { 0 }, { 0 } };
	struct seen seen[2] = {
		{ .victim = &watch[1], .unwish = true },
		{ .victim = &watch[0], .unwish = true },
	};

	for (int i = 0; i < 2; i++) {
		add(fix, &watch[i], fix->pair[i][0], EPOLLIN, &seen[i]);
		poke(fix->pair[i][1]);
	}
	once(fix, WAIT_MS);
	assert_int_equal(seen[0].calls + seen[1].calls, 1);
	seen[0].victim = seen[1].victim = NULL;
	vs_loop_set(fix->loop, &watch[0], EPOLLIN);
	vs_loop_set(fix->loop, &watch[1], EPOLLIN);
	once(fix, WAIT_MS);
	assert_int_equal(seen[0].calls + seen[1].calls, 3);
	vs_loop_remove(fix->loop, &watch[0]);
	vs_loop_remove(fix->loop, &watch[1]);
}

static void
on_io_remove_self(struct vs_watch *watch, uint32_t revents)
{
	struct seen *seen = watch->ctx;
	int fd = watch->fd;

	(void)revents;
	vs_loop_remove(seen->loop, watch);
	assert_int_equal(vs_loop_add(seen->loop, watch, fd, EPOLLIN, on_io, seen), 0);
}

static void
loop__lets_a_callback_remove_and_add_its_own_watch(void **state)
{
	struct fixture *fix = *state;
	struct vs_watch watch = { 0 };
	struct seen seen = { .loop = fix->loop };

	assert_int_equal(
	    vs_loop_add(fix->loop, &watch, fix->pair[0][0], EPOLLIN, on_io_remove_self, &seen), 0);
	poke(fix->pair[0][1]);
	once(fix, WAIT_MS);
	assert_int_equal(seen.calls, 0);
	once(fix, WAIT_MS);
	assert_int_equal(seen.calls, 1);
	vs_loop_remove(fix->loop, &watch);
}

struct tick {
	struct vs_timer timer;
	int *order;
	int *fired;
};

static void
on_tick(struct vs_timer *timer)
{
	struct tick *tick = timer->ctx;

	tick->order[(*tick->fired)++] = (int)timer->at;
}

/* Times far in the past: all are due at once, and fire in the order of their times. */
static void
loop__fires_timers_in_order(void **state)
{
	enum { COUNT = 500 };
	struct fixture *fix = *state;
	static struct tick tick[COUNT];
	static int order[COUNT];
	int fired = 0, expected = 0;

	srandom(7);
	for (int i = 0; i < COUNT; i++) {
		tick[i] = (struct tick){ .order = order, .fired = &fired };
		assert_int_equal(vs_loop_timer(fix->loop, &tick[i].timer,
				     -(vs_msec)(random() % 1000), on_tick, &tick[i]),
		    0);
	}
	for (int i = 0; i < COUNT; i++) { /* a third moves, a third goes */
		if (i % 3 == 0)
			assert_int_equal(vs_loop_timer(fix->loop, &tick[i].timer,
					     -(vs_msec)(random() % 1000), on_tick, &tick[i]),
			    0);
		if (i % 3 == 1)
			vs_loop_timer_clear(fix->loop, &tick[i].timer);
		expected += i % 3 != 1;
	}
	once(fix, 0);
	assert_int_equal(fired, expected);
	for (int i = 1; i < fired; i++)
		assert_true(order[i - 1] <= order[i]);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(tick[i].timer.slot, 0);
}

static void
loop__waits_for_a_timer(void **state)
{
	struct fixture *fix = *state;
	struct vs_timer timer = { 0 };
	struct seen seen = { .loop = fix->loop };
	vs_msec due = vs_clock_mono_ms() + 20;

	assert_int_equal(vs_loop_timer(fix->loop, &timer, due, on_timer, &seen), 0);
	once(fix, 0);
	assert_int_equal(seen.calls, 0);
	while (seen.calls == 0)
		once(fix, WAIT_MS);
	assert_true(vs_loop_now(fix->loop) >= due);
	assert_true(vs_loop_now(fix->loop) < due + WAIT_MS / 2);
}

static void
loop__does_not_fire_a_timer_cleared_by_another(void **state)
{
	struct fixture *fix = *state;
	struct vs_timer timer[2] = { { 0 }, { 0 } };
	struct seen seen = { .loop = fix->loop, .victim_timer = &timer[1] };

	assert_int_equal(vs_loop_timer(fix->loop, &timer[0], -2, on_timer, &seen), 0);
	assert_int_equal(vs_loop_timer(fix->loop, &timer[1], -1, on_timer, &seen), 0);
	once(fix, 0);
	assert_int_equal(seen.calls, 1);
	vs_loop_timer_clear(fix->loop, &timer[1]);
}

static void
on_timer_again(struct vs_timer *timer)
{
	struct seen *seen = timer->ctx;

	seen->calls++;
	assert_int_equal(vs_loop_timer(seen->loop, timer, -1, on_timer_again, seen), 0);
}

static void
loop__is_not_held_by_a_timer_that_sets_itself_again(void **state)
{
	struct fixture *fix = *state;
	struct vs_timer timer = { 0 };
	struct seen seen = { .loop = fix->loop };

	assert_int_equal(vs_loop_timer(fix->loop, &timer, -1, on_timer_again, &seen), 0);
	once(fix, WAIT_MS);
	once(fix, WAIT_MS);
	assert_int_equal(seen.calls, 2);
	vs_loop_timer_clear(fix->loop, &timer);
}

struct caught {
	struct vs_loop *loop;
	int signo[4];
	int count;
};

static void
on_signal(void *ctx, int signo)
{
	struct caught *caught = ctx;

	caught->signo[caught->count++] = signo;
	vs_loop_stop(caught->loop);
}

static void
loop__delivers_signals_as_events(void **state)
{
	struct fixture *fix = *state;
	struct caught caught = { .loop = fix->loop };

	assert_int_equal(vs_loop_signal(fix->loop, 0, on_signal, &caught), VS_EINVAL);
	assert_int_equal(vs_loop_signal(fix->loop, 65, on_signal, &caught), VS_EINVAL);
	assert_int_equal(vs_loop_signal(fix->loop, SIGTERM, on_signal, &caught), 0);
	assert_int_equal(vs_loop_signal(fix->loop, SIGHUP, on_signal, &caught), 0);
	assert_int_equal(raise(SIGTERM), 0);
	assert_int_equal(raise(SIGHUP), 0);
	assert_int_equal(vs_loop_run(fix->loop), 0);
	assert_int_equal(caught.count, 2);
	assert_int_equal(caught.signo[0] + caught.signo[1], SIGTERM + SIGHUP);
}

static void
count_call(void *ctx)
{
	(*(int *)ctx)++;
}

static void
loop__calls_hooks_once_after_each_batch(void **state)
{
	struct fixture *fix = *state;
	int calls = 0;

	for (int i = 0; i < 8; i++)
		assert_int_equal(vs_loop_after_batch(fix->loop, count_call, &calls), 0);
	assert_int_equal(vs_loop_after_batch(fix->loop, count_call, &calls), VS_EFULL);
	once(fix, 0);
	assert_int_equal(calls, 8);
}

static void
loop__stops_when_told_before_it_runs(void **state)
{
	struct fixture *fix = *state;

	vs_loop_stop(fix->loop);
	assert_int_equal(vs_loop_run(fix->loop), 0);
}

#define LOOP_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(loop__delivers_level_triggered),
		LOOP_TEST(loop__tells_of_what_was_left_when_asked_again),
		LOOP_TEST(loop__refuses_what_epoll_cannot_watch),
		LOOP_TEST(loop__changes_the_wish),
		LOOP_TEST(loop__sleeps_while_a_hung_up_watch_wants_nothing),
		LOOP_TEST(loop__drops_events_of_a_watch_removed_in_the_batch),
		LOOP_TEST(loop__drops_stale_events_of_a_reused_descriptor),
		LOOP_TEST(loop__drops_events_no_longer_wished_for),
		LOOP_TEST(loop__lets_a_callback_remove_and_add_its_own_watch),
		LOOP_TEST(loop__fires_timers_in_order),
		LOOP_TEST(loop__waits_for_a_timer),
		LOOP_TEST(loop__does_not_fire_a_timer_cleared_by_another),
		LOOP_TEST(loop__is_not_held_by_a_timer_that_sets_itself_again),
		LOOP_TEST(loop__delivers_signals_as_events),
		LOOP_TEST(loop__calls_hooks_once_after_each_batch),
		LOOP_TEST(loop__stops_when_told_before_it_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
