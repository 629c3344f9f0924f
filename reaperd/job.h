/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * job - the table of jobs and when each is due.
 *
 * A job looks at the world and does what is to be done now; it is harmless to run it
 * too often. The runner decides when, logs a failure once until it is over, and waits
 * with back-off while the database is away.
 *
 * Owner: struct reaper. Threads: one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/loop.h"

struct pool;
struct reaper;

enum job_id {
#define JOB(name, scope, period_ms, budget_ms, fn) JOB_##name,
#include "reaperd/job.def"
#undef JOB
	JOBS
};

/* What one run has to say. */
struct job_run {
	size_t	done;		/* things changed */
	int64_t	next_ms;	/* run again then at the latest; -1: the period will do */
};

enum job_scope { JOB_SCOPE_POOL, JOB_SCOPE_ALL };

/* pool is NULL for a job of scope ALL. */
typedef int (*job_fn)(struct reaper *reaper, struct pool *pool, struct job_run *run);

struct job {
	const char	*name;
	enum job_scope	 scope;
	vs_msec		 period_ms, budget_ms;
	job_fn		 fn;
};

extern const struct job jobs[JOBS];

struct job_state {
	vs_msec		due;		/* monotonic */
	int		failing;	/* the error it was last logged for; 0: well */
};

struct jobs {
	struct job_state	 state[JOBS];
	struct vs_timer		 timer;
	vs_msec			 not_before;	/* the database is away */
	vs_msec			 backoff_ms;
	bool			 running;	/* the timer is ours; not with --once */
};

/* By name. JOBS: none such. */
enum job_id	job_find(const char *name);

/* Due now, from the next turn of the loop on. */
void	job_wake(struct reaper *reaper, enum job_id id);
void	job_wake_all(struct reaper *reaper);

/* Run one job now, in each of its pools; *ret_run sums up. The first error. */
int	job_run(struct reaper *reaper, enum job_id id, struct job_run *ret_run) VS_MUST_USE;

void	jobs_start(struct reaper *reaper);	/* by the clock from now on */

/* The functions of job.def. */
#define JOB(name, scope, period_ms, budget_ms, fn) \
	int	fn(struct reaper *reaper, struct pool *pool, struct job_run *run) VS_MUST_USE;
#include "reaperd/job.def"
#undef JOB
