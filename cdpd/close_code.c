/* SPDX-License-Identifier: Apache-2.0 */
#include "cdpd/close_code.h"

#include <stdio.h>
#include <string.h>

static const struct close_row {
	const char *status;
	const char *why; /* NULL: any */
	uint16_t code;
	const char *reason;
	bool names_why; /* the reason ends with why */
} close_rows[] = {
	{ "COMPLETED", "admin_force_stop", 4002, "force-stopped", false },
	{ "COMPLETED", NULL, CLOSE_NORMAL, "released", false },
	{ "EXPIRED", NULL, 4001, "expired", false },
	{ "ERRORED", NULL, 4003, "errored: ", true },
};

bool
close_code_find(
    const char *status, const char *why, uint16_t *ret_code, char ret_reason[CLOSE_REASON_SIZE])
{
	const struct close_row *row = NULL;
	size_t i;

	for (i = 0; i < VS_COUNTOF(close_rows); i++) {
		row = &close_rows[i];
		if (strcmp(status, row->status) == 0 &&
		    (row->why == NULL || (why != NULL && strcmp(why, row->why) == 0)))
			break;
	}
	if (i == VS_COUNTOF(close_rows))
		return false;
	*ret_code = row->code;
	(void)snprintf(ret_reason, CLOSE_REASON_SIZE, "%s%s", row->reason,
	    !row->names_why ? "" : (why != NULL ? why : "unknown")); /* cut: a reason is short */
	return true;
}
