/* SPDX-License-Identifier: Apache-2.0 */
#include "reaperd/once.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/err.h"
#include "reaperd/leader.h"
#include "reaperd/reaper.h"

#define LEAD_MS     15000 /* until the database has said who leads */
#define SETTLE_MS   5000  /* beyond the provision timeout */
#define TURN_MAX_MS 1000

struct result {
	size_t done;
	vs_msec took_ms;
	int rc;
};

/* False: the database has not answered in time, or we cannot go on. */
static bool
lead_wait(struct reaper *reaper)
{
	vs_msec deadline = vs_clock_mono_ms() + LEAD_MS;

	while (!leader_knows(reaper->leader)) {
		if (reaper->failed || vs_clock_mono_ms() >= deadline ||
		    vs_loop_once(reaper->loop, TURN_MAX_MS) < 0)
			return false;
	}
	return true;
}

/* True when some region is ours. */
static bool
leads_print(struct reaper *reaper)
{
	bool any = false;

	for (size_t i = 0; i < reaper->npools; i++) {
		const char *name = leader_name(reaper->leader, i);

		any = any || pool_is_led(&reaper->pools[i]);
		if (!pool_is_led(&reaper->pools[i]))
			(void)printf("region %s: led by %s; nothing done here\n",
			    reaper->pools[i].region->name, name[0] != '\0' ? name : "another");
	}
	return any;
}

static void
job_once(struct reaper *reaper, enum job_id id, struct result *result)
{
	struct job_run run;
	vs_msec began = vs_clock_mono_ms();
	int rc = job_run(reaper, id, &run);

	result->done += run.done;
	result->took_ms += vs_clock_mono_ms() - began;
	if (rc < 0)
		result->rc = rc;
}

/* How much is under way. */
static size_t
pending(const struct reaper *reaper)
{
	size_t n = vs_list_empty(&reaper->facts.list) ? 0 : 1;

	for (size_t i = 0; i < reaper->npools; i++)
		n += reaper->pools[i].starting.count + reaper->pools[i].stopping.count;
	return n;
}

/* Until all that was begun is over; a place that becomes free is used at once. */
static bool
settle(struct reaper *reaper, const bool want[JOBS], struct result results[JOBS])
{
	vs_msec deadline =
	    vs_clock_mono_ms() + SETTLE_MS + reaper->conf->reaperd_provision_timeout_seconds * 1000;
	size_t before = pending(reaper), now;

	while (before > 0) {
		if (reaper->failed || vs_clock_mono_ms() >= deadline ||
		    vs_loop_once(reaper->loop, TURN_MAX_MS) < 0)
			return false;
		now = pending(reaper);
		if (now < before && want[JOB_provision])
			job_once(reaper, JOB_provision, &results[JOB_provision]);
		before = pending(reaper);
	}
	return true;
}

int
once_run(struct reaper *reaper, const bool want[JOBS])
{
	struct result results[JOBS] = { { .done = 0 } };
	bool well;

	if (!lead_wait(reaper)) {
		(void)printf("the database did not answer\n");
		return EXIT_FAILURE;
	}
	if (!leads_print(reaper))
		return EXIT_SUCCESS;
	for (size_t i = 0; i < JOBS; i++) {
		if (want[i])
			job_once(reaper, (enum job_id)i, &results[i]);
	}
	facts_flush(reaper);
	well = settle(reaper, want, results) && reaper->facts.failed_starts == 0;
	for (size_t i = 0; i < JOBS; i++) {
		if (!want[i])
			continue;
		(void)printf("%s: %zu done, %lld ms, %s\n", jobs[i].name, results[i].done,
		    (long long)results[i].took_ms,
		    results[i].rc < 0 ? vs_err_text(results[i].rc) : "well");
		well = well && results[i].rc == 0;
	}
	if (reaper->facts.failed_starts > 0)
		(void)printf("%zu runtimes did not start\n", reaper->facts.failed_starts);
	if (pending(reaper) > 0)
		(void)printf("not all that was begun is over\n");
	return well ? EXIT_SUCCESS : EXIT_FAILURE;
}
