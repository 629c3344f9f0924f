/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the local driver by themselves: records, cgroups, processes, the
 * agent's words and what the agent is told.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/runtime/agent_client.h"
#include "lib/runtime/local_cgroup.h"
#include "lib/runtime/local_proc.h"
#include "lib/runtime/local_rec.h"
#include "lib/runtime/local_spawn.h"
#include "tests/support/tmpdir.h"

static const char id[] = "01J9Z00000000000000000000A";

struct fixture {
	char dir[TMPDIR_SIZE];
	int fd;
};

static int
setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	tmpdir_new(fx->dir);
	fx->fd = open(fx->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fx->fd >= 0);
	*state = fx;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fx = *state;

	(void)close(fx->fd);
	tmpdir_remove(fx->dir);
	free(fx);
	return 0;
}

static void
file_put(const struct fixture *fx, const char *name, const char *text)
{
	int fd = openat(fx->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
}

/* Of at most 255 bytes. Static until the next call. */
static const char *
file_get(const struct fixture *fx, const char *name)
{
	static char text[256];
	int fd = openat(fx->fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

	if (fd >= 0)
		(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n >= 0 ? text : NULL;
}

static void
dir_put(const struct fixture *fx, const char *name)
{
	assert_int_equal(mkdirat(fx->fd, name, 0700), 0);
}

static void
local_rec__is_read_as_it_was_written(void **state)
{
	struct fixture *fx = *state;
	struct local_rec rec = { .region = "eu-1",
		.secret_kid = "k7",
		.uid = 4000000001,
		.cgroup = { "/sys/a", "/sys/b" } };
	struct local_rec got = { .uid = 0 };
	int fd;

	(void)snprintf(rec.id, sizeof(rec.id), "%s", id);
	assert_int_equal(local_rec_create(fx->fd, &rec, &fd), 0);
	assert_int_equal(local_rec_read(fx->fd, id, &got), 0);
	assert_int_equal(got.agent.pid, 0);
	assert_int_equal(local_rec_sign(fd), 0);
	(void)close(fd);
	assert_int_equal(local_rec_read(fx->fd, id, &got), 0);
	assert_string_equal(got.region, "eu-1");
	assert_string_equal(got.secret_kid, "k7");
	assert_true(got.uid == 4000000001);
	assert_string_equal(got.cgroup.memory, "/sys/a");
	assert_string_equal(got.cgroup.pids, "/sys/b");
	assert_int_equal(got.agent.pid, getpid());
	assert_int_equal(local_rec_create(fx->fd, &rec, &fd), VS_EEXIST);
	local_rec_remove(fx->fd, id);
	local_rec_remove(fx->fd, id);
	assert_int_equal(local_rec_read(fx->fd, id, &got), VS_ENOENT);
}

static void
local_rec__takes_a_torn_record_for_none(void **state)
{
	static const struct {
		const char *text;
		int rc;
	} cases[] = {
		{ "", VS_EPROTO },
		{ "ventus 2\nregion a\nkid k\nuid 1\nmemory -\npids -\n", VS_EPROTO },
		{ "ventus 1\nregion a\nkid k\nuid 1\nmemory -\n", VS_EPROTO },
		{ "ventus 1\nregion a\nkid k\nuid 1\nmemory -\npids -", VS_EPROTO },
		{ "ventus 1\nregion a\nkid k\nuid 1\nmemory -\npids -\n", 0 },
		{ "ventus 1\nregion a\nkid k\nuid 1\nmemory -\npids -\nagent 12", 0 },
		{ "ventus 1\nregion a\nkid k\nuid 1\nmemory -\npids -\nagent 12 x y\n", 0 },
		{ "ventus 1\nregion a\nkid k\nuid 1\nmemory -\npids -\nagent -4 1 b\n", 0 },
		{ "ventus 1\nregion a\nkid k\nuid 1\nmemory -\npids -\nagent 1 1 b\n", 0 },
	};
	struct fixture *fx = *state;
	struct local_rec rec;

	for (size_t i = 0; i < VS_COUNTOF(cases); i++) {
		memset(&rec, 0, sizeof(rec));
		file_put(fx, "01J9Z00000000000000000000A.rec", cases[i].text);
		if (local_rec_read(fx->fd, id, &rec) != cases[i].rc || rec.agent.pid != 0)
			fail_msg("%s", cases[i].text);
	}
}

static void
count_one(void *ctx, const char *found)
{
	size_t *n = ctx;

	assert_true(vs_ulid_ok(found, strlen(found)));
	++*n;
}

static void
local_rec__scan_finds_records_and_lone_directories(void **state)
{
	struct fixture *fx = *state;
	size_t n = 0;

	file_put(fx, "01J9Z00000000000000000000A.rec", "");
	dir_put(fx, "01J9Z00000000000000000000A"); /* the same */
	dir_put(fx, "01J9Z00000000000000000000B");
	file_put(fx, "lock", "");
	file_put(fx, "01J9Z00000000000000000000C.txt", "");
	file_put(fx, "nonsense.rec", "");
	assert_int_equal(local_rec_scan(fx->fd, count_one, &n), 0);
	assert_int_equal(n, 2);
}

static void
local_dir__removes_a_tree_and_follows_no_link(void **state)
{
	struct fixture *fx = *state;

	dir_put(fx, "keep");
	file_put(fx, "keep/file", "x");
	dir_put(fx, "t");
	dir_put(fx, "t/a");
	dir_put(fx, "t/a/b");
	file_put(fx, "t/a/b/file", "x");
	assert_int_equal(symlinkat("../../keep", fx->fd, "t/a/link"), 0);
	assert_int_equal(mkfifoat(fx->fd, "t/fifo", 0600), 0);
	assert_int_equal(local_dir_remove(fx->fd, "t"), 0);
	assert_int_equal(faccessat(fx->fd, "t", F_OK, 0), -1);
	assert_int_equal(faccessat(fx->fd, "keep/file", F_OK, 0), 0);
	assert_int_equal(local_dir_remove(fx->fd, "t"), 0);
}

static void
local_proc__knows_a_process_from_its_successor(void **state)
{
	struct local_proc proc, other;
	pid_t pid = fork();
	int fd;

	(void)state;
	if (pid == 0)
		for (;;)
			(void)pause();
	assert_int_equal(local_proc_name(pid, &proc), 0);
	assert_int_equal(local_proc_open(&proc, &fd), 0);
	(void)close(fd);
	other = proc;
	other.start_ticks++;
	assert_int_equal(local_proc_open(&other, &fd), VS_ENOENT);
	other = proc;
	other.boot[0] = other.boot[0] == 'a' ? 'b' : 'a';
	assert_int_equal(local_proc_open(&other, &fd), VS_ENOENT);
	other = proc;
	other.pid = 1;
	assert_int_equal(local_proc_open(&other, &fd), VS_ENOENT);
	(void)kill(pid, SIGKILL);
	(void)waitid(P_PID, (id_t)pid, &(siginfo_t){ .si_pid = 0 }, WEXITED | WNOWAIT);
	assert_int_equal(local_proc_open(&proc, &fd), VS_ENOENT); /* a zombie has ended */
	(void)waitpid(pid, NULL, 0);
	assert_int_equal(local_proc_open(&proc, &fd), VS_ENOENT);
}

/* A tree of plain files shows what would be written; the kernel's own make the rest. */
static void
local_cgroup__sets_limits_of_version_2(void **state)
{
	const struct local_cgroup_limits limits = { .memory_mib = 100, .pids = 50 };
	struct fixture *fx = *state;
	struct local_cgroups cgroups;
	struct local_cgroup cgroup;
	char want[200];

	dir_put(fx, "svc");
	file_put(fx, "svc/cgroup.controllers", "cpu memory pids\n");
	file_put(fx, "svc/cgroup.subtree_control", "");
	dir_put(fx, "svc/reaperd");
	file_put(fx, "svc/reaperd/cgroup.procs", "");
	local_cgroups_find(fx->dir, "4:memory:/x\n0::/svc\n", &cgroups);
	assert_int_equal(cgroups.kind, LOCAL_CGROUP_V2);
	assert_string_equal(file_get(fx, "svc/reaperd/cgroup.procs"), "0");
	assert_string_equal(file_get(fx, "svc/cgroup.subtree_control"), "+memory +pids");
	/* Restarted inside its leaf: the same place. */
	local_cgroups_find(fx->dir, "0::/svc/reaperd\n", &cgroups);
	(void)snprintf(want, sizeof(want), "%s/svc", fx->dir);
	assert_string_equal(cgroups.base.memory, want);

	assert_int_equal(local_cgroup_place(&cgroups, id, &cgroup), 0);
	assert_string_equal(cgroup.memory, cgroup.pids);
	/* What is no cgroup lacks the files. */
	assert_int_equal(local_cgroup_make(&cgroup, &limits), VS_ENOENT);
	file_put(fx, "svc/01J9Z00000000000000000000A/memory.max", "");
	file_put(fx, "svc/01J9Z00000000000000000000A/pids.max", "");
	assert_int_equal(local_cgroup_make(&cgroup, &limits), 0);
	assert_string_equal(file_get(fx, "svc/01J9Z00000000000000000000A/memory.max"), "104857600");
	assert_string_equal(file_get(fx, "svc/01J9Z00000000000000000000A/pids.max"), "50");
	file_put(fx, "svc/01J9Z00000000000000000000A/memory.events", "low 0\noom_kill 3\n");
	assert_int_equal(local_cgroup_oom_kills(&cgroup), 3);
	assert_int_equal(local_cgroup_remove(&cgroup), VS_EAGAIN);
}

static void
local_cgroup__takes_what_is_delegated_only(void **state)
{
	static const struct {
		const char *controllers, *self;
	} cases[] = {
		{ "cpu memory\n", "0::/svc\n" },
		{ "pids memoryless\n", "0::/svc\n" },
		{ "memory pids\n", "0::/other\n" },
		{ "memory pids\n", "0::/svc/../svc\n" },
		{ "memory pids\n", "1:memory:/svc\n" },
		{ "memory pids\n", "" },
	};
	struct fixture *fx = *state;
	struct local_cgroups cgroups;
	struct local_cgroup cgroup;

	dir_put(fx, "svc");
	for (size_t i = 0; i < VS_COUNTOF(cases); i++) {
		file_put(fx, "svc/cgroup.controllers", cases[i].controllers);
		local_cgroups_find(fx->dir, cases[i].self, &cgroups);
		if (cgroups.kind != LOCAL_CGROUP_NONE)
			fail_msg("%s %s", cases[i].controllers, cases[i].self);
	}
	assert_int_equal(local_cgroup_place(&cgroups, id, &cgroup), 0);
	assert_string_equal(cgroup.memory, "");
	assert_int_equal(local_cgroup_kill(&cgroup), 0);
	assert_int_equal(local_cgroup_remove(&cgroup), 0);
	assert_int_equal(local_cgroup_join(&cgroup), 0);
}

static void
local_cgroup__sets_limits_of_version_1(void **state)
{
	const struct local_cgroup_limits limits = { .memory_mib = 1, .pids = 9 };
	struct fixture *fx = *state;
	struct local_cgroups cgroups;
	struct local_cgroup cgroup;

	dir_put(fx, "memory");
	dir_put(fx, "pids");
	local_cgroups_find(fx->dir, "0::/\n", &cgroups);
	assert_int_equal(cgroups.kind, LOCAL_CGROUP_V1);
	assert_int_equal(local_cgroup_place(&cgroups, "x", &cgroup), 0);
	dir_put(fx, "memory/ventus/x");
	dir_put(fx, "pids/ventus/x");
	file_put(fx, "memory/ventus/x/memory.limit_in_bytes", "");
	file_put(fx, "memory/ventus/x/cgroup.procs", "");
	file_put(fx, "memory/ventus/x/memory.oom_control", "under_oom 0\noom_kill 1\n");
	file_put(fx, "pids/ventus/x/pids.max", "");
	file_put(fx, "pids/ventus/x/cgroup.procs", "");
	assert_int_equal(local_cgroup_make(&cgroup, &limits), 0);
	assert_int_equal(local_cgroup_join(&cgroup), 0);
	assert_string_equal(file_get(fx, "memory/ventus/x/memory.limit_in_bytes"), "1048576");
	assert_string_equal(file_get(fx, "pids/ventus/x/pids.max"), "9");
	assert_string_equal(file_get(fx, "pids/ventus/x/cgroup.procs"), "0");
	assert_int_equal(local_cgroup_oom_kills(&cgroup), 1);
}

static void
local_cgroup__tidies_what_is_old_and_empty(void **state)
{
	struct fixture *fx = *state;
	const struct timespec old[2] = { { .tv_sec = 1000000 }, { .tv_sec = 1000000 } };
	struct local_cgroups cgroups = { .kind = LOCAL_CGROUP_V1 };

	(void)snprintf(cgroups.base.memory, LOCAL_CGROUP_PATH, "%s", fx->dir);
	(void)snprintf(cgroups.base.pids, LOCAL_CGROUP_PATH, "%s/none", fx->dir);
	dir_put(fx, "01J9Z00000000000000000000A");
	dir_put(fx, "01J9Z00000000000000000000B");
	dir_put(fx, "01J9Z00000000000000000000C");
	dir_put(fx, "somebody");
	file_put(fx, "01J9Z00000000000000000000B/used", "");
	assert_int_equal(utimensat(fx->fd, "01J9Z00000000000000000000A", old, 0), 0);
	assert_int_equal(utimensat(fx->fd, "01J9Z00000000000000000000B", old, 0), 0);
	assert_int_equal(utimensat(fx->fd, "somebody", old, 0), 0);
	local_cgroups_tidy(&cgroups);
	assert_int_equal(faccessat(fx->fd, "01J9Z00000000000000000000A", F_OK, 0), -1);
	assert_int_equal(faccessat(fx->fd, "01J9Z00000000000000000000B", F_OK, 0), 0);
	assert_int_equal(faccessat(fx->fd, "01J9Z00000000000000000000C", F_OK, 0), 0);
	assert_int_equal(faccessat(fx->fd, "somebody", F_OK, 0), 0);
}

static void
agent_event__is_parsed_strictly(void **state)
{
	static const struct {
		const char *line;
		int rc;
		bool ready, ended;
		enum vs_runtime_end end;
		const char *detail;
	} cases[] = {
		{ "{\"state\":\"starting\",\"cdp_path\":null}", 0, false, false, 0, "" },
		{ "{\"state\":\"ready\",\"cdp_path\":\"/x\"}", 0, true, false, 0, "" },
		{ "{\"state\":\"ended\",\"end\":\"oom_killed\",\"detail\":\"a\\u0007\\u00e4\"}", 0,
		    false, true, VS_RUNTIME_OOM_KILLED, "a???" },
		{ "{\"state\":\"ended\",\"end\":\"deadline\"}", 0, false, true, VS_RUNTIME_DEADLINE,
		    "" },
		{ "{\"state\":\"ended\",\"end\":\"agent_lost\"}", VS_EPROTO, false, false, 0, "" },
		{ "{\"state\":\"ended\"}", VS_EPROTO, false, false, 0, "" },
		{ "{\"state\":\"other\"}", VS_EPROTO, false, false, 0, "" },
		{ "{\"state\":7}", VS_EPROTO, false, false, 0, "" },
		{ "{}", VS_EPROTO, false, false, 0, "" },
		{ "[]", VS_EPROTO, false, false, 0, "" },
		{ "\"ready\"", VS_EPROTO, false, false, 0, "" },
		{ "", VS_EPROTO, false, false, 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(cases); i++) {
		struct agent_event event = { .ready = false };
		int rc = agent_event_parse(cases[i].line, strlen(cases[i].line), &event);

		if (rc != cases[i].rc || event.ready != cases[i].ready ||
		    event.ended != cases[i].ended || event.end != cases[i].end ||
		    strcmp(event.detail, cases[i].detail) != 0)
			fail_msg("%s: %d \"%s\"", cases[i].line, rc, event.detail);
	}
}

static void
local_spec__tells_the_agent_all(void **state)
{
	struct vs_region region = { .name = (char[]){ "r" },
		.egress_allow = (char[]){ "127.0.0.1:80 10.0.0.0/8" },
		.shm_mib = 64,
		.tmp_mib = 32 };
	struct vs_runtime_spec spec = { .id = "i",
		.session_id = "s",
		.viewport_width = 800,
		.viewport_height = 600,
		.user_agent = "a \"b\"",
		.deadline_wall_ms = 1234567890123 };
	struct local_spec_site site = { .region = &region,
		.dir = "/d",
		.secret = "x",
		.memory_cgroup = "",
		.socket_group = -1 };
	struct vs_buf out;

	(void)state;
	vs_buf_init(&out, 4096);
	assert_int_equal(local_spec_print(&spec, &site, &out), 0);
	assert_string_equal(vs_buf_str(&out),
	    "{\"id\":\"i\",\"session_id\":\"s\",\"secret\":\"x\",\"dir\":\"/d\","
	    "\"viewport\":{\"width\":800,\"height\":600},\"user_agent\":\"a \\\"b\\\"\","
	    "\"deadline_ms\":1234567890123,\"egress_allow\":[\"127.0.0.1:80\",\"10.0.0.0/8\"],"
	    "\"shm_mib\":64,\"tmp_mib\":32,\"socket_group\":-1,\"memory_cgroup\":null}");
	vs_buf_fini(&out);
}

#define PARTS_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PARTS_TEST(local_rec__is_read_as_it_was_written),
		PARTS_TEST(local_rec__takes_a_torn_record_for_none),
		PARTS_TEST(local_rec__scan_finds_records_and_lone_directories),
		PARTS_TEST(local_dir__removes_a_tree_and_follows_no_link),
		PARTS_TEST(local_proc__knows_a_process_from_its_successor),
		PARTS_TEST(local_cgroup__sets_limits_of_version_2),
		PARTS_TEST(local_cgroup__takes_what_is_delegated_only),
		PARTS_TEST(local_cgroup__sets_limits_of_version_1),
		PARTS_TEST(local_cgroup__tidies_what_is_old_and_empty),
		PARTS_TEST(agent_event__is_parsed_strictly),
		PARTS_TEST(local_spec__tells_the_agent_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
