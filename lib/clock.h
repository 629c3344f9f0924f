/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * clock - the two clocks, and RFC 3339.
 *
 * Deadlines use the monotonic clock; what users and the database see is wall time
 * in milliseconds since 1970, UTC.
 */

#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"

#define VS_RFC3339_SIZE	25	/* 2026-12-01T10:48:58.123Z and its NUL */

vs_msec	vs_clock_mono_ms(void);
int64_t	vs_clock_wall_ms(void);

/* Always 24 characters, milliseconds, Z. Years 0000-9999; others are clamped. */
void	vs_clock_rfc3339(int64_t wall_ms, char ret_text[VS_RFC3339_SIZE]);

/* Any RFC 3339 date-time with any offset. VS_EINVAL when it is not one. */
int	vs_clock_rfc3339_parse(const char *text, int64_t *ret_wall_ms) VS_MUST_USE;
