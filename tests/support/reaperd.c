/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/reaperd.h"

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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/runtime/local_proc.h"
#include "lib/runtime/local_rec.h"
#include "tests/support/sql.h"

#define UID_COUNT 100
#define TURN_MS   20

static void
path_of(const struct reaperd *rd, char *dst, size_t size, const char *name)
{
	(void)snprintf(dst, size, "%s/%s", rd->dir, name);
}

static void
file_put(const char *path, const char *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	(void)close(fd);
}

void
reaperd_key(struct reaperd *rd, const char *kid)
{
	char path[TMPDIR_SIZE + 64], key[32];

	memset(key, kid[1], sizeof(key));
	(void)snprintf(path, sizeof(path), "%s/keys/%s.key", rd->dir, kid);
	file_put(path, key, sizeof(key));
}

static void
keys_put(struct reaperd *rd)
{
	char path[TMPDIR_SIZE + 32];

	path_of(rd, path, sizeof(path), "keys");
	assert_int_equal(mkdir(path, 0700), 0);
	reaperd_key(rd, "k1");
}

/* A range of its own for each program: several of them run side by side. */
static int
uid_base(void)
{
	return 400000 + (int)(getpid() % 5000) * UID_COUNT;
}

static void
conf_put(struct reaperd *rd, const char *agent, const char *extra)
{
	const char *build = getenv("top_builddir");
	char text[4096], dsn[PG_DSN_SIZE], fake[512];
	int n;

	pg_dsn(rd->pg, "ventus_reaper", dsn);
	(void)snprintf(
	    fake, sizeof(fake), "%s/tests/support/fake_agent", build != NULL ? build : ".");
	n = snprintf(text, sizeof(text),
	    "[platform]\nstate_dir = %s/state\nkeys_dir = %s/keys\nlog_level = debug\n"
	    "[database]\nreaper = %s\n"
	    "[reaperd]\nagent_path = %s\n%s\n"
	    "[region local]\ndriver = local\ncapacity = 6\nuid_base = %d\n",
	    rd->dir, rd->dir, dsn, agent != NULL ? agent : fake, extra != NULL ? extra : "",
	    uid_base());
	assert_true(n > 0 && (size_t)n < sizeof(text));
	path_of(rd, rd->conf, sizeof(rd->conf), "ventus.conf");
	file_put(rd->conf, text, (size_t)n);
}

static void
tenant_put(struct reaperd *rd)
{
	char tenant[VS_ULID_SIZE];

	vs_ulid_new(tenant);
	vs_ulid_new(rd->workspace);
	sql_do(rd->conn, "INSERT INTO ventus.tenant (id, name) VALUES ('%s', 't')", tenant);
	sql_do(rd->conn,
	    "INSERT INTO ventus.workspace (id, tenant_id, name) VALUES ('%s', '%s', 'w')",
	    rd->workspace, tenant);
}

void
reaperd_setup(struct reaperd *rd, const char *agent, const char *extra)
{
	memset(rd, 0, sizeof(*rd));
	tmpdir_new(rd->dir);
	assert_int_equal(chmod(rd->dir, 0711), 0);
	rd->pg = pg_new();
	rd->conn = sql_open(rd->pg, "ventus_owner");
	sql_do(rd->conn, "LISTEN ventus_session");
	keys_put(rd);
	conf_put(rd, agent, extra);
	tenant_put(rd);
}

static void
clear_one(void *ctx, const char *id)
{
	vs_msec deadline = vs_clock_mono_ms() + REAPERD_WAIT_MS;
	struct local_rec rec = { .uid = 0 };
	int pidfd, rt_fd = *(int *)ctx;

	if (local_rec_read(rt_fd, id, &rec) < 0)
		return;
	if (local_proc_open(&rec.agent, &pidfd) == 0) {
		(void)kill(rec.agent.pid, SIGKILL);
		(void)close(pidfd);
	}
	do {
		(void)local_cgroup_kill(&rec.cgroup);
		if (rec.uid > 0)
			(void)local_proc_kill_uid(rec.uid);
	} while (local_cgroup_remove(&rec.cgroup) < 0 && vs_clock_mono_ms() < deadline);
}

void
reaperd_clear(const char *state_dir)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/rt", state_dir);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	assert_int_equal(local_rec_scan(fd, clear_one, &fd), 0);
	(void)close(fd);
}

void
reaperd_teardown(struct reaperd *rd)
{
	char state_dir[TMPDIR_SIZE + 16];

	if (rd->pid > 0)
		reaperd_kill(rd, SIGKILL);
	path_of(rd, state_dir, sizeof(state_dir), "state");
	reaperd_clear(state_dir);
	PQfinish(rd->conn);
	pg_free(rd->pg);
	tmpdir_remove(rd->dir);
}

/* The daemon's log goes to a file in the directory, to be read when a test fails. */
static pid_t
spawn(struct reaperd *rd, const char *const *args, int out_fd)
{
	const char *build = getenv("top_builddir");
	char program[512], log[TMPDIR_SIZE + 16], *argv[12];
	size_t n = 0;
	pid_t pid;
	int fd;

	(void)snprintf(
	    program, sizeof(program), "%s/reaperd/ventus-reaperd", build != NULL ? build : ".");
	argv[n++] = program;
	argv[n++] = (char[]){ "-c" };
	argv[n++] = rd->conf;
	for (; args != NULL && *args != NULL && n < 11; args++)
		argv[n++] = (char *)(uintptr_t)*args;
	argv[n] = NULL;
	path_of(rd, log, sizeof(log), "log");
	pid = fork();
	if (pid != 0)
		return pid;
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0 || dup2(fd, 2) < 0 || (out_fd >= 0 && dup2(out_fd, 1) < 0))
		_exit(126);
	(void)execv(program, argv);
	_exit(127);
}

void
reaperd_spawn(struct reaperd *rd)
{
	assert_int_equal(rd->pid, 0);
	rd->pid = spawn(rd, NULL, -1);
	assert_true(rd->pid > 0);
}

void
reaperd_start(struct reaperd *rd)
{
	reaperd_spawn(rd);
	reaperd_wait(rd, "reaperd is connected",
	    "SELECT count(*) = 1 FROM pg_stat_activity"
	    " WHERE application_name LIKE 'ventus-reaperd %% %d'",
	    (int)rd->pid);
}

static int
status_of(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void
reaperd_kill(struct reaperd *rd, int signo)
{
	assert_true(rd->pid > 0);
	(void)kill(rd->pid, signo);
	(void)status_of(rd->pid);
	rd->pid = 0;
}

int
reaperd_stop(struct reaperd *rd)
{
	int status;

	assert_true(rd->pid > 0);
	(void)kill(rd->pid, SIGTERM);
	status = status_of(rd->pid);
	rd->pid = 0;
	return status;
}

int
reaperd_run(struct reaperd *rd, const char *const *args, char **ret_output)
{
	char *output = calloc(1, 8192);
	size_t len = 0;
	int ends[2];
	ssize_t n;
	pid_t pid;

	assert_non_null(output);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = spawn(rd, args, ends[1]);
	(void)close(ends[1]);
	while (len < 8191 && (n = read(ends[0], output + len, 8191 - len)) > 0)
		len += (size_t)n;
	(void)close(ends[0]);
	*ret_output = output;
	return status_of(pid);
}

void
reaperd_session(struct reaperd *rd, const char *how, char ret_id[VS_ULID_SIZE])
{
	vs_ulid_new(ret_id);
	sql_do(rd->conn,
	    "SELECT ventus.session_admit(jsonb_populate_record(NULL::ventus.session,"
	    " jsonb_build_object('id', '%s', 'workspace_id', '%s', 'region', 'local',"
	    " 'runtime_kind', 'chromium', 'timeout_seconds', 600, 'keep_alive_seconds', 0,"
	    " 'viewport_width', 1280, 'viewport_height', 720, 'user_agent', %s%s%s,"
	    " 'labels', '{}'::jsonb, 'recording_enabled', false, 'request_id', 'req-1')),"
	    " '%s', sha256('x'), ROW('key', 'k', NULL, NULL, 'req-1')::ventus.actor)",
	    ret_id, rd->workspace, how != NULL ? "'" : "", how != NULL ? how : "NULL",
	    how != NULL ? "'" : "", ret_id);
}

static void
log_show(const struct reaperd *rd)
{
	char path[TMPDIR_SIZE + 16], line[4096];
	FILE *file;

	path_of(rd, path, sizeof(path), "log");
	file = fopen(path, "r");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		print_error("%s", line);
	if (file != NULL)
		(void)fclose(file);
}

void
reaperd_turn(struct reaperd *rd)
{
	struct pollfd fd = { .fd = PQsocket(rd->conn), .events = POLLIN };
	PGnotify *note;

	(void)poll(&fd, 1, TURN_MS);
	(void)PQconsumeInput(rd->conn);
	while ((note = PQnotifies(rd->conn)) != NULL)
		PQfreemem(note);
}

void
reaperd_wait(struct reaperd *rd, const char *what, const char *fmt, ...)
{
	vs_msec deadline = vs_clock_mono_ms() + REAPERD_WAIT_MS;
	char query[2048];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(query, sizeof(query), fmt, args);
	va_end(args);
	while (sql_int(rd->conn, "SELECT (%s)::boolean::integer", query) != 1) {
		if (vs_clock_mono_ms() >= deadline) {
			log_show(rd);
			fail_msg("%s: not in time", what);
		}
		reaperd_turn(rd);
	}
}

void
reaperd_wait_status(struct reaperd *rd, const char *session, const char *status)
{
	reaperd_wait(rd, status, "SELECT status = '%s' FROM ventus.session WHERE id = '%s'", status,
	    session);
}

static int
rt_open(const struct reaperd *rd)
{
	char path[TMPDIR_SIZE + 16];

	path_of(rd, path, sizeof(path), "state/rt");
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

pid_t
reaperd_agent_pid(struct reaperd *rd, const char *session)
{
	char *id = sql_text(
	    rd->conn, "SELECT id::text FROM ventus.runtime WHERE session_id = '%s'", session);
	struct local_rec rec = { .uid = 0 };
	int fd = rt_open(rd);

	if (id != NULL && fd >= 0 && local_rec_read(fd, id, &rec) < 0)
		rec.agent.pid = 0;
	if (fd >= 0)
		(void)close(fd);
	free(id);
	return rec.agent.pid;
}

void
reaperd_wait_gone(struct reaperd *rd, const char *session)
{
	char *id = sql_text(
	    rd->conn, "SELECT id::text FROM ventus.runtime WHERE session_id = '%s'", session);
	int fd = rt_open(rd);

	reaperd_wait(rd, "gone",
	    "SELECT state = 'GONE' FROM ventus.runtime WHERE session_id = '%s'", session);
	assert_non_null(id);
	assert_true(fd >= 0);
	assert_int_equal(faccessat(fd, id, F_OK, 0), -1);
	(void)close(fd);
	free(id);
}

void
reaperd_move(struct reaperd *rd, const char *session, const char *event)
{
	sql_do(rd->conn,
	    "SELECT ventus.session_move(NULL, '%s', '%s', ROW(NULL, NULL, 600, NULL)"
	    "::ventus.move_args, ROW('key', 'k', NULL, NULL, NULL)::ventus.actor)",
	    session, event);
}

static bool
uids_are_free(void)
{
	bool used[UID_COUNT] = { false };

	if (geteuid() != 0)
		return true;
	local_proc_uids(uid_base(), UID_COUNT, used);
	for (size_t i = 0; i < UID_COUNT; i++) {
		if (used[i])
			return false;
	}
	return true;
}

bool
reaperd_is_clean(struct reaperd *rd)
{
	int fd = rt_open(rd);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	bool clean = uids_are_free();

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		clean = clean && (entry->d_name[0] == '.' || strcmp(entry->d_name, "lock") == 0);
	if (dir != NULL)
		(void)closedir(dir);
	return clean;
}
