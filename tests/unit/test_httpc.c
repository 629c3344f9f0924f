/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/err.h"
#include "lib/httpc.h"
#include "tests/support/tmpdir.h"

#define WAIT_MS 8000

struct fixture {
	char dir[TMPDIR_SIZE], socket[TMPDIR_SIZE + 8];
	pid_t server;
	struct vs_loop *loop;
	struct vs_httpc *httpc;
	struct vs_httpc_call *call;
	int done, rc, status;
	char body[8192];
	size_t body_len;
	size_t pieces;
	int piece_rc;
	bool cancel_in_piece;
};

static void
say(int fd, const char *text)
{
	(void)send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* What each target gets. Whatever needs the peer to go on waits for its bytes. */
static void
serve_one(int fd)
{
	char in[16384] = "", out[200];
	size_t len = 0;
	ssize_t n;

	while (
	    strstr(in, "\r\n\r\n") == NULL && (n = read(fd, in + len, sizeof(in) - 1 - len)) > 0) {
		len += (size_t)n;
		in[len] = '\0';
	}
	if (strncmp(in, "GET /ok ", 8) == 0) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
	} else if (strncmp(in, "POST /echo ", 11) == 0) {
		(void)snprintf(out, sizeof(out),
		    "HTTP/1.1 201 Created\r\nContent-Length: %zu\r\n\r\n", strlen(in));
		say(fd, out);
		say(fd, in);
	} else if (strncmp(in, "GET /big ", 9) == 0) {
		say(fd, "HTTP/1.1 200 OK\r\n\r\n");
		while (send(fd, in, 100, MSG_NOSIGNAL) > 0)
			;
	} else if (strncmp(in, "GET /head ", 10) == 0) {
		say(fd, "HTTP/1.1 200 OK\r\n");
		while (send(fd, "X-A: 0123456789012345678901234567890123456789\r\n", 47,
			   MSG_NOSIGNAL) > 0)
			;
	} else if (strncmp(in, "GET /silent ", 12) == 0) {
		(void)read(fd, out, 1);
	} else if (strncmp(in, "GET /stream ", 12) == 0) {
		say(fd, "HTTP/1.1 200 OK\r\n\r\none\n");
		say(fd, "two\n");
	} else if (strncmp(in, "GET /forever ", 13) == 0) {
		say(fd, "HTTP/1.1 200 OK\r\n\r\none\n");
		(void)read(fd, out, 1);
	} else if (strncmp(in, "GET /cut ", 9) == 0) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
	} else if (strncmp(in, "GET /garbage ", 13) == 0) {
		say(fd, "SSH-2.0-none\r\n\r\n");
	} else if (strncmp(in, "GET /moved ", 11) == 0) {
		say(fd, "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n");
	} else {
		say(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone");
	}
}

static pid_t
server_start(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;
	pid_t pid;

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 16), 0);
	pid = fork();
	if (pid != 0) {
		(void)close(fd);
		return pid;
	}
	while ((peer = accept(fd, NULL, NULL)) >= 0) {
		serve_one(peer);
		(void)close(peer);
	}
	_exit(0);
}

static int
setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	tmpdir_new(fx->dir);
	(void)snprintf(fx->socket, sizeof(fx->socket), "%s/s", fx->dir);
	fx->server = server_start(fx->socket);
	fx->loop = vs_loop_new();
	fx->httpc = vs_httpc_new(fx->loop);
	assert_non_null(fx->httpc);
	*state = fx;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fx = *state;

	vs_httpc_free(fx->httpc);
	vs_loop_free(fx->loop);
	(void)kill(fx->server, SIGKILL);
	(void)waitpid(fx->server, NULL, 0);
	tmpdir_remove(fx->dir);
	free(fx);
	return 0;
}

static void
on_done(void *ctx, int rc, const struct vs_httpc_answer *answer)
{
	struct fixture *fx = ctx;

	fx->done++;
	fx->rc = rc;
	assert_true((rc == 0) == (answer != NULL));
	if (answer == NULL)
		return;
	fx->status = answer->status;
	if (answer->body_len > 0) {
		fx->body_len = answer->body_len < sizeof(fx->body) - 1 ? answer->body_len
								       : sizeof(fx->body) - 1;
		memcpy(fx->body, answer->body, fx->body_len);
		fx->body[fx->body_len] = '\0';
	}
}

static int
on_piece(void *ctx, const uint8_t *bytes, size_t len)
{
	struct fixture *fx = ctx;

	fx->pieces++;
	assert_true(fx->body_len + len < sizeof(fx->body));
	memcpy(fx->body + fx->body_len, bytes, len);
	fx->body_len += len;
	fx->body[fx->body_len] = '\0';
	if (fx->cancel_in_piece)
		vs_httpc_cancel(fx->call);
	return fx->piece_rc;
}

static void
turn_until_done(struct fixture *fx, int times)
{
	vs_msec deadline = vs_clock_mono_ms() + WAIT_MS;

	while (fx->done < times) {
		if (vs_clock_mono_ms() >= deadline)
			fail_msg("not done in time");
		assert_int_equal(vs_loop_once(fx->loop, 100), 0);
	}
}

static void
get(struct fixture *fx, const char *target, struct vs_httpc_request request, bool stream)
{
	struct vs_httpc_hooks hooks = {
		.body = stream ? on_piece : NULL, .done = on_done, .ctx = fx
	};
	char url[100];

	(void)snprintf(url, sizeof(url), "http://agent%s", target);
	request.url = url;
	request.method = request.method != NULL ? request.method : "GET";
	request.unix_path = fx->socket;
	assert_int_equal(vs_httpc_send(fx->httpc, &request, &hooks, &fx->call), 0);
	assert_int_equal(fx->done, 0);
}

static void
httpc__answers_with_status_and_body(void **state)
{
	struct fixture *fx = *state;

	get(fx, "/ok", (struct vs_httpc_request){ .total_ms = WAIT_MS }, false);
	turn_until_done(fx, 1);
	assert_int_equal(fx->rc, 0);
	assert_int_equal(fx->status, 200);
	assert_string_equal(fx->body, "hi");
}

static void
httpc__sends_body_and_bearer(void **state)
{
	struct fixture *fx = *state;

	get(fx, "/echo",
	    (struct vs_httpc_request){ .method = "POST",
		.bearer = "s3cret",
		.body = "{\"a\":1}",
		.body_len = 7,
		.content_type = "application/json",
		.total_ms = WAIT_MS },
	    false);
	turn_until_done(fx, 1);
	assert_int_equal(fx->status, 201);
	assert_non_null(strstr(fx->body, "\r\nAuthorization: Bearer s3cret\r\n"));
	assert_non_null(strstr(fx->body, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(fx->body, "\r\nContent-Length: 7\r\n"));
	assert_null(strstr(fx->body, "Expect"));
}

static void
httpc__posts_without_a_body(void **state)
{
	struct fixture *fx = *state;

	get(fx, "/echo", (struct vs_httpc_request){ .method = "POST", .total_ms = WAIT_MS }, false);
	turn_until_done(fx, 1);
	assert_int_equal(fx->status, 201);
	assert_non_null(strstr(fx->body, "\r\nContent-Length: 0\r\n"));
}

static void
httpc__refuses_a_header_with_a_line_break(void **state)
{
	struct fixture *fx = *state;
	struct vs_httpc_hooks hooks = { .done = on_done, .ctx = fx };
	struct vs_httpc_request request = {
		.method = "GET", .url = "http://agent/ok", .bearer = "a\r\nX: y"
	};

	assert_int_equal(vs_httpc_send(fx->httpc, &request, &hooks, &fx->call), VS_EINVAL);
}

static void
httpc__bounds_what_comes(void **state)
{
	static const struct {
		const char *target;
		struct vs_httpc_request request;
		int rc;
	} cases[] = {
		{ "/big", { .max_body_bytes = 1000, .total_ms = WAIT_MS }, VS_ETOOBIG },
		{ "/head", { .total_ms = WAIT_MS }, VS_ETOOBIG },
		{ "/silent", { .total_ms = 50 }, VS_ETIMEDOUT },
		{ "/cut", { .total_ms = WAIT_MS }, VS_ECLOSED },
		{ "/garbage", { .total_ms = WAIT_MS }, VS_EPROTO },
	};
	struct fixture *fx = *state;

	for (size_t i = 0; i < VS_COUNTOF(cases); i++) {
		fx->done = 0;
		get(fx, cases[i].target, cases[i].request, false);
		turn_until_done(fx, 1);
		if (fx->rc != cases[i].rc)
			fail_msg("%s: %s", cases[i].target, vs_err_text(fx->rc));
	}
}

static void
httpc__follows_no_redirect(void **state)
{
	struct fixture *fx = *state;

	get(fx, "/moved", (struct vs_httpc_request){ .total_ms = WAIT_MS }, false);
	turn_until_done(fx, 1);
	assert_int_equal(fx->status, 302);
}

static void
httpc__streams_pieces_as_they_come(void **state)
{
	struct fixture *fx = *state;

	get(fx, "/stream", (struct vs_httpc_request){ .total_ms = 0 }, true);
	turn_until_done(fx, 1);
	assert_int_equal(fx->rc, 0);
	assert_string_equal(fx->body, "one\ntwo\n");
	assert_true(fx->pieces >= 1);
}

static void
httpc__delivers_before_the_stream_ends(void **state)
{
	struct fixture *fx = *state;
	vs_msec deadline = vs_clock_mono_ms() + WAIT_MS;

	get(fx, "/forever", (struct vs_httpc_request){ .total_ms = 0 }, true);
	while (fx->pieces == 0 && vs_clock_mono_ms() < deadline)
		assert_int_equal(vs_loop_once(fx->loop, 100), 0);
	assert_string_equal(fx->body, "one\n");
	assert_int_equal(fx->done, 0);
	vs_httpc_cancel(fx->call);
}

static void
httpc__keeps_an_error_body_from_the_stream(void **state)
{
	struct fixture *fx = *state;

	get(fx, "/nothing", (struct vs_httpc_request){ .total_ms = 0 }, true);
	turn_until_done(fx, 1);
	assert_int_equal(fx->status, 404);
	assert_int_equal(fx->pieces, 0);
	assert_string_equal(fx->body, "none");
}

static void
httpc__ends_a_stream_that_its_reader_refuses(void **state)
{
	struct fixture *fx = *state;

	fx->piece_rc = VS_EPROTO;
	get(fx, "/forever", (struct vs_httpc_request){ .total_ms = 0 }, true);
	turn_until_done(fx, 1);
	assert_int_equal(fx->rc, VS_EPROTO);
}

static void
httpc__may_be_cancelled_from_its_own_hook(void **state)
{
	struct fixture *fx = *state;
	vs_msec deadline = vs_clock_mono_ms() + WAIT_MS;

	fx->cancel_in_piece = true;
	get(fx, "/stream", (struct vs_httpc_request){ .total_ms = 0 }, true);
	while (fx->pieces == 0 && vs_clock_mono_ms() < deadline)
		assert_int_equal(vs_loop_once(fx->loop, 100), 0);
	/* The next call shows that the one before left nothing behind. */
	fx->cancel_in_piece = false;
	get(fx, "/ok", (struct vs_httpc_request){ .total_ms = WAIT_MS }, false);
	turn_until_done(fx, 1);
	assert_int_equal(fx->pieces, 1);
	assert_int_equal(fx->status, 200);
}

static void
httpc__says_closed_when_nobody_listens(void **state)
{
	struct fixture *fx = *state;

	(void)unlink(fx->socket);
	get(fx, "/ok", (struct vs_httpc_request){ .total_ms = WAIT_MS }, false);
	turn_until_done(fx, 1);
	assert_int_equal(fx->rc, VS_ECLOSED);
}

static void
httpc__carries_many_calls_at_once(void **state)
{
	struct fixture *fx = *state;
	struct vs_httpc_hooks hooks = { .done = on_done, .ctx = fx };
	struct vs_httpc_request request = { .method = "GET",
		.url = "http://agent/ok",
		.unix_path = fx->socket,
		.total_ms = WAIT_MS };

	for (int i = 0; i < 12; i++)
		assert_int_equal(vs_httpc_send(fx->httpc, &request, &hooks, &fx->call), 0);
	turn_until_done(fx, 12);
	assert_int_equal(fx->rc, 0);
}

#define HTTPC_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		HTTPC_TEST(httpc__answers_with_status_and_body),
		HTTPC_TEST(httpc__sends_body_and_bearer),
		HTTPC_TEST(httpc__posts_without_a_body),
		HTTPC_TEST(httpc__refuses_a_header_with_a_line_break),
		HTTPC_TEST(httpc__bounds_what_comes),
		HTTPC_TEST(httpc__follows_no_redirect),
		HTTPC_TEST(httpc__streams_pieces_as_they_come),
		HTTPC_TEST(httpc__delivers_before_the_stream_ends),
		HTTPC_TEST(httpc__keeps_an_error_body_from_the_stream),
		HTTPC_TEST(httpc__ends_a_stream_that_its_reader_refuses),
		HTTPC_TEST(httpc__may_be_cancelled_from_its_own_hook),
		HTTPC_TEST(httpc__says_closed_when_nobody_listens),
		HTTPC_TEST(httpc__carries_many_calls_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
