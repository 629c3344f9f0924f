/* SPDX-License-Identifier: Apache-2.0 */
#include "reaperd/idset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"

void
idset_fini(struct idset *set)
{
	free(set->ids);
	*set = (struct idset){ .ids = NULL };
}

void
idset_clear(struct idset *set)
{
	set->count = 0;
}

/* The index of id, or count. */
static size_t
idset_index(const struct idset *set, const char *id)
{
	size_t i = 0;

	while (i < set->count && strcmp(set->ids[i], id) != 0)
		i++;
	return i;
}

bool
idset_has(const struct idset *set, const char *id)
{
	return idset_index(set, id) < set->count;
}

int
idset_add(struct idset *set, const char *id)
{
	size_t room = set->room == 0 ? 16 : set->room * 2;
	void *ids;

	if (idset_has(set, id))
		return 0;
	if (set->count == set->room) {
		ids = reallocarray(set->ids, room, sizeof(*set->ids));
		if (ids == NULL)
			return VS_ENOMEM;
		set->ids = ids;
		set->room = room;
	}
	(void)snprintf(set->ids[set->count++], VS_ULID_SIZE, "%s", id);
	return 0;
}

bool
idset_remove(struct idset *set, const char *id)
{
	size_t i = idset_index(set, id);

	if (i == set->count)
		return false;
	set->count--;
	memmove(set->ids[i], set->ids[set->count], VS_ULID_SIZE);
	return true;
}
