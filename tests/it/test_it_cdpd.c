/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/jwt.h"
#include "lib/ulid.h"
#include "tests/support/echo_agent.h"
#include "tests/support/keys.h"
#include "tests/support/pg.h"
#include "tests/support/sql.h"
#include "tests/support/tmpdir.h"
#include "tests/support/wsclient.h"

#define ISSUER       "http://localhost:8080"
#define WID          "01J00000000000000000000002"
#define MAX_CLIENTS  10
#define MAX_MESSAGE  (16 * 1024 * 1024)
#define ACTOR        "ROW('system','test',NULL,NULL,'req')::ventus.actor"
#define IDLE_TUNNELS 2000
#ifdef __SANITIZE_ADDRESS__
#define IDLE_KIB_MAX 100 /* its own bookkeeping */
#else
#define IDLE_KIB_MAX 2
#endif

static struct {
	struct pg *pg;
	PGconn *owner;
	struct vs_keyring *ring;
	char dir[TMPDIR_SIZE];
	char sock[TMPDIR_SIZE + 32], log[TMPDIR_SIZE + 32];
	pid_t master;
} rig;

/* One session and its fake runtime. */
struct sess {
	char id[VS_ULID_SIZE], runtime[VS_ULID_SIZE];
	char agent_sock[TMPDIR_SIZE + 40];
	char secret[VS_RUNTIME_SECRET_SIZE];
	char target[VS_JWT_MAX + 128];
	pid_t agent;
};

static void
write_conf(const char *path)
{
	char dsn[PG_DSN_SIZE];
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	pg_dsn(rig.pg, "ventus_proxy", dsn);
	(void)fprintf(file,
	    "[platform]\npublic_url = " ISSUER "\nrun_dir = %s\nkeys_dir = %s/keys\n"
	    "[database]\nproxy = %s\n"
	    "[cdpd]\nworkers = 2\nmax_cdp_clients = %d\nconnect_wait_seconds = 3\n"
	    "ping_seconds = 1\nmax_message_bytes = %d\nlease_seconds = 2\n",
	    rig.dir, rig.dir, dsn, MAX_CLIENTS, MAX_MESSAGE);
	assert_int_equal(fclose(file), 0);
}

static bool
can_connect(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok;

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", rig.sock);
	ok = connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0;
	(void)close(fd);
	return ok;
}

static void expect_refusal(const char *target, const char *fields, int status, const char *slug);

/* Until pred() or the deadline; polling is fine where nothing announces itself. */
#define WAIT_UNTIL(pred) \
	do { \
		vs_msec limit_ = vs_clock_mono_ms() + 20000; \
		while (!(pred)) { \
			if (vs_clock_mono_ms() > limit_) \
				fail_msg("never: %s", #pred); \
			(void)poll(NULL, 0, 5); \
		} \
	} while (0)

static void
start_cdpd(void)
{
	const char *top = getenv("top_builddir");
	char program[512], conf[TMPDIR_SIZE + 32];

	(void)snprintf(program, sizeof(program), "%s/cdpd/ventus-cdpd", top != NULL ? top : ".");
	(void)snprintf(conf, sizeof(conf), "%s/ventus.conf", rig.dir);
	write_conf(conf);
	rig.master = fork();
	assert_true(rig.master >= 0);
	if (rig.master == 0) {
		int fd = open(rig.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
		(void)dup2(fd, STDERR_FILENO);
		(void)execl(program, program, "-c", conf, (char *)NULL);
		_exit(127);
	}
	WAIT_UNTIL(can_connect());
	expect_refusal("/", "", 404, "not-found"); /* a worker is there, not only the socket */
}

static void
stop_cdpd(void)
{
	int status = 0;

	assert_int_equal(kill(rig.master, SIGTERM), 0);
	assert_int_equal(waitpid(rig.master, &status, 0), rig.master);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int
group_setup(void **state)
{
	struct rlimit lim;
	char keys[TMPDIR_SIZE + 8];

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &lim), 0);
	lim.rlim_cur = lim.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &lim), 0);
	rig.pg = pg_new();
	rig.owner = sql_open(rig.pg, "ventus_owner");
	tmpdir_new(rig.dir);
	(void)snprintf(keys, sizeof(keys), "%s/keys", rig.dir);
	(void)snprintf(rig.sock, sizeof(rig.sock), "%s/cdpd.sock", rig.dir);
	(void)snprintf(rig.log, sizeof(rig.log), "%s/cdpd.log", rig.dir);
	assert_int_equal(mkdir(keys, 0700), 0);
	keys_write(keys, "a b");
	rig.ring = keys_new("a b");
	sql_do(rig.owner, "INSERT INTO ventus.tenant (id, name)"
			  " VALUES ('01J00000000000000000000001', 't')");
	sql_do(rig.owner, "INSERT INTO ventus.workspace (id, tenant_id, name)"
			  " VALUES ('" WID "', '01J00000000000000000000001', 'w')");
	start_cdpd();
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	stop_cdpd();
	PQfinish(rig.owner);
	pg_free(rig.pg);
	vs_keyring_free(rig.ring);
	if (getenv("KEEP") == NULL)
		tmpdir_remove(rig.dir);
	return 0;
}

/* The path and query that opens session id with this claims' token. */
static void
make_target(const char *path_id, const char *sid, const char *wid, enum vs_jwt_aud aud,
    char *ret_target, size_t size)
{
	struct vs_jwt_claims claims = { .aud = aud, .iat_s = vs_clock_wall_ms() / 1000 };
	char *token = NULL;

	(void)snprintf(claims.sid, sizeof(claims.sid), "%s", sid);
	(void)snprintf(claims.wid, sizeof(claims.wid), "%s", wid);
	vs_ulid_new(claims.jti);
	if (aud == VS_JWT_VIEW)
		claims.exp_s = claims.iat_s + 300;
	assert_int_equal(vs_jwt_sign(rig.ring, ISSUER, &claims, &token), 0);
	(void)snprintf(ret_target, size, "/v1/sessions/%s/cdp?token=%s", path_id, token);
	free(token);
}

static void
sess_queue(struct sess *sess, int keep_alive)
{
	memset(sess, 0, sizeof(*sess));
	vs_ulid_new(sess->id);
	vs_ulid_new(sess->runtime);
	(void)snprintf(sess->agent_sock, sizeof(sess->agent_sock), "%s/%s", rig.dir, sess->runtime);
	assert_int_equal(vs_keyring_runtime_secret(rig.ring, "b", sess->runtime, sess->secret), 0);
	make_target(sess->id, sess->id, WID, VS_JWT_CDP, sess->target, sizeof(sess->target));
	/* A region of its own: session_claim() takes the next of a region. */
	sql_do(rig.owner,
	    "INSERT INTO ventus.session (id, workspace_id, status, region, runtime_kind,"
	    " timeout_seconds, keep_alive_seconds, viewport_width, viewport_height, request_id)"
	    " VALUES ('%s', '" WID "', 'QUEUED', '%s', 'chromium', 1800, %d, 1280, 720, 'r')",
	    sess->id, sess->id, keep_alive);
}

static void
sess_run(struct sess *sess)
{
	sess->agent = echo_agent_start(sess->agent_sock, sess->secret);
	assert_int_equal(sql_int(rig.owner,
			     "SELECT count(*) FROM ventus.session_claim('%s', 'chromium', 1, '%s',"
			     " 'b', " ACTOR ")",
			     sess->id, sess->runtime),
	    1);
	sql_do(rig.owner, "SELECT ventus.runtime_ready('%s', 'unix:%s', " ACTOR ")", sess->runtime,
	    sess->agent_sock);
}

static void
sess_start(struct sess *sess, int keep_alive)
{
	sess_queue(sess, keep_alive);
	sess_run(sess);
}

static void
sess_move(const struct sess *sess, const char *event, const char *code)
{
	sql_do(rig.owner,
	    "SELECT ventus.session_move(NULL, '%s', '%s', ROW(%s%s%s, NULL, NULL, 'a good reason')"
	    "::ventus.move_args, " ACTOR ")",
	    sess->id, event, code != NULL ? "'" : "", code != NULL ? code : "NULL",
	    code != NULL ? "'" : "");
}

static void
sess_end(struct sess *sess)
{
	echo_agent_stop(sess->agent);
	sess->agent = 0;
	(void)unlink(sess->agent_sock);
}

static int64_t
sess_clients(const struct sess *sess)
{
	return sql_int(
	    rig.owner, "SELECT cdp_clients FROM ventus.session WHERE id = '%s'", sess->id);
}

static bool
sess_is(const struct sess *sess, const char *status_reason)
{
	char *text = sql_text(rig.owner,
	    "SELECT status || ' ' || coalesce(error_code, release_reason, '-') FROM ventus.session"
	    " WHERE id = '%s'",
	    sess->id);
	bool same = text != NULL && strcmp(text, status_reason) == 0;

	free(text);
	return same;
}

static void
expect_refusal(const char *target, const char *fields, int status, const char *slug)
{
	struct wsclient ws;
	char type[128];

	wsclient_ask(&ws, rig.sock, target, fields);
	if (wsclient_answer(&ws) != status)
		fail_msg("%d instead of %d for %s", ws.status, status, target);
	(void)snprintf(type, sizeof(type), "\"type\":\"" ISSUER "\\/errors\\/%s\"", slug);
	if (strstr(ws.body, type) == NULL) {
		(void)snprintf(type, sizeof(type), "\"type\":\"" ISSUER "/errors/%s\"", slug);
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
	struct sess sess;

	(void)state;
	sess_start(&sess, 0);
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
	make_target(sess.id, sess.id, WID, VS_JWT_VIEW, target, sizeof(target));
	expect_refusal(target, "", 401, "unauthenticated");
	assert_int_equal(sess_clients(&sess), 0);
	sess_end(&sess);
}

static void
token__works_as_a_bearer(void **state)
{
	char target[128], field[VS_JWT_MAX + 64];
	struct wsclient ws;
	struct sess sess;

	(void)state;
	sess_start(&sess, 0);
	(void)snprintf(target, sizeof(target), "/v1/sessions/%s/cdp/", sess.id);
	(void)snprintf(field, sizeof(field),
	    "Authorization: Bearer %s\r\nX-Request-Id: my.id-1\r\n",
	    strstr(sess.target, "token=") + strlen("token="));
	wsclient_ask(&ws, rig.sock, target, field);
	assert_int_equal(wsclient_answer(&ws), 101);
	assert_non_null(strstr(ws.head, "X-Request-Id: my.id-1\r\n"));
	assert_null(strstr(ws.head, "Extensions"));
	wsclient_close(&ws);
	sess_end(&sess);
}

static void
address__is_the_door_or_404(void **state)
{
	char target[VS_JWT_MAX + 256];
	struct sess sess;

	(void)state;
	sess_start(&sess, 0);
	expect_refusal("/", "", 404, "not-found");
	(void)snprintf(target, sizeof(target), "/v1/sessions/%s/cdp/json/new", sess.id);
	expect_refusal(target, "", 404, "not-found");
	/* Another session's token, a session that is not there, one of another workspace. */
	make_target(sess.id, "01J00000000000000000000009", WID, VS_JWT_CDP, target, sizeof(target));
	expect_refusal(target, "", 403, "forbidden");
	make_target("01J00000000000000000000009", "01J00000000000000000000009", WID, VS_JWT_CDP,
	    target, sizeof(target));
	expect_refusal(target, "", 404, "not-found");
	make_target(
	    sess.id, sess.id, "01J00000000000000000000099", VS_JWT_CDP, target, sizeof(target));
	expect_refusal(target, "", 404, "not-found");
	sess_end(&sess);
}

static void
session__that_has_ended_is_gone(void **state)
{
	struct sess sess;

	(void)state;
	sess_start(&sess, 0);
	sess_move(&sess, "release", NULL);
	expect_refusal(sess.target, "", 410, "session-ended");
	sess_end(&sess);
}

static void
session__takes_only_so_many_clients(void **state)
{
	struct wsclient ws[MAX_CLIENTS];
	struct sess sess;

	(void)state;
	sess_start(&sess, 60);
	for (int i = 0; i < MAX_CLIENTS; i++)
		assert_int_equal(wsclient_open(&ws[i], rig.sock, sess.target), 101);
	assert_int_equal(sess_clients(&sess), MAX_CLIENTS);
	expect_refusal(sess.target, "", 429, "client-limit");
	wsclient_close(&ws[0]);
	WAIT_UNTIL(sess_clients(&sess) == MAX_CLIENTS - 1);
	assert_int_equal(wsclient_open(&ws[0], rig.sock, sess.target), 101);
	for (int i = 0; i < MAX_CLIENTS; i++)
		wsclient_close(&ws[i]);
	WAIT_UNTIL(sess_clients(&sess) == 0);
	assert_true(sess_is(&sess, "RUNNING -"));
	sess_end(&sess);
}

static void
early__client_is_let_in_when_the_session_runs(void **state)
{
	struct wsclient ws[3];
	struct sess sess;

	(void)state;
	sess_queue(&sess, 0);
	for (int i = 0; i < 3; i++)
		wsclient_ask(&ws[i], rig.sock, sess.target, "");
	sess_run(&sess);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(wsclient_answer(&ws[i]), 101);
		wsclient_send_text(&ws[i], "hello");
		wsclient_expect_text(&ws[i], "hello");
		wsclient_close(&ws[i]);
	}
	WAIT_UNTIL(sess_is(&sess, "COMPLETED cdp_disconnect"));
	sess_end(&sess);
}

static void
early__client_gets_410_when_the_session_ends_first(void **state)
{
	struct wsclient ws;
	struct sess sess;

	(void)state;
	sess_queue(&sess, 0);
	wsclient_ask(&ws, rig.sock, sess.target, "");
	sess_move(&sess, "release", NULL);
	assert_int_equal(wsclient_answer(&ws), 410);
	wsclient_close(&ws);
}

static void
early__client_gets_408_when_it_takes_too_long(void **state)
{
	struct wsclient gone;
	struct sess sess;

	(void)state;
	sess_queue(&sess, 0);
	wsclient_ask(&gone, rig.sock, sess.target, "");
	wsclient_close(&gone);
	expect_refusal(sess.target, "", 408, "connect-timeout");
	assert_int_equal(sess_clients(&sess), 0);
}

static void
agent__that_is_not_there_is_502_and_releases_nothing(void **state)
{
	struct wsclient ws;
	struct sess sess;

	(void)state;
	sess_start(&sess, 0);
	sess_end(&sess);
	expect_refusal(sess.target, "", 502, "bad-gateway");
	WAIT_UNTIL(sess_clients(&sess) == 0);
	assert_true(sess_is(&sess, "RUNNING -"));
	sess.agent = echo_agent_start(sess.agent_sock, "another secret");
	expect_refusal(sess.target, "", 502, "bad-gateway");
	echo_agent_stop(sess.agent);
	sess.agent = echo_agent_start(sess.agent_sock, sess.secret);
	assert_int_equal(wsclient_open(&ws, rig.sock, sess.target), 101);
	wsclient_close(&ws);
	sess_end(&sess);
}

static void
close__of_the_last_client_releases_the_session(void **state)
{
	struct wsclient one, two;
	struct sess sess;

	(void)state;
	sess_start(&sess, 0);
	assert_int_equal(wsclient_open(&one, rig.sock, sess.target), 101);
	assert_int_equal(wsclient_open(&two, rig.sock, sess.target), 101);
	assert_int_equal(sess_clients(&sess), 2);
	wsclient_send(&one, VS_WS_CLOSE, "\x03\xe8", 2);
	wsclient_expect_close(&one, 1000, "");
	wsclient_expect_eof(&one);
	wsclient_close(&one);
	WAIT_UNTIL(sess_clients(&sess) == 1);
	wsclient_send_text(&two, "still here");
	wsclient_expect_text(&two, "still here");
	wsclient_close(&two); /* as a killed client does */
	WAIT_UNTIL(sess_is(&sess, "COMPLETED cdp_disconnect"));
	expect_refusal(sess.target, "", 410, "session-ended");
	sess_end(&sess);
}

static void
close__leaves_a_session_with_keep_alive(void **state)
{
	struct wsclient ws;
	struct sess sess;

	(void)state;
	sess_start(&sess, 60);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(wsclient_open(&ws, rig.sock, sess.target), 101);
		wsclient_close(&ws);
		WAIT_UNTIL(sess_clients(&sess) == 0);
	}
	assert_true(sess_is(&sess, "RUNNING -"));
	sess_end(&sess);
}

static void
close__of_the_browser_ends_the_session(void **state)
{
	struct wsclient one, two;
	struct sess sess;

	(void)state;
	sess_start(&sess, 0);
	assert_int_equal(wsclient_open(&one, rig.sock, sess.target), 101);
	assert_int_equal(wsclient_open(&two, rig.sock, sess.target), 101);
	wsclient_send_text(&one, "{\"id\":1,\"method\":\"Browser.close\"}");
	wsclient_expect_text(&one, "{\"id\":1,\"result\":{}}");
	wsclient_expect_close(&one, 1000, "released");
	wsclient_expect_close(&two, 1000, "released");
	WAIT_UNTIL(sess_is(&sess, "COMPLETED browser_closed"));
	wsclient_close(&one);
	wsclient_close(&two);
	sess_end(&sess);
}

static void
close__of_the_browser_drops_one_client_of_a_session_that_stays(void **state)
{
	struct wsclient one, two;
	struct sess sess;

	(void)state;
	sess_start(&sess, 60);
	assert_int_equal(wsclient_open(&one, rig.sock, sess.target), 101);
	assert_int_equal(wsclient_open(&two, rig.sock, sess.target), 101);
	wsclient_send_text(&one, "{\"id\":42,\"method\":\"Browser.close\"}");
	wsclient_expect_text(&one, "{\"id\":42,\"result\":{}}");
	wsclient_expect_close(&one, 1000, "released");
	wsclient_expect_eof(&one);
	wsclient_send_text(&two, "still here");
	wsclient_expect_text(&two, "still here");
	WAIT_UNTIL(sess_clients(&sess) == 1);
	wsclient_close(&one);
	wsclient_close(&two);
	sess_end(&sess);
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
	struct sess sess;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		sess_start(&sess, 60);
		assert_int_equal(wsclient_open(&ws[0], rig.sock, sess.target), 101);
		assert_int_equal(wsclient_open(&ws[1], rig.sock, sess.target), 101);
		sess_move(&sess, rows[i].event, rows[i].code);
		for (int k = 0; k < 2; k++) {
			wsclient_expect_close(&ws[k], rows[i].close_code, rows[i].reason);
			wsclient_expect_eof(&ws[k]);
			wsclient_close(&ws[k]);
		}
		sess_end(&sess);
	}
}

static void
end__of_the_browser_waits_for_its_reason(void **state)
{
	struct wsclient ws;
	struct sess sess;

	(void)state;
	sess_start(&sess, 0);
	assert_int_equal(wsclient_open(&ws, rig.sock, sess.target), 101);
	wsclient_send_text(&ws, "ready");
	wsclient_expect_text(&ws, "ready");
	sess_end(&sess);
	sql_do(rig.owner,
	    "SELECT ventus.runtime_ended('%s', 'fail', 'browser_crashed', 'x', " ACTOR ")",
	    sess.runtime);
	wsclient_expect_close(&ws, 4003, "errored: browser_crashed");
	wsclient_close(&ws);
	/* Nobody says why: 1011, and the session is left for reaperd to judge. */
	sess_start(&sess, 0);
	assert_int_equal(wsclient_open(&ws, rig.sock, sess.target), 101);
	wsclient_send_text(&ws, "!die");
	wsclient_expect_close(&ws, 1011, "browser gone");
	wsclient_close(&ws);
	WAIT_UNTIL(sess_clients(&sess) == 0);
	assert_true(sess_is(&sess, "RUNNING -"));
	sess_end(&sess);
}

static void
relay__is_exact_to_the_byte(void **state)
{
	static const size_t sizes[] = { 0, 1, 7, 125, 126, 127, 300, 511, 512, 4000, 65535, 65536,
		70000, 262144, 1000000, 6000000 };
	uint8_t *payload = malloc(sizes[VS_COUNTOF(sizes) - 1]);
	struct wsframe frame;
	struct wsclient ws;
	struct sess sess;

	(void)state;
	assert_non_null(payload);
	srandom(3);
	for (size_t i = 0; i < sizes[VS_COUNTOF(sizes) - 1]; i++)
		payload[i] = (uint8_t)random();
	sess_start(&sess, 0);
	assert_int_equal(wsclient_open(&ws, rig.sock, sess.target), 101);
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
	sess_end(&sess);
	free(payload);
}

static void
relay__keeps_what_a_slow_reader_has_not_read(void **state)
{
	uint8_t *payload = malloc(1000000);
	struct wsframe frame;
	struct wsclient ws;
	struct sess sess;

	(void)state;
	assert_non_null(payload);
	memset(payload, 'x', 1000000);
	sess_start(&sess, 0);
	assert_int_equal(wsclient_open(&ws, rig.sock, sess.target), 101);
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
	sess_end(&sess);
	free(payload);
}

static void
ping__keeps_an_idle_client(void **state)
{
	vs_msec limit = vs_clock_mono_ms() + 20000;
	struct wsclient ws;
	struct wsframe frame;
	struct sess sess;
	int pings = 0;

	(void)state;
	sess_start(&sess, 0);
	assert_int_equal(wsclient_open(&ws, rig.sock, sess.target), 101);
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
	sess_end(&sess);
}

static void
database__may_restart_under_live_tunnels(void **state)
{
	struct wsclient one, two, late;
	struct sess sess, other;

	(void)state;
	sess_start(&sess, 0);
	sess_start(&other, 60);
	assert_int_equal(wsclient_open(&one, rig.sock, sess.target), 101);
	assert_int_equal(wsclient_open(&two, rig.sock, other.target), 101);
	PQfinish(rig.owner);
	pg_stop(rig.pg);
	wsclient_send_text(&one, "without a database");
	wsclient_expect_text(&one, "without a database");
	wsclient_ask(&late, rig.sock, other.target, "");
	wsclient_close(&one);          /* to be told when the database is back */
	for (int i = 0; i < 25; i++) { /* until every lease is over */
		wsclient_send_text(&two, "still");
		wsclient_expect_text(&two, "still");
		(void)poll(NULL, 0, 100);
	}
	pg_start(rig.pg);
	rig.owner = sql_open(rig.pg, "ventus_owner");
	/* reaperd is back first: it must not take the living for dead. */
	assert_int_equal(sql_int(rig.owner, "SELECT ventus.cdpd_instance_reap(" ACTOR ")"), 0);
	WAIT_UNTIL(sess_is(&sess, "COMPLETED cdp_disconnect"));
	(void)wsclient_answer(&late);
	assert_true(late.status == 101 || late.status == 503);
	wsclient_close(&late);
	wsclient_send_text(&two, "lives");
	wsclient_expect_text(&two, "lives");
	/* And news is heard again. */
	sess_move(&other, "release", NULL);
	wsclient_expect_close(&two, 1000, "released");
	wsclient_close(&two);
	sess_end(&sess);
	sess_end(&other);
}

/* Its workers, up to max. */
static size_t
workers(pid_t *ret_pids, size_t max)
{
	char path[128], text[512] = "", *at = text, *end;
	FILE *file;
	size_t n = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", rig.master, rig.master);
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
	struct sess sess;
	pid_t before[8], after[8];
	size_t n;

	(void)state;
	sess_start(&sess, 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(wsclient_open(&ws[i], rig.sock, sess.target), 101);
	n = workers(before, VS_COUNTOF(before));
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(kill(before[i], SIGKILL), 0);
	for (int i = 0; i < 4; i++) {
		wsclient_expect_eof(&ws[i]);
		wsclient_close(&ws[i]);
	}
	WAIT_UNTIL(workers(after, VS_COUNTOF(after)) == 2 && after[0] != before[0]);
	assert_true(sess_is(&sess, "RUNNING -"));
	assert_int_equal(wsclient_open(&again, rig.sock, sess.target), 101);
	/* What reaperd does: it acts when the leases are over. */
	WAIT_UNTIL(sql_int(rig.owner, "SELECT ventus.cdpd_instance_reap(" ACTOR ")") == 2 ||
		   sess_clients(&sess) == 1);
	WAIT_UNTIL(sess_clients(&sess) == 1 ||
		   sql_int(rig.owner, "SELECT ventus.cdpd_instance_reap(" ACTOR ")") < 0);
	wsclient_close(&again);
	WAIT_UNTIL(sess_is(&sess, "COMPLETED cdp_disconnect"));
	sess_end(&sess);
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
	struct sess *sess = calloc(IDLE_TUNNELS / MAX_CLIENTS, sizeof(*sess));
	long before, after;

	(void)state;
	assert_non_null(ws);
	assert_non_null(sess);
	before = workers_private_kib();
	for (int i = 0; i < IDLE_TUNNELS / MAX_CLIENTS; i++) {
		sess_start(&sess[i], 60);
		for (int k = 0; k < MAX_CLIENTS; k++)
			assert_int_equal(
			    wsclient_open(&ws[i * MAX_CLIENTS + k], rig.sock, sess[i].target), 101);
	}
	after = workers_private_kib();
	print_message("# %d idle tunnels: %ld KiB, %.2f KiB each\n", IDLE_TUNNELS, after - before,
	    (double)(after - before) / IDLE_TUNNELS);
	assert_true(after - before < (long)IDLE_KIB_MAX * IDLE_TUNNELS);
	for (int i = 0; i < IDLE_TUNNELS; i++)
		wsclient_close(&ws[i]);
	for (int i = 0; i < IDLE_TUNNELS / MAX_CLIENTS; i++) {
		WAIT_UNTIL(sess_clients(&sess[i]) == 0);
		sess_end(&sess[i]);
	}
	free(ws);
	free(sess);
}

static void
stop__tells_every_client_and_counts_it_out(void **state)
{
	struct wsclient ws, early;
	struct sess sess, queued;

	(void)state;
	sess_start(&sess, 60);
	sess_queue(&queued, 0);
	assert_int_equal(wsclient_open(&ws, rig.sock, sess.target), 101);
	wsclient_ask(&early, rig.sock, queued.target, "");
	/* Its verdict is 'wait' once a later one has been answered. */
	expect_refusal("/", "", 404, "not-found");
	assert_int_equal(kill(rig.master, SIGTERM), 0);
	wsclient_expect_close(&ws, 1001, "restarting");
	wsclient_expect_eof(&ws);
	wsclient_close(&ws);
	(void)wsclient_answer(&early);
	assert_int_equal(early.status, 503);
	wsclient_close(&early);
	{
		int status = 0;

		assert_int_equal(waitpid(rig.master, &status, 0), rig.master);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	assert_int_equal(sess_clients(&sess), 0);
	assert_true(sess_is(&sess, "RUNNING -"));
	sess_end(&sess);
	start_cdpd();
}

static void
log__has_no_token_and_no_message(void **state)
{
	FILE *file = fopen(rig.log, "r");
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
		cmocka_unit_test(session__that_has_ended_is_gone),
		cmocka_unit_test(session__takes_only_so_many_clients),
		cmocka_unit_test(early__client_is_let_in_when_the_session_runs),
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
		cmocka_unit_test(log__has_no_token_and_no_message),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
