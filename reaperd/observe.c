/* SPDX-License-Identifier: Apache-2.0 */
#include "reaperd/observe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "reaperd/reaper.h"

struct sight {
	struct vs_arena *arena;
	struct reconcile_seen *seen;
	size_t count, room;
	bool oom;
};

static void
see_one(void *ctx, const char *id, bool ready)
{
	struct sight *sight = ctx;
	struct reconcile_seen *seen;

	if (sight->count == sight->room) {
		size_t room = sight->room == 0 ? 64 : sight->room * 2;

		seen = vs_arena_alloc(sight->arena, room * sizeof(*seen));
		if (seen == NULL) {
			sight->oom = true;
			return;
		}
		if (sight->count > 0)
			memcpy(seen, sight->seen, sight->count * sizeof(*seen));
		sight->seen = seen;
		sight->room = room;
	}
	seen = &sight->seen[sight->count++];
	(void)snprintf(seen->id, sizeof(seen->id), "%s", id);
	seen->ready = ready;
}

static int
by_id(const void *a, const void *b)
{
	return strcmp(
	    ((const struct reconcile_seen *)a)->id, ((const struct reconcile_seen *)b)->id);
}

int
observe(
    struct pool *pool, struct reconcile_step **ret_steps, size_t *ret_count, int64_t *ret_next_ms)
{
	struct reaper *reaper = pool->reaper;
	struct sight sight = { .arena = &reaper->arena };
	struct reconcile_world world = {
		.provision_timeout_ms = reaper->conf->reaperd_provision_timeout_seconds * 1000
	};
	struct runtime_row *rows;
	struct reconcile_step *steps;
	int rc;

	rc = pool->driver->ops->list(pool->driver, see_one, &sight);
	if (rc < 0 || sight.oom)
		return rc < 0 ? rc : VS_ENOMEM;
	if (sight.count > 0)
		qsort(sight.seen, sight.count, sizeof(*sight.seen), by_id);
	rc = runtime_list(reaper->db, &reaper->arena, pool->region->name, &rows, &world.nrows);
	if (rc < 0)
		return rc;
	world.rows = rows;
	world.seen = sight.seen;
	world.nseen = sight.count;
	steps = vs_arena_alloc(&reaper->arena, (world.nrows + world.nseen + 1) * sizeof(*steps));
	if (steps == NULL)
		return VS_ENOMEM;
	*ret_count = reconcile(&world, steps, ret_next_ms);
	*ret_steps = steps;
	return 0;
}
