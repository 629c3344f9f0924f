/* SPDX-License-Identifier: Apache-2.0 */
#include "reaperd/job.h"

#include <string.h>

#include "lib/arena.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"
#include "reaperd/reaper.h"

#define BACKOFF_MIN_MS 200
#define BACKOFF_MAX_MS 5000

const struct job jobs[JOBS] = {
#define JOB(name_, scope_, period_ms_, budget_ms_, fn_) \
	[JOB_##name_] = { .name = #name_, \
		.scope = JOB_SCOPE_##scope_, \
		.period_ms = (period_ms_), \
		.budget_ms = (budget_ms_), \
		.fn = (fn_) },
#include "reaperd/job.def"
#undef JOB
};

enum job_id
job_find(const char *name)
{
	for (size_t i = 0; i < JOBS; i++) {
		if (strcmp(jobs[i].name, name) == 0)
			return (enum job_id)i;
	}
	return JOBS;
}

/* A failure is logged when it begins, and when it is over. */
static void
job_note(struct reaper *reaper, enum job_id id, const struct pool *pool, int rc)
{
	struct job_state *state = &reaper->jobs.state[id];

	if (rc == state->failing)
		return;
	state->failing = rc;
	if (rc < 0)
		log_warning("job.failed", VS_LOG_STR("job", jobs[id].name), VS_LOG_ERR(rc),
		    VS_LOG_STR("region", pool != NULL ? pool->region->name : NULL),
		    VS_LOG_STR("detail", vs_db_errtext(reaper->db)));
	else
		log_info("job.recovered", VS_LOG_STR("job", jobs[id].name));
}

static int
job_run_in(struct reaper *reaper, enum job_id id, struct pool *pool, struct job_run *sum)
{
	struct job_run run = { .next_ms = -1 };
	vs_msec began = vs_clock_mono_ms(), took;
	int rc;

	rc = jobs[id].fn(reaper, pool, &run);
	vs_arena_reset(&reaper->arena);
	took = vs_clock_mono_ms() - began;
	sum->done += run.done;
	if (run.next_ms >= 0 && (sum->next_ms < 0 || run.next_ms < sum->next_ms))
		sum->next_ms = run.next_ms;
	if (took > jobs[id].budget_ms)
		log_warning("job.slow", VS_LOG_STR("job", jobs[id].name), VS_LOG_INT("ms", took),
		    VS_LOG_INT("budget_ms", jobs[id].budget_ms));
	job_note(reaper, id, pool, rc);
	return rc;
}

int
job_run(struct reaper *reaper, enum job_id id, struct job_run *ret_run)
{
	struct job_run sum = { .next_ms = -1 };
	bool leading = false;
	int rc = 0, rc_pool;

	for (size_t i = 0; i < reaper->npools; i++) {
		struct pool *pool = &reaper->pools[i];

		if (!pool_is_led(pool))
			continue;
		leading = true;
		if (jobs[id].scope != JOB_SCOPE_POOL)
			break;
		rc_pool = job_run_in(reaper, id, pool, &sum);
		rc = rc < 0 ? rc : rc_pool;
	}
	if (jobs[id].scope == JOB_SCOPE_ALL && leading)
		rc = job_run_in(reaper, id, NULL, &sum);
	*ret_run = sum;
	return rc;
}

static void jobs_arm(struct reaper *reaper);

/* False: the database is away, so the others wait too. */
static bool
job_run_due(struct reaper *reaper, enum job_id id)
{
	struct jobs *all = &reaper->jobs;
	vs_msec now = vs_clock_mono_ms();
	struct job_run run;
	int rc;

	/* Before the run: what wakes the job during it makes it run again. */
	all->state[id].due = now + jobs[id].period_ms;
	rc = job_run(reaper, id, &run);
	if (rc == VS_EDB) {
		all->backoff_ms = all->backoff_ms == 0 ? BACKOFF_MIN_MS : all->backoff_ms * 2;
		if (all->backoff_ms > BACKOFF_MAX_MS)
			all->backoff_ms = BACKOFF_MAX_MS;
		all->not_before = vs_clock_mono_ms() + all->backoff_ms;
		all->state[id].due = now;
		return false;
	}
	all->backoff_ms = 0;
	if (run.next_ms >= 0 && now + run.next_ms < all->state[id].due)
		all->state[id].due = now + run.next_ms;
	return true;
}

static void
on_due(struct vs_timer *timer)
{
	struct reaper *reaper = timer->ctx;

	for (size_t i = 0; i < JOBS; i++) {
		if (reaper->jobs.state[i].due <= vs_clock_mono_ms() &&
		    !job_run_due(reaper, (enum job_id)i))
			break;
	}
	jobs_arm(reaper);
}

static void
jobs_arm(struct reaper *reaper)
{
	struct jobs *all = &reaper->jobs;
	vs_msec at = all->state[0].due;

	if (!all->running)
		return;
	for (size_t i = 1; i < JOBS; i++)
		at = all->state[i].due < at ? all->state[i].due : at;
	if (at < all->not_before)
		at = all->not_before;
	if (vs_loop_timer(reaper->loop, &all->timer, at, on_due, reaper) < 0)
		reaper_fail(reaper, "no memory for a timer");
}

void
job_wake(struct reaper *reaper, enum job_id id)
{
	reaper->jobs.state[id].due = 0;
	jobs_arm(reaper);
}

void
job_wake_all(struct reaper *reaper)
{
	for (size_t i = 0; i < JOBS; i++)
		reaper->jobs.state[i].due = 0;
	jobs_arm(reaper);
}

void
jobs_start(struct reaper *reaper)
{
	reaper->jobs.running = true;
	job_wake_all(reaper);
}
