/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sql - SQL of the tests' own, beside the tables of the product.
 *
 * Everything but sql_state() fails the test when the statement does not succeed.
 */

#include <libpq-fe.h>
#include <stdint.h>

#include "lib/base.h"
#include "tests/support/pg.h"

PGconn	*sql_open(const struct pg *pg, const char *user);

void	 sql_do(PGconn *conn, const char *fmt, ...) VS_PRINTF(2, 3);

/* First column of the first row. Text is owned, NULL for NULL or no row. */
int64_t	 sql_int(PGconn *conn, const char *fmt, ...) VS_PRINTF(2, 3);
char	*sql_text(PGconn *conn, const char *fmt, ...) VS_PRINTF(2, 3);

/* The SQLSTATE it ends with, "00000" when well. Static until the next call. */
const char *sql_state(PGconn *conn, const char *fmt, ...) VS_PRINTF(2, 3);

/* Act for this workspace from now on, as lib/db.c does per statement. */
void	 sql_workspace(PGconn *conn, const char *workspace);
