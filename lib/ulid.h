/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ulid - our ids: 48 bits of milliseconds and 80 random bits in Crockford base32.
 *
 * Monotonic within a process: two ids made in one millisecond still sort in the
 * order they were made. Safe after fork (the child reseeds). Not a secret.
 *
 * Threads: one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"

#define VS_ULID_LEN	26
#define VS_ULID_SIZE	(VS_ULID_LEN + 1)

void	vs_ulid_new(char ret_id[VS_ULID_SIZE]);

/* Exactly 26 upper-case Crockford characters, the first one 0-7. */
bool	vs_ulid_ok(const char *text, size_t len);

/* The time inside; id must be vs_ulid_ok(). */
int64_t	vs_ulid_wall_ms(const char *id);
