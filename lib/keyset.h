/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * keyset - which member names the open objects of a JSON text have had so far.
 *
 * One stack and one hash table serve all open objects, since they close in the
 * reverse order of their opening. The hash is keyed by a secret of the process:
 * whoever chooses the names cannot choose the collisions. Up to 32 names need no
 * memory of their own.
 *
 * Owner: embedded in one scan. Threads: one.
 */

#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"

#define VS_KEYSET_INLINE	32

struct vs_key {
	const uint8_t	*name;		/* borrowed */
	uint32_t	 len, hash;
	uint32_t	 owner;		/* which open object: its depth */
};

struct vs_keyset {
	struct vs_key	*keys;		/* in the order they came; owned when not inline_keys */
	uint32_t	*slots;		/* index in keys + 1, or 0; owned when not inline_slots */
	uint32_t	 count, room;	/* a power of two; there are 2 * room slots */
	struct vs_key	 inline_keys[VS_KEYSET_INLINE];
	uint32_t	 inline_slots[2 * VS_KEYSET_INLINE];
};

void	vs_keyset_init(struct vs_keyset *set);
void	vs_keyset_fini(struct vs_keyset *set);

/* VS_EEXIST when owner has it; VS_ENOMEM. name must live until its owner closes. */
int	vs_keyset_add(struct vs_keyset *set, uint32_t owner, const uint8_t *name, size_t len)
	    VS_MUST_USE;

/* Forget all names of owner, which must be the last one that added any. */
void	vs_keyset_close(struct vs_keyset *set, uint32_t owner);
