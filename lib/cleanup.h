/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cleanup - scope-bound release of what a local variable owns.
 *
 *	vs_autofree char *name = NULL;
 *	vs_autofd int fd = open(...);
 *
 * Handles of other libraries have theirs beside the module that wraps them
 * (VS_DEFINE_AUTO makes one).
 */

#include <stdlib.h>
#include <unistd.h>

#define VS_DEFINE_AUTO(name, type, release)		\
	static inline void				\
	name(type *slot)				\
	{						\
		if (*slot != NULL)			\
			release(*slot);			\
	}

static inline void
vs_cleanup_free(void *slot)
{
	free(*(void **)slot);
}

static inline void
vs_cleanup_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

#define vs_auto(release)	__attribute__((cleanup(release)))
#define vs_autofree		vs_auto(vs_cleanup_free)
#define vs_autofd		vs_auto(vs_cleanup_fd)
