/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime-image/agent/oom.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/err.h"

bool
oom_parse(const char *text, uint64_t *ret_count)
{
	static const char key[] = "oom_kill ";

	for (; text != NULL; text = strchr(text, '\n')) {
		text += *text == '\n';
		if (strncmp(text, key, sizeof(key) - 1) != 0)
			continue;
		text += sizeof(key) - 1;
		if (*text < '0' || *text > '9')
			return false;
		*ret_count = strtoull(text, NULL, 10);
		return true;
	}
	return false;
}

static bool
oom_read(int fd, uint64_t *ret_count)
{
	char text[512];

	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);
	if (len <= 0)
		return false;
	text[len] = '\0';
	return oom_parse(text, ret_count);
}

int
oom_open(struct oom_watch *watch, const char *cgroup)
{
	static const char *const names[] = { "memory.oom_control", "memory.events" };
	char path[4200];

	*watch = (struct oom_watch){ .fd = -1 };
	if (cgroup == NULL)
		return 0;
	for (size_t i = 0; i < VS_COUNTOF(names) && watch->fd < 0; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", cgroup, names[i]);
		watch->fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (watch->fd >= 0 && oom_read(watch->fd, &watch->base))
		return 0;
	oom_close(watch);
	return VS_ENOENT;
}

void
oom_close(struct oom_watch *watch)
{
	if (watch->fd >= 0)
		(void)close(watch->fd);
	watch->fd = -1;
}

bool
oom_killed(const struct oom_watch *watch)
{
	uint64_t count;

	return watch->fd >= 0 && oom_read(watch->fd, &count) && count > watch->base;
}
