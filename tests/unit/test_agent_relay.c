/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/err.h"
#include "runtime-image/agent/relay.h"

/* The relay between two socket pairs; the test holds the far ends. */
static struct vs_loop *loop;
static struct conn_set set;
static struct conn *conn;
static int client, upstream; /* far ends */
static int buried;

static void
on_accept(struct conn *accepted)
{
	conn = accepted;
}

static void
on_buried(struct conn *gone)
{
	assert_ptr_equal(gone, conn);
	conn = NULL;
	buried++;
}

static void
turn(int times)
{
	for (int i = 0; i < times; i++)
		assert_int_equal(vs_loop_once(loop, 0), 0);
}

static int
connect_to(const struct sockaddr_un *addr, socklen_t len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)addr, len), 0);
	return fd;
}

static int
setup(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int pair[2];

	(void)state;
	buried = 0;
	loop = vs_loop_new();
	set = (struct conn_set){
		.conn_size = sizeof(struct conn), .accepted = on_accept, .buried = on_buried
	};
	assert_int_equal(conn_set_init(&set, loop, 1), 0);
	/* The kernel picks an abstract name. */
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(conn_set_listen(&set, fd), 0);
	client = connect_to(&addr, len);
	turn(2);
	assert_non_null(conn);
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	upstream = pair[0];
	assert_int_equal(conn_set_upstream(conn, pair[1]), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	conn_set_fini(&set);
	vs_loop_free(loop);
	(void)close(client);
	(void)close(upstream);
	return 0;
}

static void
put(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	turn(3);
}

/* What there is now; "EOF" at the end, "" when there is nothing. */
static void
assert_got(int fd, const char *want)
{
	char text[256];
	ssize_t len = recv(fd, text, sizeof(text) - 1, 0);

	if (len == 0) {
		assert_string_equal("EOF", want);
		return;
	}
	text[len < 0 ? 0 : len] = '\0';
	assert_string_equal(text, want);
}

static void
relay__carries_both_ways(void **state)
{
	(void)state;
	conn_goto(conn, &relay_endless);
	put(client, "ask");
	assert_got(upstream, "ask");
	put(upstream, "answer");
	assert_got(client, "answer");
	/* Nothing is held while nothing waits. */
	assert_null(conn->side[CONN_CLIENT].in.base);
	assert_null(conn->side[CONN_UPSTREAM].in.base);
}

static void
relay__sends_first_what_was_held(void **state)
{
	(void)state;
	assert_int_equal(vs_buf_puts(&conn->side[CONN_CLIENT].in, "head "), 0);
	assert_int_equal(vs_buf_puts(&conn->side[CONN_UPSTREAM].in, "200 "), 0);
	assert_true(send(client, "body", 4, 0) == 4);
	conn_goto(conn, &relay_endless);
	conn_drive(conn);
	turn(3);
	assert_got(upstream, "head body");
	assert_got(client, "200 ");
}

static void
relay__stops_reading_for_a_slow_reader(void **state)
{
	static char block[65536], got[65536];
	size_t sent = 0, taken = 0;
	ssize_t len;

	(void)state;
	conn_goto(conn, &relay_endless);
	/* Until the relay takes no more: its buffer and the kernel's are full. */
	for (int idle = 0; idle < 10; idle++) {
		while ((len = send(upstream, block, sizeof(block), MSG_NOSIGNAL)) > 0) {
			sent += (size_t)len;
			idle = 0;
			turn(1);
		}
		turn(1);
	}
	assert_in_range(sent, 65536, 4u << 20);
	assert_true(vs_buf_len(&conn->side[CONN_UPSTREAM].in) <= CONN_BUF_MAX);
	assert_true((conn->side[CONN_UPSTREAM].io.events & EPOLLIN) == 0);
	/* The other direction is not held up by it. */
	put(client, "still here");
	assert_got(upstream, "still here");
	(void)shutdown(upstream, SHUT_WR);
	for (int idle = 0; idle < 10; idle++) {
		while ((len = recv(client, got, sizeof(got), 0)) > 0) {
			taken += (size_t)len;
			idle = 0;
		}
		turn(2);
	}
	assert_int_equal(taken, sent);
	assert_int_equal(len, 0);
}

static void
relay__passes_the_end_on_after_the_last_byte(void **state)
{
	(void)state;
	conn_goto(conn, &relay_endless);
	put(client, "last");
	(void)shutdown(client, SHUT_WR);
	turn(3);
	assert_got(upstream, "last");
	assert_got(upstream, "EOF");
	assert_int_equal(buried, 0);
	put(upstream, "answer");
	assert_got(client, "answer");
	(void)shutdown(upstream, SHUT_WR);
	turn(3);
	assert_got(client, "EOF");
	assert_int_equal(buried, 1);
}

/* The last reply is delivered although its sender has gone altogether. */
static void
relay__delivers_what_a_vanished_upstream_left(void **state)
{
	static char block[65536], got[65536];
	size_t sent = 0, taken = 0;
	ssize_t len = -1;

	(void)state;
	conn_goto(conn, &relay_endless);
	while ((len = send(upstream, block, sizeof(block), MSG_NOSIGNAL)) > 0) {
		sent += (size_t)len;
		turn(1);
	}
	(void)close(upstream);
	upstream = -1;
	for (int idle = 0; idle < 10; idle++) {
		turn(2);
		while ((len = recv(client, got, sizeof(got), 0)) > 0) {
			taken += (size_t)len;
			idle = 0;
			turn(1);
		}
	}
	assert_int_equal(taken, sent);
	assert_int_equal(len, 0);
	(void)close(client);
	client = -1;
	turn(3);
	assert_int_equal(buried, 1);
}

static void
relay__ends_when_the_client_vanishes(void **state)
{
	(void)state;
	conn_goto(conn, &relay_endless);
	(void)close(client);
	client = -1;
	turn(3);
	assert_got(upstream, "EOF");
	(void)send(upstream, "to nobody", 9, MSG_NOSIGNAL);
	turn(3);
	(void)close(upstream);
	upstream = -1;
	turn(3);
	assert_int_equal(buried, 1);
}

static void
relay__ends_an_answer_by_its_length(void **state)
{
	(void)state;
	relay_limit(&conn->side[CONN_CLIENT], 0);
	relay_limit(&conn->side[CONN_UPSTREAM], 6);
	conn_goto(conn, &relay_endless);
	put(upstream, "ans");
	assert_got(client, "ans");
	assert_int_equal(buried, 0);
	/* No end of file is passed on meanwhile: Chrome would take it for a hang-up. */
	assert_got(upstream, "");
	put(upstream, "werMORE");
	assert_got(client, "wer");
	assert_got(client, "EOF");
	assert_int_equal(buried, 1);
}

static void
relay__takes_one_request_only(void **state)
{
	(void)state;
	relay_limit(&conn->side[CONN_CLIENT], 4);
	conn_goto(conn, &relay_idle);
	put(client, "bo");
	assert_got(upstream, "bo");
	put(client, "dyGET / HTTP/1.1");
	assert_got(upstream, "dy");
	assert_got(upstream, "EOF");
	assert_int_equal(buried, 1);
}

static void
relay__ends_when_a_client_with_nothing_to_say_leaves(void **state)
{
	(void)state;
	relay_limit(&conn->side[CONN_CLIENT], 0);
	conn_goto(conn, &relay_idle);
	turn(2);
	assert_int_equal(buried, 0);
	(void)close(client);
	client = -1;
	turn(2);
	assert_int_equal(buried, 1);
}

static void
conn__leaves_clients_waiting_while_the_set_is_full(void **state)
{
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);
	int second;

	(void)state;
	assert_int_equal(getsockname(set.listener.fd, (struct sockaddr *)&addr, &len), 0);
	second = connect_to(&addr, len);
	struct conn *first = conn;
	turn(3);
	assert_ptr_equal(conn, first);
	assert_int_equal(set.count, 1);
	conn_bury(first);
	conn_bury(first); /* idempotent, its memory goes after the batch */
	assert_int_equal(buried, 1);
	turn(3);
	assert_non_null(conn);
	assert_int_equal(set.count, 1);
	(void)close(second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(relay__carries_both_ways),
		TEST(relay__sends_first_what_was_held),
		TEST(relay__stops_reading_for_a_slow_reader),
		TEST(relay__passes_the_end_on_after_the_last_byte),
		TEST(relay__delivers_what_a_vanished_upstream_left),
		TEST(relay__ends_when_the_client_vanishes),
		TEST(relay__ends_an_answer_by_its_length),
		TEST(relay__takes_one_request_only),
		TEST(relay__ends_when_a_client_with_nothing_to_say_leaves),
		TEST(conn__leaves_clients_waiting_while_the_set_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
