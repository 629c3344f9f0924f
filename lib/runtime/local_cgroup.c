/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/runtime/local_cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/ulid.h"

#define FILE_TEXT_MAX 65536
#define TIDY_AGE_S    60

const char *
local_cgroup_kind_text(enum local_cgroup_kind kind)
{
	static const char *const texts[] = {
		[LOCAL_CGROUP_NONE] = "none",
		[LOCAL_CGROUP_V1] = "cgroup v1",
		[LOCAL_CGROUP_V2] = "cgroup v2",
	};

	return texts[kind];
}

/* dst = dir/name. False: too long, dst is "". */
static bool
path_join(char dst[LOCAL_CGROUP_PATH], const char *dir, const char *name)
{
	int n = snprintf(dst, LOCAL_CGROUP_PATH, "%s/%s", dir, name);

	if (n > 0 && n < LOCAL_CGROUP_PATH)
		return true;
	dst[0] = '\0';
	return false;
}

static int
file_write(const char *dir, const char *name, const char *text)
{
	char path[LOCAL_CGROUP_PATH];
	size_t len = strlen(text);
	vs_autofd int fd = -1;

	if (!path_join(path, dir, name))
		return VS_ETOOBIG;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return vs_err_from_errno(errno);
	return write(fd, text, len) == (ssize_t)len ? 0 : VS_EIO;
}

static int
file_write_num(const char *dir, const char *name, int64_t num)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRId64, num);
	return file_write(dir, name, text);
}

/* The text of dir/name, cut at the size of the buffer; "" when it cannot be read. */
static void
file_read(const char *dir, const char *name, char *ret_text, size_t size)
{
	char path[LOCAL_CGROUP_PATH];
	vs_autofd int fd = -1;
	size_t len = 0;
	ssize_t n;

	ret_text[0] = '\0';
	if (!path_join(path, dir, name))
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	while (len + 1 < size && (n = read(fd, ret_text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	ret_text[len] = '\0';
}

/* The path of the version 2 line "0::<path>" of /proc/self/cgroup; false: none. */
static bool
self_v2_path(const char *self, char ret_path[LOCAL_CGROUP_PATH])
{
	const char *line = self;
	size_t len;

	while (line != NULL && strncmp(line, "0::/", 4) != 0) {
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
	if (line == NULL)
		return false;
	line += 3;
	len = strcspn(line, "\n");
	if (len >= LOCAL_CGROUP_PATH || memmem(line, len, "..", 2) != NULL)
		return false;
	memcpy(ret_path, line, len);
	ret_path[len] = '\0';
	return true;
}

static bool
has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = strstr(text, word); p != NULL; p = strstr(p + 1, word)) {
		if ((p == text || p[-1] == ' ') && strchr(" \n", p[len]) != NULL)
			return true;
	}
	return false;
}

/*
 * A cgroup with children that have controllers may hold no process itself, so ours
 * moves into a leaf. Whoever else is in there (a login shell) makes the kernel
 * refuse, and rightly: then it was not delegated to us.
 */
static bool
find_v2(const char *root, const char *self, struct local_cgroup *ret_base)
{
	char path[LOCAL_CGROUP_PATH], own[LOCAL_CGROUP_PATH], leaf[LOCAL_CGROUP_PATH], text[256];

	if (!self_v2_path(self, path) ||
	    snprintf(own, sizeof(own), "%s%s", root, path) >= (int)sizeof(own))
		return false;
	/* A reaperd that was restarted in its leaf by hand: the same place again. */
	if (strlen(own) > 8 && strcmp(own + strlen(own) - 8, "/reaperd") == 0)
		own[strlen(own) - 8] = '\0';
	file_read(own, "cgroup.controllers", text, sizeof(text));
	if (!has_word(text, "memory") || !has_word(text, "pids"))
		return false;
	if (!path_join(leaf, own, "reaperd") || (mkdir(leaf, 0755) < 0 && errno != EEXIST) ||
	    file_write(leaf, "cgroup.procs", "0") < 0 ||
	    file_write(own, "cgroup.subtree_control", "+memory +pids") < 0)
		return false;
	memcpy(ret_base->memory, own, sizeof(own));
	memcpy(ret_base->pids, own, sizeof(own));
	return true;
}

static bool
find_v1(const char *root, struct local_cgroup *ret_base)
{
	struct local_cgroup base;

	if (!path_join(base.memory, root, "memory/ventus") ||
	    !path_join(base.pids, root, "pids/ventus"))
		return false;
	if ((mkdir(base.memory, 0755) < 0 && errno != EEXIST) ||
	    (mkdir(base.pids, 0755) < 0 && errno != EEXIST))
		return false;
	if (access(base.memory, W_OK) < 0 || access(base.pids, W_OK) < 0)
		return false;
	*ret_base = base;
	return true;
}

void
local_cgroups_find(const char *root, const char *self, struct local_cgroups *ret_cgroups)
{
	*ret_cgroups = (struct local_cgroups){ .kind = LOCAL_CGROUP_NONE };
	if (find_v2(root, self, &ret_cgroups->base))
		ret_cgroups->kind = LOCAL_CGROUP_V2;
	else if (find_v1(root, &ret_cgroups->base))
		ret_cgroups->kind = LOCAL_CGROUP_V1;
}

static int
limits_set_v2(const char *dir, const struct local_cgroup_limits *limits)
{
	int rc = file_write_num(dir, "memory.max", limits->memory_mib << 20);

	if (rc < 0)
		return rc;
	/* Absent without swap accounting: then there is nothing to bound. */
	(void)file_write(dir, "memory.swap.max", "0");
	return file_write_num(dir, "pids.max", limits->pids);
}

static int
limits_set_v1(const struct local_cgroup *cgroup, const struct local_cgroup_limits *limits)
{
	int rc = file_write_num(cgroup->memory, "memory.limit_in_bytes", limits->memory_mib << 20);

	if (rc < 0)
		return rc;
	/* As above. */
	(void)file_write_num(
	    cgroup->memory, "memory.memsw.limit_in_bytes", limits->memory_mib << 20);
	return file_write_num(cgroup->pids, "pids.max", limits->pids);
}

int
local_cgroup_place(
    const struct local_cgroups *cgroups, const char *id, struct local_cgroup *ret_cgroup)
{
	struct local_cgroup cgroup = { .memory = "" };

	if (cgroups->kind != LOCAL_CGROUP_NONE &&
	    (!path_join(cgroup.memory, cgroups->base.memory, id) ||
		!path_join(cgroup.pids, cgroups->base.pids, id)))
		return VS_ETOOBIG;
	*ret_cgroup = cgroup;
	return 0;
}

/* Version 2 has one directory for both. */
static bool
cgroup_is_v2(const struct local_cgroup *cgroup)
{
	return strcmp(cgroup->memory, cgroup->pids) == 0;
}

/* The directory above may have been empty and therefore taken away by somebody. */
static int
dir_make(const char *path)
{
	char above[LOCAL_CGROUP_PATH];
	const char *slash = strrchr(path, '/');

	if (mkdir(path, 0755) == 0 || errno == EEXIST)
		return 0;
	if (errno != ENOENT || slash == NULL)
		return vs_err_from_errno(errno);
	(void)snprintf(above, sizeof(above), "%.*s", (int)(slash - path), path);
	if (mkdir(above, 0755) < 0 || mkdir(path, 0755) < 0)
		return vs_err_from_errno(errno);
	return 0;
}

int
local_cgroup_make(const struct local_cgroup *cgroup, const struct local_cgroup_limits *limits)
{
	int rc;

	if (cgroup->memory[0] == '\0')
		return 0;
	rc = dir_make(cgroup->memory);
	if (rc == 0)
		rc = dir_make(cgroup->pids);
	if (rc < 0)
		return rc;
	return cgroup_is_v2(cgroup) ? limits_set_v2(cgroup->memory, limits)
				    : limits_set_v1(cgroup, limits);
}

int
local_cgroup_join(const struct local_cgroup *cgroup)
{
	int rc;

	if (cgroup->memory[0] == '\0')
		return 0;
	rc = file_write(cgroup->memory, "cgroup.procs", "0");
	if (rc < 0 || cgroup_is_v2(cgroup))
		return rc;
	return file_write(cgroup->pids, "cgroup.procs", "0");
}

/*
 * A pid read here could be another process's by the time it is signalled only if
 * all of the machine's pids went round in between; both hierarchies are walked
 * until they are empty, so nothing that was missed stays.
 */
static size_t
procs_kill(const char *dir)
{
	vs_autofree char *text = malloc(FILE_TEXT_MAX);
	char *line, *end;
	size_t n = 0;
	long pid;

	if (text == NULL)
		return 1; /* unknown: let the caller come again */
	file_read(dir, "cgroup.procs", text, FILE_TEXT_MAX);
	for (line = text; (pid = strtol(line, &end, 10)) > 0; line = end) {
		(void)kill((pid_t)pid, SIGKILL);
		n++;
	}
	return n;
}

size_t
local_cgroup_kill(const struct local_cgroup *cgroup)
{
	size_t n;

	if (cgroup->memory[0] == '\0')
		return 0;
	/* Version 2 can do it at one stroke; elsewhere the file is not there. */
	(void)file_write(cgroup->memory, "cgroup.kill", "1");
	n = procs_kill(cgroup->memory);
	if (!cgroup_is_v2(cgroup))
		n += procs_kill(cgroup->pids);
	return n;
}

static int
dir_remove(const char *dir)
{
	if (rmdir(dir) == 0 || errno == ENOENT)
		return 0;
	return errno == EBUSY || errno == ENOTEMPTY ? VS_EAGAIN : vs_err_from_errno(errno);
}

int
local_cgroup_remove(const struct local_cgroup *cgroup)
{
	int rc, rc_pids;

	if (cgroup->memory[0] == '\0')
		return 0;
	rc = dir_remove(cgroup->memory);
	rc_pids = dir_remove(cgroup->pids);
	return rc < 0 ? rc : rc_pids;
}

/* One in use holds a process, except for a moment at its beginning and its end. */
static void
dir_tidy(const char *base)
{
	DIR *dir = opendir(base);
	struct dirent *entry;
	struct stat st;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (vs_ulid_ok(entry->d_name, strlen(entry->d_name)) &&
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_mtime < time(NULL) - TIDY_AGE_S)
			(void)unlinkat(
			    dirfd(dir), entry->d_name, AT_REMOVEDIR); /* refused when in use */
	}
	(void)closedir(dir);
}

void
local_cgroups_tidy(const struct local_cgroups *cgroups)
{
	if (cgroups->kind == LOCAL_CGROUP_NONE)
		return;
	dir_tidy(cgroups->base.memory);
	if (!cgroup_is_v2(&cgroups->base))
		dir_tidy(cgroups->base.pids);
}

int64_t
local_cgroup_oom_kills(const struct local_cgroup *cgroup)
{
	static const char *const files[] = { "memory.events", "memory.oom_control" };
	char text[1024];
	const char *at;

	if (cgroup->memory[0] == '\0')
		return 0;
	for (size_t i = 0; i < VS_COUNTOF(files); i++) {
		file_read(cgroup->memory, files[i], text, sizeof(text));
		at = strstr(text, "oom_kill ");
		if (at != NULL)
			return strtoll(at + strlen("oom_kill "), NULL, 10);
	}
	return 0;
}
