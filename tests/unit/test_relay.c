/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cdpd/conn_states.h"
#include "cdpd/frames.h"
#include "cdpd/handshake.h"
#include "cdpd/server.h"
#include "cdpd/tunnel.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"
#include "tests/support/wsframe.h"

#define SID         "01J00000000000000000000001"
#define WID         "01J00000000000000000000002"
#define CLIENT      "01J00000000000000000000003"
#define MAX_MESSAGE (8 * 1024 * 1024)

/* One end of the tunnel, in the hands of the test. */
struct end {
	int fd; /* -1: closed */
	struct vs_buf got;
};

static struct {
	struct server srv;
	struct vs_conf conf;
	struct conn *client, *upstream;
	struct end user, chrome;
} rig;

static char public_url[] = "http://localhost";

static void
rig_dead(void *ctx)
{
	server_free_dead(ctx);
}

static void
end_open(struct end *end, int *ret_other)
{
	int pair[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	end->fd = pair[0];
	vs_buf_init(&end->got, 2 * MAX_MESSAGE);
	*ret_other = pair[1];
}

static void
end_close(struct end *end)
{
	if (end->fd >= 0)
		assert_int_equal(close(end->fd), 0);
	end->fd = -1;
}

static void
rig_server(void)
{
	const struct vs_dbq_hooks hooks = { .ctx = NULL };
	struct server *srv = &rig.srv;

	memset(&rig, 0, sizeof(rig));
	rig.conf.platform_public_url = public_url;
	rig.conf.cdpd_max_message_bytes = MAX_MESSAGE;
	rig.conf.cdpd_ping_seconds = 25;
	srv->conf = &rig.conf;
	srv->max_clients = 10;
	srv->loop = vs_loop_new();
	srv->scratch = malloc(FRAMES_SCRATCH_SIZE);
	assert_non_null(srv->loop);
	assert_non_null(srv->scratch);
	vs_list_init(&srv->live[CONN_CLIENT]);
	vs_list_init(&srv->live[CONN_UPSTREAM]);
	vs_list_init(&srv->dead);
	client_closes_init(&srv->closes);
	srv->dbq = vs_dbq_new(srv->loop, "host=/nonexistent", 10, &hooks);
	assert_non_null(srv->dbq);
	assert_int_equal(vs_loop_after_batch(srv->loop, rig_dead, srv), 0);
}

/* Counted, and the agent has not answered yet. */
static void
rig_dial(bool keep_alive)
{
	struct session *session;
	int user_fd, chrome_fd;

	rig_server();
	end_open(&rig.user, &user_fd);
	end_open(&rig.chrome, &chrome_fd);
	rig.client = conn_new(&rig.srv, CONN_CLIENT, user_fd, &client_dialing);
	rig.upstream = conn_new(&rig.srv, CONN_UPSTREAM, chrome_fd, &upstream_answer);
	assert_non_null(rig.client);
	assert_non_null(rig.upstream);
	rig.client->handshake = handshake_new(rig.client);
	session = session_get(&rig.srv.sessions, SID, WID);
	assert_non_null(tunnel_new(rig.client, session, CLIENT, "req", keep_alive));
	conn_pair(rig.client, rig.upstream);
	rig.upstream->tunnel = rig.client->tunnel;
	rig.client->tunnel->upstream = rig.upstream;
	conn_drive(rig.client, 0);
}

/* An open tunnel between rig.user and rig.chrome. */
static void
rig_open(bool keep_alive)
{
	rig_dial(keep_alive);
	tunnel_start(rig.client);
	conn_drive(rig.client, 0);
}

static int
setup(void **state)
{
	(void)state;
	rig_open(false);
	return 0;
}

static int
setup_dialing(void **state)
{
	(void)state;
	rig_dial(false);
	return 0;
}

static int
setup_keep_alive(void **state)
{
	(void)state;
	rig_open(true);
	return 0;
}

static int
teardown(void **state)
{
	struct server *srv = &rig.srv;

	(void)state;
	for (size_t side = 0; side < 2; side++) {
		while (!vs_list_empty(&srv->live[side]))
			conn_bury(VS_LIST_FIRST(&srv->live[side], struct conn, node), "end");
	}
	server_free_dead(srv);
	assert_int_equal(srv->sessions.count, 0);
	assert_int_equal(srv->nclients, 0);
	client_closes_fini(srv);
	vs_dbq_free(srv->dbq);
	vs_loop_free(srv->loop);
	free(srv->scratch);
	end_close(&rig.user);
	end_close(&rig.chrome);
	vs_buf_fini(&rig.user.got);
	vs_buf_fini(&rig.chrome.got);
	return 0;
}

/* Batches of events until nothing more happens. */
static void
turn(void)
{
	for (int i = 0; i < 20; i++)
		assert_int_equal(vs_loop_once(rig.srv.loop, 0), 0);
}

static bool
alive(void)
{
	return !vs_list_empty(&rig.srv.live[CONN_CLIENT]);
}

/* What has arrived goes to got. True: end of file. */
static bool
take(struct end *end)
{
	uint8_t *at;
	size_t room;
	ssize_t n;

	do {
		assert_int_equal(vs_buf_reserve(&end->got, 65536, &at, &room), 0);
		n = recv(end->fd, at, room, MSG_DONTWAIT);
		if (n > 0)
			vs_buf_filled(&end->got, (size_t)n);
	} while (n > 0);
	return n == 0 || errno == ECONNRESET;
}

static void
give(struct end *end, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	vs_msec limit = vs_clock_mono_ms() + 20000;
	ssize_t n;

	while (len > 0) {
		n = send(end->fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
		if (len > 0) {
			assert_true(n > 0 || errno == EAGAIN);
			assert_true(vs_clock_mono_ms() < limit);
			assert_int_equal(vs_loop_once(rig.srv.loop, 0), 0);
			(void)take(&rig.user);
			(void)take(&rig.chrome);
		}
	}
	turn();
}

static void
give_frame(struct end *end, enum vs_ws_opcode opcode, const void *payload, size_t len)
{
	struct vs_buf buf;

	vs_buf_init(&buf, 2 * MAX_MESSAGE);
	wsframe_put(&buf, opcode, true, end == &rig.user, payload, len);
	give(end, vs_buf_data(&buf), vs_buf_len(&buf));
	vs_buf_fini(&buf);
}

static void
give_text(struct end *end, const char *text)
{
	give_frame(end, VS_WS_TEXT, text, strlen(text));
}

static void
expect_frame(struct end *end, enum vs_ws_opcode opcode, const void *payload, size_t len)
{
	struct wsframe frame;

	turn();
	(void)take(end);
	assert_true(wsframe_peek(&end->got, &frame));
	assert_int_equal(frame.opcode, opcode);
	assert_int_equal(frame.len, len);
	if (len > 0)
		assert_memory_equal(frame.payload, payload, len);
	vs_buf_consume(&end->got, frame.size);
}

static void
expect_text(struct end *end, const char *text)
{
	expect_frame(end, VS_WS_TEXT, text, strlen(text));
}

static void
expect_close(struct end *end, uint16_t code, const char *reason)
{
	struct wsframe frame;
	char text[128];

	turn();
	(void)take(end);
	assert_true(wsframe_peek(&end->got, &frame));
	assert_int_equal(wsframe_close_code(&frame, text, sizeof(text)), code);
	assert_string_equal(text, reason);
	vs_buf_consume(&end->got, frame.size);
}

static void
expect_nothing(struct end *end)
{
	turn();
	(void)take(end);
	assert_int_equal(vs_buf_len(&end->got), 0);
}

static void
relay__passes_frames_both_ways(void **state)
{
	(void)state;
	give_text(&rig.user, "{\"id\":1,\"method\":\"Browser.getVersion\"}");
	expect_text(&rig.chrome, "{\"id\":1,\"method\":\"Browser.getVersion\"}");
	give_text(&rig.chrome, "{\"id\":1,\"result\":{}}");
	expect_text(&rig.user, "{\"id\":1,\"result\":{}}");
	give_frame(&rig.user, VS_WS_PING, "p", 1);
	expect_frame(&rig.chrome, VS_WS_PING, "p", 1);
	give_frame(&rig.chrome, VS_WS_PONG, "p", 1);
	expect_frame(&rig.user, VS_WS_PONG, "p", 1);
	give_frame(&rig.user, VS_WS_TEXT, NULL, 0);
	expect_frame(&rig.chrome, VS_WS_TEXT, NULL, 0);
	assert_null(rig.client->out.base);
	assert_null(rig.upstream->out.base);
	assert_null(rig.client->held);
}

/* Cut anywhere, the bytes that come out are the ones that went in. */
static void
relay__keeps_every_byte_however_it_is_cut(void **state)
{
	struct vs_buf sent;
	uint8_t payload[70000];
	size_t at = 0, len;

	(void)state;
	srandom(7);
	vs_buf_init(&sent, 4 * MAX_MESSAGE);
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)random();
	for (int i = 0; i < 60; i++) {
		len = (size_t)random() % (i % 3 == 0 ? sizeof(payload) : 600);
		wsframe_put(
		    &sent, i % 2 == 0 ? VS_WS_TEXT : VS_WS_BINARY, true, true, payload, len);
		if (i % 5 == 0)
			wsframe_put(&sent, VS_WS_PONG, true, true, payload, 8);
	}
	for (; at < vs_buf_len(&sent); at += len) {
		len = (size_t)random() % 3 == 0 ? (size_t)random() % 20000 : (size_t)random() % 40;
		if (len > vs_buf_len(&sent) - at)
			len = vs_buf_len(&sent) - at;
		give(&rig.user, vs_buf_data(&sent) + at, len);
	}
	(void)take(&rig.chrome);
	assert_int_equal(vs_buf_len(&rig.chrome.got), vs_buf_len(&sent));
	assert_memory_equal(vs_buf_data(&rig.chrome.got), vs_buf_data(&sent), vs_buf_len(&sent));
	assert_null(rig.client->held);
	vs_buf_fini(&sent);
}

static void
relay__stops_reading_for_a_slow_reader_and_completes(void **state)
{
	uint8_t *payload = malloc(4 * 1024 * 1024);
	size_t len = 4 * 1024 * 1024, sent = 0;
	struct vs_buf buf;
	ssize_t n;

	(void)state;
	assert_non_null(payload);
	for (size_t i = 0; i < len; i++)
		payload[i] = (uint8_t)(i * 31 >> 3);
	vs_buf_init(&buf, 2 * MAX_MESSAGE);
	wsframe_put(&buf, VS_WS_BINARY, true, false, payload, len);
	/* The user sleeps: in the end nobody takes anything. */
	for (int idle = 0; idle < 20;) {
		n = send(rig.chrome.fd, vs_buf_data(&buf) + sent, vs_buf_len(&buf) - sent,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		idle = n > 0 ? 0 : idle + 1;
		sent += n > 0 ? (size_t)n : 0;
		assert_int_equal(vs_loop_once(rig.srv.loop, 0), 0);
	}
	assert_true(sent < len / 2);
	assert_true(vs_buf_len(&rig.client->out) > 0);
	assert_true(vs_buf_len(&rig.client->out) <= CONN_CHUNK_MAX);
	/* And then it wakes up. */
	give(&rig.chrome, vs_buf_data(&buf) + sent, vs_buf_len(&buf) - sent);
	for (int i = 0; i < 200 && vs_buf_len(&rig.user.got) < vs_buf_len(&buf); i++) {
		(void)take(&rig.user);
		turn();
	}
	expect_frame(&rig.user, VS_WS_BINARY, payload, len);
	assert_null(rig.client->out.base);
	vs_buf_fini(&buf);
	free(payload);
}

static void
relay__survives_both_ends_closing_in_one_batch(void **state)
{
	(void)state;
	end_close(&rig.user);
	end_close(&rig.chrome);
	turn();
	assert_false(alive());
	assert_int_equal(rig.srv.closes.count, 1);
}

static void
relay__counts_a_killed_client_out_at_once(void **state)
{
	(void)state;
	end_close(&rig.user);
	turn();
	assert_false(alive());
	assert_true(take(&rig.chrome));
	assert_int_equal(rig.srv.closes.count, 1);
}

static void
relay__lets_the_last_replies_through_to_a_half_closed_client(void **state)
{
	(void)state;
	give_text(&rig.user, "question");
	assert_int_equal(shutdown(rig.user.fd, SHUT_WR), 0);
	turn();
	assert_true(alive());
	expect_text(&rig.chrome, "question");
	assert_true(take(&rig.chrome)); /* it has been told that no more comes */
	give_text(&rig.chrome, "answer");
	give_text(&rig.chrome, "last answer");
	end_close(&rig.chrome);
	expect_text(&rig.user, "answer");
	expect_text(&rig.user, "last answer");
	assert_true(take(&rig.user));
	assert_false(alive());
}

static void
relay__delivers_what_chrome_said_before_it_died(void **state)
{
	size_t len = 3 * 1024 * 1024, sent = 0;
	uint8_t *payload = calloc(1, len);
	struct vs_buf buf;
	ssize_t n;

	(void)state;
	assert_non_null(payload);
	vs_buf_init(&buf, 2 * MAX_MESSAGE);
	wsframe_put(&buf, VS_WS_BINARY, true, false, payload, 300 * 1024);
	n = send(rig.chrome.fd, vs_buf_data(&buf), vs_buf_len(&buf), MSG_NOSIGNAL | MSG_DONTWAIT);
	assert_true(n > 0);
	for (sent = (size_t)n; sent<vs_buf_len(&buf); sent += n> 0 ? (size_t)n : 0) {
		assert_int_equal(vs_loop_once(rig.srv.loop, 0), 0);
		n = send(rig.chrome.fd, vs_buf_data(&buf) + sent, vs_buf_len(&buf) - sent,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	end_close(&rig.chrome);
	turn(); /* the user has read nothing yet */
	for (int i = 0; i < 20; i++) {
		(void)take(&rig.user);
		turn();
	}
	expect_frame(&rig.user, VS_WS_BINARY, payload, 300 * 1024);
	vs_buf_fini(&buf);
	free(payload);
}

static void
relay__reads_chromes_last_words_after_a_write_to_it_failed(void **state)
{
	(void)state;
	give_text(&rig.user, "first");
	expect_text(&rig.chrome, "first");
	/* Both at once: a reply, its death, and another question that finds it dead. */
	{
		struct vs_buf buf;

		vs_buf_init(&buf, 1024);
		wsframe_put_text(&buf, false, "reply");
		assert_true(send(rig.chrome.fd, vs_buf_data(&buf), vs_buf_len(&buf), 0) > 0);
		vs_buf_clear(&buf);
		end_close(&rig.chrome);
		wsframe_put_text(&buf, true, "second");
		assert_true(send(rig.user.fd, vs_buf_data(&buf), vs_buf_len(&buf), 0) > 0);
		vs_buf_fini(&buf);
	}
	conn_drive(rig.client, EPOLLIN);
	expect_text(&rig.user, "reply");
}

static void
tunnel__tells_the_client_how_the_session_ended(void **state)
{
	(void)state;
	session_news(&rig.srv, SID, "EXPIRED", "timeout");
	expect_close(&rig.user, 4001, "expired");
	assert_true(take(&rig.chrome));
	give_frame(&rig.user, VS_WS_CLOSE, "\x0f\xa1", 2);
	assert_true(take(&rig.user));
	assert_false(alive());
	assert_int_equal(rig.srv.closes.count, 0); /* the session's end has counted it out */
}

static void
tunnel__says_goodbye_at_a_frame_boundary_only(void **state)
{
	struct vs_buf buf;
	size_t half;

	(void)state;
	vs_buf_init(&buf, 1024);
	wsframe_put_text(&buf, false, "a message in two pieces");
	half = vs_buf_len(&buf) / 2;
	give(&rig.chrome, vs_buf_data(&buf), half);
	session_news(&rig.srv, SID, "COMPLETED", "client_release");
	turn();
	(void)take(&rig.user);
	assert_int_equal(vs_buf_len(&rig.user.got), half);
	give(&rig.chrome, vs_buf_data(&buf) + half, vs_buf_len(&buf) - half);
	expect_text(&rig.user, "a message in two pieces");
	expect_close(&rig.user, 1000, "released");
	vs_buf_fini(&buf);
}

static void
tunnel__holds_back_half_a_head_so_that_a_close_fits(void **state)
{
	(void)state;
	give(&rig.chrome, "\x81", 1);
	expect_nothing(&rig.user);
	session_news(&rig.srv, SID, "COMPLETED", "admin_force_stop");
	expect_close(&rig.user, 4002, "force-stopped");
}

static void
tunnel__cuts_a_client_that_does_not_answer_a_close(void **state)
{
	(void)state;
	session_news(&rig.srv, SID, "COMPLETED", "client_release");
	expect_close(&rig.user, 1000, "released");
	assert_true(alive());
	conn_check(rig.client, vs_loop_now(rig.srv.loop) + 2001);
	turn();
	assert_false(alive());
}

static void
tunnel__waits_for_the_reason_of_a_browsers_death(void **state)
{
	(void)state;
	end_close(&rig.chrome);
	expect_nothing(&rig.user);
	assert_true(alive());
	session_news(&rig.srv, SID, "RUNNING", "-");
	expect_nothing(&rig.user);
	session_news(&rig.srv, SID, "ERRORED", "browser_crashed");
	expect_close(&rig.user, 4003, "errored: browser_crashed");
}

static void
tunnel__gives_1011_when_no_reason_comes(void **state)
{
	(void)state;
	end_close(&rig.chrome);
	expect_nothing(&rig.user);
	conn_check(rig.client, vs_loop_now(rig.srv.loop) + 2001);
	expect_close(&rig.user, 1011, "browser gone");
}

static void
tunnel__cuts_a_stream_that_ends_inside_a_frame(void **state)
{
	(void)state;
	give(&rig.chrome, "\x81\x05he", 4);
	end_close(&rig.chrome);
	turn();
	assert_true(take(&rig.user));
	assert_int_equal(vs_buf_len(&rig.user.got), 4);
	assert_false(alive());
}

static void
tunnel__passes_chromes_own_close(void **state)
{
	(void)state;
	give_frame(&rig.user, VS_WS_CLOSE,
	    "\x03\xe8"
	    "bye",
	    5);
	expect_frame(&rig.chrome, VS_WS_CLOSE,
	    "\x03\xe8"
	    "bye",
	    5);
	give_frame(&rig.chrome, VS_WS_CLOSE,
	    "\x03\xe8"
	    "bye",
	    5);
	end_close(&rig.chrome);
	expect_close(&rig.user, 1000, "bye");
	assert_true(take(&rig.user));
	assert_false(alive());
}

static void
expect_one_answer(const char *status_line)
{
	const char *text;

	turn();
	assert_true(take(&rig.user));
	text = vs_buf_str(&rig.user.got);
	assert_memory_equal(text, status_line, strlen(status_line));
	assert_null(strstr(text + 1, "HTTP/1.1"));
}

static void
dialing__client_gets_one_answer_when_its_session_ends(void **state)
{
	(void)state;
	session_news(&rig.srv, SID, "EXPIRED", "timeout");
	expect_one_answer("HTTP/1.1 410 ");
	end_close(&rig.user);
	turn();
	assert_false(alive());
}

static void
dialing__client_gets_502_when_the_agent_hangs_up(void **state)
{
	(void)state;
	end_close(&rig.chrome);
	expect_one_answer("HTTP/1.1 502 ");
	assert_int_equal(rig.srv.closes.count, 1);
	assert_int_equal(rig.client->tunnel->leave, CDP_LEAVE_ABORTED);
}

static void
dialing__client_that_hangs_up_takes_the_agents_half_along(void **state)
{
	(void)state;
	end_close(&rig.user);
	turn();
	assert_false(alive());
	assert_true(take(&rig.chrome));
}

static void
dialing__agent_that_is_silent_is_given_up(void **state)
{
	(void)state;
	conn_check(rig.upstream, vs_loop_now(rig.srv.loop) + 10001);
	expect_one_answer("HTTP/1.1 502 ");
}

static void
policy__answers_browser_close_for_a_session_that_stays(void **state)
{
	(void)state;
	give_text(&rig.user, "{\"id\":7,\"method\":\"Browser.close\"}");
	expect_text(&rig.user, "{\"id\":7,\"result\":{}}");
	expect_close(&rig.user, 1000, "released");
	(void)take(&rig.chrome);
	assert_int_equal(vs_buf_len(&rig.chrome.got), 0);
}

static void
policy__passes_browser_close_when_the_session_may_end(void **state)
{
	(void)state;
	give_text(&rig.user, "{\"id\":7,\"method\":\"Browser.close\"}");
	expect_text(&rig.chrome, "{\"id\":7,\"method\":\"Browser.close\"}");
	assert_int_equal(rig.client->tunnel->leave, CDP_LEAVE_BROWSER_CLOSED);
	give_text(&rig.chrome, "{\"id\":7,\"result\":{}}");
	end_close(&rig.chrome);
	expect_text(&rig.user, "{\"id\":7,\"result\":{}}");
	expect_close(&rig.user, 1000, "released");
	assert_int_equal(rig.srv.closes.count, 1); /* told before the client has answered */
}

static void
policy__refuses_a_crash_and_goes_on(void **state)
{
	(void)state;
	give_text(&rig.user, "{\"id\":8,\"method\":\"Browser.crash\"}");
	expect_text(&rig.user,
	    "{\"id\":8,\"error\":{\"code\":-32000,\"message\":\"Browser.crash is "
	    "not allowed here\"}}");
	expect_nothing(&rig.chrome);
	give_text(&rig.user, "{\"id\":9,\"method\":\"x\"}");
	expect_text(&rig.chrome, "{\"id\":9,\"method\":\"x\"}");
}

static void
policy__judges_a_frame_that_comes_byte_by_byte(void **state)
{
	struct vs_buf buf;

	(void)state;
	vs_buf_init(&buf, 1024);
	wsframe_put_text(&buf, true, "{\"id\":1,\"method\":\"Browser.crash\"}");
	for (size_t i = 0; i < vs_buf_len(&buf); i++)
		give(&rig.user, vs_buf_data(&buf) + i, 1);
	expect_nothing(&rig.chrome);
	(void)take(&rig.user);
	assert_true(vs_buf_len(&rig.user.got) > 0);
	vs_buf_fini(&buf);
}

static void
policy__puts_its_answer_between_frames(void **state)
{
	struct vs_buf buf;

	(void)state;
	vs_buf_init(&buf, 1024);
	wsframe_put_text(&buf, false, "event");
	give(&rig.chrome, vs_buf_data(&buf), 4);
	give_text(&rig.user, "{\"id\":1,\"method\":\"Browser.crash\"}");
	give(&rig.chrome, vs_buf_data(&buf) + 4, vs_buf_len(&buf) - 4);
	expect_text(&rig.user, "event");
	expect_text(&rig.user,
	    "{\"id\":1,\"error\":{\"code\":-32000,\"message\":\"Browser.crash is "
	    "not allowed here\"}}");
	assert_null(rig.client->tunnel->inject);
	vs_buf_fini(&buf);
}

static void
policy__closes_who_floods_it(void **state)
{
	struct wsframe frame;
	char reason[128];

	(void)state;
	give(&rig.chrome,
	    "\x81\x02"
	    "a",
	    3);
	for (int i = 0; i < 100; i++)
		give_text(&rig.user, "{\"id\":1,\"method\":\"Browser.crash\"}");
	give(&rig.chrome, "b", 1);
	expect_text(&rig.user, "ab");
	do {
		assert_true(wsframe_peek(&rig.user.got, &frame));
		vs_buf_consume(&rig.user.got, frame.size);
	} while (frame.opcode == VS_WS_TEXT);
	assert_int_equal(wsframe_close_code(&frame, reason, sizeof(reason)), 1008);
}

static void
ping__goes_to_an_idle_client_and_its_pong_stays_here(void **state)
{
	struct wsframe frame;
	uint8_t nonce[8];

	(void)state;
	conn_check(rig.client, vs_loop_now(rig.srv.loop) + 24000);
	expect_nothing(&rig.user);
	conn_check(rig.client, vs_loop_now(rig.srv.loop) + 25000);
	(void)take(&rig.user);
	assert_true(wsframe_peek(&rig.user.got, &frame));
	assert_int_equal(frame.opcode, VS_WS_PING);
	assert_int_equal(frame.len, 8);
	memcpy(nonce, frame.payload, 8);
	vs_buf_consume(&rig.user.got, frame.size);
	give_frame(&rig.user, VS_WS_PONG, "other...", 8);
	expect_frame(&rig.chrome, VS_WS_PONG, "other...", 8);
	give_frame(&rig.user, VS_WS_PONG, nonce, 8);
	expect_nothing(&rig.chrome);
	assert_int_equal(rig.client->tunnel->pinged, 0);
	give_text(&rig.user, "x");
	expect_text(&rig.chrome, "x");
}

static void
ping__gives_up_on_a_silent_client(void **state)
{
	vs_msec now = vs_loop_now(rig.srv.loop);

	(void)state;
	conn_check(rig.client, now + 25000);
	conn_check(rig.client, now + 84999);
	assert_true(alive());
	conn_check(rig.client, now + 85000);
	turn();
	assert_false(alive());
	assert_true(take(&rig.chrome));
}

static void
limits__close_a_client_whose_message_is_too_big(void **state)
{
	uint8_t head[14];
	static const uint8_t mask[4] = { 1, 2, 3, 4 };
	size_t len = vs_ws_head(VS_WS_TEXT, true, MAX_MESSAGE + 1, mask, head);

	(void)state;
	give(&rig.user, head, len);
	expect_close(&rig.user, 1009, "message too big");
	(void)take(&rig.chrome);
	assert_int_equal(vs_buf_len(&rig.chrome.got), 0);
}

static void
limits__close_a_client_that_breaks_the_protocol(void **state)
{
	(void)state;
	give_text(&rig.user, "fine");
	give(&rig.user, "\x81\x05hello", 7); /* not masked */
	expect_text(&rig.chrome, "fine");
	expect_close(&rig.user, 1002, "protocol error");
	give(&rig.user, "whatever", 8);
	end_close(&rig.user);
	turn();
	assert_false(alive());
}

static void
limits__blame_the_browser_for_its_own_nonsense(void **state)
{
	(void)state;
	give(&rig.chrome,
	    "\x81\x85"
	    "abcdhello",
	    11); /* masked */
	expect_close(&rig.user, 1011, "browser protocol error");
}

static void
limits__give_up_on_a_stalled_reader(void **state)
{
	uint8_t *payload = calloc(1, 1024 * 1024);
	struct vs_buf buf;

	(void)state;
	assert_non_null(payload);
	vs_buf_init(&buf, 2 * MAX_MESSAGE);
	wsframe_put(&buf, VS_WS_BINARY, true, false, payload, 1024 * 1024);
	for (int i = 0; i < 20; i++) {
		(void)!send(rig.chrome.fd, vs_buf_data(&buf), vs_buf_len(&buf),
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		assert_int_equal(vs_loop_once(rig.srv.loop, 0), 0);
	}
	assert_true(vs_buf_len(&rig.client->out) > 0);
	conn_check(rig.client, vs_loop_now(rig.srv.loop) + CONN_STALL_MS - 1000);
	assert_true(alive());
	conn_check(rig.client, vs_loop_now(rig.srv.loop) + CONN_STALL_MS + 1000);
	turn();
	assert_false(alive());
	vs_buf_fini(&buf);
	free(payload);
}

#define TEST(fn)            cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define TEST_DIALING(fn)    cmocka_unit_test_setup_teardown(fn, setup_dialing, teardown)
#define TEST_KEEP_ALIVE(fn) cmocka_unit_test_setup_teardown(fn, setup_keep_alive, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(relay__passes_frames_both_ways),
		TEST(relay__keeps_every_byte_however_it_is_cut),
		TEST(relay__stops_reading_for_a_slow_reader_and_completes),
		TEST(relay__survives_both_ends_closing_in_one_batch),
		TEST(relay__counts_a_killed_client_out_at_once),
		TEST(relay__lets_the_last_replies_through_to_a_half_closed_client),
		TEST(relay__delivers_what_chrome_said_before_it_died),
		TEST(relay__reads_chromes_last_words_after_a_write_to_it_failed),
		TEST(tunnel__tells_the_client_how_the_session_ended),
		TEST(tunnel__says_goodbye_at_a_frame_boundary_only),
		TEST(tunnel__holds_back_half_a_head_so_that_a_close_fits),
		TEST(tunnel__cuts_a_client_that_does_not_answer_a_close),
		TEST(tunnel__waits_for_the_reason_of_a_browsers_death),
		TEST(tunnel__gives_1011_when_no_reason_comes),
		TEST(tunnel__cuts_a_stream_that_ends_inside_a_frame),
		TEST(tunnel__passes_chromes_own_close),
		TEST_DIALING(dialing__client_gets_one_answer_when_its_session_ends),
		TEST_DIALING(dialing__client_gets_502_when_the_agent_hangs_up),
		TEST_DIALING(dialing__client_that_hangs_up_takes_the_agents_half_along),
		TEST_DIALING(dialing__agent_that_is_silent_is_given_up),
		TEST_KEEP_ALIVE(policy__answers_browser_close_for_a_session_that_stays),
		TEST(policy__passes_browser_close_when_the_session_may_end),
		TEST(policy__refuses_a_crash_and_goes_on),
		TEST(policy__judges_a_frame_that_comes_byte_by_byte),
		TEST(policy__puts_its_answer_between_frames),
		TEST(policy__closes_who_floods_it),
		TEST(ping__goes_to_an_idle_client_and_its_pong_stays_here),
		TEST(ping__gives_up_on_a_silent_client),
		TEST(limits__close_a_client_whose_message_is_too_big),
		TEST(limits__close_a_client_that_breaks_the_protocol),
		TEST(limits__blame_the_browser_for_its_own_nonsense),
		TEST(limits__give_up_on_a_stalled_reader),
	};

	vs_log_init("test_relay", VS_LOG_ERROR, VS_LOG_JSON);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
