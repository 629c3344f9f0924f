/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting, dying workers, a database that is away, new keys. */
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
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "tests/support/api.h"
#include "tests/support/sql.h"

#define WORKERS 4
#define WAIT_MS 20000

static struct api *api;

static int
group_setup(void **state)
{
	(void)state;
	api = api_new(WORKERS);
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	api_free(api);
	return 0;
}

static int
start_get(const char *id, const char *tail)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "/v1/sessions/%s%s", id, tail);
	return api_start(
	    api, &(const struct api_call){ .method = "GET", .path = path, .who = OPERATOR });
}

static struct http_answer
get(const char *id, const char *tail)
{
	struct http_answer answer;

	http_read(start_get(id, tail), &answer);
	return answer;
}

/* Until so many connections listen for sessions: so many workers wait. */
static void
await_listeners(int count)
{
	const vs_msec deadline = vs_clock_mono_ms() + WAIT_MS;

	while (
	    sql_int(api->sql, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'ventus_api'"
			      " AND query LIKE 'LISTEN%%' AND state = 'idle'") != count) {
		if (vs_clock_mono_ms() > deadline)
			fail_msg("there are never %d listeners", count);
		(void)poll(NULL, 0, 5);
	}
}

static void
session_get__waits_for_a_status(void **state)
{
	struct http_answer answer;
	char id[VS_ULID_SIZE];
	int fd;

	(void)state;
	api_session(api, "{}", id);
	fd = start_get(id, "?wait_for=RUNNING&wait_seconds=30");
	await_listeners(1);
	api_claim(api, id);
	api_run(api, id);
	http_read(fd, &answer);
	assert_int_equal(answer.status, 200);
	assert_string_equal(http_at(&answer, "/status"), "RUNNING");
	http_answer_fini(&answer);
	await_listeners(0);
	/* Reached or passed already: at once. */
	answer = get(id, "?wait_for=PROVISIONING&wait_seconds=30");
	assert_string_equal(http_at(&answer, "/status"), "RUNNING");
	http_answer_fini(&answer);
	fd = start_get(id, "?wait_for=COMPLETED");
	await_listeners(1);
	api_fail(api, id, "browser_crashed");
	http_read(fd, &answer);
	assert_string_equal(http_at(&answer, "/status"), "ERRORED");
	http_answer_fini(&answer);
}

static void
session_get__answers_when_the_time_is_up(void **state)
{
	struct http_answer answer;
	char id[VS_ULID_SIZE];
	vs_msec began;

	(void)state;
	api_session(api, "{}", id);
	began = vs_clock_mono_ms();
	answer = get(id, "?wait_for=RUNNING&wait_seconds=1");
	assert_int_equal(answer.status, 200);
	assert_string_equal(http_at(&answer, "/status"), "QUEUED");
	assert_true(vs_clock_mono_ms() - began >= 1000);
	http_answer_fini(&answer);
	answer = get(id, "?wait_for=RUNNING&wait_seconds=0");
	assert_string_equal(http_at(&answer, "/status"), "QUEUED");
	http_answer_fini(&answer);
}

static void
session_get__lets_half_of_the_workers_wait(void **state)
{
	struct http_answer answer;
	char id[VS_ULID_SIZE], value[HTTP_VALUE_SIZE];
	int fds[WORKERS / 2];

	(void)state;
	api_session(api, "{}", id);
	for (int i = 0; i < WORKERS / 2; i++)
		fds[i] = start_get(id, "?wait_for=RUNNING");
	await_listeners(WORKERS / 2);
	answer = get(id, "?wait_for=RUNNING");
	assert_string_equal(http_at(&answer, "/status"), "QUEUED");
	assert_string_equal(http_header(&answer, "Retry-After", value), "1");
	http_answer_fini(&answer);
	api_claim(api, id);
	api_run(api, id);
	for (int i = 0; i < WORKERS / 2; i++) {
		http_read(fds[i], &answer);
		assert_string_equal(http_at(&answer, "/status"), "RUNNING");
		assert_null(http_header(&answer, "Retry-After", value));
		http_answer_fini(&answer);
	}
}

/* Until the waiting worker has looked at a session after this time. */
static void
await_look(const char *since)
{
	const vs_msec deadline = vs_clock_mono_ms() + WAIT_MS;

	while (sql_int(api->sql,
		   "SELECT count(*) FROM pg_stat_activity WHERE usename = 'ventus_api'"
		   " AND query LIKE '%%FROM ventus.session s%%' AND query_start > '%s'",
		   since) == 0) {
		if (vs_clock_mono_ms() > deadline)
			fail_msg("nobody looks after %s", since);
		(void)poll(NULL, 0, 5);
	}
}

static void
session_get__wait_outlives_a_lost_listener(void **state)
{
	struct http_answer answer;
	char id[VS_ULID_SIZE];
	const vs_msec began = vs_clock_mono_ms();
	char *now;
	int fd;

	(void)state;
	api_session(api, "{}", id);
	fd = start_get(id, "?wait_for=RUNNING");
	await_listeners(1);
	now = sql_text(api->sql, "SELECT clock_timestamp()");
	sql_do(api->sql, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
			 " WHERE usename = 'ventus_api' AND query LIKE 'LISTEN%%'");
	await_look(now); /* the loss itself made it look; what comes now it has to find alone */
	free(now);
	api_claim(api, id);
	api_run(api, id);
	http_read(fd, &answer);
	assert_string_equal(http_at(&answer, "/status"), "RUNNING");
	http_answer_fini(&answer);
	assert_true(vs_clock_mono_ms() - began < 20000); /* looked again before the time was up */
}

static void
worker__answers_the_request_at_hand_when_told_to_stop(void **state)
{
	struct http_answer answer;
	char id[VS_ULID_SIZE];
	int fd;

	(void)state;
	api_session(api, "{}", id);
	fd = start_get(id, "?wait_for=RUNNING");
	await_listeners(1);
	assert_int_equal(kill(api->daemon, SIGTERM), 0);
	http_read(fd, &answer);
	assert_int_equal(answer.status, 200);
	assert_string_equal(http_at(&answer, "/status"), "QUEUED");
	http_answer_fini(&answer);
}

static void
put_key(const char *kid)
{
	char path[TMPDIR_SIZE + 32];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/keys/%s.key", api->dir, kid);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "zyxwvutsrqponmlkjihgfedcba987654", 32), 32);
	(void)close(fd);
}

static int
count_logs(const char *word)
{
	char *logs = api_logs(api);
	int count = 0;

	for (const char *at = logs; (at = strstr(at, word)) != NULL; at++)
		count++;
	free(logs);
	return count;
}

static void
await_logs(const char *word, int count)
{
	const vs_msec deadline = vs_clock_mono_ms() + WAIT_MS;

	while (count_logs(word) < count) {
		if (vs_clock_mono_ms() > deadline)
			fail_msg("\"%s\" is never logged %d times", word, count);
		(void)poll(NULL, 0, 5);
	}
}

static void
worker__signs_with_a_new_key_after_hup(void **state)
{
	struct http_answer before, after;
	char id[VS_ULID_SIZE];

	(void)state;
	api_session(api, "{}", id);
	before = get(id, "");
	put_key("k2");
	assert_int_equal(kill(api->daemon, SIGHUP), 0);
	await_logs("\"kid\":\"k2\"", WORKERS);
	after = get(id, "");
	assert_string_not_equal(http_at(&before, "/connect_url"), http_at(&after, "/connect_url"));
	http_answer_fini(&before);
	http_answer_fini(&after);
}

/* 200 creates, each retried until it is answered, while workers are killed. */
static void
worker__killed_amid_creates_loses_and_doubles_none(void **state)
{
	const vs_msec deadline = vs_clock_mono_ms() + 60000;
	int64_t before = sql_int(api->sql, "SELECT count(*) FROM ventus.session");
	int killed = 0;

	(void)state;
	for (int i = 0; i < 200; i++) {
		struct http_answer answer = { .status = 0 };
		char header[64];
		int fds[3], good = 0;

		(void)snprintf(header, sizeof(header), "Idempotency-Key: kill-%d\r\n", i);
		while (!good) {
			for (int k = 0; k < 3; k++)
				fds[k] = api_start(api, &(const struct api_call){ .method = "POST",
							    .path = "/v1/sessions",
							    .who = OPERATOR,
							    .headers = header,
							    .body = "{}" });
			if (i % 10 == 5) {
				pid_t pids[WORKERS];
				int count = api_workers(api, pids, WORKERS);

				if (count > 0 && kill(pids[i / 10 % count], SIGKILL) == 0)
					killed++;
			}
			for (int k = 0; k < 3; k++) {
				http_read(fds[k], &answer);
				good += answer.status == 202 || answer.status == 200;
				http_answer_fini(&answer);
			}
			if (vs_clock_mono_ms() > deadline)
				fail_msg("create %d is never answered", i);
		}
	}
	assert_true(killed >= 10);
	/* No session without its key, no key without its session. */
	assert_int_equal(sql_int(api->sql, "SELECT count(*) FROM ventus.session") - before, 200);
	assert_int_equal(sql_int(api->sql, "SELECT count(DISTINCT session_id)"
					   " FROM ventus.idempotency WHERE key LIKE 'kill-%%'"),
	    200);
}

static struct http_answer
create(const char *key)
{
	struct http_answer answer;
	char header[64];

	(void)snprintf(header, sizeof(header), "Idempotency-Key: %s\r\n", key);
	api_do(api,
	    &(const struct api_call){ .method = "POST",
		.path = "/v1/sessions",
		.who = OPERATOR,
		.headers = header,
		.body = "{}" },
	    &answer);
	return answer;
}

static void
database__away_is_503_with_retry_after_and_comes_back(void **state)
{
	struct http_answer answer;
	char value[HTTP_VALUE_SIZE];

	(void)state;
	answer = create("before");
	assert_int_equal(answer.status, 202);
	http_answer_fini(&answer);
	PQfinish(api->sql);
	pg_kill(api->pg);
	answer = create("meanwhile");
	assert_int_equal(answer.status, 503);
	assert_string_equal(
	    http_at(&answer, "/type"), "https://api.example.com/errors/unavailable");
	assert_string_equal(http_header(&answer, "Retry-After", value), "1");
	http_answer_fini(&answer);
	api_do(api, &(const struct api_call){ .method = "GET", .path = "/v1/ready" }, &answer);
	assert_int_equal(answer.status, 503);
	http_answer_fini(&answer);
	api_do(api, &(const struct api_call){ .method = "GET", .path = "/v1/health" }, &answer);
	assert_int_equal(answer.status, 200);
	http_answer_fini(&answer);
	pg_start(api->pg);
	api->sql = sql_open(api->pg, "postgres");
	for (int i = 0; i < 2 * WORKERS; i++) {
		answer = create("meanwhile");
		if (answer.status != (i == 0 ? 202 : 200))
			fail_msg("%s", answer.text);
		http_answer_fini(&answer);
	}
}

/* Somebody holds the audit head of the workspace for longer than a lock may take. */
static void
database__lock_held_too_long_is_503_and_changes_nothing(void **state)
{
	PGconn *holder = sql_open(api->pg, "postgres");
	struct http_answer answer = create("first");
	char value[HTTP_VALUE_SIZE];

	(void)state;
	http_answer_fini(&answer);
	sql_do(holder, "BEGIN; SELECT 1 FROM ventus.audit_head FOR UPDATE");
	answer = create("locked");
	assert_int_equal(answer.status, 503);
	assert_string_equal(http_header(&answer, "Retry-After", value), "1");
	http_answer_fini(&answer);
	sql_do(holder, "ROLLBACK");
	PQfinish(holder);
	assert_int_equal(
	    sql_int(api->sql, "SELECT count(*) FROM ventus.idempotency WHERE key = 'locked'"), 0);
	answer = create("locked");
	assert_int_equal(answer.status, 202);
	http_answer_fini(&answer);
}

static void
dispatch__logs_a_failure_once_and_tells_the_client_nothing(void **state)
{
	int before = count_logs("\"event\":\"http.failed\"");
	struct http_answer answer;

	(void)state;
	sql_do(api->sql, "REVOKE EXECUTE ON FUNCTION ventus.session_admit FROM ventus_api");
	answer = create("broken");
	assert_int_equal(answer.status, 500);
	assert_string_equal(http_at(&answer, "/type"), "https://api.example.com/errors/internal");
	assert_null(strstr(answer.text, "session_admit"));
	assert_null(strstr(answer.text, "permission"));
	http_answer_fini(&answer);
	sql_do(api->sql, "GRANT EXECUTE ON FUNCTION ventus.session_admit TO ventus_api");
	assert_int_equal(count_logs("\"event\":\"http.failed\"") - before, 1);
	answer = create("broken");
	assert_int_equal(answer.status, 202);
	http_answer_fini(&answer);
}

int
main(void)
{
	/* The last one ends the daemon. */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session_get__waits_for_a_status),
		cmocka_unit_test(session_get__answers_when_the_time_is_up),
		cmocka_unit_test(session_get__lets_half_of_the_workers_wait),
		cmocka_unit_test(session_get__wait_outlives_a_lost_listener),
		cmocka_unit_test(worker__signs_with_a_new_key_after_hup),
		cmocka_unit_test(worker__killed_amid_creates_loses_and_doubles_none),
		cmocka_unit_test(database__away_is_503_with_retry_after_and_comes_back),
		cmocka_unit_test(database__lock_held_too_long_is_503_and_changes_nothing),
		cmocka_unit_test(dispatch__logs_a_failure_once_and_tells_the_client_nothing),
		cmocka_unit_test(worker__answers_the_request_at_hand_when_told_to_stop),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
