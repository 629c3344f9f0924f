/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/cdpd_rig.h"
#include "tests/support/echo_agent.h"
#include "tests/support/wsclient.h"

#define MAX_CLIENTS   CDPD_RIG_MAX_CLIENTS
#define IDLE_TUNNELS  2000
#define EARLY_CLIENTS 1000
#ifdef __SANITIZE_ADDRESS__
#define IDLE_KIB_MAX 100 /* its own bookkeeping */
#else
#define IDLE_KIB_MAX 2
#endif

static int
group_setup(void **state)
{
	(void)state;
	cdpd_rig_new();
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	cdpd_rig_free();
	return 0;
}

static void
expect_refusal(const char *target, const char *fields, int status, const char *slug)
{
	struct wsclient ws;
	char type[128];

	wsclient_ask(&ws, cdpd_rig.sock, target, fields);
	if (wsclient_answer(&ws) != status)
		fail_msg("%d instead of %d for %s", ws.status, status, target);
	(void)snprintf(type, sizeof(type), "\"type\":\"" CDPD_RIG_ISSUER "\\/errors\\/%s\"", slug);
	if (strstr(ws.body, type) == NULL) {
		(void)snprintf(
		    type, sizeof(type), "\"type\":\"" CDPD_RIG_ISSUER "/errors/%s\"", slug);
		if (strstr(ws.body, type) == NULL)
			fail_msg("%s", ws.body);
	}
	assert_non_null(strstr(ws.head, "X-Request-Id: "));
	assert_non_null(strstr(ws.head, "Connection: close"));
	assert_null(strstr(ws.body, "eyJ"));
	wsclient_expect_eof(&ws);
	wsclient_close(&ws);
}

static void
token__is_right_or_the_answer_is_401(void **state)
{
	static const char *const forgeries[] = {
		"eyJhbGciOiJub25lIiwidHlwIjoiSldUIiwia2lkIjoiYiJ9.e30.", /* alg none */
		"x.y.z",
		"",
		"a",
		"....",
		"%00",
	};
	char target[VS_JWT_MAX + 128], *token;
	struct cdpd_sess sess;

	(void)state;
	cdpd_sess_start(&sess, 0);
	for (size_t i = 0; i < VS_COUNTOF(forgeries); i++) {
		(void)snprintf(
		    target, sizeof(target), "/v1/sessions/%s/cdp?token=%s", sess.id, forgeries[i]);
		expect_refusal(target, "", 401, "unauthenticated");
	}
	(void)snprintf(target, sizeof(target), "/v1/sessions/%s/cdp", sess.id);
	expect_refusal(target, "", 401, "unauthenticated");
	/* A bit turned, cut, padded, and for the other audience. */
	memcpy(target, sess.target, sizeof(target));
	token = target + strlen(target);
	token[-10] = token[-10] == 'A' ? 'B' : 'A';
	expect_refusal(target, "", 401, "unauthenticated");
	memcpy(target, sess.target, sizeof(target));
	target[strlen(target) - 1] = '\0';
	expect_refusal(target, "", 401, "unauthenticated");
	memcpy(target, sess.target, sizeof(target));
	memcpy(target + strlen(target), "=", 2);
	expect_refusal(target, "", 401, "unauthenticated");
	cdpd_rig_target(sess.id, sess.id, CDPD_RIG_WORKSPACE, VS_JWT_VIEW, target, sizeof(target));
	expect_refusal(target, "", 401, "unauthenticated");
	assert_int_equal(cdpd_sess_clients(&sess), 0);
	cdpd_sess_end(&sess);
}

static void
token__works_as_a_bearer(void **state)
{
	char target[128], field[VS_JWT_MAX + 64];
	struct wsclient ws;
	struct cdpd_sess sess;

	(void)state;
	cdpd_sess_start(&sess, 0);
	(void)snprintf(target, sizeof(target), "/v1/sessions/%s/cdp/", sess.id);
	(void)snprintf(field, sizeof(field),
	    "Authorization: Bearer %s\r\nX-Request-Id: my.id-1\r\n",
	    strstr(sess.target, "token=") + strlen("token="));
	wsclient_ask(&ws, cdpd_rig.sock, target, field);
	assert_int_equal(wsclient_answer(&ws), 101);
	assert_non_null(strstr(ws.head, "X-Request-Id: my.id-1\r\n"));
	assert_null(strstr(ws.head, "Extensions"));
	wsclient_close(&ws);
	cdpd_sess_end(&sess);
}

static void
address__is_the_door_or_404(void **state)
{
	char target[VS_JWT_MAX + 256];
	struct cdpd_sess sess;

	(void)state;
	cdpd_sess_start(&sess, 0);
	expect_refusal("/", "", 404, "not-found");
	(void)snprintf(target, sizeof(target), "/v1/sessions/%s/cdp/json/new", sess.id);
	expect_refusal(target, "", 404, "not-found");
	/* Another session's token, a session that is not there, one of another workspace. */
	cdpd_rig_target(sess.id, "01J00000000000000000000009", CDPD_RIG_WORKSPACE, VS_JWT_CDP,
	    target, sizeof(target));
	expect_refusal(target, "", 403, "forbidden");
	cdpd_rig_target("01J00000000000000000000009", "01J00000000000000000000009",
	    CDPD_RIG_WORKSPACE, VS_JWT_CDP, target, sizeof(target));
	expect_refusal(target, "", 404, "not-found");
	cdpd_rig_target(
	    sess.id, sess.id, "01J00000000000000000000099", VS_JWT_CDP, target, sizeof(target));
	expect_refusal(target, "", 404, "not-found");
	cdpd_sess_end(&sess);
}

/* The document at tail, which must be there; then the page it names is opened. */
static void
discover(const struct cdpd_sess *sess, const char *tail)
{
	const char *token = strchr(sess->target, '?');
	char target[VS_JWT_MAX + 256], want[VS_JWT_MAX + 256];
	struct wsclient ws;

	(void)snprintf(target, sizeof(target), "/v1/sessions/%s/cdp%s%s", sess->id, tail, token);
	wsclient_ask(&ws, cdpd_rig.sock, target, "");
	assert_int_equal(wsclient_answer(&ws), 200);
	(void)snprintf(want, sizeof(want),
	    "ws://localhost:8080/v1/sessions/%s/cdp/devtools/page/P-1%s", sess->id, token);
	assert_non_null(strstr(ws.body, want));
	wsclient_expect_eof(&ws);
	wsclient_close(&ws);
	assert_int_equal(
	    wsclient_open(&ws, cdpd_rig.sock, want + strlen("ws://localhost:8080")), 101);
	wsclient_send_text(&ws, "page");
	wsclient_expect_text(&ws, "page");
	wsclient_close(&ws);
	WAIT_UNTIL(cdpd_sess_clients(sess) == 0);
}

static void
address__of_a_document_names_addresses_behind_the_door(void **state)
{
	char target[256];
	struct cdpd_sess sess;

	(void)state;
	cdpd_sess_start(&sess, 60);
	discover(&sess, "/json/version");
	discover(&sess, "/json/version/");
	discover(&sess, "/json/list");
	(void)snprintf(target, sizeof(target), "/v1/sessions/%s/cdp/json/version", sess.id);
	expect_refusal(target, "", 401, "unauthenticated");
	cdpd_sess_move(&sess, "release", NULL);
	cdpd_sess_end(&sess);
}

static void
address__of_the_protocol_passes_it_on_as_it_is(void **state)
{
	char target[VS_JWT_MAX + 256];
	struct cdpd_sess sess;
	struct wsclient ws;

	(void)state;
	cdpd_sess_start(&sess, 0);
	(void)snprintf(target, sizeof(target), "/v1/sessions/%s/cdp/json/protocol%s", sess.id,
	    strchr(sess.target, '?'));
	wsclient_ask(&ws, cdpd_rig.sock, target, "");
	wsclient_expect_eof(&ws);
	assert_non_null(strstr(vs_buf_str(&ws.in), "HTTP/1.1 200 OK\r\n"));
	assert_in_range(
	    vs_buf_len(&ws.in), ECHO_AGENT_PROTOCOL_BYTES, ECHO_AGENT_PROTOCOL_BYTES + 1000);
	wsclient_close(&ws);
	cdpd_sess_end(&sess);
}

static void
address__of_a_document_releases_nothing(void **state)
{
	char target[VS_JWT_MAX + 256];
	struct cdpd_sess sess;
	struct wsclient ws;

	(void)state;
	cdpd_sess_start(&sess, 0);
	(void)snprintf(target, sizeof(target), "/v1/sessions/%s/cdp/json/version%s", sess.id,
	    strchr(sess.target, '?'));
	wsclient_ask(&ws, cdpd_rig.sock, target, "");
	assert_int_equal(wsclient_answer(&ws), 200);
	wsclient_expect_eof(&ws);
	wsclient_close(&ws);
	WAIT_UNTIL(cdpd_sess_clients(&sess) == 0);
	assert_true(cdpd_sess_is(&sess, "RUNNING -"));
	cdpd_sess_end(&sess);
}

static void
session__that_has_ended_is_gone(void **state)
{
	struct cdpd_sess sess;

	(void)state;
	cdpd_sess_start(&sess, 0);
	cdpd_sess_move(&sess, "release", NULL);
	expect_refusal(sess.target, "", 410, "session-ended");
	cdpd_sess_end(&sess);
}

static void
session__takes_only_so_many_clients(void **state)
{
	struct wsclient ws[MAX_CLIENTS];
	struct cdpd_sess sess;

	(void)state;
	cdpd_sess_start(&sess, 60);
	for (int i = 0; i < MAX_CLIENTS; i++)
		assert_int_equal(wsclient_open(&ws[i], cdpd_rig.sock, sess.target), 101);
	assert_int_equal(cdpd_sess_clients(&sess), MAX_CLIENTS);
	expect_refusal(sess.target, "", 429, "client-limit");
	wsclient_close(&ws[0]);
	WAIT_UNTIL(cdpd_sess_clients(&sess) == MAX_CLIENTS - 1);
	assert_int_equal(wsclient_open(&ws[0], cdpd_rig.sock, sess.target), 101);
	for (int i = 0; i < MAX_CLIENTS; i++)
		wsclient_close(&ws[i]);
	WAIT_UNTIL(cdpd_sess_clients(&sess) == 0);
	assert_true(cdpd_sess_is(&sess, "RUNNING -"));
	cdpd_sess_end(&sess);
}

static void
early__client_is_let_in_when_the_session_runs(void **state)
{
	struct wsclient ws[3];
	struct cdpd_sess sess;

	(void)state;
	cdpd_sess_queue(&sess, 0);
	for (int i = 0; i < 3; i++)
		wsclient_ask(&ws[i], cdpd_rig.sock, sess.target, "");
	cdpd_sess_run(&sess);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(wsclient_answer(&ws[i]), 101);
		wsclient_send_text(&ws[i], "hello");
		wsclient_expect_text(&ws[i], "hello");
		wsclient_close(&ws[i]);
	}
	WAIT_UNTIL(cdpd_sess_is(&sess, "COMPLETED cdp_disconnect"));
	cdpd_sess_end(&sess);
}

static void
early__client_that_hangs_up_is_forgotten(void **state)
{
	struct wsclient ws, stays;
	struct cdpd_sess sess;

	(void)state;
	cdpd_sess_queue(&sess, 60);
	for (int i = 0; i < 5; i++) {
		wsclient_ask(&ws, cdpd_rig.sock, sess.target, "");
		wsclient_close(&ws);
	}
	wsclient_ask(&stays, cdpd_rig.sock, sess.target, "");
	cdpd_sess_run(&sess);
	assert_int_equal(wsclient_answer(&stays), 101);
	WAIT_UNTIL(cdpd_sess_clients(&sess) == 1);
	wsclient_close(&stays);
	cdpd_sess_end(&sess);
}

static void
early__clients_in_great_number_all_get_in(void **state)
{
	struct wsclient *ws = calloc(EARLY_CLIENTS, sizeof(*ws));
	struct cdpd_sess *sess = calloc(EARLY_CLIENTS / MAX_CLIENTS, sizeof(*sess));

	(void)state;
	assert_non_null(ws);
	assert_non_null(sess);
	for (int i = 0; i < EARLY_CLIENTS / MAX_CLIENTS; i++)
		cdpd_sess_queue(&sess[i], 60);
	for (int i = 0; i < EARLY_CLIENTS; i++)
		wsclient_ask(&ws[i], cdpd_rig.sock, sess[i / MAX_CLIENTS].target, "");
	for (int i = 0; i < EARLY_CLIENTS / MAX_CLIENTS; i++)
		cdpd_sess_run(&sess[i]);
	for (int i = 0; i < EARLY_CLIENTS; i++) {
		assert_int_equal(wsclient_answer(&ws[i]), 101);
		wsclient_close(&ws[i]);
	}
	for (int i = 0; i < EARLY_CLIENTS / MAX_CLIENTS; i++) {
		WAIT_UNTIL(cdpd_sess_clients(&sess[i]) == 0);
		cdpd_sess_end(&sess[i]);
	}
	free(ws);
	free(sess);
}

static void
early__client_gets_410_when_the_session_ends_first(void **state)
{
	struct wsclient ws;
	struct cdpd_sess sess;

	(void)state;
	cdpd_sess_queue(&sess, 0);
	wsclient_ask(&ws, cdpd_rig.sock, sess.target, "");
	cdpd_sess_move(&sess, "release", NULL);
	assert_int_equal(wsclient_answer(&ws), 410);
	wsclient_close(&ws);
}

static void
early__client_gets_408_when_it_takes_too_long(void **state)
{
	struct wsclient gone;
	struct cdpd_sess sess;

	(void)state;
	cdpd_rig_stop();
	assert_int_equal(setenv("VENTUS_CDPD_CONNECT_WAIT_SECONDS", "1", 1), 0);
	cdpd_rig_start();
	cdpd_sess_queue(&sess, 0);
	wsclient_ask(&gone, cdpd_rig.sock, sess.target, "");
	wsclient_close(&gone);
	expect_refusal(sess.target, "", 408, "connect-timeout");
	assert_int_equal(cdpd_sess_clients(&sess), 0);
	cdpd_rig_stop();
	assert_int_equal(unsetenv("VENTUS_CDPD_CONNECT_WAIT_SECONDS"), 0);
	cdpd_rig_start();
}

static void
agent__that_is_not_there_is_502_and_releases_nothing(void **state)
{
	struct wsclient ws;
	struct cdpd_sess sess;

	(void)state;
	cdpd_sess_start(&sess, 0);
	cdpd_sess_end(&sess);
	expect_refusal(sess.target, "", 502, "bad-gateway");
	WAIT_UNTIL(cdpd_sess_clients(&sess) == 0);
	assert_true(cdpd_sess_is(&sess, "RUNNING -"));
	sess.agent = echo_agent_start(sess.agent_sock, "another secret");
	expect_refusal(sess.target, "", 502, "bad-gateway");
	echo_agent_stop(sess.agent);
	sess.agent = echo_agent_start(sess.agent_sock, sess.secret);
	assert_int_equal(wsclient_open(&ws, cdpd_rig.sock, sess.target), 101);
	wsclient_close(&ws);
	cdpd_sess_end(&sess);
}

static void
close__of_the_last_client_releases_the_session(void **state)
{
	struct wsclient one, two;
	struct cdpd_sess sess;

	(void)state;
	cdpd_sess_start(&sess, 0);
	assert_int_equal(wsclient_open(&one, cdpd_rig.sock, sess.target), 101);
	assert_int_equal(wsclient_open(&two, cdpd_rig.sock, sess.target), 101);
	assert_int_equal(cdpd_sess_clients(&sess), 2);
	wsclient_send(&one, VS_WS_CLOSE, "\x03\xe8", 2);
	wsclient_expect_close(&one, 1000, "");
	wsclient_expect_eof(&one);
	wsclient_close(&one);
	WAIT_UNTIL(cdpd_sess_clients(&sess) == 1);
	wsclient_send_text(&two, "still here");
	wsclient_expect_text(&two, "still here");
	wsclient_close(&two); /* as a killed client does */
	WAIT_UNTIL(cdpd_sess_is(&sess, "COMPLETED cdp_disconnect"));
	expect_refusal(sess.target, "", 410, "session-ended");
	cdpd_sess_end(&sess);
}

static void
close__leaves_a_session_with_keep_alive(void **state)
{
	struct wsclient ws;
	struct cdpd_sess sess;

	(void)state;
	cdpd_sess_start(&sess, 60);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(wsclient_open(&ws, cdpd_rig.sock, sess.target), 101);
		wsclient_close(&ws);
		WAIT_UNTIL(cdpd_sess_clients(&sess) == 0);
	}
	assert_true(cdpd_sess_is(&sess, "RUNNING -"));
	cdpd_sess_end(&sess);
}

static void
close__of_the_browser_ends_the_session(void **state)
{
	struct wsclient one, two;
	struct cdpd_sess sess;

	(void)state;
	cdpd_sess_start(&sess, 0);
	assert_int_equal(wsclient_open(&one, cdpd_rig.sock, sess.target), 101);
	assert_int_equal(wsclient_open(&two, cdpd_rig.sock, sess.target), 101);
	wsclient_send_text(&one, "{\"id\":1,\"method\":\"Browser.close\"}");
	wsclient_expect_text(&one, "{\"id\":1,\"result\":{}}");
	wsclient_expect_close(&one, 1000, "released");
	wsclient_expect_close(&two, 1000, "released");
	WAIT_UNTIL(cdpd_sess_is(&sess, "COMPLETED browser_closed"));
	wsclient_close(&one);
	wsclient_close(&two);
	cdpd_sess_end(&sess);
}

static void
close__of_the_browser_drops_one_client_of_a_session_that_stays(void **state)
{
	struct wsclient one, two;
	struct cdpd_sess sess;

	(void)state;
	cdpd_sess_start(&sess, 60);
	assert_int_equal(wsclient_open(&one, cdpd_rig.sock, sess.target), 101);
	assert_int_equal(wsclient_open(&two, cdpd_rig.sock, sess.target), 101);
	wsclient_send_text(&one, "{\"id\":42,\"method\":\"Browser.close\"}");
	wsclient_expect_text(&one, "{\"id\":42,\"result\":{}}");
	wsclient_expect_close(&one, 1000, "released");
	wsclient_expect_eof(&one);
	wsclient_send_text(&two, "still here");
	wsclient_expect_text(&two, "still here");
	WAIT_UNTIL(cdpd_sess_clients(&sess) == 1);
	wsclient_close(&one);
	wsclient_close(&two);
	cdpd_sess_end(&sess);
}

static void
end__of_a_session_is_told_with_its_code(void **state)
{
	static const struct {
		const char *event, *code;
		uint16_t close_code;
		const char *reason;
	} rows[] = {
		{ "release", NULL, 1000, "released" },
		{ "suspend", NULL, 1000, "released" },
		{ "deadline", NULL, 4001, "expired" },
		{ "force_stop", NULL, 4002, "force-stopped" },
		{ "fail", "oom_killed", 4003, "errored: oom_killed" },
	};
	struct wsclient ws[2];
	struct cdpd_sess sess;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		cdpd_sess_start(&sess, 60);
		assert_int_equal(wsclient_open(&ws[0], cdpd_rig.sock, sess.target), 101);
		assert_int_equal(wsclient_open(&ws[1], cdpd_rig.sock, sess.target), 101);
		cdpd_sess_move(&sess, rows[i].event, rows[i].code);
		for (int k = 0; k < 2; k++) {
			wsclient_expect_close(&ws[k], rows[i].close_code, rows[i].reason);
			wsclient_expect_eof(&ws[k]);
			wsclient_close(&ws[k]);
		}
		cdpd_sess_end(&sess);
	}
}

static void
end__of_the_browser_waits_for_its_reason(void **state)
{
	struct wsclient ws;
	struct cdpd_sess sess;

	(void)state;
	cdpd_sess_start(&sess, 0);
	assert_int_equal(wsclient_open(&ws, cdpd_rig.sock, sess.target), 101);
	wsclient_send_text(&ws, "ready");
	wsclient_expect_text(&ws, "ready");
	cdpd_sess_end(&sess);
	sql_do(cdpd_rig.owner,
	    "SELECT ventus.runtime_ended('%s', 'fail', 'browser_crashed', 'x', " CDPD_RIG_ACTOR ")",
	    sess.runtime);
	wsclient_expect_close(&ws, 4003, "errored: browser_crashed");
	wsclient_close(&ws);
	/* Nobody says why: 1011, and the session is left for reaperd to judge. */
	cdpd_sess_start(&sess, 0);
	assert_int_equal(wsclient_open(&ws, cdpd_rig.sock, sess.target), 101);
	wsclient_send_text(&ws, "!die");
	wsclient_expect_close(&ws, 1011, "browser gone");
	wsclient_close(&ws);
	WAIT_UNTIL(cdpd_sess_clients(&sess) == 0);
	assert_true(cdpd_sess_is(&sess, "RUNNING -"));
	cdpd_sess_end(&sess);
}

static void
relay__is_exact_to_the_byte(void **state)
{
	static const size_t sizes[] = { 0, 1, 7, 125, 126, 127, 300, 511, 512, 4000, 65535, 65536,
		70000, 262144, 1000000, 6000000 };
	uint8_t *payload = malloc(sizes[VS_COUNTOF(sizes) - 1]);
	struct wsframe frame;
	struct wsclient ws;
	struct cdpd_sess sess;

	(void)state;
	assert_non_null(payload);
	srandom(3);
	for (size_t i = 0; i < sizes[VS_COUNTOF(sizes) - 1]; i++)
		payload[i] = (uint8_t)random();
	cdpd_sess_start(&sess, 0);
	assert_int_equal(wsclient_open(&ws, cdpd_rig.sock, sess.target), 101);
	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < VS_COUNTOF(sizes); i++) {
			wsclient_send(&ws, VS_WS_BINARY, payload + round,
			    sizes[i] - (sizes[i] > 3 ? round : 0));
			wsclient_next(&ws, &frame);
			assert_int_equal(frame.opcode, VS_WS_BINARY);
			assert_int_equal(frame.len, sizes[i] - (sizes[i] > 3 ? round : 0));
			if (frame.len > 0)
				assert_memory_equal(frame.payload, payload + round, frame.len);
		}
	}
	wsclient_close(&ws);
	cdpd_sess_end(&sess);
	free(payload);
}

static void
relay__keeps_what_a_slow_reader_has_not_read(void **state)
{
	uint8_t *payload = malloc(1000000);
	struct wsframe frame;
	struct wsclient ws;
	struct cdpd_sess sess;

	(void)state;
	assert_non_null(payload);
	memset(payload, 'x', 1000000);
	cdpd_sess_start(&sess, 0);
	assert_int_equal(wsclient_open(&ws, cdpd_rig.sock, sess.target), 101);
	for (int i = 0; i < 5; i++)
		wsclient_send(&ws, VS_WS_TEXT, payload, 1000000);
	/* Twice the pause between pings without reading: nothing may be cut or lost. */
	(void)poll(NULL, 0, 2500);
	for (int i = 0; i < 5; i++) {
		wsclient_next(&ws, &frame);
		assert_int_equal(frame.len, 1000000);
	}
	wsclient_send_text(&ws, "after");
	wsclient_expect_text(&ws, "after");
	wsclient_close(&ws);
	cdpd_sess_end(&sess);
	free(payload);
}

static void
ping__keeps_an_idle_client(void **state)
{
	vs_msec limit = vs_clock_mono_ms() + 20000;
	struct wsclient ws;
	struct wsframe frame;
	struct cdpd_sess sess;
	int pings = 0;

	(void)state;
	cdpd_sess_start(&sess, 0);
	assert_int_equal(wsclient_open(&ws, cdpd_rig.sock, sess.target), 101);
	while (pings < 2 && vs_clock_mono_ms() < limit) {
		uint8_t *at;
		size_t room;
		ssize_t n;

		assert_int_equal(vs_buf_reserve(&ws.in, 64, &at, &room), 0);
		n = recv(ws.fd, at, room, 0);
		assert_true(n > 0);
		vs_buf_filled(&ws.in, (size_t)n);
		while (wsframe_peek(&ws.in, &frame)) {
			assert_int_equal(frame.opcode, VS_WS_PING);
			pings++;
			vs_buf_consume(&ws.in, frame.size);
			wsclient_send(&ws, VS_WS_PONG, frame.payload, frame.len);
		}
	}
	assert_int_equal(pings, 2);
	/* The echo would have sent a pong back as it came: it never saw one. */
	wsclient_send_text(&ws, "x");
	wsclient_expect_text(&ws, "x");
	wsclient_close(&ws);
	cdpd_sess_end(&sess);
}

static void
database__may_restart_under_live_tunnels(void **state)
{
	struct wsclient one, two, late;
	struct cdpd_sess sess, other;

	(void)state;
	cdpd_sess_start(&sess, 0);
	cdpd_sess_start(&other, 60);
	assert_int_equal(wsclient_open(&one, cdpd_rig.sock, sess.target), 101);
	assert_int_equal(wsclient_open(&two, cdpd_rig.sock, other.target), 101);
	PQfinish(cdpd_rig.owner);
	pg_stop(cdpd_rig.pg);
	wsclient_send_text(&one, "without a database");
	wsclient_expect_text(&one, "without a database");
	wsclient_ask(&late, cdpd_rig.sock, other.target, "");
	wsclient_close(&one);          /* to be told when the database is back */
	for (int i = 0; i < 25; i++) { /* until every lease is over */
		wsclient_send_text(&two, "still");
		wsclient_expect_text(&two, "still");
		(void)poll(NULL, 0, 100);
	}
	pg_start(cdpd_rig.pg);
	cdpd_rig.owner = sql_open(cdpd_rig.pg, "ventus_owner");
	/* reaperd is back first: it must not take the living for dead. */
	assert_int_equal(
	    sql_int(cdpd_rig.owner, "SELECT ventus.cdpd_instance_reap(" CDPD_RIG_ACTOR ")"), 0);
	WAIT_UNTIL(cdpd_sess_is(&sess, "COMPLETED cdp_disconnect"));
	(void)wsclient_answer(&late);
	assert_true(late.status == 101 || late.status == 503);
	wsclient_close(&late);
	wsclient_send_text(&two, "lives");
	wsclient_expect_text(&two, "lives");
	/* And news is heard again. */
	cdpd_sess_move(&other, "release", NULL);
	wsclient_expect_close(&two, 1000, "released");
	wsclient_close(&two);
	cdpd_sess_end(&sess);
	cdpd_sess_end(&other);
}

/* Its workers, up to max. */
static size_t
workers(pid_t *ret_pids, size_t max)
{
	char path[128], text[512] = "", *at = text, *end;
	FILE *file;
	size_t n = 0;

	(void)snprintf(
	    path, sizeof(path), "/proc/%d/task/%d/children", cdpd_rig.master, cdpd_rig.master);
	file = fopen(path, "r");
	assert_non_null(file);
	(void)!fread(text, 1, sizeof(text) - 1, file);
	(void)fclose(file);
	for (long pid = strtol(at, &end, 10); end != at && n < max; pid = strtol(at, &end, 10)) {
		ret_pids[n++] = (pid_t)pid;
		at = end;
	}
	return n;
}

static void
worker__that_is_killed_is_replaced_and_counted_out(void **state)
{
	struct wsclient ws[4], again;
	struct cdpd_sess sess;
	pid_t before[8], after[8];
	size_t n;

	(void)state;
	cdpd_sess_start(&sess, 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(wsclient_open(&ws[i], cdpd_rig.sock, sess.target), 101);
	n = workers(before, VS_COUNTOF(before));
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(kill(before[i], SIGKILL), 0);
	for (int i = 0; i < 4; i++) {
		wsclient_expect_eof(&ws[i]);
		wsclient_close(&ws[i]);
	}
	WAIT_UNTIL(workers(after, VS_COUNTOF(after)) == 2 && after[0] != before[0]);
	assert_true(cdpd_sess_is(&sess, "RUNNING -"));
	assert_int_equal(wsclient_open(&again, cdpd_rig.sock, sess.target), 101);
	/* What reaperd does: it acts when the leases are over. */
	WAIT_UNTIL(
	    sql_int(cdpd_rig.owner, "SELECT ventus.cdpd_instance_reap(" CDPD_RIG_ACTOR ")") == 2 ||
	    cdpd_sess_clients(&sess) == 1);
	WAIT_UNTIL(
	    cdpd_sess_clients(&sess) == 1 ||
	    sql_int(cdpd_rig.owner, "SELECT ventus.cdpd_instance_reap(" CDPD_RIG_ACTOR ")") < 0);
	wsclient_close(&again);
	WAIT_UNTIL(cdpd_sess_is(&sess, "COMPLETED cdp_disconnect"));
	cdpd_sess_end(&sess);
}

/* Resident memory of all workers without what they share, in KiB. */
static long
workers_private_kib(void)
{
	char path[64], line[256];
	pid_t pids[8];
	size_t n = workers(pids, VS_COUNTOF(pids));
	long total = 0, kib;
	FILE *file;

	for (size_t i = 0; i < n; i++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pids[i]);
		file = fopen(path, "r");
		assert_non_null(file);
		while (fgets(line, sizeof(line), file) != NULL) {
			if (sscanf(line, "Private_Dirty: %ld kB", &kib) == 1)
				total += kib;
		}
		(void)fclose(file);
	}
	return total;
}

static void
memory__of_an_idle_tunnel_is_small(void **state)
{
	struct wsclient *ws = calloc(IDLE_TUNNELS, sizeof(*ws));
	struct cdpd_sess *sess = calloc(IDLE_TUNNELS / MAX_CLIENTS, sizeof(*sess));
	long before, after;

	(void)state;
	assert_non_null(ws);
	assert_non_null(sess);
	before = workers_private_kib();
	for (int i = 0; i < IDLE_TUNNELS / MAX_CLIENTS; i++) {
		cdpd_sess_start(&sess[i], 60);
		for (int k = 0; k < MAX_CLIENTS; k++)
			assert_int_equal(
			    wsclient_open(&ws[i * MAX_CLIENTS + k], cdpd_rig.sock, sess[i].target),
			    101);
	}
	after = workers_private_kib();
	print_message("# %d idle tunnels: %ld KiB, %.2f KiB each\n", IDLE_TUNNELS, after - before,
	    (double)(after - before) / IDLE_TUNNELS);
	assert_true(after - before < (long)IDLE_KIB_MAX * IDLE_TUNNELS);
	for (int i = 0; i < IDLE_TUNNELS; i++)
		wsclient_close(&ws[i]);
	for (int i = 0; i < IDLE_TUNNELS / MAX_CLIENTS; i++) {
		WAIT_UNTIL(cdpd_sess_clients(&sess[i]) == 0);
		cdpd_sess_end(&sess[i]);
	}
	free(ws);
	free(sess);
}

static void
stop__tells_every_client_and_counts_it_out(void **state)
{
	struct wsclient ws, early;
	struct cdpd_sess sess, queued;

	(void)state;
	cdpd_sess_start(&sess, 60);
	cdpd_sess_queue(&queued, 0);
	assert_int_equal(wsclient_open(&ws, cdpd_rig.sock, sess.target), 101);
	wsclient_ask(&early, cdpd_rig.sock, queued.target, "");
	/* Its verdict is 'wait' once a later one has been answered. */
	expect_refusal("/", "", 404, "not-found");
	assert_int_equal(kill(cdpd_rig.master, SIGTERM), 0);
	wsclient_expect_close(&ws, 1001, "restarting");
	wsclient_expect_eof(&ws);
	wsclient_close(&ws);
	(void)wsclient_answer(&early);
	assert_int_equal(early.status, 503);
	wsclient_close(&early);
	{
		int status = 0;

		assert_int_equal(waitpid(cdpd_rig.master, &status, 0), cdpd_rig.master);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	assert_int_equal(cdpd_sess_clients(&sess), 0);
	assert_true(cdpd_sess_is(&sess, "RUNNING -"));
	cdpd_sess_end(&sess);
	cdpd_rig_start();
}

/* Connect and say nothing. */
static int
mute_client(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", cdpd_rig.sock);
	assert_int_equal(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static bool
answers(int status)
{
	struct wsclient ws;
	int got = wsclient_open(&ws, cdpd_rig.sock, "/");

	wsclient_close(&ws);
	return got == status;
}

static void
limits__refuse_a_client_too_many(void **state)
{
	int fds[3];

	(void)state;
	cdpd_rig_stop();
	assert_int_equal(setenv("VENTUS_CDPD_WORKERS", "1", 1), 0);
	assert_int_equal(setenv("VENTUS_CDPD_MAX_CONNECTIONS", "3", 1), 0);
	cdpd_rig_start();
	WAIT_UNTIL(answers(404)); /* the one that asked before has left */
	for (size_t i = 0; i < VS_COUNTOF(fds); i++)
		fds[i] = mute_client();
	WAIT_UNTIL(answers(503));
	expect_refusal("/", "", 503, "unavailable");
	for (size_t i = 0; i < VS_COUNTOF(fds); i++)
		assert_int_equal(close(fds[i]), 0);
	WAIT_UNTIL(answers(404));
	assert_int_equal(unsetenv("VENTUS_CDPD_MAX_CONNECTIONS"), 0);
}

static void
limits__survive_the_last_descriptor(void **state)
{
	int fds[300];

	(void)state;
	cdpd_rig_stop();
	cdpd_rig.max_files = 160;
	cdpd_rig_start();
	for (size_t i = 0; i < VS_COUNTOF(fds); i++)
		fds[i] = mute_client();
	/* More than it can hold: some were refused, the last wait in the backlog. */
	for (size_t i = 0; i < VS_COUNTOF(fds); i++)
		assert_int_equal(close(fds[i]), 0);
	WAIT_UNTIL(answers(404));
	cdpd_rig_stop();
	cdpd_rig.max_files = 0;
	assert_int_equal(unsetenv("VENTUS_CDPD_WORKERS"), 0);
	cdpd_rig_start();
}

static void
log__has_no_token_and_no_message(void **state)
{
	FILE *file = fopen(cdpd_rig.log, "r");
	char line[8192];
	int closed = 0;

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strstr(line, "eyJ") != NULL || strstr(line, "token=") != NULL ||
		    strstr(line, "Browser.close") != NULL || strstr(line, "Bearer") != NULL)
			fail_msg("%s", line);
		closed += strstr(line, "cdp.closed") != NULL;
	}
	assert_true(closed > 20);
	(void)fclose(file);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(token__is_right_or_the_answer_is_401),
		cmocka_unit_test(token__works_as_a_bearer),
		cmocka_unit_test(address__is_the_door_or_404),
		cmocka_unit_test(address__of_a_document_names_addresses_behind_the_door),
		cmocka_unit_test(address__of_the_protocol_passes_it_on_as_it_is),
		cmocka_unit_test(address__of_a_document_releases_nothing),
		cmocka_unit_test(session__that_has_ended_is_gone),
		cmocka_unit_test(session__takes_only_so_many_clients),
		cmocka_unit_test(early__client_is_let_in_when_the_session_runs),
		cmocka_unit_test(early__client_that_hangs_up_is_forgotten),
		cmocka_unit_test(early__clients_in_great_number_all_get_in),
		cmocka_unit_test(early__client_gets_410_when_the_session_ends_first),
		cmocka_unit_test(early__client_gets_408_when_it_takes_too_long),
		cmocka_unit_test(agent__that_is_not_there_is_502_and_releases_nothing),
		cmocka_unit_test(close__of_the_last_client_releases_the_session),
		cmocka_unit_test(close__leaves_a_session_with_keep_alive),
		cmocka_unit_test(close__of_the_browser_ends_the_session),
		cmocka_unit_test(close__of_the_browser_drops_one_client_of_a_session_that_stays),
		cmocka_unit_test(end__of_a_session_is_told_with_its_code),
		cmocka_unit_test(end__of_the_browser_waits_for_its_reason),
		cmocka_unit_test(relay__is_exact_to_the_byte),
		cmocka_unit_test(relay__keeps_what_a_slow_reader_has_not_read),
		cmocka_unit_test(ping__keeps_an_idle_client),
		cmocka_unit_test(worker__that_is_killed_is_replaced_and_counted_out),
		cmocka_unit_test(memory__of_an_idle_tunnel_is_small),
		cmocka_unit_test(database__may_restart_under_live_tunnels),
		cmocka_unit_test(stop__tells_every_client_and_counts_it_out),
		cmocka_unit_test(limits__refuse_a_client_too_many),
		cmocka_unit_test(limits__survive_the_last_descriptor),
		cmocka_unit_test(log__has_no_token_and_no_message),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
