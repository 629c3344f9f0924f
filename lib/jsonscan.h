/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * jsonscan - a strict RFC 8259 check of a whole text, before any parser sees it.
 *
 * Refuses what json-c lets pass: duplicate keys, NaN and Infinity, single quotes,
 * raw control characters, NUL (also as \u0000), bad UTF-8, lone surrogates,
 * numbers like 1. or +1 or beyond a double's range, trailing bytes.
 * No recursion; memory is bounded by max_depth and the keys of open objects.
 */

#include <stddef.h>

#include "lib/base.h"

#define VS_JSON_MAX_DEPTH	32

struct vs_json_fault {
	size_t		 offset;	/* byte in the text */
	const char	*what;		/* static; holds nothing of the text */
};

/* 0, VS_EINVAL with fault filled, VS_ETOOBIG past VS_JSON_MAX_DEPTH, VS_ENOMEM. */
int	vs_json_scan(const char *text, size_t len, struct vs_json_fault *fault) VS_MUST_USE;
