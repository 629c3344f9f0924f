/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK_BYTES 8192
#define ARENA_ALIGN       _Alignof(max_align_t)

struct vs_arena_block {
	struct vs_arena_block *next;
	size_t size, used;
	_Alignas(max_align_t) uint8_t bytes[];
};

void
vs_arena_init(struct vs_arena *arena, size_t cap_bytes)
{
	*arena = (struct vs_arena){ .cap_bytes = cap_bytes };
}

static void
arena_free_blocks(struct vs_arena_block *block)
{
	struct vs_arena_block *next;

	for (; block != NULL; block = next) {
		next = block->next;
		free(block);
	}
}

/* One block of the ordinary size stays; a huge one is never kept for the next request. */
void
vs_arena_reset(struct vs_arena *arena)
{
	struct vs_arena_block **slot = &arena->blocks;
	struct vs_arena_block *keep;

	while (*slot != NULL && (*slot)->size != ARENA_BLOCK_BYTES)
		slot = &(*slot)->next;
	keep = *slot;
	if (keep != NULL) {
		*slot = keep->next;
		keep->next = NULL;
		keep->used = 0;
	}
	arena_free_blocks(arena->blocks);
	arena->blocks = keep;
	arena->used_bytes = 0;
}

void
vs_arena_fini(struct vs_arena *arena)
{
	arena_free_blocks(arena->blocks);
	*arena = (struct vs_arena){ .cap_bytes = arena->cap_bytes };
}

static struct vs_arena_block *
arena_add_block(struct vs_arena *arena, size_t need)
{
	struct vs_arena_block *first = arena->blocks;
	size_t size = need > ARENA_BLOCK_BYTES ? need : ARENA_BLOCK_BYTES;
	struct vs_arena_block *block;

	block = malloc(sizeof(*block) + size);
	if (block == NULL)
		return NULL;
	block->size = size;
	block->used = 0;
	/* A block made to measure goes second, so that the room in the first is still used. */
	if (need > ARENA_BLOCK_BYTES && first != NULL) {
		block->next = first->next;
		first->next = block;
	} else {
		block->next = first;
		arena->blocks = block;
	}
	return block;
}

void *
vs_arena_alloc(struct vs_arena *arena, size_t size)
{
	struct vs_arena_block *block = arena->blocks;
	size_t need;
	void *at;

	if (size > arena->cap_bytes - arena->used_bytes)
		return NULL;
	need = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
	if (need < size || need > arena->cap_bytes - arena->used_bytes)
		return NULL;
	if (block == NULL || need > block->size - block->used) {
		block = arena_add_block(arena, need);
		if (block == NULL)
			return NULL;
	}
	at = block->bytes + block->used;
	block->used += need;
	arena->used_bytes += need;
	return memset(at, 0, need);
}

char *
vs_arena_strndup(struct vs_arena *arena, const char *text, size_t len)
{
	char *copy;

	if (len == SIZE_MAX)
		return NULL;
	copy = vs_arena_alloc(arena, len + 1);
	if (copy != NULL && len > 0)
		memcpy(copy, text, len);
	return copy;
}

char *
vs_arena_strdup(struct vs_arena *arena, const char *text)
{
	return vs_arena_strndup(arena, text, strlen(text));
}

char *
vs_arena_printf(struct vs_arena *arena, const char *fmt, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len < 0)
		return NULL;
	text = vs_arena_alloc(arena, (size_t)len + 1);
	if (text == NULL)
		return NULL;
	va_start(args, fmt);
	(void)vsnprintf(text, (size_t)len + 1, fmt, args);
	va_end(args);
	return text;
}
