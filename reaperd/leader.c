/* SPDX-License-Identifier: Apache-2.0 */
#include "reaperd/leader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/dbq.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/model/runtime_sql.h"
#include "reaperd/reaper.h"

#define TRY_AGAIN_MS 1000
#define ANSWER_MS    5000
#define QUEUE_SPARE  16

/* One region's lock. */
struct seat {
	struct leader *leader;
	struct pool *pool;
	bool asking;                 /* a statement is under way */
	bool known;                  /* answered since the connection came up */
	char name[LEADER_NAME_SIZE]; /* of the other leader */
};

struct leader {
	struct reaper *reaper;
	struct vs_dbq *dbq;
	struct vs_timer timer;
	struct seat *seats; /* one per pool */
};

/*
 * "<session> <status> <why>". Which job is woken by which status; a session that
 * has ended wants its runtime stopped, whatever the way.
 */
static const struct {
	const char *status;
	enum job_id job;
} wakes[] = {
	{ "QUEUED", JOB_provision },
	{ "PROVISIONING", JOB_expire }, /* extended, perhaps */
	{ "RUNNING", JOB_expire },
	{ "COMPLETED", JOB_release },
	{ "EXPIRED", JOB_release },
	{ "ERRORED", JOB_release },
};

static void
on_notify(void *ctx, const char *channel, const char *payload)
{
	struct leader *leader = ctx;
	const char *status = payload != NULL ? strchr(payload, ' ') : NULL;
	size_t len;

	(void)channel;
	if (status == NULL)
		return;
	status++;
	len = strcspn(status, " ");
	for (size_t i = 0; i < VS_COUNTOF(wakes); i++) {
		if (strlen(wakes[i].status) == len && strncmp(status, wakes[i].status, len) == 0)
			job_wake(leader->reaper, wakes[i].job);
	}
}

static void
seat_win(struct seat *seat)
{
	struct pool *pool = seat->pool;
	int rc;

	if (pool->lead)
		return;
	seat->name[0] = '\0';
	rc = pool_open(pool);
	if (rc < 0)
		return; /* asked for again by the timer, or the loop is at its end */
	pool->lead = true;
	log_info("region.lead", VS_LOG_STR("region", pool->region->name));
	job_wake_all(pool->reaper);
}

static void
on_other(void *ctx, int rc, const PGresult *res)
{
	struct seat *seat = ctx;
	const char *name;

	seat->asking = false;
	if (rc < 0)
		return;
	seat->known = true;
	name = PQntuples(res) > 0 ? vs_col_text(res, 0, 0) : NULL;
	if (name == NULL || strcmp(name, seat->name) == 0)
		return;
	(void)snprintf(seat->name, sizeof(seat->name), "%s", name);
	log_info("region.standby", VS_LOG_STR("region", seat->pool->region->name),
	    VS_LOG_STR("leader", seat->name));
}

static void
seat_run(struct seat *seat, const struct vs_stmt *stmt, vs_dbq_fn fn)
{
	struct leader *leader = seat->leader;
	int rc;

	rc = vs_dbq_run(leader->dbq, stmt, VS_ARGS(VS_TEXT(seat->pool->region->name)),
	    vs_clock_mono_ms() + ANSWER_MS, fn, seat, NULL);
	seat->asking = rc == 0; /* else the timer asks again */
}

static void
on_lock(void *ctx, int rc, const PGresult *res)
{
	struct seat *seat = ctx;

	seat->asking = false;
	if (rc < 0)
		return;
	if (!vs_col_bool(res, 0, 0)) {
		seat_run(seat, &runtime_stmt_leader, on_other);
		return;
	}
	seat_win(seat);
	seat->known = seat->pool->lead;
}

static void
on_named(void *ctx, int rc, const PGresult *res)
{
	(void)ctx;
	(void)rc; /* without it the others only cannot say who we are */
	(void)res;
}

/* Ask for what we do not have. What we have is ours until the connection is lost. */
static void
leader_ask(struct leader *leader)
{
	if (!vs_dbq_is_up(leader->dbq))
		return;
	for (size_t i = 0; i < leader->reaper->npools; i++) {
		struct seat *seat = &leader->seats[i];

		if (!seat->pool->lead && !seat->asking)
			seat_run(seat, &runtime_stmt_lead, on_lock);
	}
}

static void
on_timer(struct vs_timer *timer)
{
	struct leader *leader = timer->ctx;

	leader_ask(leader);
	if (vs_loop_timer(leader->reaper->loop, timer, vs_clock_mono_ms() + TRY_AGAIN_MS, on_timer,
		leader) < 0)
		reaper_fail(leader->reaper, "no memory for a timer");
}

static void
on_up(void *ctx)
{
	struct leader *leader = ctx;
	char host[32] = "", name[LEADER_NAME_SIZE];

	(void)gethostname(host, sizeof(host) - 1);
	(void)snprintf(name, sizeof(name), "ventus-reaperd %s %d", host, (int)getpid());
	log_info("db.up");
	(void)!vs_dbq_run(leader->dbq, &runtime_stmt_name, VS_ARGS(VS_TEXT(name)),
	    vs_clock_mono_ms() + ANSWER_MS, on_named, NULL, NULL);
	leader_ask(leader);
}

static void
on_down(void *ctx, const char *why)
{
	struct leader *leader = ctx;

	log_warning("db.down", VS_LOG_STR("detail", why));
	for (size_t i = 0; i < leader->reaper->npools; i++) {
		struct seat *seat = &leader->seats[i];

		seat->known = false;
		seat->name[0] = '\0';
		if (seat->pool->lead)
			log_warning("region.lost", VS_LOG_STR("region", seat->pool->region->name));
		seat->pool->lead = false;
	}
}

struct leader *
leader_new(struct reaper *reaper)
{
	struct leader *leader = calloc(1, sizeof(*leader));
	struct vs_dbq_hooks hooks = {
		.notify = on_notify, .up = on_up, .down = on_down, .ctx = leader
	};

	if (leader == NULL)
		return NULL;
	leader->reaper = reaper;
	leader->seats = calloc(reaper->npools, sizeof(*leader->seats));
	leader->dbq = vs_dbq_new(
	    reaper->loop, reaper->conf->database_reaper, reaper->npools + QUEUE_SPARE, &hooks);
	if (leader->seats == NULL || leader->dbq == NULL ||
	    vs_dbq_listen(leader->dbq, "ventus_session") < 0)
		goto fail;
	for (size_t i = 0; i < reaper->npools; i++)
		leader->seats[i] = (struct seat){ .leader = leader, .pool = &reaper->pools[i] };
	if (vs_loop_timer(reaper->loop, &leader->timer, vs_clock_mono_ms() + TRY_AGAIN_MS, on_timer,
		leader) < 0)
		goto fail;
	return leader;
fail:
	leader_free(leader);
	return NULL;
}

void
leader_free(struct leader *leader)
{
	if (leader == NULL)
		return;
	vs_loop_timer_clear(leader->reaper->loop, &leader->timer);
	vs_dbq_free(leader->dbq);
	free(leader->seats);
	free(leader);
}

bool
leader_knows(const struct leader *leader)
{
	for (size_t i = 0; i < leader->reaper->npools; i++) {
		if (!leader->seats[i].known)
			return false;
	}
	return true;
}

const char *
leader_name(const struct leader *leader, size_t pool)
{
	return leader->seats[pool].name;
}
