/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime-image/agent/inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/err.h"
#include "runtime-image/agent/link.h"
#include "runtime-image/agent/programs.h"

#define X_SOCKET_DIR   "/tmp/.X11-unix"
#define X_SOCKET       X_SOCKET_DIR "/X0"
#define MAX_ARGS       40
#define LISTEN_BACKLOG 128
#define BROWSER_ROWS   87 /* tab strip and address bar above the page */

/* What a child gets as descriptors 1 and 2, and from 3 on. -1: /dev/null, nothing. */
struct child {
	const char *const *argv;
	int output;
	int extra[2];
	pid_t pid;
};

struct inside {
	struct link_msg start;
	char geometry[32];
	char user_agent[LINK_TEXT_SIZE + 16];
	const char *chrome_argv[MAX_ARGS];
	const char *xvnc_argv[MAX_ARGS];
	struct child child[LINK_CHILDREN];
	int null_fd, x_fd, signal_fd;
};

/*
 * SecurityTypes None: the VNC socket lies in this sandbox's private /run and its one
 * user; the agent alone reaches it, through the link.
 */
static const char *const xvnc_flags[] = { PROGRAM_XVNC, ":0", "-depth", "24", "-rfbport=-1",
	"-rfbunixpath=/run/user/1000/vnc.sock", "-rfbunixmode=0600", "-SecurityTypes", "None",
	"-nolisten", "tcp", "-nolisten", "local", "-noreset", "-AcceptSetDesktopSize=1",
	"-SendCutText=0", "-AcceptCutText=0", "-desktop", "session", "-geometry" };

static const char *const openbox_argv[] = { PROGRAM_OPENBOX, "--sm-disable", NULL };

static const char *const chrome_flags[] = {
	PROGRAM_CHROME,
#define FLAG(argument) argument,
#include "runtime-image/agent/chrome_flags.def"
#undef FLAG
};

static int
inside_fail(const char *what)
{
	struct link_msg msg = { .type = LINK_FAILED };

	(void)snprintf(msg.text, sizeof(msg.text), "%s: %s", what, strerror(errno));
	/* Nobody is left to tell when this fails. */
	(void)!link_send(INSIDE_FD_LINK, &msg, NULL, 0);
	return 1;
}

static void
inside_set_argv(struct inside *in)
{
	size_t n = VS_COUNTOF(chrome_flags);

	memcpy(in->chrome_argv, chrome_flags, sizeof(chrome_flags));
	if (in->start.text[0] != '\0') {
		(void)snprintf(
		    in->user_agent, sizeof(in->user_agent), "--user-agent=%s", in->start.text);
		in->chrome_argv[n++] = in->user_agent;
	}
	in->chrome_argv[n] = "about:blank";

	(void)snprintf(in->geometry, sizeof(in->geometry), "%dx%d", in->start.arg[0],
	    in->start.arg[1] + BROWSER_ROWS);
	memcpy(in->xvnc_argv, xvnc_flags, sizeof(xvnc_flags));
	in->xvnc_argv[VS_COUNTOF(xvnc_flags)] = in->geometry;
}

static int
inside_listen(int family, const struct sockaddr *addr, socklen_t len)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (bind(fd, addr, len) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/*
 * The X socket listens before the server runs (Xtigervnc takes it over as systemd's
 * would be): openbox and Chrome start at the same time as X, and their connect simply
 * waits for its answer.
 */
static int
inside_listen_x(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = X_SOCKET };

	if (mkdir(X_SOCKET_DIR, 01777) < 0 || chmod(X_SOCKET_DIR, 01777) < 0)
		return -1;
	return inside_listen(AF_UNIX, (const struct sockaddr *)&addr, sizeof(addr));
}

static int
inside_listen_egress(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
		.sin_port = htons(3128),
		.sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
	int fd = inside_listen(AF_INET, (const struct sockaddr *)&addr, sizeof(addr));

	if (fd >= 0)
		(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

/* In the child, after fork: place the descriptors, then become the program. */
static void VS_NORETURN
child_exec(const struct inside *in, const struct child *child)
{
	int output = child->output < 0 ? in->null_fd : child->output;
	int keep[2] = { -1, -1 };
	int next = 3;
	sigset_t none;
	char pid[16];

	for (size_t i = 0; i < VS_COUNTOF(keep); i++)
		keep[i] = child->extra[i] < 0 ? -1 : fcntl(child->extra[i], F_DUPFD, 16);
	if (dup2(in->null_fd, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)
		_exit(127);
	for (size_t i = 0; i < VS_COUNTOF(keep); i++) {
		if (keep[i] >= 0 && dup2(keep[i], next++) < 0)
			_exit(127);
	}
	if (close_range((unsigned)next, ~0U, 0) < 0)
		_exit(127);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (child == &in->child[LINK_XVNC]) {
		(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
		(void)setenv("LISTEN_PID", pid, 1);
		(void)setenv("LISTEN_FDS", "1", 1);
	}
	(void)execv(child->argv[0], (char *const *)(uintptr_t)child->argv);
	_exit(127);
}

static int
inside_spawn(struct inside *in)
{
	for (size_t i = 0; i < LINK_CHILDREN; i++) {
		struct child *child = &in->child[i];

		child->pid = fork();
		if (child->pid < 0)
			return -1;
		if (child->pid == 0)
			child_exec(in, child);
	}
	return 0;
}

static int
inside_setup(struct inside *in)
{
	sigset_t chld;

	in->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (in->null_fd < 0 || dup2(in->null_fd, 0) < 0 || dup2(in->null_fd, 1) < 0 ||
	    dup2(in->null_fd, 2) < 0)
		return inside_fail("/dev/null");
	(void)sigemptyset(&chld);
	(void)sigaddset(&chld, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &chld, NULL);
	in->signal_fd = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	if (in->signal_fd < 0)
		return inside_fail("signalfd");
	in->x_fd = inside_listen_x();
	if (in->x_fd < 0)
		return inside_fail("X socket");
	in->child[LINK_CHROME] = (struct child){ .argv = in->chrome_argv,
		.output = INSIDE_FD_CHROME_LOG,
		.extra = { INSIDE_FD_CDP_IN, INSIDE_FD_CDP_OUT } };
	in->child[LINK_XVNC] =
	    (struct child){ .argv = in->xvnc_argv, .output = -1, .extra = { in->x_fd, -1 } };
	in->child[LINK_OPENBOX] =
	    (struct child){ .argv = openbox_argv, .output = -1, .extra = { -1, -1 } };
	inside_set_argv(in);
	if (inside_spawn(in) < 0)
		return inside_fail("fork");
	return 0;
}

static int
inside_hello(void)
{
	struct link_msg hello = { .type = LINK_HELLO };
	int fd = inside_listen_egress();

	if (fd < 0)
		return inside_fail("egress listener");
	int rc = link_send(INSIDE_FD_LINK, &hello, &fd, 1);
	(void)close(fd);
	return rc < 0 ? 1 : 0;
}

/* Children are reported, strays only reaped: Chrome's zygotes leave some behind. */
static int
inside_reap(struct inside *in)
{
	struct signalfd_siginfo info;
	pid_t pid;
	int status;

	while (read(in->signal_fd, &info, sizeof(info)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (int i = 0; i < LINK_CHILDREN; i++) {
			struct link_msg msg = { .type = LINK_CHILD_ENDED, .arg = { i, status } };

			if (in->child[i].pid != pid)
				continue;
			if (link_send(INSIDE_FD_LINK, &msg, NULL, 0) < 0)
				return 1;
		}
	}
	return 0;
}

static int
inside_give_sockets(int count)
{
	struct link_msg msg = { .type = LINK_SOCKETS };
	int fds[LINK_MAX_FDS];
	size_t n = 0;

	while (n < VS_COUNTOF(fds) && (int)n < count) {
		fds[n] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fds[n] < 0)
			break;
		n++;
	}
	int rc = link_send(INSIDE_FD_LINK, &msg, fds, n);
	while (n > 0)
		(void)close(fds[--n]);
	return rc < 0 ? 1 : 0;
}

static int
inside_serve_link(void)
{
	struct link_msg msg;
	int fds[LINK_MAX_FDS];
	size_t nfds;

	if (link_recv(INSIDE_FD_LINK, &msg, fds, &nfds) < 0 || nfds > 0)
		return 1; /* the agent is gone: so are we, and all of the namespace */
	return msg.type == LINK_WANT_SOCKETS ? inside_give_sockets(msg.arg[0]) : 1;
}

static int
inside_serve(struct inside *in)
{
	struct pollfd fds[] = { { .fd = INSIDE_FD_LINK, .events = POLLIN },
		{ .fd = in->signal_fd, .events = POLLIN } };
	int rc = 0;

	while (rc == 0) {
		if (poll(fds, VS_COUNTOF(fds), -1) < 0 && errno != EINTR)
			return 1;
		if (fds[1].revents != 0)
			rc = inside_reap(in);
		if (rc == 0 && fds[0].revents != 0)
			rc = inside_serve_link();
	}
	return rc;
}

int
inside_main(void)
{
	static struct inside in;
	int fds[LINK_MAX_FDS];
	size_t nfds;

	(void)prctl(PR_SET_NAME, "ventus-inside");
	if (close_range(INSIDE_FD_END, ~0U, 0) < 0 ||
	    close_range(INSIDE_FD_LINK, INSIDE_FD_END - 1, CLOSE_RANGE_CLOEXEC) < 0)
		return inside_fail("close_range");
	if (link_recv(INSIDE_FD_LINK, &in.start, fds, &nfds) < 0 || nfds > 0 ||
	    in.start.type != LINK_START)
		return 1;
	if (inside_setup(&in) != 0 || inside_hello() != 0)
		return 1;
	/* Chrome alone holds these now, so that its end shows on the agent's side. */
	(void)close_range(INSIDE_FD_CDP_IN, INSIDE_FD_CHROME_LOG, 0);
	return inside_serve(&in);
}
