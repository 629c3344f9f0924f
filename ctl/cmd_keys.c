/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "ctl/ctl.h"
#include "ctl/keyfile.h"
#include "lib/clock.h"
#include "lib/err.h"

int
ctl_keys_new(const struct ctl_command *self, int argc, char **argv)
{
	const char *dir = NULL;
	const struct ctl_option options[] = { { "dir", &dir, NULL } };
	char kid[VS_KID_MAX + 1];
	struct vs_conf *conf;
	int rc;

	if (!ctl_options(self, argc, argv, options, VS_COUNTOF(options), 0, NULL))
		return CTL_USAGE;
	conf = ctl_conf();
	if (conf == NULL)
		return CTL_USAGE;
	if (dir == NULL)
		dir = conf->platform_keys_dir;
	rc = keyfile_new(dir, vs_clock_wall_ms(), kid);
	if (rc == 0)
		(void)printf("%s/%s.key\n", dir, kid);
	else
		(void)ctl_fail(self, "%s: %s", dir, vs_err_text(rc));
	vs_conf_free(conf);
	return rc == 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : CTL_FAILED;
}
