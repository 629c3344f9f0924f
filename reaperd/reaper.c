/* SPDX-License-Identifier: Apache-2.0 */
#include "reaperd/reaper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/model/runtime_sql.h"

#define ARENA_BYTES (64 << 20)
#define POOLS_MAX   6 /* each driver takes one of the loop's eight hooks */
#define TEXT_MAX    65536

void
reaper_fail(struct reaper *reaper, const char *sentence)
{
	log_error("reaper.fail", VS_LOG_STR("detail", sentence));
	reaper->failed = true;
	vs_loop_stop(reaper->loop);
}

bool
pool_is_led(const struct pool *pool)
{
	return pool->lead && pool->driver != NULL;
}

static void
on_ready(void *ctx, const char *id, const char *endpoint)
{
	fact_ready(ctx, id, endpoint);
}

static void
on_ended(void *ctx, const char *id, enum vs_runtime_end end, const char *detail)
{
	fact_ended(ctx, id, end, detail);
}

static void
on_gone(void *ctx, const char *id)
{
	fact_gone(ctx, id);
}

/* A daemon does not work on a schema it does not know. */
static int
schema_check(struct reaper *reaper)
{
	int rc;

	if (reaper->schema_known)
		return 0;
	rc = vs_db_check_schema(reaper->db);
	if (rc == VS_ESTATE)
		reaper_fail(reaper, "the database has another schema than this program knows: run "
				    "ventusctl migrate");
	reaper->schema_known = rc == 0;
	return rc;
}

int
pool_open(struct pool *pool)
{
	struct reaper *reaper = pool->reaper;
	const struct vs_runtime_ops *ops = vs_runtime_ops_find(pool->region->driver);
	struct vs_runtime_hooks hooks = {
		.ready = on_ready, .ended = on_ended, .gone = on_gone, .ctx = pool
	};
	struct vs_buf note;
	int rc;

	if (pool->driver != NULL)
		return 0;
	rc = schema_check(reaper);
	if (rc < 0)
		return rc;
	vs_buf_init(&note, TEXT_MAX);
	rc = ops->open(
	    reaper->loop, reaper->conf, pool->region, reaper->ring, &hooks, &note, &pool->driver);
	if (rc < 0)
		reaper_fail(reaper, vs_buf_len(&note) > 0 ? vs_buf_str(&note) : vs_err_text(rc));
	else
		log_info("region.open", VS_LOG_STR("region", pool->region->name),
		    VS_LOG_STR("driver", ops->name), VS_LOG_STR("detail", vs_buf_str(&note)));
	vs_buf_fini(&note);
	return rc;
}

int64_t
pool_deadline(const struct runtime_row *row)
{
	return vs_clock_wall_ms() + row->remaining_ms + POOL_DEADLINE_GRACE_MS;
}

void
pool_start(struct pool *pool, const struct runtime_row *row)
{
	struct vs_runtime_spec spec = { .id = row->id,
		.session_id = row->session_id,
		.secret_kid = row->secret_kid,
		.viewport_width = row->viewport_width,
		.viewport_height = row->viewport_height,
		.user_agent = row->user_agent,
		.deadline_wall_ms = pool_deadline(row) };
	int rc;

	rc = pool->driver->ops->start(pool->driver, &spec);
	log_info("runtime.start", VS_LOG_STR("runtime", row->id),
	    VS_LOG_STR("session", row->session_id), VS_LOG_STR("request_id", row->request_id),
	    VS_LOG_STR("region", pool->region->name), VS_LOG_INT("age_ms", row->age_ms),
	    VS_LOG_STR("error", rc < 0 && rc != VS_EEXIST ? vs_err_text(rc) : NULL));
	if (idset_add(&pool->starting, row->id) < 0)
		rc = VS_ENOMEM;
	if (rc < 0 && rc != VS_EEXIST)
		fact_ended(pool, row->id, VS_RUNTIME_START_FAILED, vs_err_text(rc));
}

void
pool_stop(struct pool *pool, const char *id)
{
	int rc = idset_add(&pool->stopping, id);

	if (rc == 0)
		rc = pool->driver->ops->stop(pool->driver, id);
	if (rc == 0)
		return;
	(void)idset_remove(&pool->stopping, id); /* reconcile comes again */
	log_error("runtime.stop", VS_LOG_STR("runtime", id), VS_LOG_ERR(rc));
}

static int
ring_load(const struct vs_conf *conf, struct vs_buf *fault, struct vs_keyring **ret_ring)
{
	return vs_keyring_load(conf->platform_keys_dir, fault, ret_ring);
}

void
reaper_reload(struct reaper *reaper)
{
	struct vs_keyring *ring;
	struct vs_buf fault;
	int rc;

	vs_buf_init(&fault, TEXT_MAX);
	rc = ring_load(reaper->conf, &fault, &ring);
	if (rc < 0) {
		log_error("keys.reload", VS_LOG_ERR(rc), VS_LOG_STR("detail", vs_buf_str(&fault)));
		vs_buf_fini(&fault);
		return;
	}
	vs_buf_fini(&fault);
	for (size_t i = 0; i < reaper->npools; i++) {
		struct pool *pool = &reaper->pools[i];

		if (pool->driver != NULL)
			pool->driver->ops->rekey(pool->driver, ring);
	}
	vs_keyring_free(reaper->ring);
	reaper->ring = ring;
	log_info("keys.reload", VS_LOG_STR("current", vs_keyring_current(ring)));
}

static int
pools_make(struct reaper *reaper, struct vs_buf *fault)
{
	const struct vs_conf *conf = reaper->conf;
	struct vs_buf list;
	int rc;

	if (conf->nregions == 0) {
		(void)!vs_buf_puts(fault, "no [region NAME] section: there is nothing to serve");
		return VS_ECONF;
	}
	if (conf->nregions > POOLS_MAX) {
		(void)!vs_buf_printf(
		    fault, "%zu regions: one reaper serves %d at most", conf->nregions, POOLS_MAX);
		return VS_ECONF;
	}
	reaper->pools = calloc(conf->nregions, sizeof(*reaper->pools));
	if (reaper->pools == NULL)
		return VS_ENOMEM;
	vs_buf_init(&list, TEXT_MAX);
	rc = vs_buf_puts(&list, "{");
	for (size_t i = 0; rc == 0 && i < conf->nregions; i++) {
		const struct vs_region *region = &conf->regions[i];

		if (vs_runtime_ops_find(region->driver) == NULL) {
			(void)!vs_buf_printf(fault, "region %s: there is no driver %s",
			    region->name, region->driver);
			rc = VS_ECONF;
			break;
		}
		reaper->pools[i] = (struct pool){ .reaper = reaper, .region = region };
		reaper->npools++;
		rc = vs_buf_printf(&list, "%s\"%s/" POOL_KIND "\"", i > 0 ? "," : "", region->name);
	}
	if (rc == 0)
		rc = vs_buf_puts(&list, "}");
	if (rc == 0) {
		reaper->pool_list = strdup(vs_buf_str(&list));
		rc = reaper->pool_list != NULL ? 0 : VS_ENOMEM;
	}
	vs_buf_fini(&list);
	return rc;
}

static void
on_batch(void *ctx)
{
	facts_flush(ctx);
}

static size_t
starts_at_once(const struct vs_conf *conf)
{
	long n = conf->reaperd_max_starts > 0 ? (long)conf->reaperd_max_starts
					      : sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 ? (size_t)n : 1;
}

int
reaper_new(struct vs_loop *loop, const struct vs_conf *conf, struct vs_buf *fault,
    struct reaper **ret_reaper)
{
	struct reaper *reaper = calloc(1, sizeof(*reaper));
	int rc;

	if (reaper == NULL)
		return VS_ENOMEM;
	reaper->loop = loop;
	reaper->conf = conf;
	reaper->self = (struct caller){ .kind = "system", .id = "ventus-reaperd" };
	reaper->max_starts = starts_at_once(conf);
	vs_arena_init(&reaper->arena, ARENA_BYTES);
	facts_init(&reaper->facts);
	rc = ring_load(conf, fault, &reaper->ring);
	if (rc == 0)
		rc = pools_make(reaper, fault);
	if (rc == 0) {
		reaper->db = vs_db_new(conf->database_reaper);
		rc = reaper->db != NULL ? vs_loop_after_batch(loop, on_batch, reaper) : VS_ENOMEM;
	}
	if (rc < 0) {
		reaper_free(reaper);
		return rc;
	}
	*ret_reaper = reaper;
	return 0;
}

void
reaper_free(struct reaper *reaper)
{
	if (reaper == NULL)
		return;
	leader_free(reaper->leader);
	facts_fini(reaper);
	vs_loop_timer_clear(reaper->loop, &reaper->jobs.timer);
	for (size_t i = 0; i < reaper->npools; i++) {
		struct pool *pool = &reaper->pools[i];

		if (pool->driver != NULL)
			pool->driver->ops->close(pool->driver);
		idset_fini(&pool->starting);
		idset_fini(&pool->stopping);
	}
	free(reaper->pools);
	free(reaper->pool_list);
	vs_db_free(reaper->db);
	vs_keyring_free(reaper->ring);
	vs_arena_fini(&reaper->arena);
	free(reaper);
}
