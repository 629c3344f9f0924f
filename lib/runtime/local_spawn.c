/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/runtime/local_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/jsonio.h"
#include "lib/runtime/local_rec.h"

#define SPEC_FD       3
#define FD_FLOOR      10 /* descriptors of ours in the child: out of the way of 0-3 */
#define OOM_SCORE_ADJ "-500"
#define SELF_TEST_MS  30000
#define SELF_TEST_MAX 2000
#define EXIT_SETUP    126
#define EXIT_EXEC     127

static void
child_signals(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL }, ign = { .sa_handler = SIG_IGN };
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++)
		(void)sigaction(signo, &dfl, NULL); /* refused for KILL, STOP and libc's own */
	/* A reload sent to a whole process group is not meant for an agent. */
	(void)sigaction(SIGHUP, &ign, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Of a runtime that uses too much, the browser is to go first: the agent tells of it. */
static void
child_shield(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, OOM_SCORE_ADJ, strlen(OOM_SCORE_ADJ)); /* a privilege we may lack */
	(void)close(fd);
}

static bool
child_become(int64_t uid)
{
	struct rlimit no_core = { .rlim_cur = 0, .rlim_max = 0 };

	/* A browser's memory is its user's data: it must not end up on a disk. */
	if (setrlimit(RLIMIT_CORE, &no_core) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return false;
	if (uid == 0)
		return true;
	return setgroups(0, NULL) == 0 && setresgid((gid_t)uid, (gid_t)uid, (gid_t)uid) == 0 &&
	       setresuid((uid_t)uid, (uid_t)uid, (uid_t)uid) == 0;
}

static char *const child_env[] = { (char[]){ "PATH=/usr/bin:/bin:/usr/sbin:/sbin" },
	(char[]){ "LANG=C.UTF-8" }, NULL };

/* All that is opened here is CLOEXEC or numbered above SPEC_FD; exec closes the rest. */
static void
child_run(const struct local_spawn *spawn, int spec_fd, int null_fd)
{
	char *argv[] = { (char[]){ "ventus-agent" }, NULL };
	int rec_fd = fcntl(spawn->rec_fd, F_DUPFD_CLOEXEC, FD_FLOOR);

	spec_fd = fcntl(spec_fd, F_DUPFD_CLOEXEC, FD_FLOOR);
	null_fd = fcntl(null_fd, F_DUPFD_CLOEXEC, FD_FLOOR);
	if (rec_fd < 0 || spec_fd < 0 || null_fd < 0 || setsid() < 0)
		_exit(EXIT_SETUP);
	child_signals();
	/* On file from here on: whoever waits for the lock may look. */
	if (local_rec_sign(rec_fd) < 0)
		_exit(EXIT_SETUP);
	(void)close(spawn->lock_fd);
	child_shield();
	if (local_cgroup_join(spawn->cgroup) < 0 || !child_become(spawn->uid))
		_exit(EXIT_SETUP);
	if (dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0 || dup2(spec_fd, SPEC_FD) < 0 ||
	    close_range(SPEC_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		_exit(EXIT_SETUP);
	(void)execve(spawn->agent_path, argv, child_env);
	_exit(EXIT_EXEC);
}

/* A sealed file in memory with the specification, to be read from its start. */
static int
spec_file(const char *text, size_t len, int *ret_fd)
{
	int fd = memfd_create("ventus-spec", MFD_CLOEXEC);

	if (fd < 0)
		return vs_err_from_errno(errno);
	if (write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) < 0) {
		(void)close(fd);
		return VS_EIO;
	}
	*ret_fd = fd;
	return 0;
}

int
local_spawn(const struct local_spawn *spawn, pid_t *ret_pid)
{
	vs_autofd int spec_fd = -1;
	vs_autofd int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t pid;
	int rc;

	if (null_fd < 0)
		return vs_err_from_errno(errno);
	rc = spec_file(spawn->spec, spawn->spec_len, &spec_fd);
	if (rc < 0)
		return rc;
	pid = fork();
	if (pid < 0)
		return vs_err_from_errno(errno);
	if (pid == 0)
		child_run(spawn, spec_fd, null_fd);
	*ret_pid = pid;
	return 0;
}

/* "a b  c" as an array of strings. */
static struct json_object *
words_print(const char *text, bool *oom)
{
	vs_autofree char *copy = strdup(text);
	struct json_object *array = json_object_new_array();
	struct json_object *item;
	char *save = NULL;

	if (copy == NULL || array == NULL) {
		*oom = true;
		return array;
	}
	for (char *word = strtok_r(copy, " \t,", &save); word != NULL;
	     word = strtok_r(NULL, " \t,", &save)) {
		item = json_object_new_string(word);
		if (item == NULL || json_object_array_add(array, item) < 0) {
			(void)json_object_put(item);
			*oom = true;
		}
	}
	return array;
}

static struct json_object *
viewport_print(const struct vs_runtime_spec *spec, bool *oom)
{
	struct json_object *obj = json_object_new_object();

	if (obj == NULL)
		return NULL;
	vs_json_put_int(obj, "width", spec->viewport_width, oom);
	vs_json_put_int(obj, "height", spec->viewport_height, oom);
	return obj;
}

int
local_spec_print(
    const struct vs_runtime_spec *spec, const struct local_spec_site *site, struct vs_buf *out)
{
	vs_autojson struct json_object *obj = json_object_new_object();
	bool oom = obj == NULL;
	const char *text;
	size_t len;

	if (oom)
		return VS_ENOMEM;
	vs_json_put_str(obj, "id", spec->id, &oom);
	vs_json_put_str(obj, "session_id", spec->session_id, &oom);
	vs_json_put_str(obj, "secret", site->secret, &oom);
	vs_json_put_str(obj, "dir", site->dir, &oom);
	vs_json_put(obj, "viewport", viewport_print(spec, &oom), &oom);
	vs_json_put_str(obj, "user_agent", spec->user_agent, &oom);
	vs_json_put_int(obj, "deadline_ms", spec->deadline_wall_ms, &oom);
	vs_json_put(obj, "egress_allow", words_print(site->region->egress_allow, &oom), &oom);
	vs_json_put_int(obj, "shm_mib", site->region->shm_mib, &oom);
	vs_json_put_int(obj, "tmp_mib", site->region->tmp_mib, &oom);
	vs_json_put_int(obj, "socket_group", site->socket_group, &oom);
	vs_json_put_str(obj, "memory_cgroup",
	    site->memory_cgroup[0] != '\0' ? site->memory_cgroup : NULL, &oom);
	text = json_object_to_json_string_length(
	    obj, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (oom || text == NULL)
		return VS_ENOMEM;
	return vs_buf_append(out, text, len);
}

static void
self_test_child(const char *agent_path, int64_t uid, int out_fd, int null_fd)
{
	char *argv[] = { (char[]){ "ventus-agent" }, (char[]){ "--self-test" }, NULL };

	(void)setsid();
	child_signals();
	if (!child_become(uid) || dup2(null_fd, 0) < 0 || dup2(out_fd, 1) < 0 ||
	    dup2(out_fd, 2) < 0 || close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		_exit(EXIT_SETUP);
	(void)execve(agent_path, argv, child_env);
	/* Usually a directory above it that this uid may not pass through. */
	(void)dprintf(2, "cannot run the agent %s as uid %d: %s", agent_path, (int)geteuid(),
	    strerror(errno));
	_exit(EXIT_EXEC);
}

/* Up to SELF_TEST_MAX bytes of what comes, until it ends or the time is up. */
static bool
output_read(int fd, vs_msec deadline, struct vs_buf *fault)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	char bytes[512];
	vs_msec left;
	ssize_t n;

	for (;;) {
		left = deadline - vs_clock_mono_ms();
		if (left <= 0 || poll(&poll_fd, 1, (int)left) <= 0)
			return false;
		n = read(fd, bytes, sizeof(bytes));
		if (n <= 0)
			return n == 0;
		if (vs_buf_len(fault) + (size_t)n <= SELF_TEST_MAX)
			(void)!vs_buf_append(fault, bytes, (size_t)n); /* told as far as it goes */
	}
}

int
local_self_test(const char *agent_path, int64_t uid, struct vs_buf *fault)
{
	vs_autofd int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	vs_autofd int out_fd = -1;
	int ends[2], status = -1;
	bool finished;
	pid_t pid;

	if (null_fd < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return vs_err_from_errno(errno);
	out_fd = ends[0];
	pid = fork();
	if (pid == 0)
		self_test_child(agent_path, uid, ends[1], null_fd);
	(void)close(ends[1]);
	if (pid < 0)
		return VS_ENOMEM;
	finished = output_read(out_fd, vs_clock_mono_ms() + SELF_TEST_MS, fault);
	if (!finished)
		(void)kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (finished && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (!finished)
		(void)!vs_buf_puts(fault, "the self-test did not end within 30 s");
	else if (vs_buf_len(fault) == 0)
		(void)!vs_buf_puts(fault, "the self-test failed without a word");
	return VS_EUNSUPP;
}
