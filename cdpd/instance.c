/* SPDX-License-Identifier: Apache-2.0 */
#include "cdpd/instance.h"

#include <stdio.h>
#include <unistd.h>

#include "cdpd/server.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/model/cdp_client.h"

static void instance_poll(struct server *srv);

static void
instance_beaten(void *ctx, int rc, const PGresult *res)
{
	struct server *srv = ctx;

	(void)res; /* the function returns nothing */
	if (rc == 0)
		srv->instance.known = true;
	if (rc < 0 && rc != VS_EDB && rc != VS_ECLOSED)
		log_warning("cdpd.lease_refused", VS_LOG_ERR(rc));
}

void
instance_beat(struct server *srv)
{
	vs_msec now = vs_loop_now(srv->loop), lease = srv->conf->cdpd_lease_seconds * 1000;
	char name[64];

	(void)snprintf(name, sizeof(name), "pid %ld", (long)getpid()); /* always fits */
	if (cdp_client_beat(srv->dbq, srv->instance.id, name, srv->conf->cdpd_lease_seconds,
		now + lease, instance_beaten, srv) < 0)
		log_debug("cdpd.beat_skipped"); /* the next one makes it good */
}

static void
instance_beat_due(struct vs_timer *timer)
{
	struct server *srv = timer->ctx;
	vs_msec pause = srv->conf->cdpd_lease_seconds * 1000 / 3;

	if (vs_dbq_is_up(srv->dbq))
		instance_beat(srv);
	if (vs_loop_timer(
		srv->loop, timer, vs_loop_now(srv->loop) + pause, instance_beat_due, srv) < 0)
		log_error("cdpd.no_memory", VS_LOG_STR("what", "lease"));
}

static void
instance_polled(void *ctx, int rc, const PGresult *res)
{
	struct server *srv = ctx;
	struct cdp_session_news news;

	if (rc < 0)
		return; /* the next poll asks again */
	for (int row = 0; row < PQntuples(res); row++) {
		cdp_session_news_load(res, row, &news);
		if (news.id != NULL && news.status != NULL)
			session_news(srv, news.id, news.status, news.why);
	}
	instance_poll(srv);
}

/* One batch; the answer asks for the next until the round is over. */
static void
instance_poll(struct server *srv)
{
	char ids[SESSION_IDS_SIZE(INSTANCE_POLL_BATCH)];

	if (session_poll_ids(&srv->sessions, INSTANCE_POLL_BATCH, ids) == 0)
		return;
	if (cdp_client_poll(
		srv->dbq, ids, vs_loop_now(srv->loop) + SERVER_DB_MS, instance_polled, srv) < 0)
		log_debug("cdpd.poll_skipped"); /* the next round asks again */
}

static void
instance_poll_due(struct vs_timer *timer)
{
	struct server *srv = timer->ctx;

	if (vs_dbq_is_up(srv->dbq))
		instance_poll(srv);
	if (vs_loop_timer(srv->loop, timer, vs_loop_now(srv->loop) + INSTANCE_POLL_MS,
		instance_poll_due, srv) < 0)
		log_error("cdpd.no_memory", VS_LOG_STR("what", "poll"));
}

int
instance_start(struct server *srv)
{
	vs_msec now = vs_loop_now(srv->loop);
	int rc;

	vs_ulid_new(srv->instance.id);
	rc = vs_loop_timer(srv->loop, &srv->instance.beat, now, instance_beat_due, srv);
	if (rc == 0)
		rc = vs_loop_timer(
		    srv->loop, &srv->instance.poll, now + INSTANCE_POLL_MS, instance_poll_due, srv);
	return rc;
}

void
instance_stop(struct server *srv)
{
	vs_loop_timer_clear(srv->loop, &srv->instance.beat);
	vs_loop_timer_clear(srv->loop, &srv->instance.poll);
}

void
instance_up(struct server *srv)
{
	instance_beat(srv);
	srv->sessions.poll_bucket = 0;
	instance_poll(srv);
}

void
instance_down(struct server *srv)
{
	srv->instance.known = false;
}
