/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/err.h"
#include "lib/model/runtime_sql.h"
#include "reaperd/observe.h"
#include "reaperd/once.h"
#include "reaperd/reaper.h"

static int
dry_reconcile(struct pool *pool)
{
	struct reconcile_step *steps;
	const char **ghosts;
	int64_t next_ms;
	size_t n;
	int rc;

	rc = pool_open(pool);
	if (rc == 0)
		rc = observe(pool, &steps, &n, &next_ms);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (steps[i].action != RECONCILE_WATCH)
			(void)printf("reconcile: would %s runtime %s\n",
			    reconcile_action_text(steps[i].action), steps[i].id);
	}
	if (rc == 0)
		rc = runtime_list_ghosts(
		    pool->reaper->db, &pool->reaper->arena, pool->region->name, &ghosts, &n);
	for (size_t i = 0; rc == 0 && i < n; i++)
		(void)printf("reconcile: would fail session %s, which has no runtime\n", ghosts[i]);
	return rc;
}

static int
dry_release(struct pool *pool)
{
	struct reaper *reaper = pool->reaper;
	struct runtime_row *rows;
	size_t n;
	int rc;

	rc = runtime_list_stopping(reaper->db, &reaper->arena, pool->region->name, &rows, &n);
	for (size_t i = 0; rc == 0 && i < n; i++)
		(void)printf("release: would stop runtime %s\n", rows[i].id);
	return rc;
}

/* What the others would touch is one statement away. */
static const struct {
	enum job_id job;
	enum runtime_peek what;
	const char *verb;
} peeks[] = {
	{ JOB_expire, RUNTIME_PEEK_EXPIRED, "expire session" },
	{ JOB_provision, RUNTIME_PEEK_QUEUED, "claim session" },
	{ JOB_queue_timeout, RUNTIME_PEEK_QUEUE_TIMEOUT, "fail session" },
	{ JOB_leases, RUNTIME_PEEK_LEASES, "end the clients of cdpd" },
	{ JOB_purge, RUNTIME_PEEK_PURGE, "remove" },
};

/* pool may be NULL. */
static int
dry_peek(struct reaper *reaper, enum job_id job, const struct pool *pool)
{
	struct runtime_peek_args args = { .region = pool != NULL ? pool->region->name : NULL,
		.kind = POOL_KIND,
		.timeout_seconds = reaper->conf->reaperd_queue_timeout_seconds };
	const char **ids;
	size_t n, i = 0;
	int rc;

	while (i < VS_COUNTOF(peeks) && peeks[i].job != job)
		i++;
	if (i == VS_COUNTOF(peeks))
		return 0;
	rc = runtime_peek(reaper->db, &reaper->arena, peeks[i].what, &args, &ids, &n);
	for (size_t k = 0; rc == 0 && k < n; k++)
		(void)printf("%s: would %s %s\n", jobs[job].name, peeks[i].verb, ids[k]);
	return rc;
}

static int
dry_job(struct reaper *reaper, enum job_id job)
{
	int rc = 0;

	if (jobs[job].scope == JOB_SCOPE_ALL)
		return dry_peek(reaper, job, NULL);
	for (size_t i = 0; rc == 0 && i < reaper->npools; i++) {
		struct pool *pool = &reaper->pools[i];

		if (job == JOB_reconcile)
			rc = dry_reconcile(pool);
		else if (job == JOB_release)
			rc = dry_release(pool);
		else
			rc = dry_peek(reaper, job, pool);
	}
	return rc;
}

int
once_dry_run(struct reaper *reaper, const bool want[JOBS])
{
	int status = EXIT_SUCCESS, rc;

	for (size_t i = 0; i < JOBS; i++) {
		if (!want[i])
			continue;
		rc = dry_job(reaper, (enum job_id)i);
		vs_arena_reset(&reaper->arena);
		if (rc == 0)
			continue;
		(void)printf("%s: %s\n", jobs[i].name, vs_err_text(rc));
		status = EXIT_FAILURE;
	}
	return status;
}
