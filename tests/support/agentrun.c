/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/agentrun.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"

#define READY_MS 60000 /* a busy machine; a quiet one takes half a second */

static void
child_exec(const struct agentrun *run, int program, int spec_fd, int stderr_fd)
{
	char *const argv[] = { (char *)(uintptr_t) "ventus-agent", NULL };
	extern char **environ;

	(void)signal(SIGPIPE, SIG_DFL);
	if (dup2(stderr_fd, 2) < 0 || dup2(spec_fd, 3) < 0)
		_exit(126);
	if (run->uid != 0 &&
	    (setgroups(0, NULL) < 0 || setgid(run->uid) < 0 || setuid(run->uid) < 0))
		_exit(126);
	(void)fexecve(program, argv, environ);
	_exit(127);
}

static int
spec_pipe(const struct agentrun *run, const struct agentrun_spec *spec)
{
	char text[4096];
	int fds[2];

	int len = snprintf(text, sizeof(text),
	    "{\"id\":\"test\",\"session_id\":\"test\",\"secret\":\"%s\",\"dir\":\"%s\","
	    "\"viewport\":{\"width\":%d,\"height\":%d},\"deadline_ms\":%lld%s}",
	    AGENTRUN_SECRET, run->dir, spec->width == 0 ? 1280 : spec->width,
	    spec->height == 0 ? 720 : spec->height,
	    (long long)vs_clock_wall_ms() + (spec->life_ms == 0 ? 120000 : spec->life_ms),
	    spec->more == NULL ? "" : spec->more);
	if (pipe2(fds, O_CLOEXEC) < 0 || write(fds[1], text, (size_t)len) != len)
		err(1, "agentrun: spec");
	(void)close(fds[1]);
	return fds[0];
}

void
agentrun_start(struct agentrun *run, const struct agentrun_spec *spec)
{
	static uid_t next_uid;
	const char *build = getenv("top_builddir");
	char path[4096];
	int says[2];

	*run = (struct agentrun){ .events_fd = -1, .stderr_fd = -1 };
	if (geteuid() == 0)
		run->uid = 900000 + (uid_t)(getpid() % 10000) * 16 + next_uid++ % 16;
	tmpdir_new(run->dir);
	if (run->uid != 0 && chown(run->dir, run->uid, run->uid) < 0)
		err(1, "agentrun: chown");
	(void)snprintf(path, sizeof(path), "%s/ventus-agent", build == NULL ? "." : build);
	int program = open(path, O_RDONLY | O_CLOEXEC);
	if (program < 0 || pipe2(says, O_CLOEXEC) < 0)
		err(1, "agentrun: %s", path);
	int spec_fd = spec_pipe(run, spec);
	run->pid = fork();
	if (run->pid == 0)
		child_exec(run, program, spec_fd, says[1]);
	(void)close(program);
	(void)close(spec_fd);
	(void)close(says[1]);
	run->stderr_fd = says[0];
	(void)fcntl(run->stderr_fd, F_SETFL, O_NONBLOCK);
}

static bool
path_exists_within(const char *path, int wait_ms)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	vs_msec deadline = vs_clock_mono_ms() + wait_ms;

	while (access(path, F_OK) < 0) {
		if (vs_clock_mono_ms() > deadline)
			return false;
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
	return true;
}

static int
agentrun_connect(const struct agentrun *run)
{
	const struct timeval limit = { .tv_sec = 10 };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/agent.sock", run->dir);
	if (!path_exists_within(addr.sun_path, 5000))
		errx(1, "agentrun: no socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	/* Between its bind and its listen the socket refuses. */
	for (int i = 0; connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0; i++) {
		const struct timespec pause = { .tv_nsec = 2000000 };

		if (i == 500)
			err(1, "agentrun: connect");
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
	return fd;
}

static void
send_all(int fd, const void *bytes, size_t len)
{
	if (send(fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
		err(1, "agentrun: send");
}

int
agentrun_raw(const struct agentrun *run, const char *request, char *ret_answer, size_t size)
{
	int fd = agentrun_connect(run);
	size_t len = 0;
	ssize_t got = 1;

	send_all(fd, request, strlen(request));
	while (got > 0 && len < size - 1) {
		got = recv(fd, ret_answer + len, size - 1 - len, 0);
		len += got > 0 ? (size_t)got : 0;
	}
	ret_answer[len] = '\0';
	(void)close(fd);
	if (got < 0)
		err(1, "agentrun: answer to %.20s", request);
	return len > 12 ? atoi(ret_answer + 9) : 0;
}

int
agentrun_http(const struct agentrun *run, const char *method, const char *path, const char *body,
    char *ret_body, size_t size)
{
	static char answer[262144];
	char request[4096];

	(void)snprintf(request, sizeof(request),
	    "%s %s HTTP/1.1\r\nHost: agent\r\nAuthorization: Bearer " AGENTRUN_SECRET
	    "\r\nContent-Length: %zu\r\n\r\n%s",
	    method, path, body == NULL ? 0 : strlen(body), body == NULL ? "" : body);
	int status = agentrun_raw(run, request, answer, sizeof(answer));
	const char *start = strstr(answer, "\r\n\r\n");
	if (ret_body != NULL)
		(void)snprintf(ret_body, size, "%s", start == NULL ? "" : start + 4);
	return status;
}

static void
events_open(struct agentrun *run)
{
	static const char request[] = "GET /events HTTP/1.1\r\nHost: agent\r\n"
				      "Authorization: Bearer " AGENTRUN_SECRET "\r\n\r\n";

	run->events_fd = agentrun_connect(run);
	send_all(run->events_fd, request, sizeof(request) - 1);
}

/* The first whole line of what is held, cut out of it. False: there is none. */
static bool
events_line(struct agentrun *run, char ret_line[sizeof(run->held)])
{
	char *end = strchr(run->held, '\n');

	if (end == NULL)
		return false;
	*end = '\0';
	(void)snprintf(ret_line, sizeof(run->held), "%s", run->held);
	memmove(run->held, end + 1, strlen(end + 1) + 1);
	return true;
}

static void
events_read(struct agentrun *run, vs_msec deadline)
{
	struct pollfd ready = { .fd = run->events_fd, .events = POLLIN };
	size_t have = strlen(run->held);

	if (poll(&ready, 1, (int)(deadline - vs_clock_mono_ms())) <= 0)
		errx(1, "agentrun: no event in time");
	ssize_t len = recv(run->events_fd, run->held + have, sizeof(run->held) - 1 - have, 0);
	if (len <= 0)
		errx(1, "agentrun: the events ended");
	run->held[have + (size_t)len] = '\0';
}

struct json_object *
agentrun_event(struct agentrun *run, const char *state)
{
	vs_msec deadline = vs_clock_mono_ms() + READY_MS;
	char line[sizeof(run->held)];

	if (run->events_fd < 0)
		events_open(run);
	for (;;) {
		while (!events_line(run, line))
			events_read(run, deadline);
		if (line[0] != '{')
			continue; /* the answer's head */
		struct json_object *event = json_tokener_parse(line);
		const char *got = json_object_get_string(json_object_object_get(event, "state"));
		if (got != NULL && strcmp(got, state) == 0)
			return event;
		if (got == NULL || strcmp(got, "ended") == 0)
			errx(1, "agentrun: waited for %s, got %s", state, line);
		(void)json_object_put(event);
	}
}

int
agentrun_wait(struct agentrun *run, int wait_ms)
{
	struct pollfd end = { .fd = pidfd_open(run->pid, 0), .events = POLLIN };
	int status;

	if (poll(&end, 1, wait_ms) <= 0)
		errx(1, "agentrun: it has not ended");
	(void)close(end.fd);
	(void)waitpid(run->pid, &status, 0);
	run->pid = 0;
	return status;
}

/* --- Processes --- */

static pid_t
parent_of(pid_t pid)
{
	char path[64], text[512];
	int ppid = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		(void)close(fd);
	if (len <= 0)
		return 0;
	text[len] = '\0';
	const char *after = strrchr(text, ')');
	if (after == NULL || sscanf(after, ") %*c %d", &ppid) != 1)
		return 0;
	return ppid;
}

static bool
family_has(const struct agentrun *run, pid_t pid)
{
	for (size_t i = 0; i < run->nfamily; i++) {
		if (run->family[i] == pid)
			return true;
	}
	return false;
}

static bool
family_grow(struct agentrun *run)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	bool grown = false;

	while ((entry = readdir(proc)) != NULL) {
		pid_t pid = atoi(entry->d_name);

		if (pid > 0 && !family_has(run, pid) && family_has(run, parent_of(pid)) &&
		    run->nfamily < AGENTRUN_MAX_PIDS) {
			run->family[run->nfamily++] = pid;
			grown = true;
		}
	}
	(void)closedir(proc);
	return grown;
}

void
agentrun_take_family(struct agentrun *run)
{
	run->nfamily = 0;
	run->family[run->nfamily++] = run->pid;
	while (family_grow(run))
		;
}

pid_t
agentrun_find(const struct agentrun *run, const char *comm)
{
	char path[64], name[32] = "";

	for (size_t i = 0; i < run->nfamily; i++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)run->family[i]);
		FILE *file = fopen(path, "re");
		if (file == NULL)
			continue;
		bool read = fgets(name, sizeof(name), file) != NULL;
		(void)fclose(file);
		name[strcspn(name, "\n")] = '\0';
		if (read && strcmp(name, comm) == 0)
			return run->family[i];
	}
	return 0;
}

bool
agentrun_family_gone(const struct agentrun *run, int wait_ms)
{
	vs_msec deadline = vs_clock_mono_ms() + wait_ms;

	for (size_t i = 0; i < run->nfamily; i++) {
		struct pollfd end = { .fd = pidfd_open(run->family[i], 0), .events = POLLIN };
		vs_msec left = deadline - vs_clock_mono_ms();

		if (end.fd < 0 && errno == ESRCH)
			continue;
		int rc = poll(&end, 1, left < 0 ? 0 : (int)left);
		(void)close(end.fd);
		if (rc <= 0)
			return false;
	}
	return true;
}

void
agentrun_stderr(struct agentrun *run, char *ret_text, size_t size)
{
	ssize_t len = read(run->stderr_fd, ret_text, size - 1);

	ret_text[len < 0 ? 0 : len] = '\0';
}

void
agentrun_end(struct agentrun *run)
{
	char says[2048];

	if (run->dir[0] == '\0')
		return;
	if (run->pid > 0) {
		(void)kill(run->pid, SIGTERM);
		(void)agentrun_wait(run, 10000);
	}
	if (run->events_fd >= 0)
		(void)close(run->events_fd);
	agentrun_stderr(run, says, sizeof(says));
	says[strcspn(says, "\n")] = '\0';
	(void)fprintf(stderr, "# %s\n", says);
	(void)close(run->stderr_fd);
	tmpdir_remove(run->dir);
	run->dir[0] = '\0';
}
