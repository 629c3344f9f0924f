/* SPDX-License-Identifier: Apache-2.0 */
#include "reaperd/reconcile.h"

#include <string.h>

/* The row's state by whether the runtime is there. Time decides about STARTING only. */
static const enum reconcile_action actions[RUNTIME_STATES][2] = {
	[RUNTIME_STARTING] = { RECONCILE_START, RECONCILE_WATCH },
	[RUNTIME_READY] = { RECONCILE_LOST, RECONCILE_NOTHING },
	[RUNTIME_STOPPING] = { RECONCILE_GONE, RECONCILE_STOP },
};

static const char *const action_texts[RECONCILE_ACTIONS] = {
	[RECONCILE_NOTHING] = "nothing",
	[RECONCILE_START] = "start",
	[RECONCILE_WATCH] = "watch",
	[RECONCILE_LATE] = "fail, too late",
	[RECONCILE_LOST] = "fail, lost",
	[RECONCILE_STOP] = "stop",
	[RECONCILE_GONE] = "mark gone",
};

const char *
reconcile_action_text(enum reconcile_action action)
{
	return action_texts[action];
}

static struct reconcile_step
step_for_row(const struct runtime_row *row, bool there, int64_t timeout_ms, int64_t *next_ms)
{
	struct reconcile_step step = {
		.action = actions[row->state][there], .id = row->id, .row = row
	};
	int64_t left_ms = timeout_ms - row->age_ms;

	if (row->state != RUNTIME_STARTING)
		return step;
	if (left_ms <= 0)
		step.action = RECONCILE_LATE;
	else if (*next_ms < 0 || left_ms < *next_ms)
		*next_ms = left_ms;
	return step;
}

size_t
reconcile(const struct reconcile_world *world, struct reconcile_step *steps, int64_t *ret_next_ms)
{
	const struct runtime_row *row = world->rows, *row_end = row + world->nrows;
	const struct reconcile_seen *seen = world->seen, *seen_end = seen + world->nseen;
	struct reconcile_step step;
	size_t n = 0;
	int order;

	*ret_next_ms = -1;
	while (row < row_end || seen < seen_end) {
		if (row == row_end)
			order = 1;
		else if (seen == seen_end)
			order = -1;
		else
			order = strcmp(row->id, seen->id);
		if (order > 0)
			step = (struct reconcile_step){ .action = RECONCILE_STOP, .id = seen->id };
		else
			step =
			    step_for_row(row, order == 0, world->provision_timeout_ms, ret_next_ms);
		row += order <= 0;
		seen += order >= 0;
		if (step.action != RECONCILE_NOTHING)
			steps[n++] = step;
	}
	return n;
}
