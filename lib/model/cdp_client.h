/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cdp_client - who is connected to a session's browser, as the database counts it.
 *
 * ventus-cdpd's only statements. They run on its loop (lib/dbq.h); the answers are
 * read by the functions beside them. Leaving twice is harmless, so a leave may be
 * told again until the database has heard it.
 *
 * Threads: one.
 */

#include "lib/base.h"
#include "lib/dbq.h"

/* May this client in? The row counts it when the verdict is "open". */
struct cdp_client_ask {
	const char	*workspace_id, *session_id;
	const char	*client_id, *instance_id;
	int64_t		 max_clients;
};

int	cdp_client_open(struct vs_dbq *dbq, const struct cdp_client_ask *ask, vs_msec deadline,
	    vs_dbq_fn fn, void *ctx) VS_MUST_USE;

enum cdp_verdict { CDP_OPEN, CDP_WAIT, CDP_FULL, CDP_GONE };

struct cdp_client_grant {
	enum cdp_verdict	 verdict;
	const char		*status, *why;	/* borrowed from the result, like all below */
	int64_t			 keep_alive_seconds;
	const char		*runtime_id, *endpoint, *secret_kid;	/* CDP_OPEN only */
};

/* VS_ENOENT: no such session in that workspace. VS_EDBBUG: a row that makes no sense. */
int	cdp_client_grant_load(const PGresult *res, struct cdp_client_grant *ret_grant) VS_MUST_USE;

/* What a client's leaving means to its session when it was the last one. */
enum cdp_leave {
	CDP_LEAVE_DISCONNECT,	/* it went: release */
	CDP_LEAVE_BROWSER_CLOSED,	/* it closed the browser: release, even if others are there */
	CDP_LEAVE_ABORTED	/* it was never let in, or the browser went: not its doing */
};

int	cdp_client_close(struct vs_dbq *dbq, const char *client_id, enum cdp_leave leave,
	    const char *request_id, vs_msec deadline, vs_dbq_fn fn, void *ctx) VS_MUST_USE;

/* Instance id lives for another lease; its clients are void when it is over. */
int	cdp_client_beat(struct vs_dbq *dbq, const char *instance_id, const char *name,
	    int64_t lease_seconds, vs_msec deadline, vs_dbq_fn fn, void *ctx) VS_MUST_USE;

/* What became of these sessions: ids is "{ULID,...}". */
int	cdp_client_poll(struct vs_dbq *dbq, const char *ids, vs_msec deadline, vs_dbq_fn fn,
	    void *ctx) VS_MUST_USE;

struct cdp_session_news {
	const char	*id, *status, *why;	/* borrowed from the result */
};
void	cdp_session_news_load(const PGresult *res, int row, struct cdp_session_news *ret_news);

extern const struct vs_stmt cdp_client_stmts[];	/* for tests/it/test_it_stmt.c */
extern const size_t cdp_client_stmts_count;
