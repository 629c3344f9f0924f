/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * arena - memory that ends all at once: a request's, or a tick's.
 *
 * Allocations are never freed singly. Past the cap (fixed at init) an allocation
 * returns NULL: a request cannot eat the process.
 *
 * Owner: embedded. Threads: one.
 */

#include <stdarg.h>
#include <stddef.h>

#include "lib/base.h"

struct vs_arena_block;

struct vs_arena {
	struct vs_arena_block	*blocks;	/* newest first; owned */
	size_t			 used_bytes, cap_bytes;
};

void	 vs_arena_init(struct vs_arena *arena, size_t cap_bytes);
void	 vs_arena_reset(struct vs_arena *arena);	/* frees all but one block */
void	 vs_arena_fini(struct vs_arena *arena);

/* Zeroed, aligned for any type; NULL past the cap or out of memory. */
void	*vs_arena_alloc(struct vs_arena *arena, size_t size);
char	*vs_arena_strdup(struct vs_arena *arena, const char *text);
char	*vs_arena_strndup(struct vs_arena *arena, const char *text, size_t len);
char	*vs_arena_printf(struct vs_arena *arena, const char *fmt, ...) VS_PRINTF(2, 3);
