/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/probe.h"
#include "lib/clock.h"
#include "lib/err.h"

#define DEFAULT_TIMEOUT "60000"
#define MAX_TIMEOUT_MS  600000

/* One line of stdin, so that a token need not stand in an argument that ps shows. */
static bool
read_url(char *url, size_t size)
{
	if (fgets(url, (int)size, stdin) == NULL)
		return false;
	url[strcspn(url, "\r\n")] = '\0';
	return true;
}

static int
probe(const struct ctl_command *self, const char *url, long timeout_ms)
{
	char product[PROBE_PRODUCT_SIZE];
	struct vs_buf fault;
	int rc;

	vs_buf_init(&fault, 1024);
	rc = probe_run(url, vs_clock_mono_ms() + timeout_ms, &fault, product);
	if (rc == 0)
		(void)puts(product);
	else
		(void)ctl_fail(
		    self, "%s", vs_buf_len(&fault) > 0 ? vs_buf_str(&fault) : vs_err_text(rc));
	vs_buf_fini(&fault);
	return rc == 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : CTL_FAILED;
}

int
ctl_probe(const struct ctl_command *self, int argc, char **argv)
{
	const char *timeout = DEFAULT_TIMEOUT, *url = NULL;
	const struct ctl_option options[] = { { "timeout-ms", &timeout, NULL } };
	char line[8192], *end;
	long timeout_ms;

	if (!ctl_options(self, argc, argv, options, VS_COUNTOF(options), 1, &url))
		return CTL_USAGE;
	errno = 0;
	timeout_ms = strtol(timeout, &end, 10);
	if (errno != 0 || *end != '\0' || timeout_ms < 1 || timeout_ms > MAX_TIMEOUT_MS) {
		(void)ctl_fail(self, "--timeout-ms is a number from 1 to %d", MAX_TIMEOUT_MS);
		return CTL_USAGE;
	}
	if (strcmp(url, "-") == 0) {
		if (!read_url(line, sizeof(line)))
			return ctl_fail(self, "no URL on standard input");
		url = line;
	}
	return probe(self, url, timeout_ms);
}
