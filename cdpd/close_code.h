/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * close_code - what a client is told when its session is over: the websocket close
 * code and the reason, from the session's status and why the row has it so.
 *
 * Pure; one table.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"

/* RFC 6455's own, as far as they are sent. */
#define CLOSE_NORMAL		1000
#define CLOSE_GOING_AWAY	1001
#define CLOSE_PROTOCOL		1002
#define CLOSE_POLICY		1008
#define CLOSE_TOO_BIG		1009
#define CLOSE_INTERNAL		1011

#define CLOSE_REASON_SIZE	64

/*
 * False while the status is not a final one (or unknown); then nothing is stored.
 * why is error_code or release_reason, "-" or NULL when there is none.
 */
bool	close_code_find(const char *status, const char *why, uint16_t *ret_code,
	    char ret_reason[CLOSE_REASON_SIZE]);
