/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * relay - bytes both ways between the two sides of a conn.
 *
 * Bytes go from one socket straight to the other; only what the reader could not take
 * is held, and while anything is held its source is not read: a slow reader becomes
 * backpressure. End of file is passed on when what came before it is delivered.
 *
 * A side's limit bounds a message: past it, an upstream's bytes end the relay, and a
 * client's (it wants to use the connection again, or is gone) do the same.
 */

#include "runtime-image/agent/conn.h"

extern const struct conn_state relay_endless;	/* websockets; one end gone, the rest must flow */
extern const struct conn_state relay_idle;	/* cut after ten minutes without a byte */

/* This many more bytes are read from side. */
void	relay_limit(struct conn_side *side, int64_t bytes);
