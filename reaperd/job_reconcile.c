/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/err.h"
#include "lib/log.h"
#include "lib/model/runtime_sql.h"
#include "lib/model/sess.h"
#include "reaperd/observe.h"
#include "reaperd/reaper.h"
#include "reaperd/reconcile.h"

#define START_AGAIN_MS 200 /* for a free place among the starts at once */

/* True when the world is different now. */
static bool
act(struct pool *pool, const struct reconcile_step *step, struct job_run *run)
{
	switch (step->action) {
	case RECONCILE_NOTHING:
	case RECONCILE_ACTIONS:
		return false;
	case RECONCILE_WATCH:
		(void)!idset_add(&pool->starting, step->id); /* at worst one start too many */
		return false;
	case RECONCILE_START:
		if (pool->starting.count >= pool->reaper->max_starts) {
			run->next_ms = START_AGAIN_MS;
			return false;
		}
		pool_start(pool, step->row);
		return true;
	case RECONCILE_LATE:
		fact_late(pool, step->id);
		return true;
	case RECONCILE_LOST:
		fact_ended(pool, step->id, VS_RUNTIME_AGENT_LOST, "not on this machine any more");
		return true;
	case RECONCILE_STOP:
		if (idset_has(&pool->stopping, step->id))
			return false;
		pool_stop(pool, step->id);
		return true;
	case RECONCILE_GONE:
		fact_gone(pool, step->id);
		return true;
	}
	return false;
}

/* Live sessions that have no runtime at all: nothing can make one of those RUNNING. */
static int
ghosts_end(struct pool *pool, struct job_run *run)
{
	const struct runtime_verdict *verdict = fact_verdict(VS_RUNTIME_AGENT_LOST);
	struct sess_move_args args = { .error_code = verdict->code,
		.error_message = verdict->text };
	struct reaper *reaper = pool->reaper;
	struct sess sess;
	const char **ids;
	size_t n;
	int rc;

	rc = runtime_list_ghosts(reaper->db, &reaper->arena, pool->region->name, &ids, &n);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		log_warning("session.ghost", VS_LOG_STR("session", ids[i]));
		rc = sess_move(reaper->db, &reaper->arena, &reaper->self, ids[i], SESS_EVENT_FAIL,
		    &args, &sess);
		/* It has ended by itself meanwhile. */
		if (rc == VS_ESTATE)
			rc = 0;
		run->done++;
	}
	return rc;
}

int
job_reconcile(struct reaper *reaper, struct pool *pool, struct job_run *run)
{
	struct reconcile_step *steps;
	size_t n;
	int rc;

	rc = observe(pool, &steps, &n, &run->next_ms);
	if (rc < 0)
		return rc;
	/* Filled again from what is there now: an adopted start counts, a forgotten one not. */
	idset_clear(&pool->starting);
	for (size_t i = 0; i < n; i++) {
		if (!act(pool, &steps[i], run))
			continue;
		run->done++;
		log_info("reconcile", VS_LOG_STR("action", reconcile_action_text(steps[i].action)),
		    VS_LOG_STR("runtime", steps[i].id),
		    VS_LOG_STR("session", steps[i].row != NULL ? steps[i].row->session_id : NULL),
		    VS_LOG_STR("region", pool->region->name));
	}
	(void)reaper;
	return ghosts_end(pool, run);
}
