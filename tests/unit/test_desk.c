/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/err.h"
#include "runtime-image/agent/desk.h"

#define MAX_TAKERS 40

/* The outer end under test, and what its owner would do: try again when woken. */
struct fixture {
	struct vs_loop *loop;
	struct desk desk;
	int inside;  /* our end, playing the sandbox */
	int waiting; /* takers that got VS_EAGAIN last time */
	int taken;
	bool lost;
};

static int
tcp_socket(bool listening)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (listening)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void
take(struct fixture *fx)
{
	int fd;

	if (desk_take_socket(&fx->desk, &fd) == 0) {
		assert_int_equal(close(fd), 0);
		fx->taken++;
	} else {
		fx->waiting++;
	}
}

static void
on_listener(void *ctx, int fd)
{
	(void)ctx;
	assert_int_equal(close(fd), 0);
}

static void
on_sockets(void *ctx)
{
	struct fixture *fx = ctx;
	int waiting = fx->waiting;

	fx->waiting = 0;
	for (int i = 0; i < waiting; i++)
		take(fx);
}

static void
on_child_ended(void *ctx, enum link_child child, int wait_status)
{
	(void)ctx;
	fail_msg("child %d ended: %d", (int)child, wait_status);
}

static void
on_failed(void *ctx, const char *why)
{
	(void)ctx;
	fail_msg("%s", why);
}

static void
on_lost(void *ctx)
{
	struct fixture *fx = ctx;

	fx->lost = true;
}

static const struct desk_hooks hooks = { .listener = on_listener,
	.sockets = on_sockets,
	.child_ended = on_child_ended,
	.failed = on_failed,
	.lost = on_lost };

static void
turn(struct fixture *fx)
{
	assert_int_equal(vs_loop_once(fx->loop, 1000), 0);
}

static void
start(struct fixture *fx)
{
	const struct link_msg hello = { .type = LINK_HELLO };
	int fds[2], listener = tcp_socket(true);

	*fx = (struct fixture){ .loop = vs_loop_new() };
	assert_non_null(fx->loop);
	assert_int_equal(link_pair(fds), 0);
	fx->inside = fds[1];
	desk_init(&fx->desk, fx->loop, &hooks, fx);
	assert_int_equal(desk_attach(&fx->desk, fds[0]), 0);
	assert_int_equal(link_send(fx->inside, &hello, &listener, 1), 0);
	assert_int_equal(close(listener), 0);
	turn(fx);
}

static void
finish(struct fixture *fx)
{
	int outer = fx->desk.watch.fd;

	desk_fini(&fx->desk);
	if (outer >= 0)
		assert_int_equal(close(outer), 0);
	assert_int_equal(close(fx->inside), 0);
	vs_loop_free(fx->loop);
}

/* What the sandbox does with one question. */
static void
answer(struct fixture *fx)
{
	const struct link_msg sockets = { .type = LINK_SOCKETS };
	int fds[LINK_MAX_FDS];
	struct link_msg msg;
	size_t none;

	assert_int_equal(link_recv(fx->inside, &msg, fds, &none), 0);
	assert_int_equal(msg.type, LINK_WANT_SOCKETS);
	assert_in_range(msg.arg[0], 1, LINK_MAX_FDS);
	for (int i = 0; i < msg.arg[0]; i++)
		fds[i] = tcp_socket(false);
	assert_int_equal(link_send(fx->inside, &sockets, fds, (size_t)msg.arg[0]), 0);
	for (int i = 0; i < msg.arg[0]; i++)
		assert_int_equal(close(fds[i]), 0);
	turn(fx);
}

static bool
asks(struct fixture *fx)
{
	struct pollfd at = { .fd = fx->inside, .events = POLLIN };

	return !fx->lost && poll(&at, 1, 0) == 1;
}

/* Dials that come faster than the sandbox answers once took the whole session down. */
static void
desk__serves_takers_that_come_before_the_answer(void **state)
{
	struct fixture fx;

	(void)state;
	for (int takers = 1; takers <= MAX_TAKERS; takers++) {
		start(&fx);
		for (int i = 0; i < takers; i++)
			take(&fx);
		for (int turns = 0; fx.taken < takers && turns < MAX_TAKERS; turns++)
			answer(&fx);
		assert_false(fx.lost);
		assert_int_equal(fx.taken, takers);
		finish(&fx);
	}
}

/* Each of these finds a spare one, and asks for another before the last has come. */
static void
desk__refills_what_is_taken_in_a_burst(void **state)
{
	struct fixture fx;

	(void)state;
	start(&fx);
	for (int burst = 0; burst < 3; burst++) {
		while (asks(&fx))
			answer(&fx);
		for (int i = 0; i < DESK_SPARE; i++)
			take(&fx);
	}
	while (asks(&fx))
		answer(&fx);
	assert_false(fx.lost);
	assert_int_equal(fx.taken, 3 * DESK_SPARE);
	finish(&fx);
}

static void
desk__refuses_more_sockets_than_it_asked_for(void **state)
{
	const struct link_msg sockets = { .type = LINK_SOCKETS };
	int fds[LINK_MAX_FDS];
	struct fixture fx;

	(void)state;
	start(&fx);
	for (int i = 0; i < LINK_MAX_FDS; i++)
		fds[i] = tcp_socket(false);
	assert_int_equal(link_send(fx.inside, &sockets, fds, LINK_MAX_FDS), 0);
	for (int i = 0; i < LINK_MAX_FDS; i++)
		assert_int_equal(close(fds[i]), 0);
	turn(&fx);
	assert_true(fx.lost);
	finish(&fx);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(desk__serves_takers_that_come_before_the_answer),
		cmocka_unit_test(desk__refills_what_is_taken_in_a_burst),
		cmocka_unit_test(desk__refuses_more_sockets_than_it_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
