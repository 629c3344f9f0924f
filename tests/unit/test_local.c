/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/runtime/local_proc.h"
#include "lib/runtime/local_rec.h"
#include "lib/runtime/runtime.h"
#include "lib/ulid.h"
#include "tests/support/keys.h"
#include "tests/support/reaperd.h"
#include "tests/support/tmpdir.h"

#define WAIT_MS 8000

enum seen { SEEN_READY, SEEN_ENDED, SEEN_GONE, SEEN_KINDS };

struct fixture {
	char dir[TMPDIR_SIZE];
	struct vs_conf *conf;
	struct vs_keyring *ring;
	struct vs_loop *loop;
	struct vs_runtime_driver *driver;
	int seen[SEEN_KINDS];
	char endpoint[200], detail[256];
	enum vs_runtime_end end;
	size_t listed, listed_ready;
};

static void
on_ready(void *ctx, const char *id, const char *endpoint)
{
	struct fixture *fx = ctx;

	(void)id;
	fx->seen[SEEN_READY]++;
	(void)snprintf(fx->endpoint, sizeof(fx->endpoint), "%s", endpoint);
}

static void
on_ended(void *ctx, const char *id, enum vs_runtime_end end, const char *detail)
{
	struct fixture *fx = ctx;

	(void)id;
	fx->seen[SEEN_ENDED]++;
	fx->end = end;
	(void)snprintf(fx->detail, sizeof(fx->detail), "%s", detail != NULL ? detail : "");
}

static void
on_gone(void *ctx, const char *id)
{
	struct fixture *fx = ctx;

	(void)id;
	fx->seen[SEEN_GONE]++;
}

static struct vs_conf *
conf_new(const char *dir, const char *agent)
{
	struct vs_conf *conf = NULL;
	struct vs_buf text, faults;

	vs_buf_init(&text, 4096);
	vs_buf_init(&faults, 4096);
	assert_int_equal(vs_buf_printf(&text,
			     "[platform]\nstate_dir = %s/state\n[reaperd]\nagent_path = %s\n"
			     "[region local]\ncapacity = 8\nuid_base = 391000\n",
			     dir, agent),
	    0);
	if (vs_conf_parse("test", vs_buf_str(&text), vs_buf_len(&text), &faults, &conf) < 0)
		fail_msg("%s", vs_buf_str(&faults));
	vs_buf_fini(&text);
	vs_buf_fini(&faults);
	return conf;
}

/* A driver on a new loop, as a new reaperd would have it. */
static void
driver_open(struct fixture *fx)
{
	struct vs_runtime_hooks hooks = {
		.ready = on_ready, .ended = on_ended, .gone = on_gone, .ctx = fx
	};
	const struct vs_runtime_ops *ops = vs_runtime_ops_find("local");
	struct vs_buf note;

	vs_buf_init(&note, 4096);
	memset(fx->seen, 0, sizeof(fx->seen));
	fx->loop = vs_loop_new();
	assert_non_null(fx->loop);
	if (ops->open(fx->loop, fx->conf, &fx->conf->regions[0], fx->ring, &hooks, &note,
		&fx->driver) < 0)
		fail_msg("%s", vs_buf_str(&note));
	vs_buf_fini(&note);
}

static void
driver_close(struct fixture *fx)
{
	fx->driver->ops->close(fx->driver);
	vs_loop_free(fx->loop);
}

static int
setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));
	const char *build = getenv("top_builddir");
	char agent[256];

	assert_non_null(fx);
	tmpdir_new(fx->dir);
	/* With a uid of its own per runtime, the agents pass through here. */
	assert_int_equal(chmod(fx->dir, 0711), 0);
	(void)snprintf(
	    agent, sizeof(agent), "%s/tests/support/fake_agent", build != NULL ? build : ".");
	fx->conf = conf_new(fx->dir, agent);
	fx->ring = keys_new("k1");
	driver_open(fx);
	*state = fx;
	return 0;
}

static void
count_one(void *ctx, const char *id, bool ready)
{
	struct fixture *fx = ctx;

	(void)id;
	fx->listed++;
	fx->listed_ready += ready;
}

static size_t
list(struct fixture *fx)
{
	fx->listed = fx->listed_ready = 0;
	assert_int_equal(fx->driver->ops->list(fx->driver, count_one, fx), 0);
	return fx->listed;
}

static void
turn_until(struct fixture *fx, enum seen kind, int times)
{
	vs_msec deadline = vs_clock_mono_ms() + WAIT_MS;

	while (fx->seen[kind] < times) {
		if (vs_clock_mono_ms() >= deadline)
			fail_msg("event %d did not come %d times", (int)kind, times);
		assert_int_equal(vs_loop_once(fx->loop, 100), 0);
	}
}

/* The pid on the record of a runtime; 0: none. */
static pid_t
agent_pid(struct fixture *fx, const char *id)
{
	struct local_rec rec = { .uid = 0 };
	char path[128];
	int fd, rc;

	(void)snprintf(path, sizeof(path), "%s/state/rt", fx->dir);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	rc = local_rec_read(fd, id, &rec);
	(void)close(fd);
	return rc == 0 ? rec.agent.pid : 0;
}

static void
assert_nothing_left(struct fixture *fx)
{
	char path[128];
	struct dirent *entry;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/state/rt", fx->dir);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "lock") != 0)
			fail_msg("%s is left", entry->d_name);
	}
	(void)closedir(dir);
	if (geteuid() == 0)
		for (int64_t uid = 391000; uid < 391010; uid++)
			assert_int_equal(local_proc_kill_uid(uid), 0);
}

static int
teardown(void **state)
{
	struct fixture *fx = *state;

	char state_dir[TMPDIR_SIZE + 8];

	driver_close(fx);
	/* Whatever a failed test has left running. */
	(void)snprintf(state_dir, sizeof(state_dir), "%s/state", fx->dir);
	reaperd_clear(state_dir);
	vs_conf_free(fx->conf);
	vs_keyring_free(fx->ring);
	tmpdir_remove(fx->dir);
	free(fx);
	return 0;
}

static void
start(struct fixture *fx, const char *how, char ret_id[VS_ULID_SIZE])
{
	struct vs_runtime_spec spec = { .secret_kid = "k1",
		.session_id = "01J9Z00000000000000000000A",
		.viewport_width = 1280,
		.viewport_height = 720,
		.user_agent = how,
		.deadline_wall_ms = vs_clock_wall_ms() + 60000 };

	vs_ulid_new(ret_id);
	spec.id = ret_id;
	assert_int_equal(fx->driver->ops->start(fx->driver, &spec), 0);
}

static void
stop(struct fixture *fx, const char *id)
{
	assert_int_equal(fx->driver->ops->stop(fx->driver, id), 0);
	turn_until(fx, SEEN_GONE, 1);
}

static void
local__starts_lists_and_stops(void **state)
{
	struct fixture *fx = *state;
	char id[VS_ULID_SIZE], want[200];
	struct stat st;
	vs_msec began;

	start(fx, "fake ready=30", id);
	assert_int_equal(list(fx), 1);
	assert_int_equal(fx->listed_ready, 0);
	turn_until(fx, SEEN_READY, 1);
	(void)snprintf(want, sizeof(want), "unix:%s/state/rt/%s/agent.sock", fx->dir, id);
	assert_string_equal(fx->endpoint, want);
	assert_int_equal(list(fx), 1);
	assert_int_equal(fx->listed_ready, 1);
	assert_int_equal(stat(want + 5, &st), 0);
	if (geteuid() == 0)
		assert_int_equal(st.st_uid, 391000);

	began = vs_clock_mono_ms();
	stop(fx, id);
	assert_true(vs_clock_mono_ms() - began < 1000);
	assert_int_equal(fx->seen[SEEN_ENDED], 0);
	assert_int_equal(list(fx), 0);
	assert_nothing_left(fx);
}

static void
local__starts_one_id_once(void **state)
{
	struct fixture *fx = *state;
	char id[VS_ULID_SIZE];
	struct vs_runtime_spec spec = { .secret_kid = "k1", .session_id = id, .id = id };

	start(fx, NULL, id);
	assert_int_equal(fx->driver->ops->start(fx->driver, &spec), VS_EEXIST);
	turn_until(fx, SEEN_READY, 1);
	assert_int_equal(fx->driver->ops->start(fx->driver, &spec), VS_EEXIST);
	stop(fx, id);
	assert_nothing_left(fx);
}

static void
local__tells_ends_apart(void **state)
{
	static const struct {
		const char *how;
		enum vs_runtime_end want;
		int ready;
	} cases[] = {
		{ "fake end=browser_closed end_ms=150", VS_RUNTIME_BROWSER_CLOSED, 1 },
		{ "fake end=browser_crashed end_ms=150", VS_RUNTIME_BROWSER_CRASHED, 1 },
		{ "fake end=oom_killed end_ms=150", VS_RUNTIME_OOM_KILLED, 1 },
		{ "fake end=desktop_crashed end_ms=150", VS_RUNTIME_DESKTOP_CRASHED, 1 },
		{ "fake end=deadline end_ms=150", VS_RUNTIME_DEADLINE, 1 },
		{ "fake ready=-1 exit=3 end_ms=50", VS_RUNTIME_START_FAILED, 0 },
		{ "fake ready=10 exit=0 end_ms=200", VS_RUNTIME_AGENT_LOST, 1 },
		{ "fake end=nonsense end_ms=150", VS_RUNTIME_AGENT_LOST, 1 },
	};
	struct fixture *fx = *state;
	char id[VS_ULID_SIZE];

	for (size_t i = 0; i < VS_COUNTOF(cases); i++) {
		memset(fx->seen, 0, sizeof(fx->seen));
		start(fx, cases[i].how, id);
		turn_until(fx, SEEN_ENDED, 1);
		if (fx->end != cases[i].want || fx->seen[SEEN_READY] != cases[i].ready)
			fail_msg("%s: end %d, ready %d, %s", cases[i].how, (int)fx->end,
			    fx->seen[SEEN_READY], fx->detail);
		stop(fx, id);
		assert_int_equal(fx->seen[SEEN_ENDED], 1);
	}
	assert_nothing_left(fx);
}

static void
local__notices_a_killed_agent_at_once(void **state)
{
	struct fixture *fx = *state;
	char id[VS_ULID_SIZE];
	vs_msec began;

	start(fx, NULL, id);
	turn_until(fx, SEEN_READY, 1);
	began = vs_clock_mono_ms();
	assert_int_equal(kill(agent_pid(fx, id), SIGKILL), 0);
	turn_until(fx, SEEN_ENDED, 1);
	assert_int_equal(fx->end, VS_RUNTIME_AGENT_LOST);
	assert_true(vs_clock_mono_ms() - began < 2000);
	stop(fx, id);
	assert_nothing_left(fx);
}

static void
local__kills_a_deaf_agent_within_two_seconds(void **state)
{
	struct fixture *fx = *state;
	char id[VS_ULID_SIZE];
	vs_msec began;

	start(fx, "fake deaf=1", id);
	turn_until(fx, SEEN_READY, 1);
	began = vs_clock_mono_ms();
	stop(fx, id);
	assert_in_range(vs_clock_mono_ms() - began, 900, 2000);
	assert_nothing_left(fx);
}

static void
local__stops_one_that_is_still_starting(void **state)
{
	struct fixture *fx = *state;
	char id[VS_ULID_SIZE];

	start(fx, "fake ready=-1", id);
	stop(fx, id);
	assert_int_equal(fx->seen[SEEN_READY] + fx->seen[SEEN_ENDED], 0);
	assert_nothing_left(fx);
}

static void
local__leaves_no_process_of_a_runtime(void **state)
{
	struct fixture *fx = *state;
	char id[VS_ULID_SIZE];

	if (geteuid() != 0)
		skip();
	start(fx, "fake orphan=1", id);
	turn_until(fx, SEEN_READY, 1);
	stop(fx, id);
	assert_nothing_left(fx);
}

static void
local__says_gone_of_an_unknown_id(void **state)
{
	struct fixture *fx = *state;

	stop(fx, "01J9Z0000000000000000000ZZ");
}

static void
local__finds_a_live_runtime_again(void **state)
{
	struct fixture *fx = *state;
	char id[VS_ULID_SIZE];
	pid_t pid;

	start(fx, NULL, id);
	turn_until(fx, SEEN_READY, 1);
	pid = agent_pid(fx, id);
	driver_close(fx);
	driver_open(fx);
	assert_int_equal(list(fx), 1);
	turn_until(fx, SEEN_READY, 1);
	assert_int_equal(agent_pid(fx, id), pid);
	/* It is still our child: nobody else reaps it. */
	stop(fx, id);
	assert_nothing_left(fx);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
}

static void
local__tells_the_end_of_one_that_died_unwatched(void **state)
{
	struct fixture *fx = *state;
	char id[VS_ULID_SIZE];
	pid_t pid;

	start(fx, NULL, id);
	turn_until(fx, SEEN_READY, 1);
	pid = agent_pid(fx, id);
	driver_close(fx);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	driver_open(fx);
	assert_int_equal(list(fx), 1);
	turn_until(fx, SEEN_ENDED, 1);
	assert_int_equal(fx->end, VS_RUNTIME_AGENT_LOST);
	stop(fx, id);
	assert_nothing_left(fx);
}

/* What a reaperd leaves that was killed between the record and the fork. */
static void
local__starts_again_from_a_record_without_an_agent(void **state)
{
	struct fixture *fx = *state;
	struct local_rec rec = { .uid = geteuid() == 0 ? 391003 : 0 };
	char path[128];
	int rt_fd, rec_fd;
	struct vs_runtime_spec spec = { .secret_kid = "k1",
		.session_id = "01J9Z00000000000000000000A",
		.id = rec.id,
		.viewport_width = 800,
		.viewport_height = 600,
		.deadline_wall_ms = vs_clock_wall_ms() + 60000 };

	vs_ulid_new(rec.id);
	(void)snprintf(rec.region, sizeof(rec.region), "local");
	(void)snprintf(rec.secret_kid, sizeof(rec.secret_kid), "k1");
	(void)snprintf(path, sizeof(path), "%s/state/rt", fx->dir);
	rt_fd = open(path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(local_rec_create(rt_fd, &rec, &rec_fd), 0);
	(void)close(rec_fd);
	assert_int_equal(mkdirat(rt_fd, rec.id, 0700), 0);
	(void)close(rt_fd);

	assert_int_equal(list(fx), 0);
	assert_int_equal(fx->driver->ops->start(fx->driver, &spec), 0);
	turn_until(fx, SEEN_READY, 1);
	stop(fx, rec.id);
	assert_nothing_left(fx);
}

/* No such key; then a directory where its record should be. */
static void
local__clears_up_after_a_start_that_failed(void **state)
{
	struct fixture *fx = *state;
	char id[VS_ULID_SIZE], path[128];
	struct vs_runtime_spec spec = {
		.secret_kid = "no such", .session_id = id, .id = id, .viewport_width = 1
	};

	vs_ulid_new(id);
	assert_int_equal(fx->driver->ops->start(fx->driver, &spec), VS_ENOENT);
	assert_int_equal(list(fx), 0);
	(void)snprintf(path, sizeof(path), "%s/state/rt/%s.rec", fx->dir, id);
	assert_int_equal(mkdir(path, 0700), 0);
	spec.secret_kid = "k1";
	assert_true(fx->driver->ops->start(fx->driver, &spec) < 0);
	stop(fx, id);
	assert_int_equal(rmdir(path), 0);
	assert_nothing_left(fx);
}

static void
local__sweeps_up_what_was_never_started(void **state)
{
	struct fixture *fx = *state;
	char path[128];
	vs_msec deadline = vs_clock_mono_ms() + WAIT_MS;

	(void)snprintf(path, sizeof(path), "%s/state/rt/01J9Z0000000000000000000AA", fx->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(list(fx), 0);
	while (access(path, F_OK) == 0 && vs_clock_mono_ms() < deadline)
		assert_int_equal(vs_loop_once(fx->loop, 10), 0);
	assert_nothing_left(fx);
}

/* A new reaperd that cannot look must not take a runtime for gone. */
static void
local__says_so_when_it_cannot_see_all(void **state)
{
	struct fixture *fx = *state;
	struct rlimit before, none;
	char id[VS_ULID_SIZE];
	int rc, rc_stop;

	start(fx, NULL, id);
	turn_until(fx, SEEN_READY, 1);
	driver_close(fx);
	driver_open(fx);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	rc = fx->driver->ops->list(fx->driver, count_one, fx);
	rc_stop = fx->driver->ops->stop(fx->driver, id);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(rc < 0 && rc_stop < 0);
	assert_int_equal(fx->seen[SEEN_GONE], 0);
	assert_int_equal(list(fx), 1);
	stop(fx, id);
	assert_nothing_left(fx);
}

static void
local__never_signals_a_stranger_with_the_same_pid(void **state)
{
	struct fixture *fx = *state;
	struct local_rec rec = { .uid = 0 };
	char path[128], line[128];
	int rt_fd, rec_fd;
	pid_t stranger = fork();

	if (stranger == 0)
		for (;;)
			(void)pause();
	vs_ulid_new(rec.id);
	(void)snprintf(rec.region, sizeof(rec.region), "local");
	(void)snprintf(rec.secret_kid, sizeof(rec.secret_kid), "k1");
	(void)snprintf(path, sizeof(path), "%s/state/rt", fx->dir);
	rt_fd = open(path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(local_rec_create(rt_fd, &rec, &rec_fd), 0);
	assert_int_equal(local_proc_name(stranger, &rec.agent), 0);
	(void)snprintf(line, sizeof(line), "agent %d %llu %s\n", (int)stranger,
	    (unsigned long long)rec.agent.start_ticks - 1, rec.agent.boot);
	assert_int_equal(write(rec_fd, line, strlen(line)), (ssize_t)strlen(line));
	(void)close(rec_fd);
	(void)close(rt_fd);

	assert_int_equal(list(fx), 1);
	turn_until(fx, SEEN_ENDED, 1);
	stop(fx, rec.id);
	assert_int_equal(kill(stranger, 0), 0);
	assert_int_equal(waitpid(stranger, NULL, WNOHANG), 0);
	(void)kill(stranger, SIGKILL);
	(void)waitpid(stranger, NULL, 0);
	assert_nothing_left(fx);
}

static void
local__gives_each_runtime_its_own_uid(void **state)
{
	struct fixture *fx = *state;
	char ids[3][VS_ULID_SIZE], path[256];
	uid_t uids[3];
	struct stat st;

	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < 3; i++) {
		start(fx, NULL, ids[i]);
		(void)snprintf(path, sizeof(path), "%s/state/rt/%s", fx->dir, ids[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 02750);
		uids[i] = st.st_uid;
	}
	assert_int_equal(uids[0], 391000);
	assert_int_equal(uids[1], 391001);
	assert_int_equal(uids[2], 391002);
	stop(fx, ids[1]);
	start(fx, NULL, ids[1]);
	(void)snprintf(path, sizeof(path), "%s/state/rt/%s", fx->dir, ids[1]);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 391001);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(fx->driver->ops->stop(fx->driver, ids[i]), 0);
	turn_until(fx, SEEN_GONE, 4);
	assert_nothing_left(fx);
}

static void
local__extends_the_agents_deadline(void **state)
{
	struct fixture *fx = *state;
	char id[VS_ULID_SIZE];

	start(fx, NULL, id);
	turn_until(fx, SEEN_READY, 1);
	/* In the past: the agent ends by itself, which shows that it was told. */
	assert_int_equal(fx->driver->ops->extend(fx->driver, id, vs_clock_wall_ms() - 5000), 0);
	turn_until(fx, SEEN_ENDED, 1);
	assert_int_equal(fx->end, VS_RUNTIME_DEADLINE);
	assert_int_equal(fx->driver->ops->extend(fx->driver, "x", 1), VS_ENOENT);
	stop(fx, id);
}

static void
local__gives_up_on_an_agent_that_is_not_there(void **state)
{
	struct fixture *fx = *state;
	struct vs_conf *conf = conf_new(fx->dir, "/nonexistent/agent");
	struct vs_runtime_hooks hooks = {
		.ready = on_ready, .ended = on_ended, .gone = on_gone, .ctx = fx
	};
	struct vs_runtime_driver *driver;
	struct vs_buf note;

	vs_buf_init(&note, 4096);
	assert_int_equal(vs_runtime_ops_find("local")->open(
			     fx->loop, conf, &conf->regions[0], fx->ring, &hooks, &note, &driver),
	    VS_EUNSUPP);
	assert_non_null(
	    strstr(vs_buf_str(&note), "cannot run the agent /nonexistent/agent as uid "));
	assert_non_null(strstr(vs_buf_str(&note), "No such file"));
	vs_buf_fini(&note);
	vs_conf_free(conf);
}

#define LOCAL_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LOCAL_TEST(local__starts_lists_and_stops),
		LOCAL_TEST(local__starts_one_id_once),
		LOCAL_TEST(local__tells_ends_apart),
		LOCAL_TEST(local__notices_a_killed_agent_at_once),
		LOCAL_TEST(local__kills_a_deaf_agent_within_two_seconds),
		LOCAL_TEST(local__stops_one_that_is_still_starting),
		LOCAL_TEST(local__leaves_no_process_of_a_runtime),
		LOCAL_TEST(local__says_gone_of_an_unknown_id),
		LOCAL_TEST(local__finds_a_live_runtime_again),
		LOCAL_TEST(local__tells_the_end_of_one_that_died_unwatched),
		LOCAL_TEST(local__starts_again_from_a_record_without_an_agent),
		LOCAL_TEST(local__clears_up_after_a_start_that_failed),
		LOCAL_TEST(local__sweeps_up_what_was_never_started),
		LOCAL_TEST(local__says_so_when_it_cannot_see_all),
		LOCAL_TEST(local__never_signals_a_stranger_with_the_same_pid),
		LOCAL_TEST(local__gives_each_runtime_its_own_uid),
		LOCAL_TEST(local__extends_the_agents_deadline),
		LOCAL_TEST(local__gives_up_on_an_agent_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
