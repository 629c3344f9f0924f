/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "lib/err.h"
#include "lib/model/api_key.h"

static int
create(const struct ctl_command *self, const char *workspace, enum api_role role, const char *name)
{
	struct vs_conf *conf = ctl_conf();
	struct vs_db *db;
	char key[API_KEY_SIZE], id[VS_ULID_SIZE];
	uint8_t sha256[32];
	int rc;

	if (conf == NULL)
		return CTL_USAGE;
	db = ctl_owner_db(self, conf);
	vs_conf_free(conf);
	if (db == NULL)
		return CTL_FAILED;
	rc = api_key_new(key, id, sha256);
	if (rc == 0)
		rc = api_key_insert(db, workspace, name, role, id, sha256);
	if (rc == VS_ESTATE)
		(void)ctl_fail(self, "there is no workspace %s", workspace);
	else if (rc < 0)
		(void)ctl_fail(self, "%s (%s)", vs_err_text(rc), vs_db_errtext(db));
	else if (puts(key) < 0 || fflush(stdout) != 0)
		rc = VS_EIO;
	OPENSSL_cleanse(key, sizeof(key));
	vs_db_free(db);
	return rc == 0 ? EXIT_SUCCESS : CTL_FAILED;
}

int
ctl_key_create(const struct ctl_command *self, int argc, char **argv)
{
	const char *workspace = NULL, *role = NULL, *name = "";
	const struct ctl_option options[] = { { "workspace", &workspace, NULL },
		{ "role", &role, NULL }, { "name", &name, NULL } };

	if (!ctl_options(self, argc, argv, options, VS_COUNTOF(options), 0, NULL))
		return CTL_USAGE;
	if (workspace == NULL || role == NULL)
		return ctl_usage(self);
	if (!vs_ulid_ok(workspace, strlen(workspace))) {
		(void)ctl_fail(self, "--workspace wants a workspace's id, 26 characters");
		return CTL_USAGE;
	}
	if (api_role_parse(role) == ROLE_NONE) {
		(void)ctl_fail(self, "--role is one of viewer, operator, admin, system");
		return CTL_USAGE;
	}
	return create(self, workspace, api_role_parse(role), name);
}
