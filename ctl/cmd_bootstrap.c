/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/tenant_sql.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/model/api_key.h"

#define ENV_SIZE 512

/* What the commands after this one need to know. */
struct credentials {
	char workspace_id[VS_ULID_SIZE];
	char operator_key[API_KEY_SIZE], admin_key[API_KEY_SIZE];
};

static int
make_key(struct vs_db *db, const char *workspace_id, enum api_role role, char ret_key[API_KEY_SIZE])
{
	char id[VS_ULID_SIZE];
	uint8_t sha256[32];
	int rc = api_key_new(ret_key, id, sha256);

	return rc < 0 ? rc : api_key_insert(db, workspace_id, "bootstrap", role, id, sha256);
}

static int
make(struct vs_db *db, const char *tenant, const char *workspace, struct credentials *ret_made)
{
	char tenant_id[VS_ULID_SIZE];
	int rc = tenant_ensure(db, tenant, tenant_id);

	if (rc == 0)
		rc = workspace_ensure(db, tenant_id, workspace, ret_made->workspace_id);
	if (rc == 0)
		rc = make_key(db, ret_made->workspace_id, ROLE_OPERATOR, ret_made->operator_key);
	if (rc == 0)
		rc = make_key(db, ret_made->workspace_id, ROLE_ADMIN, ret_made->admin_key);
	return rc;
}

/* Does the file hold two keys that work? Then there is nothing to do. */
static bool
file_is_good(struct vs_db *db, const char *path)
{
	vs_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[ENV_SIZE] = "", operator_key[API_KEY_SIZE] = "", admin_key[API_KEY_SIZE] = "";
	struct api_key operator, admin;
	bool good;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return false;
	good = sscanf(text, "VENTUS_API_KEY=%62s\nADMIN_API_KEY=%62s\n", operator_key, admin_key) ==
		   2 &&
	       api_key_check(db, operator_key, &operator) == 0 &&
	       api_key_check(db, admin_key, &admin) == 0 && admin.role == ROLE_ADMIN &&
	       strcmp(operator.workspace_id, admin.workspace_id) == 0;
	OPENSSL_cleanse(text, sizeof(text));
	OPENSSL_cleanse(operator_key, sizeof(operator_key));
	OPENSSL_cleanse(admin_key, sizeof(admin_key));
	return good;
}

/* Whole or not at all, and readable by nobody else at any time. */
static int
put_file(const char *path, const char *text)
{
	vs_autofree char *tmp = NULL;
	vs_autofd int fd = -1;
	size_t len = strlen(text);

	if (asprintf(&tmp, "%s.XXXXXX", path) < 0) {
		tmp = NULL;
		return VS_ENOMEM;
	}
	fd = mkostemp(tmp, O_CLOEXEC); /* mode 0600 */
	if (fd < 0)
		return vs_err_from_errno(errno);
	if (write(fd, text, len) != (ssize_t)len || fsync(fd) != 0 || rename(tmp, path) != 0) {
		(void)unlink(tmp);
		return VS_EIO;
	}
	return 0;
}

static int
put(const struct credentials *made, const char *path)
{
	char text[ENV_SIZE];
	int rc = 0;

	(void)snprintf(text, sizeof(text),
	    "VENTUS_API_KEY=%s\nADMIN_API_KEY=%s\nVENTUS_WORKSPACE_ID=%s\n", made->operator_key,
	    made->admin_key, made->workspace_id);
	if (path != NULL)
		rc = put_file(path, text);
	else if (fputs(text, stdout) < 0 || fflush(stdout) != 0)
		rc = VS_EIO;
	OPENSSL_cleanse(text, sizeof(text));
	return rc;
}

static int
bootstrap(const struct ctl_command *self, struct vs_db *db, const char *tenant,
    const char *workspace, const char *path)
{
	struct credentials made = { .workspace_id = "" };
	int rc;

	if (path != NULL && file_is_good(db, path))
		return EXIT_SUCCESS;
	rc = make(db, tenant, workspace, &made);
	if (rc < 0) {
		(void)ctl_fail(self, "%s (%s)", vs_err_text(rc), vs_db_errtext(db));
	} else {
		rc = put(&made, path);
		if (rc < 0)
			(void)ctl_fail(
			    self, "%s: %s", path != NULL ? path : "stdout", vs_err_text(rc));
	}
	OPENSSL_cleanse(&made, sizeof(made));
	return rc == 0 ? EXIT_SUCCESS : CTL_FAILED;
}

int
ctl_bootstrap(const struct ctl_command *self, int argc, char **argv)
{
	const char *tenant = "default", *workspace = "default", *path = NULL;
	const struct ctl_option options[] = { { "tenant", &tenant, NULL },
		{ "workspace", &workspace, NULL }, { "env-file", &path, NULL } };
	struct vs_conf *conf;
	struct vs_db *db;
	int status;

	if (!ctl_options(self, argc, argv, options, VS_COUNTOF(options), 0, NULL))
		return CTL_USAGE;
	conf = ctl_conf();
	if (conf == NULL)
		return CTL_USAGE;
	db = ctl_owner_db(self, conf);
	vs_conf_free(conf);
	if (db == NULL)
		return CTL_FAILED;
	status = bootstrap(self, db, tenant, workspace, path);
	vs_db_free(db);
	return status;
}
