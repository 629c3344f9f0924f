/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * tenant_sql - tenants and workspaces by name, for the role that owns the schema.
 */

#include "lib/db.h"
#include "lib/ulid.h"

/* From here on this connection acts as ventus_owner. VS_EFORBIDDEN, VS_EINVAL: it may not. */
int	owner_assume(struct vs_db *db) VS_MUST_USE;

/* The one of that name, made if there is none. VS_EINVAL: no good name. */
int	tenant_ensure(struct vs_db *db, const char *name, char ret_id[VS_ULID_SIZE]) VS_MUST_USE;
int	workspace_ensure(struct vs_db *db, const char *tenant_id, const char *name,
	    char ret_id[VS_ULID_SIZE]) VS_MUST_USE;

extern const struct vs_stmt tenant_stmts[];	/* for tests/it/test_it_stmt.c */
extern const size_t tenant_stmts_count;
