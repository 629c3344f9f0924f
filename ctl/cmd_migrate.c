/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "ctl/ctl.h"
#include "ctl/migrate.h"
#include "lib/err.h"

static int
migrate(const struct vs_conf *conf, const char *sql_dir, bool roles, struct vs_buf *fault,
    struct migrate_report *ret_report)
{
	int rc = roles ? migrate_roles(conf->database_owner, sql_dir, fault) : 0;

	return rc < 0 ? rc : migrate_run(conf->database_owner, sql_dir, fault, ret_report);
}

int
ctl_migrate(const struct ctl_command *self, int argc, char **argv)
{
	const char *sql_dir = VS_DATADIR "/sql";
	bool roles = false;
	const struct ctl_option options[] = { { "sql-dir", &sql_dir, NULL },
		{ "roles", NULL, &roles } };
	struct migrate_report report = { 0 };
	struct vs_buf fault;
	struct vs_conf *conf;
	int rc;

	if (!ctl_options(self, argc, argv, options, VS_COUNTOF(options), 0, NULL))
		return CTL_USAGE;
	conf = ctl_conf();
	if (conf == NULL)
		return CTL_USAGE;
	vs_buf_init(&fault, 4096);
	rc = migrate(conf, sql_dir, roles, &fault, &report);
	if (rc == 0)
		(void)printf(
		    "schema %d, %d new migrations applied\n", report.version, report.applied);
	else
		(void)ctl_fail(
		    self, "%s", vs_buf_len(&fault) > 0 ? vs_buf_str(&fault) : vs_err_text(rc));
	vs_buf_fini(&fault);
	vs_conf_free(conf);
	return rc == 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : CTL_FAILED;
}
