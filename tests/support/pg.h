/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * pg - a PostgreSQL cluster of the test's own: a temporary directory, a unix
 * socket, no TCP port, the roles and the schema of this tree in database "ventus".
 * It dies with the test program.
 *
 * Every function ends the test program with a message when it cannot do its work.
 *
 * Owner: the test's group setup.
 */

#include <stdbool.h>

struct pg;

#define PG_DSN_SIZE	256

struct pg	*pg_new(void);		/* running, migrated */
struct pg	*pg_new_empty(void);	/* running, database "ventus" empty, no roles */
void	 pg_free(struct pg *pg);	/* stops and removes all; NULL is fine */

/* Connection string of a role; "ventus_owner" logs in as postgres and sets it. */
void	 pg_dsn(const struct pg *pg, const char *user, char ret_dsn[PG_DSN_SIZE]);
const char *pg_dir(const struct pg *pg);

void	 pg_stop(struct pg *pg);	/* cuts every connection; waits for the end */
void	 pg_kill(struct pg *pg);	/* kill -9 of the server */
void	 pg_pause(struct pg *pg);	/* no process of it runs: it is silent */
void	 pg_resume(struct pg *pg);
void	 pg_start(struct pg *pg);	/* the same cluster again; waits until it answers */
