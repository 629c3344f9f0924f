/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * scrub - what every text passes before it leaves the process for a human or a
 * store: log lines, events, audit details, problem details.
 *
 * Two tables in scrub.c: keys whose values are never shown (any depth, any case,
 * '-' and '_' alike), and shapes that are replaced in free text (API keys, JWTs,
 * token= and key= query values, bearer and basic credentials).
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/base.h"
#include "lib/buf.h"

#define VS_SCRUBBED	"[redacted]"

/* Is the value under this key always secret? */
bool	vs_scrub_key(const char *key);

/* Append text to out with every secret shape replaced. 0, VS_EFULL, VS_ENOMEM. */
int	vs_scrub_text(struct vs_buf *out, const char *text, size_t len) VS_MUST_USE;
