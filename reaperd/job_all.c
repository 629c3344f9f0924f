/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jobs that are one statement each and belong to no region.
 */
#include "lib/model/runtime_sql.h"
#include "reaperd/reaper.h"

int
job_queue_timeout(struct reaper *reaper, struct pool *pool, struct job_run *run)
{
	(void)pool;
	return runtime_queue_timeout(reaper->db, &reaper->self, reaper->pool_list,
	    reaper->conf->reaperd_queue_timeout_seconds, &run->done);
}

int
job_leases(struct reaper *reaper, struct pool *pool, struct job_run *run)
{
	(void)pool;
	return runtime_reap_leases(reaper->db, &reaper->self, &run->done);
}

int
job_purge(struct reaper *reaper, struct pool *pool, struct job_run *run)
{
	int rc;

	(void)pool;
	rc = runtime_purge_idempotency(reaper->db, &run->done);
	/* A full batch: there is more. */
	if (rc == 0 && run->done >= RUNTIME_PURGE_BATCH)
		run->next_ms = 0;
	return rc;
}
