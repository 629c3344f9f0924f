/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cdpd_rig - ventus-cdpd as it is installed, on a database and keys of the test's own,
 * and sessions whose browser is an echo_agent.
 *
 * Owner: the test program; there is one. Fails the test when something does not work.
 */

#include <poll.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "lib/clock.h"
#include "lib/jwt.h"
#include "lib/keyring.h"
#include "lib/ulid.h"
#include "tests/support/pg.h"
#include "tests/support/sql.h"
#include "tests/support/tmpdir.h"

#define CDPD_RIG_ISSUER		"http://localhost:8080"
#define CDPD_RIG_WORKSPACE	"01J00000000000000000000002"
#define CDPD_RIG_MAX_CLIENTS	10
#define CDPD_RIG_MAX_MESSAGE	(16 * 1024 * 1024)
#define CDPD_RIG_ACTOR		"ROW('system','test',NULL,NULL,'req')::ventus.actor"

struct cdpd_rig {
	struct pg		*pg;
	PGconn			*owner;
	struct vs_keyring	*ring;
	char			 dir[TMPDIR_SIZE];
	char			 sock[TMPDIR_SIZE + 32], log[TMPDIR_SIZE + 32];
	pid_t			 master;
	rlim_t			 max_files;	/* of the daemon; 0: all there may be */
};
extern struct cdpd_rig cdpd_rig;

void	cdpd_rig_new(void);	/* database and daemon */
void	cdpd_rig_free(void);
void	cdpd_rig_start(void);	/* the daemon alone; it answers when this returns */
void	cdpd_rig_stop(void);	/* SIGTERM, and it must end well */

/* The path of one session with the query that opens it by a token of these claims. */
void	cdpd_rig_target(const char *path_id, const char *sid, const char *wid, enum vs_jwt_aud aud,
	    char *ret_target, size_t size);

/* One session and its echo_agent. */
struct cdpd_sess {
	char	id[VS_ULID_SIZE], runtime[VS_ULID_SIZE];
	char	agent_sock[TMPDIR_SIZE + 40];
	char	secret[VS_RUNTIME_SECRET_SIZE];
	char	target[VS_JWT_MAX + 128];
	pid_t	agent;
};

void	cdpd_sess_queue(struct cdpd_sess *sess, int keep_alive);	/* QUEUED */
void	cdpd_sess_run(struct cdpd_sess *sess);			/* RUNNING */
void	cdpd_sess_start(struct cdpd_sess *sess, int keep_alive);	/* both */
void	cdpd_sess_end(struct cdpd_sess *sess);			/* its agent is gone */

/* Raise an event; code is the error's, or NULL. */
void	cdpd_sess_move(const struct cdpd_sess *sess, const char *event, const char *code);

int64_t	cdpd_sess_clients(const struct cdpd_sess *sess);
bool	cdpd_sess_is(const struct cdpd_sess *sess, const char *status_and_reason);

/* Until pred() or the deadline; polling is fine where nothing announces itself. */
#define WAIT_UNTIL(pred)						\
	do { \
		vs_msec limit_ = vs_clock_mono_ms() + 20000; \
		while (!(pred)) { \
			if (vs_clock_mono_ms() > limit_) \
				fail_msg("never: %s", #pred); \
			(void)poll(NULL, 0, 5); \
		} \
	} while (0)
