/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * reaperd - a platform of the test's own for the reaper: a database, a state
 * directory, the daemon, and sessions to be served.
 *
 * Every function fails the test when it cannot do its work. Waiting is for a
 * notification of the database, with a deadline.
 *
 * Owner: the test's group setup.
 */

#include <libpq-fe.h>
#include <stdbool.h>
#include <sys/types.h>

#include "lib/ulid.h"
#include "tests/support/pg.h"
#include "tests/support/tmpdir.h"

#define REAPERD_WAIT_MS	15000

struct reaperd {
	struct pg	*pg;
	PGconn		*conn;		/* as the owner; listens to ventus_session */
	char		 dir[TMPDIR_SIZE];
	char		 conf[TMPDIR_SIZE + 16];
	char		 workspace[VS_ULID_SIZE];
	pid_t		 pid;		/* of the daemon; 0: none runs */
};

/* agent: a path, or NULL for tests/support/fake_agent. extra: more of [reaperd]. */
void	reaperd_setup(struct reaperd *rd, const char *agent, const char *extra);
void	reaperd_teardown(struct reaperd *rd);	/* kills all, removes all */

void	reaperd_spawn(struct reaperd *rd);	/* the daemon, wherever it gets */
void	reaperd_start(struct reaperd *rd);	/* and waits until it is connected */
void	reaperd_kill(struct reaperd *rd, int signo);	/* and waits for its end */
int	reaperd_stop(struct reaperd *rd);	/* TERM; its exit status */

/* Run "ventus-reaperd args..." (NULL-terminated); output owned. The exit status. */
int	reaperd_run(struct reaperd *rd, const char *const *args, char **ret_output);

/* One more key file; "k1" is there from the start. */
void	reaperd_key(struct reaperd *rd, const char *kid);

/* A session in QUEUED; how is what fake_agent reads. */
void	reaperd_session(struct reaperd *rd, const char *how, char ret_id[VS_ULID_SIZE]);

/* Wait until something is notified, or for 20 ms. */
void	reaperd_turn(struct reaperd *rd);

/* Wait until the query's first column is true. */
void	reaperd_wait(struct reaperd *rd, const char *what, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
void	reaperd_wait_status(struct reaperd *rd, const char *session, const char *status);

/* Wait until the runtime of a session is GONE, and see that nothing of it is left. */
void	reaperd_wait_gone(struct reaperd *rd, const char *session);

/* The agent of a session, from its record; 0: none. */
pid_t	reaperd_agent_pid(struct reaperd *rd, const char *session);

/* Raise an event as the API would. */
void	reaperd_move(struct reaperd *rd, const char *session, const char *event);

/* Kill what the records under <state_dir>/rt name, and remove its cgroups. */
void	reaperd_clear(const char *state_dir);

/* Nothing of any runtime is on this machine. */
bool	reaperd_is_clean(struct reaperd *rd);
