/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * leader - one reaperd leads a region: it holds an advisory lock on a connection of
 * its own, which also listens. Lost connection, lost lead; the others try again and
 * again to get the lock, so the next one leads when the server has let go of it.
 *
 * All writes compare before they set, so two that believe to lead do no harm.
 *
 * Owner: struct reaper. Threads: one.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/base.h"

struct leader;
struct reaper;

/* Begins to try. NULL: no memory. */
struct leader	*leader_new(struct reaper *reaper);
void	leader_free(struct leader *leader);

/* Has each region been asked for since the connection came up? Says who has the others. */
bool	leader_knows(const struct leader *leader);

/* Who has a region that we do not lead, as far as known; "" when nobody is known. */
#define LEADER_NAME_SIZE	64
const char	*leader_name(const struct leader *leader, size_t pool);
