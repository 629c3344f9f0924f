/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * scrub - what every text passes before it leaves the process for a human or a
 * store: log lines, events, audit details, problem details.
 *
 * Two tables in scrub.c: keys whose values are never shown (any depth, any case,
 * '-' and '_' alike), and shapes that are replaced in free text (API keys, JWTs,
 * values of those keys in queries, headers and JSON, bearer and basic credentials,
 * the userinfo of URLs). When in doubt it replaces; ids of ours it leaves.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/base.h"
#include "lib/buf.h"

#define VS_SCRUBBED	"[redacted]"

/* Is the value under this key always secret? Also for a key that ends in one: db_password. */
bool	vs_scrub_key(const char *key);

/* Append text to out with every secret shape replaced, or nothing. 0, VS_EFULL, VS_ENOMEM. */
int	vs_scrub_text(struct vs_buf *out, const char *text, size_t len) VS_MUST_USE;

/*
 * The same piece by piece and without memory, for a taker that may stop early:
 * slices of text, and VS_SCRUBBED for each secret. Linear in len, whatever text is.
 */
struct vs_scrub {
	const char	*text;			/* borrowed */
	size_t		 len, pos;
	size_t		 secret_from, secret_to;	/* the next secret; pos <= from <= to */
};

void	vs_scrub_start(struct vs_scrub *scrub, const char *text, size_t len);
bool	vs_scrub_next(struct vs_scrub *scrub, const char **ret_piece, size_t *ret_len);
