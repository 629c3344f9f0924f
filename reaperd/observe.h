/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * observe - the two sides that reconcile compares: the rows and the machine.
 */

#include "lib/arena.h"
#include "lib/base.h"
#include "reaperd/reconcile.h"

struct pool;

/*
 * The steps that would make rows and machine agree, in the arena. The machine is
 * looked at first: what appears in between has its row already.
 */
int	observe(struct pool *pool, struct reconcile_step **ret_steps, size_t *ret_count,
	    int64_t *ret_next_ms) VS_MUST_USE;
