/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * migrate - bring a database to the schema of this release.
 *
 * Files migrate/NNNN_name.sql, numbered from 0001 without a gap, one transaction
 * each, forward only. ventus.schema_migration holds what was applied with its
 * SHA-256: a file that changed after it was applied, and a schema newer than this
 * release, are refused. An advisory lock makes runs at the same time wait for one
 * another.
 */

#include <stdint.h>

#include "lib/base.h"
#include "lib/buf.h"

struct migrate_report {
	int	applied;	/* files of this run */
	int	version;	/* the schema now */
};

/*
 * conninfo: a role that may SET ROLE ventus_owner. VS_EDB: not reachable; VS_ECONF:
 * the files are not in order; VS_ESTATE: the database is not what they say. Each
 * with one sentence in fault.
 */
int	migrate_run(const char *conninfo, const char *sql_dir, struct vs_buf *fault,
	    struct migrate_report *ret_report) VS_MUST_USE;

/* Make the roles of roles.sql, and let the owner use this database; conninfo: a superuser. */
int	migrate_roles(const char *conninfo, const char *sql_dir, struct vs_buf *fault) VS_MUST_USE;
