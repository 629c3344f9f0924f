/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/err.h"

#define LOOP_BATCH     128
#define LOOP_MAX_HOOKS 8
#define LOOP_MAX_SIGNO 64

struct loop_hook {
	void (*fn)(void *ctx);
	void *ctx;
};

struct loop_signal {
	void (*fn)(void *ctx, int signo);
	void *ctx;
};

struct vs_loop {
	int epfd;
	bool stopped, in_batch;
	vs_msec now;

	struct epoll_event batch[LOOP_BATCH]; /* data.ptr: the watch; NULL once removed */

	struct vs_timer **heap; /* owned; heap[0] is due first */
	size_t ntimers, heap_room;

	struct loop_hook hook[LOOP_MAX_HOOKS];
	size_t nhooks;

	struct vs_watch signal_watch;
	sigset_t signal_set;
	struct loop_signal signal[LOOP_MAX_SIGNO + 1];
};

struct vs_loop *
vs_loop_new(void)
{
	struct vs_loop *loop = calloc(1, sizeof(*loop));

	if (loop == NULL)
		return NULL;
	loop->signal_watch.fd = -1;
	(void)sigemptyset(&loop->signal_set); /* cannot fail on a valid pointer */
	loop->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epfd < 0) {
		free(loop);
		return NULL;
	}
	loop->now = vs_clock_mono_ms();
	return loop;
}

void
vs_loop_free(struct vs_loop *loop)
{
	if (loop == NULL)
		return;
	if (loop->signal_watch.fd >= 0)
		(void)close(loop->signal_watch.fd);
	(void)close(loop->epfd);
	free(loop->heap);
	free(loop);
}

/*
 * A watch that wants nothing stays in epoll, edge-triggered: the kernel reports
 * EPOLLHUP and EPOLLERR whether asked for or not, and so reports them once
 * instead of at every turn. Coming back is one EPOLL_CTL_MOD, which needs no
 * memory, so vs_loop_set() cannot fail.
 */
static int
loop_ctl(struct vs_loop *loop, int op, struct vs_watch *watch)
{
	struct epoll_event ev = { .data.ptr = watch };

	ev.events = watch->events != 0 ? watch->events : (uint32_t)EPOLLET;
	return epoll_ctl(loop->epfd, op, watch->fd, &ev);
}

int
vs_loop_add(struct vs_loop *loop, struct vs_watch *watch, int fd, uint32_t events,
    void (*fn)(struct vs_watch *, uint32_t), void *ctx)
{
	int rc = 0;

	assert(fn != NULL);
	*watch = (struct vs_watch){ .fd = fd, .events = events, .fn = fn, .ctx = ctx };
	if (loop_ctl(loop, EPOLL_CTL_ADD, watch) < 0) {
		rc = vs_err_from_errno(errno);
		*watch = (struct vs_watch){ .fd = -1 };
	}
	return rc;
}

void
vs_loop_set(struct vs_loop *loop, struct vs_watch *watch, uint32_t events)
{
	int rc;

	if (watch->events == events)
		return;
	assert(watch->fn != NULL && ((watch->events | events) & EPOLLEXCLUSIVE) == 0);
	watch->events = events;
	rc = loop_ctl(loop, EPOLL_CTL_MOD, watch);
	assert(rc == 0);
}

void
vs_loop_again(struct vs_loop *loop, struct vs_watch *watch)
{
	int rc;

	assert(watch->fn != NULL && watch->events != 0);
	rc = loop_ctl(loop, EPOLL_CTL_MOD, watch);
	assert(rc == 0);
}

void
vs_loop_remove(struct vs_loop *loop, struct vs_watch *watch)
{
	if (watch->fn == NULL)
		return;
	if (watch->pending != 0)
		loop->batch[watch->pending - 1].data.ptr = NULL;
	/* Fails only when the owner closed the fd first; the kernel has forgotten it then. */
	(void)epoll_ctl(loop->epfd, EPOLL_CTL_DEL, watch->fd, NULL);
	*watch = (struct vs_watch){ .fd = -1 };
}

static void
heap_put(struct vs_loop *loop, size_t at, struct vs_timer *timer)
{
	loop->heap[at] = timer;
	timer->slot = at + 1;
}

/* Let timer, whose place is at, rise to where its parent is due no later. */
static size_t
heap_rise(struct vs_loop *loop, size_t at, struct vs_timer *timer)
{
	while (at > 0) {
		size_t parent = (at - 1) / 2;

		if (loop->heap[parent]->at <= timer->at)
			break;
		heap_put(loop, at, loop->heap[parent]);
		at = parent;
	}
	heap_put(loop, at, timer);
	return at;
}

static void
heap_sink(struct vs_loop *loop, size_t at, struct vs_timer *timer)
{
	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= loop->ntimers)
			break;
		if (child + 1 < loop->ntimers && loop->heap[child + 1]->at < loop->heap[child]->at)
			child++;
		if (loop->heap[child]->at >= timer->at)
			break;
		heap_put(loop, at, loop->heap[child]);
		at = child;
	}
	heap_put(loop, at, timer);
}

static int
heap_grow(struct vs_loop *loop)
{
	size_t room = loop->heap_room == 0 ? 64 : loop->heap_room * 2;
	struct vs_timer **heap = reallocarray(loop->heap, room, sizeof(*heap));

	if (heap == NULL)
		return VS_ENOMEM;
	loop->heap = heap;
	loop->heap_room = room;
	return 0;
}

int
vs_loop_timer(struct vs_loop *loop, struct vs_timer *timer, vs_msec at,
    void (*fn)(struct vs_timer *), void *ctx)
{
	int rc;

	assert(fn != NULL);
	if (timer->slot == 0) {
		if (loop->ntimers == loop->heap_room) {
			rc = heap_grow(loop);
			if (rc < 0)
				return rc;
		}
		timer->slot = ++loop->ntimers;
	}
	timer->at = at;
	timer->fn = fn;
	timer->ctx = ctx;
	heap_sink(loop, heap_rise(loop, timer->slot - 1, timer), timer);
	return 0;
}

void
vs_loop_timer_clear(struct vs_loop *loop, struct vs_timer *timer)
{
	struct vs_timer *last;
	size_t at;

	if (timer->slot == 0)
		return;
	at = timer->slot - 1;
	timer->slot = 0;
	last = loop->heap[--loop->ntimers];
	if (last != timer)
		heap_sink(loop, heap_rise(loop, at, last), last);
}

static void
loop_take_signals(struct vs_watch *watch, uint32_t revents)
{
	struct vs_loop *loop = watch->ctx;
	struct signalfd_siginfo info;

	(void)revents; /* EPOLLIN is all that a signalfd reports */
	while (read(watch->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		const struct loop_signal *sig = &loop->signal[info.ssi_signo];

		sig->fn(sig->ctx, (int)info.ssi_signo);
	}
}

int
vs_loop_signal(struct vs_loop *loop, int signo, void (*fn)(void *ctx, int signo), void *ctx)
{
	int fd;

	if (signo < 1 || signo > LOOP_MAX_SIGNO || sigaddset(&loop->signal_set, signo) < 0)
		return VS_EINVAL;
	loop->signal[signo] = (struct loop_signal){ .fn = fn, .ctx = ctx };
	if (sigprocmask(SIG_BLOCK, &loop->signal_set, NULL) < 0)
		return vs_err_from_errno(errno);
	fd = signalfd(loop->signal_watch.fd, &loop->signal_set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return vs_err_from_errno(errno);
	if (loop->signal_watch.fd >= 0)
		return 0;
	if (vs_loop_add(loop, &loop->signal_watch, fd, EPOLLIN, loop_take_signals, loop) < 0) {
		(void)close(fd);
		return VS_EFULL;
	}
	return 0;
}

int
vs_loop_after_batch(struct vs_loop *loop, void (*fn)(void *ctx), void *ctx)
{
	if (loop->nhooks == LOOP_MAX_HOOKS)
		return VS_EFULL;
	loop->hook[loop->nhooks++] = (struct loop_hook){ .fn = fn, .ctx = ctx };
	return 0;
}

vs_msec
vs_loop_now(const struct vs_loop *loop)
{
	return loop->now;
}

/* How long epoll may sleep; max_ms < 0: for ever. */
static int
loop_timeout(const struct vs_loop *loop, vs_msec max_ms)
{
	vs_msec wait = max_ms < 0 ? INT_MAX : max_ms;

	if (loop->ntimers > 0) {
		vs_msec due = loop->heap[0]->at - vs_clock_mono_ms();

		if (due < wait)
			wait = due;
	} else if (max_ms < 0) {
		return -1;
	}
	return wait < 0 ? 0 : wait > INT_MAX ? INT_MAX : (int)wait;
}

static void
loop_deliver(struct vs_loop *loop, int count)
{
	for (int i = 0; i < count; i++) {
		struct vs_watch *watch = loop->batch[i].data.ptr;

		watch->pending = (uint32_t)i + 1;
	}
	for (int i = 0; i < count; i++) {
		struct vs_watch *watch = loop->batch[i].data.ptr;
		uint32_t revents = loop->batch[i].events;

		if (watch == NULL)
			continue;
		watch->pending = 0;
		/* The wish may have changed since the kernel filled the batch. */
		revents &= watch->events | EPOLLERR | EPOLLHUP;
		if (watch->events != 0 && revents != 0)
			watch->fn(watch, revents);
	}
}

/* Counted, so that timers which set themselves again for now cannot hold the loop. */
static void
loop_fire_timers(struct vs_loop *loop)
{
	for (size_t n = loop->ntimers; n > 0 && loop->ntimers > 0; n--) {
		struct vs_timer *timer = loop->heap[0];

		if (timer->at > loop->now)
			break;
		vs_loop_timer_clear(loop, timer);
		timer->fn(timer);
	}
}

int
vs_loop_once(struct vs_loop *loop, vs_msec max_wait_ms)
{
	int count;

	assert(!loop->in_batch);
	count = epoll_wait(loop->epfd, loop->batch, LOOP_BATCH, loop_timeout(loop, max_wait_ms));
	if (count < 0) {
		if (errno != EINTR)
			return vs_err_from_errno(errno);
		count = 0;
	}
	loop->in_batch = true;
	loop->now = vs_clock_mono_ms();
	loop_deliver(loop, count);
	loop_fire_timers(loop);
	for (size_t i = 0; i < loop->nhooks; i++)
		loop->hook[i].fn(loop->hook[i].ctx);
	loop->in_batch = false;
	return 0;
}

int
vs_loop_run(struct vs_loop *loop)
{
	int rc = 0;

	while (rc == 0 && !loop->stopped)
		rc = vs_loop_once(loop, -1);
	loop->stopped = false;
	return rc;
}

void
vs_loop_stop(struct vs_loop *loop)
{
	loop->stopped = true;
}
