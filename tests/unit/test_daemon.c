/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/daemon.h"
#include "lib/err.h"

static char dir[64];
static char path[100];

static int
setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/vs-daemon-XXXXXX");
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/s.sock", dir);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(dir);
}

static struct sockaddr_un
address(const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	memcpy(addr.sun_path, name, strlen(name));
	return addr;
}

/* A socket file whose owner is gone. */
static void
leave_dead_socket(void)
{
	struct sockaddr_un addr = address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(close(fd), 0);
}

static bool
can_connect(void)
{
	struct sockaddr_un addr = address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	int rc = connect(fd, (struct sockaddr *)&addr, sizeof(addr));

	(void)close(fd);
	return rc == 0;
}

/* Run fn in a child; its exit status. */
static int
in_child(int (*fn)(void))
{
	int status;
	pid_t pid;

	(void)fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void
daemon_listen_unix__makes_the_socket_with_its_mode(void **state)
{
	mode_t before = umask(0);
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(vs_daemon_listen_unix(path, 0640, "", 8, &fd), 0);
	assert_int_equal(umask(before), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	assert_true(can_connect());
	assert_int_equal(close(fd), 0);
}

static void
daemon_listen_unix__replaces_a_dead_socket_only(void **state)
{
	int fd, other = 42;

	(void)state;
	leave_dead_socket();
	assert_int_equal(vs_daemon_listen_unix(path, 0600, "", 8, &fd), 0);
	assert_int_equal(vs_daemon_listen_unix(path, 0600, "", 8, &other), VS_EEXIST);
	assert_int_equal(other, 42);
	assert_true(can_connect());
	assert_int_equal(close(fd), 0);
}

static void
daemon_listen_unix__leaves_a_file_alone(void **state)
{
	struct stat st;
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(vs_daemon_listen_unix(path, 0600, "", 8, &fd), VS_EEXIST);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

static void
daemon_listen_unix__refuses_impossible_paths(void **state)
{
	char too_long[200];
	int fd;

	(void)state;
	memset(too_long, 'a', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	assert_int_equal(vs_daemon_listen_unix(too_long, 0600, "", 8, &fd), VS_EINVAL);
	assert_int_equal(vs_daemon_listen_unix("", 0600, "", 8, &fd), VS_EINVAL);
	assert_int_equal(vs_daemon_listen_unix("/nonexistent/s", 0600, "", 8, &fd), VS_ENOENT);
}

static int
race(void)
{
	int fd;
	int rc = vs_daemon_listen_unix(path, 0600, "", 8, &fd);

	if (rc == VS_EEXIST)
		return 1;
	if (rc != 0)
		return 2;
	/* Serve until the other starters are done: they look whether this one lives. */
	(void)pause();
	return 3;
}

static void
daemon_listen_unix__lets_one_of_many_starters_win(void **state)
{
	pid_t pids[8];
	int losers = 0;
	int status;

	(void)state;
	leave_dead_socket();
	for (size_t i = 0; i < VS_COUNTOF(pids); i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			_exit(race());
	}
	while (losers < (int)VS_COUNTOF(pids) - 1) {
		assert_true(waitpid(-1, &status, 0) > 0);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 1);
		losers++;
	}
	assert_true(can_connect());
	for (size_t i = 0; i < VS_COUNTOF(pids); i++)
		(void)kill(pids[i], SIGKILL);
	assert_true(waitpid(-1, &status, 0) > 0);
}

static int
take_passed(void)
{
	struct sockaddr_un addr = address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char pid[16];
	int got;

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 || listen(fd, 8) != 0)
		return 10;
	/* systemd's is descriptor 3, and 4 is of another path. */
	if (fd != 3 && (dup2(fd, 3) != 3 || close(fd) != 0))
		return 11;
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	(void)setenv("LISTEN_PID", pid, 1);
	(void)setenv("LISTEN_FDS", "1", 1);
	if (vs_daemon_listen_unix("/nonexistent/elsewhere", 0600, "", 8, &got) != 0 || got != 3)
		return 12; /* the only one is the one */
	if ((fcntl(3, F_GETFD) & FD_CLOEXEC) == 0 || (fcntl(3, F_GETFL) & O_NONBLOCK) == 0)
		return 13;
	if (vs_daemon_listen_unix(path, 0600, "", 8, &got) != VS_EEXIST)
		return 14; /* taken once, not twice */
	(void)fcntl(3, F_SETFD, 0);
	(void)setenv("LISTEN_FDS", "2", 1);
	if (vs_daemon_listen_unix("/nonexistent/elsewhere", 0600, "", 8, &got) != VS_ENOENT)
		return 15; /* of several the path decides */
	if (vs_daemon_listen_unix(path, 0600, "", 8, &got) != 0 || got != 3)
		return 16;
	(void)fcntl(3, F_SETFD, 0);
	(void)setenv("LISTEN_PID", "1", 1);
	if (vs_daemon_listen_unix(path, 0600, "", 8, &got) != VS_EEXIST)
		return 17; /* meant for another process */
	return 0;
}

static void
daemon_listen_unix__takes_what_systemd_passed(void **state)
{
	(void)state;
	assert_int_equal(in_child(take_passed), 0);
}

static int
become_nobody(void)
{
	const struct passwd *pw = getpwnam("nobody");
	gid_t groups[64];
	int signo = 0;

	if (pw == NULL || prctl(PR_SET_PDEATHSIG, SIGUSR2) != 0)
		return 10;
	if (vs_daemon_become("no-such-user") != VS_ENOENT || geteuid() != 0)
		return 11;
	if (vs_daemon_become("") != 0 || vs_daemon_become("root") != 0 || geteuid() != 0)
		return 12;
	if (vs_daemon_become("nobody") != 0)
		return 13;
	if (getuid() != pw->pw_uid || geteuid() != pw->pw_uid || getgid() != pw->pw_gid)
		return 14;
	if (getgroups(64, groups) != 1 || groups[0] != pw->pw_gid)
		return 15;
	if (setuid(0) == 0 || seteuid(0) == 0)
		return 16;
	if (prctl(PR_GET_PDEATHSIG, &signo) != 0 || signo != SIGUSR2)
		return 17;
	return vs_daemon_become("root") == 0 ? 0 : 18; /* not root any more: stays */
}

static void
daemon_become__gives_root_up_for_good(void **state)
{
	(void)state;
	if (geteuid() == 0)
		assert_int_equal(in_child(become_nobody), 0);
	else
		assert_int_equal(vs_daemon_become("nobody"), 0);
}

static void
daemon_listen_unix__gives_the_socket_to_the_users_group(void **state)
{
	const struct passwd *pw = getpwnam("nobody");
	struct stat st;
	int fd;

	(void)state;
	assert_non_null(pw);
	assert_int_equal(vs_daemon_listen_unix(path, 0660, "nobody", 8, &fd), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_gid, geteuid() == 0 ? pw->pw_gid : getegid());
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(close(fd), 0);
	assert_int_equal(unlink(path), 0);
	if (geteuid() == 0) {
		assert_int_equal(
		    vs_daemon_listen_unix(path, 0660, "no-such-user", 8, &fd), VS_ENOENT);
		assert_int_equal(access(path, F_OK), -1);
	}
}

static void
daemon_ready__tells_systemd(void **state)
{
	struct sockaddr_un addr = address(path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	char text[64] = "";
	socklen_t len;

	(void)state;
	vs_daemon_ready(); /* nobody to tell */
	assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
	vs_daemon_ready(); /* nobody there */
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	vs_daemon_ready();
	assert_int_equal(recv(fd, text, sizeof(text), 0), strlen("READY=1"));
	assert_memory_equal(text, "READY=1", strlen("READY=1"));
	assert_int_equal(close(fd), 0);
	/* An abstract name. */
	(void)snprintf(text, sizeof(text), "@vs-daemon-test-%d", (int)getpid());
	addr = address(text);
	addr.sun_path[0] = '\0';
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(text));
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", text, 1), 0);
	vs_daemon_stopping();
	assert_int_equal(recv(fd, text, sizeof(text), 0), strlen("STOPPING=1"));
	assert_int_equal(close(fd), 0);
	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
}

static char *child_argv[8];
static char output[16384];

static int
run_options(void)
{
	struct vs_daemon_opts opts;
	int argc = 0;
	int rest;

	while (child_argv[argc] != NULL)
		argc++;
	vs_daemon_options(argc, child_argv, "unit-daemon", "tests options", &opts, &rest);
	(void)printf("rest=%d conf=%s", rest, opts.conf_path == NULL ? "-" : opts.conf_path);
	vs_conf_free(vs_daemon_conf(&opts, "unit-daemon"));
	(void)fflush(stdout);
	return 7;
}

/* Run the options in a child; what it printed stands in output, its status is returned. */
static int
options(const char *first, const char *second, const char *third)
{
	FILE *file = tmpfile();
	int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
	size_t len;
	int rc;

	assert_non_null(file);
	child_argv[0] = strdup("unit-daemon");
	child_argv[1] = first == NULL ? NULL : strdup(first);
	child_argv[2] = second == NULL ? NULL : strdup(second);
	child_argv[3] = third == NULL ? NULL : strdup(third);
	(void)fflush(NULL);
	assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
	assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
	rc = in_child(run_options);
	(void)dup2(out, STDOUT_FILENO);
	(void)dup2(err, STDERR_FILENO);
	(void)close(out);
	(void)close(err);
	rewind(file);
	len = fread(output, 1, sizeof(output) - 1, file);
	output[len] = '\0';
	(void)fclose(file);
	for (int i = 0; i < 4; i++)
		free(child_argv[i]);
	return rc;
}

static void
write_conf(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void
daemon_options__reads_the_common_ones(void **state)
{
	(void)state;
	write_conf("[api]\nworkers = 3\n");
	assert_int_equal(options(NULL, NULL, NULL), 7);
	assert_string_equal(output, "rest=1 conf=-");
	assert_int_equal(options("-c", path, "word"), 7);
	assert_non_null(strstr(output, "rest=3 conf=/tmp/vs-daemon-"));
	assert_int_equal(options("--help", NULL, NULL), 0);
	assert_non_null(strstr(output, "unit-daemon - tests options\n"));
	assert_int_equal(options("--version", NULL, NULL), 0);
	assert_int_equal(strncmp(output, "unit-daemon ", 12), 0);
	assert_int_equal(options("--nope", NULL, NULL), 2);
	assert_non_null(strstr(output, "nope"));
	assert_int_equal(options("-c", NULL, NULL), 2);
}

static void
daemon_options__checks_and_shows_the_configuration(void **state)
{
	(void)state;
	write_conf("[api]\nworkers = 3\n");
	assert_int_equal(options("-c", path, "--check-config"), 0);
	assert_string_equal(output, "");
	assert_int_equal(options("--show-config", "-c", path), 0);
	assert_non_null(strstr(output, "\n[api]\nworkers = 3\n"));
	write_conf("[api]\nworkers = 0\n[nope]\n");
	assert_int_equal(options("-c", path, "--check-config"), 2);
	assert_non_null(strstr(output, ":2: workers must be between 1 and 64\n"));
	assert_non_null(strstr(output, ":3: there is no section [nope]\n"));
	assert_int_equal(options("-c", path, "--show-config"), 2);
	assert_int_equal(options("-c", path, NULL), 2);
	assert_int_equal(options("-c", "/nonexistent/f", "--check-config"), 2);
	assert_non_null(strstr(output, "/nonexistent/f: cannot be read: No such file"));
}

#define DAEMON_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		DAEMON_TEST(daemon_listen_unix__makes_the_socket_with_its_mode),
		DAEMON_TEST(daemon_listen_unix__replaces_a_dead_socket_only),
		DAEMON_TEST(daemon_listen_unix__leaves_a_file_alone),
		DAEMON_TEST(daemon_listen_unix__refuses_impossible_paths),
		DAEMON_TEST(daemon_listen_unix__lets_one_of_many_starters_win),
		DAEMON_TEST(daemon_listen_unix__takes_what_systemd_passed),
		DAEMON_TEST(daemon_listen_unix__gives_the_socket_to_the_users_group),
		DAEMON_TEST(daemon_become__gives_root_up_for_good),
		DAEMON_TEST(daemon_ready__tells_systemd),
		DAEMON_TEST(daemon_options__reads_the_common_ones),
		DAEMON_TEST(daemon_options__checks_and_shows_the_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
