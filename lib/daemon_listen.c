/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/daemon.h"
#include "lib/err.h"

#define PASSED_FIRST 3 /* SD_LISTEN_FDS_START */
#define PASSED_MAX   16
#define LOCK_TRIES   40
#define LOCK_TRY_MS  50

/* A decimal number of the environment, at most max; 0 when there is none. */
static long
env_number(const char *name, long max)
{
	const char *text = getenv(name);
	char *end;
	long num;

	if (text == NULL || *text < '0' || *text > '9')
		return 0;
	num = strtol(text, &end, 10);
	return *end == '\0' && num <= max ? num : 0;
}

/* A listening unix socket that nobody has taken: taking one sets FD_CLOEXEC. */
static bool
passed_is_free(int fd, struct sockaddr_un *ret_addr)
{
	socklen_t len = sizeof(*ret_addr) - 1;
	socklen_t size = sizeof(int);
	int flags = fcntl(fd, F_GETFD);
	int listening = 0;

	memset(ret_addr, 0, sizeof(*ret_addr));
	return flags >= 0 && (flags & FD_CLOEXEC) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 &&
	       listening != 0 && getsockname(fd, (struct sockaddr *)ret_addr, &len) == 0 &&
	       ret_addr->sun_family == AF_UNIX;
}

/*
 * The socket systemd passed for this path, or the only one it passed (the unit file
 * says where it is). VS_ENOENT: none.
 */
static int
passed_take(const char *path, int *ret_fd)
{
	long count = env_number("LISTEN_FDS", PASSED_MAX);
	struct sockaddr_un addr;
	int found = -1;

	if (count == 0 || env_number("LISTEN_PID", INT32_MAX) != getpid())
		return VS_ENOENT;
	for (int fd = PASSED_FIRST; fd < PASSED_FIRST + count && found < 0; fd++) {
		if (passed_is_free(fd, &addr) && (count == 1 || strcmp(addr.sun_path, path) == 0))
			found = fd;
	}
	if (found < 0)
		return VS_ENOENT;
	if (fcntl(found, F_SETFD, FD_CLOEXEC) != 0 ||
	    fcntl(found, F_SETFL, fcntl(found, F_GETFL) | O_NONBLOCK) != 0)
		return vs_err_from_errno(errno);
	*ret_fd = found;
	return 0;
}

/*
 * Two starters must not both take the same dead socket for theirs: the second would
 * remove the first one's new one. A lock on the directory leaves nothing behind.
 */
static int
dir_lock(const char *path, int *ret_fd)
{
	vs_autofree char *dir = strdup(path);
	vs_autofd int fd = -1;
	char *slash;

	if (dir == NULL)
		return VS_ENOMEM;
	slash = strrchr(dir, '/');
	if (slash != NULL)
		slash[slash == dir] = '\0';
	fd = open(slash == NULL ? "." : dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return vs_err_from_errno(errno);
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			*ret_fd = fd;
			fd = -1;
			return 0;
		}
		(void)poll(NULL, 0, LOCK_TRY_MS);
	}
	return VS_EAGAIN;
}

/* Remove a socket that nobody listens on. VS_EEXIST: somebody does, or it is no socket. */
static int
dead_remove(const struct sockaddr_un *addr)
{
	vs_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (fd < 0)
		return vs_err_from_errno(errno);
	if (lstat(addr->sun_path, &st) != 0)
		return errno == ENOENT ? 0 : vs_err_from_errno(errno);
	if (!S_ISSOCK(st.st_mode))
		return VS_EEXIST;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno != ECONNREFUSED)
		return VS_EEXIST;
	return unlink(addr->sun_path) == 0 ? 0 : vs_err_from_errno(errno);
}

/* The socket appears with its mode: there is no moment in which it has a wider one. */
static int
bind_with_mode(int fd, const struct sockaddr_un *addr, int mode)
{
	mode_t before = umask(0777 & ~(mode_t)mode);
	int rc = bind(fd, (const struct sockaddr *)addr, sizeof(*addr));
	int errnum = errno;

	(void)umask(before);
	if (rc == 0)
		return 0;
	return errnum == EADDRINUSE ? VS_EEXIST : vs_err_from_errno(errnum);
}

static int
give_to_group_of(const char *path, const char *user)
{
	const struct passwd *pw;

	if (*user == '\0' || geteuid() != 0)
		return 0;
	errno = 0;
	pw = getpwnam(user);
	if (pw == NULL)
		return errno == 0 ? VS_ENOENT : vs_err_from_errno(errno);
	return lchown(path, (uid_t)-1, pw->pw_gid) == 0 ? 0 : vs_err_from_errno(errno);
}

static int
listen_at(int fd, const struct sockaddr_un *addr, int mode, const char *user, int backlog)
{
	int rc = bind_with_mode(fd, addr, mode);

	if (rc == VS_EEXIST) {
		rc = dead_remove(addr);
		if (rc == 0)
			rc = bind_with_mode(fd, addr, mode);
	}
	if (rc < 0)
		return rc;
	rc = give_to_group_of(addr->sun_path, user);
	if (rc == 0 && listen(fd, backlog) != 0)
		rc = vs_err_from_errno(errno);
	if (rc < 0)
		(void)unlink(addr->sun_path);
	return rc;
}

int
vs_daemon_listen_unix(const char *path, int mode, const char *user, int backlog, int *ret_fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	vs_autofd int lock = -1;
	vs_autofd int fd = -1;
	int rc;

	if (*path == '\0' || strlen(path) >= sizeof(addr.sun_path))
		return VS_EINVAL;
	rc = passed_take(path, ret_fd);
	if (rc != VS_ENOENT)
		return rc;
	memcpy(addr.sun_path, path, strlen(path));
	rc = dir_lock(path, &lock);
	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return vs_err_from_errno(errno);
	rc = listen_at(fd, &addr, mode, user, backlog);
	if (rc < 0)
		return rc;
	*ret_fd = fd;
	fd = -1;
	return 0;
}
