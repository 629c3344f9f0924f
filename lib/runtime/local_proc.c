/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/runtime/local_proc.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"

#define STAT_STATE       3 /* fields of /proc/<pid>/stat, counted from 1 */
#define STAT_START_TICKS 22

static bool
file_read(const char *path, char *ret_text, size_t size)
{
	vs_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, ret_text, size - 1);
	if (n <= 0)
		return false;
	ret_text[n] = '\0';
	return true;
}

/* The text of field number n. comm may hold blanks and ')': count behind the last one. */
static const char *
stat_field(const char *text, int n)
{
	const char *at = strrchr(text, ')');

	for (int i = STAT_STATE; at != NULL && i <= n; i++)
		at = strchr(at + 1, ' ');
	return at != NULL ? at + 1 : NULL;
}

static int
stat_read(pid_t pid, uint64_t *ret_ticks)
{
	char path[32], text[1024];
	const char *state, *ticks;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (!file_read(path, text, sizeof(text)))
		return VS_ENOENT;
	state = stat_field(text, STAT_STATE);
	ticks = stat_field(text, STAT_START_TICKS);
	if (state == NULL || ticks == NULL || *state == 'Z' || *state == 'X')
		return VS_ENOENT;
	*ret_ticks = strtoull(ticks, NULL, 10);
	return 0;
}

static bool
boot_read(char ret_boot[LOCAL_BOOT_SIZE])
{
	return file_read("/proc/sys/kernel/random/boot_id", ret_boot, LOCAL_BOOT_SIZE);
}

int
local_proc_name(pid_t pid, struct local_proc *ret_proc)
{
	struct local_proc proc = { .pid = pid };
	int rc = stat_read(pid, &proc.start_ticks);

	if (rc < 0)
		return rc;
	if (!boot_read(proc.boot))
		return VS_EIO;
	*ret_proc = proc;
	return 0;
}

int
local_proc_open(const struct local_proc *proc, int *ret_pidfd)
{
	char boot[LOCAL_BOOT_SIZE];
	uint64_t ticks;
	int fd;

	if (proc->pid <= 1)
		return VS_ENOENT;
	if (!boot_read(boot))
		return VS_EIO;
	if (strcmp(boot, proc->boot) != 0)
		return VS_ENOENT;
	/* The descriptor first: what is read after it is of the same process, or of none. */
	fd = pidfd_open(proc->pid, 0);
	if (fd < 0)
		return errno == ESRCH || errno == EINVAL ? VS_ENOENT : vs_err_from_errno(errno);
	if (stat_read(proc->pid, &ticks) < 0 || ticks != proc->start_ticks) {
		(void)close(fd);
		return VS_ENOENT;
	}
	*ret_pidfd = fd;
	return 0;
}

/* The real uid of a living process; -1: a zombie, or gone. */
static int64_t
proc_uid(const char *pid)
{
	char path[300], text[1024];
	const char *at;

	(void)snprintf(path, sizeof(path), "/proc/%s/status", pid);
	if (!file_read(path, text, sizeof(text)))
		return -1;
	at = strstr(text, "\nState:\t");
	if (at == NULL || at[8] == 'Z' || at[8] == 'X')
		return -1;
	at = strstr(text, "\nUid:\t");
	return at != NULL ? strtoll(at + 6, NULL, 10) : -1;
}

typedef void (*proc_fn)(void *ctx, const char *pid, int64_t uid);

static void
proc_each(proc_fn fn, void *ctx)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	int64_t uid;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		uid = proc_uid(entry->d_name);
		if (uid >= 0)
			fn(ctx, entry->d_name, uid);
	}
	(void)closedir(dir);
}

struct hunt {
	int64_t uid;
	size_t count;
};

static void
hunt_one(void *ctx, const char *pid, int64_t uid)
{
	struct hunt *hunt = ctx;
	vs_autofd int fd = -1;

	if (uid != hunt->uid)
		return;
	fd = pidfd_open((pid_t)strtol(pid, NULL, 10), 0);
	if (fd < 0 || proc_uid(pid) != uid)
		return; /* ended in the meantime */
	hunt->count++;
	(void)pidfd_send_signal(fd, SIGKILL, NULL, 0);
}

size_t
local_proc_kill_uid(int64_t uid)
{
	struct hunt hunt = { .uid = uid };

	assert(uid > 0);
	proc_each(hunt_one, &hunt);
	return hunt.count;
}

struct census {
	int64_t first;
	size_t count;
	bool *used;
};

static void
census_one(void *ctx, const char *pid, int64_t uid)
{
	struct census *census = ctx;

	(void)pid;
	if (uid >= census->first && (size_t)(uid - census->first) < census->count)
		census->used[uid - census->first] = true;
}

void
local_proc_uids(int64_t first, size_t count, bool *used)
{
	struct census census = { .first = first, .count = count, .used = used };

	proc_each(census_one, &census);
}
