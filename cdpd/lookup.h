/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * lookup - one question to the database: may this client in?
 *
 * Outlives the client that asked it: one who hung up meanwhile may have been counted,
 * and is then counted out again.
 */

#include "cdpd/conn.h"
#include "lib/base.h"

struct lookup;

/* VS_EFULL, VS_ENOMEM; then nothing was asked. handshake_verdict() follows otherwise. */
int	lookup_start(struct conn *c) VS_MUST_USE;
void	lookup_forget(struct lookup *lookup);	/* the client is gone */
