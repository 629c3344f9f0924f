/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jobs of one region's life: what is queued gets a runtime, what is due ends, what
 * has ended goes.
 */
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/model/runtime_sql.h"
#include "lib/ulid.h"
#include "reaperd/reaper.h"

static int
claim_one(struct pool *pool)
{
	struct reaper *reaper = pool->reaper;
	struct runtime_pool what = { .region = pool->region->name,
		.kind = POOL_KIND,
		.capacity = pool->region->capacity,
		.secret_kid = vs_keyring_current(reaper->ring) };
	struct runtime_row row;
	char id[VS_ULID_SIZE];
	int rc;

	vs_ulid_new(id);
	rc = runtime_claim(reaper->db, &reaper->arena, &reaper->self, &what, id, &row);
	/* The answer to the first try was lost: the row is there, and has no runtime. */
	if (rc == VS_EEXIST)
		job_wake(reaper, JOB_reconcile);
	if (rc == 0)
		pool_start(pool, &row);
	return rc;
}

int
job_provision(struct reaper *reaper, struct pool *pool, struct job_run *run)
{
	int rc = 0;

	while (rc == 0 && pool->starting.count < reaper->max_starts) {
		rc = claim_one(pool);
		run->done += rc == 0;
	}
	return rc == VS_ENOENT || rc == VS_EEXIST ? 0 : rc;
}

/* Those that are not over: their agents hear of a later end, and we of the next one. */
int
job_expire(struct reaper *reaper, struct pool *pool, struct job_run *run)
{
	struct runtime_row *rows;
	size_t n;
	int rc;

	rc = runtime_expire(reaper->db, &reaper->self, pool->region->name, &run->done);
	if (rc < 0)
		return rc;
	if (run->done > 0)
		job_wake(reaper, JOB_release);
	rc = runtime_list(reaper->db, &reaper->arena, pool->region->name, &rows, &n);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n; i++) {
		if (rows[i].state == RUNTIME_STOPPING || rows[i].session_id[0] == '\0')
			continue;
		/* One that the driver does not know is reconcile's business. */
		(void)!pool->driver->ops->extend(pool->driver, rows[i].id, pool_deadline(&rows[i]));
		if (run->next_ms < 0 || rows[i].remaining_ms < run->next_ms)
			run->next_ms = rows[i].remaining_ms > 0 ? rows[i].remaining_ms : 0;
	}
	return 0;
}

int
job_release(struct reaper *reaper, struct pool *pool, struct job_run *run)
{
	struct runtime_row *rows;
	size_t n;
	int rc;

	rc = runtime_list_stopping(reaper->db, &reaper->arena, pool->region->name, &rows, &n);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n; i++) {
		if (idset_has(&pool->stopping, rows[i].id))
			continue;
		pool_stop(pool, rows[i].id);
		run->done++;
	}
	return 0;
}

int
job_health(struct reaper *reaper, struct pool *pool, struct job_run *run)
{
	(void)reaper;
	(void)run;
	pool->driver->ops->check(pool->driver);
	return 0;
}
