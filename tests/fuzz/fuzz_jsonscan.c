/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the scan takes, json-c takes; what json-c then prints, the scan takes, and
 * another round prints the same.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/jsonio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* text printed again after a round through the parser; NULL when it is not taken. */
static char *
round_trip(const char *text, size_t len)
{
	vs_autojson struct json_object *obj = NULL;
	struct vs_json_fault fault;
	char *again;
	int scanned = vs_json_scan(text, len, &fault);
	int parsed = vs_json_parse(text, len, &fault, &obj);

	assert(scanned == parsed && fault.offset <= len);
	if (parsed < 0)
		return NULL;
	again = strdup(json_object_to_json_string_ext(
	    obj, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	assert(again != NULL);
	return again;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *once = round_trip((const char *)data, size), *twice;

	if (once == NULL)
		return 0;
	twice = round_trip(once, strlen(once));
	assert(twice != NULL && strcmp(once, twice) == 0);
	free(once);
	free(twice);
	return 0;
}
