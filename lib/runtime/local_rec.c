/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/runtime/local_rec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"

#define REC_SUFFIX    ".rec"
#define REC_SIZE      2048
#define DIR_DEPTH_MAX 32

int
local_rec_lock(int rt_fd, int *ret_lock_fd)
{
	int fd = openat(rt_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc;

	if (fd < 0)
		return vs_err_from_errno(errno);
	do
		rc = flock(fd, LOCK_EX);
	while (rc < 0 && errno == EINTR);
	if (rc < 0) {
		rc = vs_err_from_errno(errno);
		(void)close(fd);
		return rc;
	}
	*ret_lock_fd = fd;
	return 0;
}

static void
rec_name(char ret_name[VS_ULID_SIZE + 4], const char *id)
{
	(void)snprintf(ret_name, VS_ULID_SIZE + 4, "%s" REC_SUFFIX, id);
}

/* One line a member, in this order; "-" for an empty path. The agent's line comes later. */
int
local_rec_create(int rt_fd, const struct local_rec *rec, int *ret_fd)
{
	char name[VS_ULID_SIZE + 4], text[REC_SIZE];
	int fd, n;

	rec_name(name, rec->id);
	n = snprintf(text, sizeof(text),
	    "ventus 1\nregion %s\nkid %s\nuid %" PRId64 "\nmemory %s\npids %s\n", rec->region,
	    rec->secret_kid, rec->uid, rec->cgroup.memory[0] != '\0' ? rec->cgroup.memory : "-",
	    rec->cgroup.pids[0] != '\0' ? rec->cgroup.pids : "-");
	if (n < 0 || (size_t)n >= sizeof(text))
		return VS_ETOOBIG;
	fd = openat(rt_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? VS_EEXIST : vs_err_from_errno(errno);
	if (write(fd, text, (size_t)n) != n) {
		(void)close(fd);
		(void)unlinkat(rt_fd, name, 0);
		return VS_EIO;
	}
	*ret_fd = fd;
	return 0;
}

int
local_rec_sign(int rec_fd)
{
	struct local_proc proc;
	char text[128];
	int rc, n;

	rc = local_proc_name(getpid(), &proc);
	if (rc < 0)
		return rc;
	n = snprintf(text, sizeof(text), "agent %d %" PRIu64 " %s\n", (int)proc.pid,
	    proc.start_ticks, proc.boot);
	return write(rec_fd, text, (size_t)n) == n ? 0 : VS_EIO;
}

/* The value of the next line, which must be of this key; *at moves behind it. NULL: no. */
static char *
line_take(char **at, const char *key)
{
	size_t len = strlen(key);
	char *value = *at, *end;

	if (strncmp(value, key, len) != 0 || value[len] != ' ')
		return NULL;
	value += len + 1;
	end = strchr(value, '\n');
	if (end == NULL)
		return NULL;
	*end = '\0';
	*at = end + 1;
	return value;
}

/* A value that may be "-" into an array. False: absent or too long. */
static bool
value_keep(char *dst, size_t size, const char *value)
{
	int n;

	if (value == NULL)
		return false;
	n = snprintf(dst, size, "%s", strcmp(value, "-") == 0 ? "" : value);
	return n >= 0 && (size_t)n < size;
}

static bool
agent_parse(const char *value, struct local_proc *ret_agent)
{
	struct local_proc agent = { .pid = 0 };

	if (value == NULL ||
	    sscanf(value, "%d %" SCNu64 " %36s", &agent.pid, &agent.start_ticks, agent.boot) != 3 ||
	    agent.pid <= 1)
		return false;
	*ret_agent = agent;
	return true;
}

static bool
rec_parse(char *text, struct local_rec *rec)
{
	const char *version = line_take(&text, "ventus");
	const char *uid;

	if (version == NULL || strcmp(version, "1") != 0 ||
	    !value_keep(rec->region, sizeof(rec->region), line_take(&text, "region")) ||
	    !value_keep(rec->secret_kid, sizeof(rec->secret_kid), line_take(&text, "kid")))
		return false;
	uid = line_take(&text, "uid");
	if (uid == NULL)
		return false;
	rec->uid = strtoll(uid, NULL, 10);
	if (!value_keep(
		rec->cgroup.memory, sizeof(rec->cgroup.memory), line_take(&text, "memory")) ||
	    !value_keep(rec->cgroup.pids, sizeof(rec->cgroup.pids), line_take(&text, "pids")))
		return false;
	/* Absent or torn: the child was killed before it could become the agent. */
	(void)agent_parse(line_take(&text, "agent"), &rec->agent);
	return true;
}

int
local_rec_read(int rt_fd, const char *id, struct local_rec *ret_rec)
{
	struct local_rec rec = { .uid = 0 };
	char name[VS_ULID_SIZE + 4], text[REC_SIZE];
	vs_autofd int fd = -1;
	ssize_t n;

	rec_name(name, id);
	fd = openat(rt_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? VS_ENOENT : vs_err_from_errno(errno);
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return errno == EISDIR ? VS_EPROTO : vs_err_from_errno(errno);
	text[n] = '\0';
	(void)snprintf(rec.id, sizeof(rec.id), "%s", id);
	if (!rec_parse(text, &rec))
		return VS_EPROTO;
	*ret_rec = rec;
	return 0;
}

void
local_rec_remove(int rt_fd, const char *id)
{
	char name[VS_ULID_SIZE + 4];

	rec_name(name, id);
	(void)unlinkat(rt_fd, name, 0);
}

static void
scan_one(int rt_fd, const char *name, void (*fn)(void *ctx, const char *id), void *ctx)
{
	char rec[VS_ULID_SIZE + 4], id[VS_ULID_SIZE];
	size_t len = strlen(name);

	if (len < VS_ULID_LEN || !vs_ulid_ok(name, VS_ULID_LEN))
		return;
	memcpy(id, name, VS_ULID_LEN);
	id[VS_ULID_LEN] = '\0';
	rec_name(rec, id);
	if (strcmp(name, rec) == 0 || (len == VS_ULID_LEN && faccessat(rt_fd, rec, F_OK, 0) < 0))
		fn(ctx, id);
}

int
local_rec_scan(int rt_fd, void (*fn)(void *ctx, const char *id), void *ctx)
{
	int fd = openat(rt_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (dir == NULL) {
		int rc = vs_err_from_errno(errno);

		if (fd >= 0)
			(void)close(fd);
		return rc;
	}
	while ((entry = readdir(dir)) != NULL)
		scan_one(rt_fd, entry->d_name, fn, ctx);
	(void)closedir(dir);
	return 0;
}

static int dir_empty(int fd, dev_t dev, int depth);

static int
entry_remove(int at_fd, const char *name, dev_t dev, int depth)
{
	struct stat st;
	int fd, rc;

	if (fstatat(at_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : vs_err_from_errno(errno);
	if (!S_ISDIR(st.st_mode))
		return unlinkat(at_fd, name, 0) == 0 ? 0 : vs_err_from_errno(errno);
	if (depth > DIR_DEPTH_MAX || (dev != 0 && st.st_dev != dev))
		return VS_ESTATE;
	fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return vs_err_from_errno(errno);
	rc = dir_empty(fd, st.st_dev, depth + 1);
	if (rc < 0)
		return rc;
	return unlinkat(at_fd, name, AT_REMOVEDIR) == 0 ? 0 : vs_err_from_errno(errno);
}

/* Takes fd. */
static int
dir_empty(int fd, dev_t dev, int depth)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;
	int rc = 0;

	if (dir == NULL) {
		(void)close(fd);
		return VS_ENOMEM;
	}
	while (rc == 0 && (entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			rc = entry_remove(dirfd(dir), entry->d_name, dev, depth);
	}
	(void)closedir(dir);
	return rc;
}

int
local_dir_remove(int at_fd, const char *name)
{
	return entry_remove(at_fd, name, 0, 0);
}
