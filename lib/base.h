/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * base - the few macros and types that every file may rely on.
 */

#include <stddef.h>
#include <stdint.h>

#define VS_MUST_USE		__attribute__((warn_unused_result))
#define VS_PRINTF(fmt, args)	__attribute__((format(printf, fmt, args)))
#define VS_NORETURN		__attribute__((noreturn))
#define VS_COUNTOF(array)	(sizeof(array) / sizeof((array)[0]))
#define VS_CONTAINER(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/* Milliseconds: a span, or a point on the monotonic clock of lib/clock.h. */
typedef int64_t vs_msec;
