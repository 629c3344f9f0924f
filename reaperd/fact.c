/* SPDX-License-Identifier: Apache-2.0 */
#include "reaperd/fact.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"
#include "reaperd/reaper.h"

#define RETRY_MS    250
#define DETAIL_SIZE 201

enum fact_kind { FACT_READY, FACT_ENDED, FACT_GONE };

struct fact {
	struct vs_node node;
	struct pool *pool;
	enum fact_kind kind;
	char id[VS_ULID_SIZE];
	char *endpoint;                        /* READY; owned */
	const struct runtime_verdict *verdict; /* ENDED */
	bool deadline;                         /* ENDED by the agent's own */
	bool acted;                            /* the machine's part is done */
};

/* The agent's own words go to the log only: these are what a session is told. */
static const struct runtime_verdict verdicts[] = {
	[VS_RUNTIME_STOPPED] = { "fail", "agent_disconnected",
	    "the runtime was stopped from outside" },
	[VS_RUNTIME_BROWSER_CLOSED] = { "browser_closed", NULL, NULL },
	[VS_RUNTIME_BROWSER_CRASHED] = { "fail", "browser_crashed", "the browser crashed" },
	[VS_RUNTIME_OOM_KILLED] = { "fail", "oom_killed",
	    "the browser was killed: it used more memory than it may" },
	[VS_RUNTIME_START_FAILED] = { "fail", "image_start_failed",
	    "the desktop or the browser could not be started" },
	[VS_RUNTIME_DESKTOP_CRASHED] = { "fail", "pod_crashed",
	    "the desktop around the browser crashed" },
	[VS_RUNTIME_DEADLINE] = { "fail", "agent_disconnected",
	    "the runtime ended by its own deadline" },
	[VS_RUNTIME_AGENT_LOST] = { "fail", "agent_disconnected", "the runtime was lost" },
};
static const struct runtime_verdict verdict_late = { "fail", "provision_timeout",
	"the browser did not answer within the provision timeout" };

const struct runtime_verdict *
fact_verdict(enum vs_runtime_end end)
{
	return &verdicts[end];
}

void
facts_init(struct facts *facts)
{
	vs_list_init(&facts->list);
}

static void
fact_free(struct fact *fact)
{
	vs_list_remove(&fact->node);
	free(fact->endpoint);
	free(fact);
}

void
facts_fini(struct reaper *reaper)
{
	struct vs_node *it, *tmp;

	VS_LIST_EACH(it, tmp, &reaper->facts.list) {
		fact_free(VS_CONTAINER(it, struct fact, node));
	}
	vs_loop_timer_clear(reaper->loop, &reaper->facts.retry);
}

/* Without memory it is not noted: reconcile will see the difference. */
static struct fact *
fact_new(struct pool *pool, enum fact_kind kind, const char *id)
{
	struct fact *fact = calloc(1, sizeof(*fact));

	if (fact == NULL) {
		log_error("fact.lost", VS_LOG_STR("runtime", id), VS_LOG_ERR(VS_ENOMEM));
		return NULL;
	}
	fact->pool = pool;
	fact->kind = kind;
	(void)snprintf(fact->id, sizeof(fact->id), "%s", id);
	vs_list_append(&pool->reaper->facts.list, &fact->node);
	return fact;
}

void
fact_ready(struct pool *pool, const char *id, const char *endpoint)
{
	struct fact *fact = fact_new(pool, FACT_READY, id);

	if (fact == NULL)
		return;
	fact->endpoint = strdup(endpoint);
	if (fact->endpoint == NULL)
		fact_free(fact);
}

static void
fact_over(struct pool *pool, const char *id, const struct runtime_verdict *verdict, bool deadline)
{
	struct fact *fact = fact_new(pool, FACT_ENDED, id);

	if (idset_remove(&pool->starting, id))
		pool->reaper->facts.failed_starts++;
	if (fact == NULL)
		return;
	fact->verdict = verdict;
	fact->deadline = deadline;
}

void
fact_ended(struct pool *pool, const char *id, enum vs_runtime_end end, const char *detail)
{
	log_info("runtime.ended", VS_LOG_STR("runtime", id),
	    VS_LOG_STR(
		"why", verdicts[end].code != NULL ? verdicts[end].code : verdicts[end].event),
	    VS_LOG_STR("detail", detail));
	fact_over(pool, id, &verdicts[end], end == VS_RUNTIME_DEADLINE);
}

void
fact_late(struct pool *pool, const char *id)
{
	log_warning("runtime.late", VS_LOG_STR("runtime", id));
	fact_over(pool, id, &verdict_late, false);
}

void
fact_gone(struct pool *pool, const char *id)
{
	(void)idset_remove(&pool->starting, id);
	(void)idset_remove(&pool->stopping, id);
	(void)fact_new(pool, FACT_GONE, id); /* or reconcile does it */
}

static int
write_ready(struct reaper *reaper, struct fact *fact)
{
	bool wanted = true;
	int rc;

	rc = runtime_ready(reaper->db, &reaper->self, fact->id, fact->endpoint, &wanted);
	if (rc < 0)
		return rc;
	(void)idset_remove(&fact->pool->starting, fact->id);
	log_info("runtime.ready", VS_LOG_STR("runtime", fact->id), VS_LOG_BOOL("wanted", wanted));
	if (!wanted)
		pool_stop(fact->pool, fact->id);
	job_wake(reaper, JOB_provision);
	return 0;
}

static int
write_ended(struct reaper *reaper, struct fact *fact)
{
	size_t expired;
	int rc = 0;

	/* The agent counts a moment longer: a session whose time is up is EXPIRED. */
	if (fact->deadline)
		rc = runtime_expire(reaper->db, &reaper->self, fact->pool->region->name, &expired);
	if (rc < 0)
		return rc;
	return runtime_ended(reaper->db, &reaper->self, fact->id, fact->verdict);
}

static int
write_gone(struct reaper *reaper, struct fact *fact)
{
	int rc = runtime_gone(reaper->db, fact->id);

	if (rc < 0)
		return rc;
	log_info("runtime.gone", VS_LOG_STR("runtime", fact->id));
	job_wake(reaper, JOB_provision);
	return 0;
}

static int
fact_write(struct reaper *reaper, struct fact *fact)
{
	static int (*const writers[])(struct reaper *, struct fact *) = {
		[FACT_READY] = write_ready, [FACT_ENDED] = write_ended, [FACT_GONE] = write_gone
	};

	return writers[fact->kind](reaper, fact);
}

static void
on_retry(struct vs_timer *timer)
{
	facts_flush(timer->ctx);
}

/* The machine first: a browser that is over is not left waiting for a database. */
static void
facts_act(struct reaper *reaper)
{
	struct vs_node *it, *tmp;

	VS_LIST_EACH(it, tmp, &reaper->facts.list) {
		struct fact *fact = VS_CONTAINER(it, struct fact, node);

		if (fact->kind == FACT_ENDED && !fact->acted)
			pool_stop(fact->pool, fact->id);
		fact->acted = true;
	}
}

static bool
is_passing(int rc)
{
	return rc == VS_EDB || rc == VS_ERACED || rc == VS_ETIMEDOUT || rc == VS_ENOMEM;
}

void
facts_flush(struct reaper *reaper)
{
	struct facts *facts = &reaper->facts;
	int rc;

	facts_act(reaper);
	while (!vs_list_empty(&facts->list) && vs_clock_mono_ms() >= facts->not_before) {
		struct fact *fact = VS_LIST_FIRST(&facts->list, struct fact, node);

		rc = fact_write(reaper, fact);
		if (is_passing(rc)) {
			facts->not_before = vs_clock_mono_ms() + RETRY_MS;
			break;
		}
		if (rc < 0)
			log_error("fact.refused", VS_LOG_STR("runtime", fact->id), VS_LOG_ERR(rc),
			    VS_LOG_STR("detail", vs_db_errtext(reaper->db)));
		fact_free(fact);
	}
	if (!vs_list_empty(&facts->list) &&
	    vs_loop_timer(reaper->loop, &facts->retry, facts->not_before, on_retry, reaper) < 0)
		reaper_fail(reaper, "no memory for a timer");
}
