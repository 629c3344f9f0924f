/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime-image/agent/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/utf8.h"
#include "runtime-image/agent/inside.h"
#include "runtime-image/agent/link.h"
#include "runtime-image/agent/programs.h"

#define MAX_ARGS 128
#define PROBE_MS 5000

/* What bwrap inherits beyond the descriptors of the first process. */
enum { FD_EXE = INSIDE_FD_END, FD_POLICY, FD_HOSTS, FD_PREFERENCES, FD_END };

static const char policy_json[] =
#include "runtime-image/agent/policy.inc"
    ;
static const char hosts[] = "127.0.0.1 localhost session\n::1 localhost\n";

/*
 * Chrome lets the window manager draw a title bar when it finds none running, which
 * would cost the page 17 rows whenever openbox is the slower one.
 */
static const char preferences[] = "{\"browser\":{\"custom_chrome_frame\":true}}";

static const char *const namespace_args[] = { "--unshare-user", "--unshare-pid", "--unshare-ipc",
	"--unshare-uts", "--unshare-cgroup-try", "--unshare-net", "--hostname", "session", "--uid",
	"1000", "--gid", "1000", "--new-session", "--die-with-parent", "--cap-drop", "ALL" };

static const char *const mount_args[] = { "--ro-bind", "/usr", "/usr", "--tmpfs", "/usr/local",
	"--symlink", "usr/bin", "/bin", "--symlink", "usr/sbin", "/sbin", "--symlink", "usr/lib",
	"/lib", "--symlink", "usr/lib64", "/lib64", "--ro-bind", "/etc/fonts", "/etc/fonts",
	"--ro-bind-try", "/var/cache/fontconfig", "/var/cache/fontconfig", "--ro-bind-try",
	"/etc/ld.so.cache", "/etc/ld.so.cache", "--ro-bind-try", "/etc/alternatives",
	"/etc/alternatives", "--proc", "/proc", "--dev", "/dev" };

/* /proc/self/fd: the program need not be reachable by path for the runtime's own user. */
static const char *const data_args[] = { "--perms", "0444", "--ro-bind-data", "8",
	"/etc/chromium/policies/managed/ventus.json", "--perms", "0444", "--ro-bind-data", "9",
	"/etc/hosts", "--file", "10", "/home/browser/profile/Default/Preferences", "--perms",
	"0700", "--dir", "/run/user/1000", "--as-pid-1", "--clearenv", "--setenv", "HOME",
	"/home/browser", "--setenv", "PATH", "/usr/bin", "--setenv", "LANG", "C.UTF-8", "--setenv",
	"TZ", "UTC", "--setenv", "DISPLAY", ":0", "--setenv", "XDG_RUNTIME_DIR", "/run/user/1000",
	"--chdir", "/home/browser", "--", "/proc/self/fd/7", "--inside", NULL };
_Static_assert(
    FD_EXE == 7 && FD_POLICY == 8 && FD_HOSTS == 9 && FD_PREFERENCES == 10, "data_args names them");

struct argv {
	const char *arg[MAX_ARGS];
	size_t count;
};

static void
argv_add(struct argv *argv, const char *const *args, size_t count)
{
	assert(argv->count + count <= MAX_ARGS);
	memcpy(argv->arg + argv->count, args, count * sizeof(*args));
	argv->count += count;
}
#define ARGV_ADD(argv, args) argv_add((argv), (args), VS_COUNTOF(args))

static void
argv_build(struct argv *argv, const char *shm_bytes, const char *tmp_bytes)
{
	const char *const program[] = { "bwrap" };
	const char *const sized[] = { "--size", shm_bytes, "--tmpfs", "/dev/shm", "--size",
		tmp_bytes, "--tmpfs", "/tmp", "--size", tmp_bytes, "--tmpfs", "/home", "--perms",
		"0700", "--dir", "/home/browser" };

	ARGV_ADD(argv, program);
	ARGV_ADD(argv, namespace_args);
	ARGV_ADD(argv, mount_args);
	ARGV_ADD(argv, sized);
	ARGV_ADD(argv, data_args);
}

static int
data_fd(const char *name, const char *text)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0)
		return -1;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text) || lseek(fd, 0, SEEK_SET) < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* A driver may have shielded the agent from the OOM killer; the browser is no such thing. */
static void
oom_unshield(void)
{
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	char text[16] = "";

	if (fd < 0)
		return;
	if (read(fd, text, sizeof(text) - 1) > 0 && text[0] == '-')
		(void)!pwrite(fd, "0", 1, 0);
	(void)close(fd);
}

/* In the child: descriptors from 3 on become fds[], output 1 and 2, then bwrap. */
static void VS_NORETURN
bwrap_exec(const char *const *argv, const int *fds, int nfds, int output)
{
	char *const no_env[] = { NULL };
	int high[FD_END];
	sigset_t none;

	output = fcntl(output, F_DUPFD_CLOEXEC, 64);
	for (int i = 0; i < nfds; i++) {
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 64);
		if (high[i] < 0)
			_exit(127);
	}
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (dup2(null_fd, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)
		_exit(127);
	for (int i = 0; i < nfds; i++) {
		if (dup2(high[i], i + 3) < 0)
			_exit(127);
	}
	if (close_range((unsigned)nfds + 3, ~0U, 0) < 0)
		_exit(127);
	oom_unshield();
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)execve(PROGRAM_BWRAP, (char *const *)(uintptr_t)argv, no_env);
	(void)dprintf(2, "bwrap: %s\n", strerror(errno));
	_exit(127);
}

/* Both ends of each channel: [0] is ours, [1] is the sandbox's. */
struct ends {
	int link[2], cdp_in[2], cdp_out[2], log[2], bwrap[2];
};

static int
pipe_from(int pair[2], int ours_flags, bool ours_reads)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return vs_err_from_errno(errno);
	pair[0] = ours_reads ? fds[0] : fds[1];
	pair[1] = ours_reads ? fds[1] : fds[0];
	(void)fcntl(pair[0], F_SETFL, ours_flags);
	return 0;
}

static int
ends_open(struct ends *ends)
{
	int rc = link_pair(ends->link);

	if (rc == 0)
		rc = pipe_from(ends->cdp_in, O_NONBLOCK, false);
	if (rc == 0)
		rc = pipe_from(ends->cdp_out, O_NONBLOCK, true);
	if (rc == 0)
		rc = pipe_from(ends->log, O_NONBLOCK, true);
	if (rc == 0)
		rc = pipe_from(ends->bwrap, O_NONBLOCK, true);
	return rc;
}

static void
fd_close(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static void
ends_close(struct ends *ends, int which)
{
	fd_close(&ends->link[which]);
	fd_close(&ends->cdp_in[which]);
	fd_close(&ends->cdp_out[which]);
	fd_close(&ends->log[which]);
	fd_close(&ends->bwrap[which]);
}

static int
sandbox_fork(
    const struct agent_spec *spec, const struct ends *ends, const int *data, pid_t *ret_pid)
{
	char shm_bytes[24], tmp_bytes[24];
	struct argv argv = { .count = 0 };
	const int fds[] = { ends->link[1], ends->cdp_in[1], ends->cdp_out[1], ends->log[1], data[0],
		data[1], data[2], data[3] };

	(void)snprintf(shm_bytes, sizeof(shm_bytes), "%lld", (long long)spec->shm_mib << 20);
	(void)snprintf(tmp_bytes, sizeof(tmp_bytes), "%lld", (long long)spec->tmp_mib << 20);
	argv_build(&argv, shm_bytes, tmp_bytes);
	pid_t pid = fork();
	if (pid < 0)
		return vs_err_from_errno(errno);
	if (pid == 0)
		bwrap_exec(argv.arg, fds, VS_COUNTOF(fds), ends->bwrap[1]);
	*ret_pid = pid;
	return 0;
}

/*
 * One '?' for each character outside ASCII: Chrome takes no others in --user-agent (it
 * would then send none at all), and an HTTP header carries none.
 */
static int
sandbox_copy_user_agent(const char *user_agent, char ret_text[LINK_TEXT_SIZE])
{
	const char *from = user_agent;
	size_t len = 0;

	while (*from != '\0') {
		size_t step = vs_utf8_step((const uint8_t *)from, strlen(from));

		if (step == 0 || len + 1 >= LINK_TEXT_SIZE)
			return VS_EINVAL;
		ret_text[len++] = '?';
		if (step == 1)
			ret_text[len - 1] = *from;
		from += step;
	}
	ret_text[len] = '\0';
	return 0;
}

static int
sandbox_send_start(const struct agent_spec *spec, int fd)
{
	struct link_msg msg = { .type = LINK_START,
		.arg = { (int32_t)spec->viewport.width, (int32_t)spec->viewport.height } };

	if (spec->user_agent != NULL) {
		int rc = sandbox_copy_user_agent(spec->user_agent, msg.text);
		if (rc < 0)
			return rc;
	}
	return link_send(fd, &msg, NULL, 0);
}

int
sandbox_start(const struct agent_spec *spec, struct sandbox *ret_sandbox)
{
	struct ends ends = { { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 } };
	int data[] = { open("/proc/self/exe", O_RDONLY | O_CLOEXEC), data_fd("policy", policy_json),
		data_fd("hosts", hosts), data_fd("preferences", preferences) };
	pid_t pid = -1;

	int rc =
	    data[0] < 0 || data[1] < 0 || data[2] < 0 || data[3] < 0 ? VS_EIO : ends_open(&ends);
	if (rc == 0)
		rc = sandbox_send_start(spec, ends.link[0]);
	if (rc == 0)
		rc = sandbox_fork(spec, &ends, data, &pid);
	ends_close(&ends, 1);
	for (size_t i = 0; i < VS_COUNTOF(data); i++)
		fd_close(&data[i]);
	if (rc < 0) {
		ends_close(&ends, 0);
		return rc;
	}
	*ret_sandbox = (struct sandbox){ .pid = pid,
		.link_fd = ends.link[0],
		.cdp_in_fd = ends.cdp_in[0],
		.cdp_out_fd = ends.cdp_out[0],
		.log_fd = ends.log[0],
		.bwrap_fd = ends.bwrap[0] };
	return 0;
}

void
sandbox_fini(struct sandbox *sandbox)
{
	if (sandbox->pid == 0)
		return;
	fd_close(&sandbox->link_fd);
	fd_close(&sandbox->cdp_in_fd);
	fd_close(&sandbox->cdp_out_fd);
	fd_close(&sandbox->log_fd);
	fd_close(&sandbox->bwrap_fd);
}

void
sandbox_kill_children(void)
{
	FILE *children = fopen("/proc/thread-self/children", "re");
	int pid;

	if (children == NULL)
		return;
	while (fscanf(children, "%d", &pid) == 1)
		(void)kill(pid, SIGKILL);
	(void)fclose(children);
}

static int
probe_wait(pid_t pid)
{
	struct pollfd end = { .fd = pidfd_open(pid, 0), .events = POLLIN };
	int status = -1;

	if (end.fd < 0 || poll(&end, 1, PROBE_MS) <= 0)
		(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	fd_close(&end.fd);
	return status;
}

int
sandbox_probe(const char *const *args, int output_fd)
{
	struct argv argv = { .count = 0 };
	const char *const program[] = { "bwrap" };
	const char *const end[] = { NULL };
	size_t count = 0;

	while (args[count] != NULL)
		count++;
	ARGV_ADD(&argv, program);
	ARGV_ADD(&argv, namespace_args);
	ARGV_ADD(&argv, mount_args);
	argv_add(&argv, args, count);
	ARGV_ADD(&argv, end);
	pid_t pid = fork();
	if (pid < 0)
		return -1;
	if (pid == 0)
		bwrap_exec(argv.arg, NULL, 0, output_fd);
	return probe_wait(pid);
}
