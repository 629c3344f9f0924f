/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "tests/support/reaperd.h"
#include "tests/support/sql.h"

static struct reaperd rd;

static int
group_setup(void **state)
{
	(void)state;
	reaperd_setup(&rd, NULL, "queue_timeout_seconds = 2\nprovision_timeout_seconds = 5");
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	reaperd_teardown(&rd);
	return 0;
}

static int
daemon_start(void **state)
{
	(void)state;
	reaperd_start(&rd);
	return 0;
}

/* Every test ends with an empty machine: what a session was is gone. */
static int
daemon_stop(void **state)
{
	vs_msec deadline = vs_clock_mono_ms() + REAPERD_WAIT_MS;

	(void)state;
	sql_do(rd.conn, "SELECT ventus.session_move(NULL, id, 'release', NULL,"
			" ROW('key', 'k', NULL, NULL, NULL)::ventus.actor) FROM ventus.session"
			" WHERE NOT ventus.is_final(status)");
	if (rd.pid == 0)
		reaperd_start(&rd);
	reaperd_wait(&rd, "all gone",
	    "SELECT NOT EXISTS (SELECT FROM ventus.runtime WHERE state <> 'GONE')");
	while (!reaperd_is_clean(&rd)) {
		if (vs_clock_mono_ms() >= deadline) {
			print_error("something is left of a runtime\n");
			return 1;
		}
	}
	if (rd.pid > 0)
		assert_int_equal(reaperd_stop(&rd), 0);
	return 0;
}

static void
assert_outcome(const char *session, const char *want)
{
	char *got = sql_text(rd.conn,
	    "SELECT status || ' ' || coalesce(error_code, release_reason, '-')"
	    " FROM ventus.session WHERE id = '%s'",
	    session);

	assert_string_equal(got, want);
	free(got);
}

static void
running(const char *how, char ret_id[VS_ULID_SIZE])
{
	reaperd_session(&rd, how, ret_id);
	reaperd_wait_status(&rd, ret_id, "RUNNING");
}

static void
reaperd__makes_a_queued_session_run(void **state)
{
	char id[VS_ULID_SIZE];
	char *text;

	(void)state;
	running("fake ready=20", id);
	text = sql_text(rd.conn,
	    "SELECT state || ' ' || (endpoint LIKE 'unix:%%/agent.sock') || ' ' || secret_kid"
	    " FROM ventus.runtime WHERE session_id = '%s'",
	    id);
	assert_string_equal(text, "READY true k1");
	free(text);
	/* How fast is a matter of bench/; here the machine may be busy with anything. */
	assert_in_range(sql_int(rd.conn,
			    "SELECT extract(epoch FROM running_at - created_at) * 1000"
			    " FROM ventus.session WHERE id = '%s'",
			    id),
	    20, 10000);
}

static void
reaperd__removes_a_released_runtime_within_two_seconds(void **state)
{
	char id[VS_ULID_SIZE];
	vs_msec began;

	(void)state;
	running(NULL, id);
	began = vs_clock_mono_ms();
	reaperd_move(&rd, id, "release");
	reaperd_wait_gone(&rd, id);
	assert_true(vs_clock_mono_ms() - began < 2000);
	assert_outcome(id, "COMPLETED client_release");
}

static void
reaperd__stops_a_session_that_was_released_while_it_started(void **state)
{
	char id[VS_ULID_SIZE];

	(void)state;
	reaperd_session(&rd, "fake ready=-1", id);
	reaperd_wait_status(&rd, id, "PROVISIONING");
	reaperd_move(&rd, id, "release");
	reaperd_wait_gone(&rd, id);
	assert_outcome(id, "COMPLETED client_release");
}

static void
reaperd__expires_a_session_on_time(void **state)
{
	char id[VS_ULID_SIZE];

	(void)state;
	running(NULL, id);
	/* Sooner than any period of a job would see it, so that the timer has to. */
	sql_do(rd.conn,
	    "UPDATE ventus.session SET expires_at = clock_timestamp() + interval '700 ms'"
	    " WHERE id = '%s'",
	    id);
	sql_do(rd.conn, "NOTIFY ventus_session, '%s RUNNING -'", id);
	reaperd_wait_status(&rd, id, "EXPIRED");
	assert_in_range(sql_int(rd.conn,
			    "SELECT extract(epoch FROM ended_at - expires_at) * 1000"
			    " FROM ventus.session WHERE id = '%s'",
			    id),
	    0, 500);
	reaperd_wait_gone(&rd, id);
	assert_outcome(id, "EXPIRED timeout");
}

static void
reaperd__lets_an_extended_session_live(void **state)
{
	char id[VS_ULID_SIZE], other[VS_ULID_SIZE];

	(void)state;
	running(NULL, id);
	running(NULL, other);
	sql_do(rd.conn,
	    "UPDATE ventus.session SET expires_at = clock_timestamp() + interval '1500 ms'"
	    " WHERE id IN ('%s', '%s')",
	    id, other);
	sql_do(rd.conn, "NOTIFY ventus_session, '%s RUNNING -'", id);
	reaperd_move(&rd, id, "extend");
	reaperd_wait_status(&rd, other, "EXPIRED");
	reaperd_wait_gone(&rd, other);
	/* The agents' own deadlines were 3.5 s away: one was told of the later end. */
	reaperd_wait(&rd, "past the old deadline",
	    "SELECT clock_timestamp() > ended_at + interval '2500 ms'"
	    " FROM ventus.session WHERE id = '%s'",
	    other);
	assert_outcome(id, "RUNNING -");
}

static void
reaperd__says_how_a_runtime_ended(void **state)
{
	static const struct {
		const char *how, *want;
	} cases[] = {
		{ "fake end=browser_closed end_ms=100", "COMPLETED browser_closed" },
		{ "fake end=browser_crashed end_ms=100", "ERRORED browser_crashed" },
		{ "fake end=oom_killed end_ms=100", "ERRORED oom_killed" },
		{ "fake end=desktop_crashed end_ms=100", "ERRORED pod_crashed" },
		{ "fake end=start_failed ready=0", "ERRORED image_start_failed" },
		{ "fake exit=1", "ERRORED image_start_failed" },
	};

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(cases); i++) {
		char id[VS_ULID_SIZE];

		reaperd_session(&rd, cases[i].how, id);
		reaperd_wait(&rd, cases[i].how,
		    "SELECT ventus.is_final(status) FROM ventus.session WHERE id = '%s'", id);
		assert_outcome(id, cases[i].want);
		reaperd_wait_gone(&rd, id);
	}
}

static void
reaperd__notices_a_killed_agent_within_five_seconds(void **state)
{
	char id[VS_ULID_SIZE];
	vs_msec began;

	(void)state;
	running(NULL, id);
	began = vs_clock_mono_ms();
	assert_int_equal(kill(reaperd_agent_pid(&rd, id), SIGKILL), 0);
	reaperd_wait_status(&rd, id, "ERRORED");
	assert_true(vs_clock_mono_ms() - began < 5000);
	assert_outcome(id, "ERRORED agent_disconnected");
	reaperd_wait_gone(&rd, id);
}

static void
reaperd__gives_up_on_an_agent_that_is_silent(void **state)
{
	char id[VS_ULID_SIZE];

	(void)state;
	running(NULL, id);
	assert_int_equal(kill(reaperd_agent_pid(&rd, id), SIGSTOP), 0);
	reaperd_wait_status(&rd, id, "ERRORED");
	assert_outcome(id, "ERRORED agent_disconnected");
	reaperd_wait_gone(&rd, id);
}

static void
reaperd__reads_new_keys_on_hup(void **state)
{
	char id[VS_ULID_SIZE], other[VS_ULID_SIZE];
	int64_t is_new = 0;

	(void)state;
	running(NULL, id);
	reaperd_key(&rd, "k2");
	assert_int_equal(kill(rd.pid, SIGHUP), 0);
	/* One claim may have been on its way; the next ones are of the new key. */
	for (int i = 0; i < 3 && !is_new; i++) {
		running(NULL, other);
		is_new = sql_int(rd.conn,
		    "SELECT (secret_kid = 'k2')::integer FROM ventus.runtime"
		    " WHERE session_id = '%s'",
		    other);
	}
	assert_true(is_new);
	reaperd_move(&rd, id, "release");
	reaperd_wait_gone(&rd, id);
	/* Its secret is of the old key, which a new reaperd still has. */
	reaperd_kill(&rd, SIGKILL);
	reaperd_start(&rd);
	reaperd_move(&rd, other, "release");
	reaperd_wait_gone(&rd, other);
}

static void
reaperd__gives_up_on_a_start_after_the_provision_timeout(void **state)
{
	char id[VS_ULID_SIZE];

	(void)state;
	reaperd_session(&rd, "fake ready=-1", id);
	reaperd_wait_status(&rd, id, "ERRORED");
	assert_outcome(id, "ERRORED provision_timeout");
	reaperd_wait_gone(&rd, id);
}

static void
reaperd__fails_what_waits_too_long(void **state)
{
	char ids[7][VS_ULID_SIZE], other[VS_ULID_SIZE];

	(void)state;
	for (size_t i = 0; i < 6; i++)
		running(NULL, ids[i]);
	reaperd_session(&rd, NULL, ids[6]); /* the region is full */
	reaperd_session(&rd, NULL, other);
	sql_do(rd.conn, "UPDATE ventus.session SET region = 'mars' WHERE id = '%s'", other);
	reaperd_wait_status(&rd, ids[6], "ERRORED");
	reaperd_wait_status(&rd, other, "ERRORED");
	assert_outcome(ids[6], "ERRORED queue_timeout");
	assert_outcome(other, "ERRORED region_unavailable");
}

static void
reaperd__serves_the_queue_when_a_place_is_free(void **state)
{
	char ids[7][VS_ULID_SIZE];

	(void)state;
	for (size_t i = 0; i < 6; i++)
		running(NULL, ids[i]);
	reaperd_session(&rd, NULL, ids[6]);
	reaperd_move(&rd, ids[2], "release");
	reaperd_wait_status(&rd, ids[6], "RUNNING");
}

static void
reaperd__finds_its_runtimes_again(void **state)
{
	char id[VS_ULID_SIZE];
	pid_t agent;

	(void)state;
	running(NULL, id);
	agent = reaperd_agent_pid(&rd, id);
	assert_int_equal(reaperd_stop(&rd), 0);
	assert_int_equal(kill(agent, 0), 0);
	reaperd_start(&rd);
	reaperd_move(&rd, id, "extend");
	assert_outcome(id, "RUNNING -");
	assert_int_equal(reaperd_agent_pid(&rd, id), agent);
	reaperd_move(&rd, id, "release");
	reaperd_wait_gone(&rd, id);
}

static void
reaperd__ends_what_died_while_it_was_away(void **state)
{
	char id[VS_ULID_SIZE];
	pid_t agent;

	(void)state;
	running(NULL, id);
	agent = reaperd_agent_pid(&rd, id);
	reaperd_kill(&rd, SIGKILL);
	assert_int_equal(kill(agent, SIGKILL), 0);
	reaperd_start(&rd);
	reaperd_wait_status(&rd, id, "ERRORED");
	assert_outcome(id, "ERRORED agent_disconnected");
	reaperd_wait_gone(&rd, id);
}

static void
reaperd__starts_what_was_claimed_and_never_started(void **state)
{
	char id[VS_ULID_SIZE], runtime[VS_ULID_SIZE];

	(void)state;
	reaperd_kill(&rd, SIGKILL);
	reaperd_session(&rd, NULL, id);
	vs_ulid_new(runtime);
	sql_do(rd.conn,
	    "SELECT ventus.session_claim('local', 'chromium', 6, '%s', 'k1',"
	    " ROW('system', 'x', NULL, NULL, NULL)::ventus.actor)",
	    runtime);
	reaperd_start(&rd);
	reaperd_wait_status(&rd, id, "RUNNING");
}

static void
reaperd__stops_a_runtime_without_a_row(void **state)
{
	char id[VS_ULID_SIZE];
	pid_t agent;

	(void)state;
	running(NULL, id);
	agent = reaperd_agent_pid(&rd, id);
	reaperd_kill(&rd, SIGKILL);
	sql_do(rd.conn, "UPDATE ventus.runtime SET state = 'GONE' WHERE session_id = '%s'", id);
	reaperd_start(&rd);
	/* Its session has no runtime any more: a ghost. */
	reaperd_wait_status(&rd, id, "ERRORED");
	assert_outcome(id, "ERRORED agent_disconnected");
	while (kill(agent, 0) == 0)
		reaperd_turn(&rd);
}

static void
reaperd__lives_through_a_restart_of_the_database(void **state)
{
	char id[VS_ULID_SIZE], other[VS_ULID_SIZE], dead[VS_ULID_SIZE];

	(void)state;
	running(NULL, id);
	running("fake end=browser_crashed end_ms=600", dead);
	PQfinish(rd.conn);
	pg_kill(rd.pg);
	/* The crash comes while nobody can write it down. */
	pg_start(rd.pg);
	rd.conn = sql_open(rd.pg, "ventus_owner");
	sql_do(rd.conn, "LISTEN ventus_session");
	reaperd_wait_status(&rd, dead, "ERRORED");
	assert_outcome(dead, "ERRORED browser_crashed");
	assert_outcome(id, "RUNNING -");
	running(NULL, other);
	assert_int_equal(kill(rd.pid, 0), 0);
}

static void
reaperd__waits_as_standby_and_takes_over(void **state)
{
	struct reaperd second = rd;
	char id[VS_ULID_SIZE];
	char *out;

	(void)state;
	running(NULL, id);
	second.pid = 0;
	reaperd_start(&second);
	reaperd_kill(&rd, SIGKILL);
	rd.pid = second.pid;
	reaperd_move(&rd, id, "release");
	reaperd_wait_gone(&rd, id);
	assert_outcome(id, "COMPLETED client_release");
	running(NULL, id);
	out = sql_text(
	    rd.conn, "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND granted");
	assert_string_equal(out, "1");
	free(out);
}

static void
reaperd__runs_jobs_once(void **state)
{
	static const char *const all[] = { "--once", "expire", "release", NULL };
	static const char *const some[] = { "--once", "provision", NULL };
	static const char *const bad[] = { "--once", "nonsense", NULL };
	char ids[3][VS_ULID_SIZE];
	char *out;

	(void)state;
	reaperd_kill(&rd, SIGKILL);
	for (size_t i = 0; i < 3; i++)
		reaperd_session(&rd, NULL, ids[i]);
	assert_int_equal(reaperd_run(&rd, some, &out), 0);
	assert_non_null(strstr(out, "provision: 3 done"));
	assert_null(strstr(out, "expire"));
	free(out);
	for (size_t i = 0; i < 3; i++)
		assert_outcome(ids[i], "RUNNING -");
	reaperd_move(&rd, ids[0], "release");
	assert_int_equal(reaperd_run(&rd, all, &out), 0);
	assert_non_null(strstr(out, "release: 1 done"));
	free(out);
	assert_int_equal(sql_int(rd.conn,
			     "SELECT count(*) FROM ventus.runtime WHERE session_id = '%s'"
			     " AND state = 'GONE'",
			     ids[0]),
	    1);
	assert_int_equal(reaperd_run(&rd, bad, &out), 2);
	free(out);
}

static void
reaperd__says_so_when_a_start_fails_at_once(void **state)
{
	static const char *const args[] = { "--once", "provision", NULL };
	char id[VS_ULID_SIZE];
	char *out;

	(void)state;
	reaperd_kill(&rd, SIGKILL);
	reaperd_session(&rd, "fake exit=1", id);
	assert_int_equal(reaperd_run(&rd, args, &out), 1);
	assert_non_null(strstr(out, "1 runtimes did not start"));
	free(out);
	assert_outcome(id, "ERRORED image_start_failed");
}

static void
reaperd__leaves_the_work_to_the_leader_that_runs(void **state)
{
	static const char *const args[] = { "--once", NULL };
	char id[VS_ULID_SIZE];
	char *out;

	(void)state;
	running(NULL, id);
	assert_int_equal(reaperd_run(&rd, args, &out), 0);
	assert_non_null(strstr(out, "region local: led by ventus-reaperd "));
	free(out);
	assert_outcome(id, "RUNNING -");
}

static void
reaperd__changes_nothing_in_a_dry_run(void **state)
{
	static const char *const args[] = { "--dry-run", NULL };
	char id[VS_ULID_SIZE], due[VS_ULID_SIZE], want[200];
	char *out;

	(void)state;
	running(NULL, due);
	reaperd_kill(&rd, SIGKILL);
	sql_do(rd.conn, "UPDATE ventus.session SET expires_at = now() WHERE id = '%s'", due);
	reaperd_session(&rd, NULL, id);
	assert_int_equal(reaperd_run(&rd, args, &out), 0);
	(void)snprintf(want, sizeof(want), "provision: would claim session %s\n", id);
	assert_non_null(strstr(out, want));
	(void)snprintf(want, sizeof(want), "expire: would expire session %s\n", due);
	assert_non_null(strstr(out, want));
	free(out);
	assert_outcome(id, "QUEUED -");
	assert_outcome(due, "RUNNING -");
	assert_true(kill(reaperd_agent_pid(&rd, due), 0) == 0);
}

static void
reaperd__ends_the_clients_of_a_dead_cdpd(void **state)
{
	char id[VS_ULID_SIZE], instance[VS_ULID_SIZE], client[VS_ULID_SIZE];

	(void)state;
	running(NULL, id);
	vs_ulid_new(instance);
	vs_ulid_new(client);
	sql_do(rd.conn, "SELECT ventus.cdpd_instance_beat('%s', 'w', 1)", instance);
	sql_do(rd.conn, "SELECT ventus.cdp_client_open('%s', '%s', '%s', '%s', 10)", rd.workspace,
	    id, client, instance);
	reaperd_wait_status(&rd, id, "COMPLETED");
	assert_outcome(id, "COMPLETED cdp_disconnect");
	reaperd_wait_gone(&rd, id);
}

static void
reaperd__forgets_old_idempotency_keys(void **state)
{
	static const char *const args[] = { "--once", "purge", NULL };
	char ids[2][VS_ULID_SIZE];
	char *out;

	(void)state;
	running(NULL, ids[0]);
	running(NULL, ids[1]);
	reaperd_kill(&rd, SIGKILL);
	sql_do(rd.conn,
	    "UPDATE ventus.idempotency SET created_at = now() - interval '25 hours'"
	    " WHERE session_id = '%s'",
	    ids[0]);
	assert_int_equal(reaperd_run(&rd, args, &out), 0);
	assert_non_null(strstr(out, "purge: 1 done"));
	free(out);
	assert_int_equal(sql_int(rd.conn,
			     "SELECT count(*) FROM ventus.idempotency WHERE session_id IN"
			     " ('%s', '%s')",
			     ids[0], ids[1]),
	    1);
}

#define REAPERD_TEST(fn) cmocka_unit_test_setup_teardown(fn, daemon_start, daemon_stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		REAPERD_TEST(reaperd__makes_a_queued_session_run),
		REAPERD_TEST(reaperd__removes_a_released_runtime_within_two_seconds),
		REAPERD_TEST(reaperd__stops_a_session_that_was_released_while_it_started),
		REAPERD_TEST(reaperd__expires_a_session_on_time),
		REAPERD_TEST(reaperd__lets_an_extended_session_live),
		REAPERD_TEST(reaperd__says_how_a_runtime_ended),
		REAPERD_TEST(reaperd__notices_a_killed_agent_within_five_seconds),
		REAPERD_TEST(reaperd__gives_up_on_an_agent_that_is_silent),
		REAPERD_TEST(reaperd__gives_up_on_a_start_after_the_provision_timeout),
		REAPERD_TEST(reaperd__fails_what_waits_too_long),
		REAPERD_TEST(reaperd__serves_the_queue_when_a_place_is_free),
		REAPERD_TEST(reaperd__finds_its_runtimes_again),
		REAPERD_TEST(reaperd__ends_what_died_while_it_was_away),
		REAPERD_TEST(reaperd__starts_what_was_claimed_and_never_started),
		REAPERD_TEST(reaperd__stops_a_runtime_without_a_row),
		REAPERD_TEST(reaperd__lives_through_a_restart_of_the_database),
		REAPERD_TEST(reaperd__waits_as_standby_and_takes_over),
		REAPERD_TEST(reaperd__runs_jobs_once),
		REAPERD_TEST(reaperd__says_so_when_a_start_fails_at_once),
		REAPERD_TEST(reaperd__leaves_the_work_to_the_leader_that_runs),
		REAPERD_TEST(reaperd__changes_nothing_in_a_dry_run),
		REAPERD_TEST(reaperd__ends_the_clients_of_a_dead_cdpd),
		REAPERD_TEST(reaperd__forgets_old_idempotency_keys),
		REAPERD_TEST(reaperd__reads_new_keys_on_hup),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
