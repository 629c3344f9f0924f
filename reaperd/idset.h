/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * idset - a small set of runtime ids: those that are starting, those that are going.
 *
 * Owner: embedded. Threads: one.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/base.h"
#include "lib/ulid.h"

struct idset {
	char	(*ids)[VS_ULID_SIZE];	/* owned */
	size_t	 count, room;
};

void	idset_fini(struct idset *set);
void	idset_clear(struct idset *set);
bool	idset_has(const struct idset *set, const char *id);
int	idset_add(struct idset *set, const char *id) VS_MUST_USE;	/* idempotent; VS_ENOMEM */
bool	idset_remove(struct idset *set, const char *id);	/* was it in? */
