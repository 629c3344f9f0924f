/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * seed - rows that a database test starts from, made through the functions that the
 * daemons use. conn: a superuser.
 */

#include <stdbool.h>

#include "lib/ulid.h"
#include "tests/support/sql.h"

#define SEED_ACTOR	"ROW('system', 'test', NULL, NULL, 'req-test')::ventus.actor"

void	seed_workspace(PGconn *conn, int weight, char ret_id[VS_ULID_SIZE]);

/* QUEUED, in region "local". */
void	seed_session(PGconn *conn, const char *workspace, int keep_alive_seconds,
	    char ret_id[VS_ULID_SIZE]);

/* Claimed and ready. ret_runtime may be NULL. */
void	seed_running(PGconn *conn, const char *workspace, int keep_alive_seconds,
	    char ret_id[VS_ULID_SIZE], char *ret_runtime);

/* Text of a call of session_admit(). Static until the next call. */
const char *seed_admit_sql(const char *workspace, const char *id, const char *key,
	    int keep_alive_seconds);

/* session_move() by a daemon; args: SQL of a ventus.move_args, or NULL. Did it move? */
bool	seed_move(PGconn *conn, const char *id, const char *event, const char *args);
