/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/tenant_sql.h"

#include <assert.h>
#include <stdio.h>

#include "lib/err.h"

enum { OWNER_ASSUME, TENANT_ENSURE, WORKSPACE_ENSURE, TENANT_STMT_COUNT };

/* clang-format off */
const struct vs_stmt tenant_stmts[] = {
	[OWNER_ASSUME] = {
		.name = "owner_assume", .nparams = 0, .ncols = 1, .rows = VS_ROWS_ONE,
		.repeatable = true,
		.sql = "SELECT pg_catalog.set_config('role', 'ventus_owner', false)",
	},
	/* The update that changes nothing makes RETURNING give the row that was there. */
	[TENANT_ENSURE] = {
		.name = "tenant_ensure", .nparams = 2, .ncols = 1, .rows = VS_ROWS_ONE,
		.repeatable = true,
		.sql =
		    "INSERT INTO ventus.tenant (id, name) VALUES ($1::text, $2::text)"
		    " ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id",
	},
	[WORKSPACE_ENSURE] = {
		.name = "workspace_ensure", .nparams = 3, .ncols = 1, .rows = VS_ROWS_ONE,
		.repeatable = true,
		.sql =
		    "INSERT INTO ventus.workspace (id, tenant_id, name)"
		    " VALUES ($1::text, $2::text, $3::text)"
		    " ON CONFLICT (tenant_id, name) DO UPDATE SET name = excluded.name RETURNING id",
	},
};
/* clang-format on */
const size_t tenant_stmts_count = VS_COUNTOF(tenant_stmts);
static_assert(VS_COUNTOF(tenant_stmts) == TENANT_STMT_COUNT, "one row per statement");

int
owner_assume(struct vs_db *db)
{
	return vs_db_run(db, NULL, &tenant_stmts[OWNER_ASSUME], VS_NOARGS, NULL);
}

int
tenant_ensure(struct vs_db *db, const char *name, char ret_id[VS_ULID_SIZE])
{
	vs_autores PGresult *res = NULL;
	char id[VS_ULID_SIZE];
	int rc;

	vs_ulid_new(id);
	rc = vs_db_run(
	    db, NULL, &tenant_stmts[TENANT_ENSURE], VS_ARGS(VS_TEXT(id), VS_TEXT(name)), &res);
	if (rc == 0)
		(void)snprintf(ret_id, VS_ULID_SIZE, "%s", vs_col_text(res, 0, 0));
	return rc;
}

int
workspace_ensure(
    struct vs_db *db, const char *tenant_id, const char *name, char ret_id[VS_ULID_SIZE])
{
	vs_autores PGresult *res = NULL;
	char id[VS_ULID_SIZE];
	int rc;

	vs_ulid_new(id);
	rc = vs_db_run(db, NULL, &tenant_stmts[WORKSPACE_ENSURE],
	    VS_ARGS(VS_TEXT(id), VS_TEXT(tenant_id), VS_TEXT(name)), &res);
	if (rc == 0)
		(void)snprintf(ret_id, VS_ULID_SIZE, "%s", vs_col_text(res, 0, 0));
	return rc;
}
