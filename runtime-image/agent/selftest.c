/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime-image/agent/selftest.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base.h"
#include "runtime-image/agent/programs.h"
#include "runtime-image/agent/sandbox.h"

#define NOBODY 65534

static const struct {
	const char *path, *package;
} programs[] = {
	{ PROGRAM_BWRAP, "bubblewrap" },
	{ PROGRAM_XVNC, "tigervnc-standalone-server" },
	{ PROGRAM_OPENBOX, "openbox" },
	{ PROGRAM_CHROME, "chromium" },
};

/* Each runs in the sandbox and must succeed there. */
static const struct {
	const char *argv[5];
	const char *fault;
} probes[] = {
	{ { "/usr/bin/true", NULL }, "A sandbox cannot be made (are user namespaces enabled?)" },
	{ { "/usr/bin/unshare", "-Ur", "/usr/bin/true", NULL },
	    "Chrome's own sandbox cannot work: no user namespace within the sandbox" },
	{ { PROGRAM_XVNC, "-version", NULL }, "Xtigervnc does not run" },
	{ { PROGRAM_OPENBOX, "--version", NULL }, "openbox does not run" },
	{ { PROGRAM_CHROME, "--version", NULL }, "Chromium does not run" },
};

static bool
programs_are_there(void)
{
	for (size_t i = 0; i < VS_COUNTOF(programs); i++) {
		if (access(programs[i].path, X_OK) < 0) {
			(void)printf(
			    "%s is missing: install %s.\n", programs[i].path, programs[i].package);
			return false;
		}
	}
	return true;
}

/* Root can do what a runtime's user cannot. */
static bool
become_ordinary(void)
{
	if (geteuid() != 0)
		return true;
	if (setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0)
		return true;
	(void)printf("Cannot become an ordinary user: %s.\n", strerror(errno));
	return false;
}

static bool
probe_passes(size_t which)
{
	char says[200] = "";
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return false;
	int status = sandbox_probe(probes[which].argv, fds[1]);
	ssize_t len = read(fds[0], says, sizeof(says) - 1);
	says[len < 0 ? 0 : len] = '\0';
	says[strcspn(says, "\n")] = '\0';
	(void)close(fds[0]);
	(void)close(fds[1]);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	(void)printf("%s: %s.\n", probes[which].fault, says[0] == '\0' ? "no word from it" : says);
	return false;
}

int
selftest_main(void)
{
	if (!programs_are_there() || !become_ordinary())
		return 1;
	for (size_t i = 0; i < VS_COUNTOF(probes); i++) {
		if (!probe_passes(i))
			return 1;
	}
	(void)printf("This machine can run sandboxed desktops.\n");
	return 0;
}
