/* SPDX-License-Identifier: Apache-2.0 */
/* A query string is refused, or taken apart; put together and taken apart again it is the same. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/query.h"
#include "lib/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_round_trip(struct vs_arena *arena, const struct query *query)
{
	static struct query again;
	const char *text = query_with(arena, query, "cursor", "c-_1");
	size_t k = 0;

	if (text == NULL || query->count == QUERY_MAX_PARAMS)
		return;
	for (const char *c = text; *c != '\0'; c++)
		assert(*c > ' ' && *c < 0x7f && strchr("<>\"\\", *c) == NULL);
	assert(query_parse(arena, text, &again) == 0);
	for (size_t i = 0; i < query->count; i++) {
		if (strcmp(query->param[i].name, "cursor") == 0)
			continue;
		assert(strcmp(again.param[k].name, query->param[i].name) == 0);
		assert(strcmp(again.param[k].value, query->param[i].value) == 0);
		k++;
	}
	assert(again.count == k + 1 && strcmp(again.param[k].value, "c-_1") == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct query query;
	struct vs_arena arena;
	char *text = strndup((const char *)data, size);
	int rc;

	assert(text != NULL);
	vs_arena_init(&arena, 16 << 20);
	rc = query_parse(&arena, text, &query);
	assert(rc == 0 || rc == VS_EINVAL || rc == VS_EFULL);
	if (rc == 0)
		check_round_trip(&arena, &query);
	vs_arena_fini(&arena);
	free(text);
	return 0;
}
