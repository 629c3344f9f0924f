/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * dial - from a grant to an open tunnel: connect to the session's agent, hand the
 * client's handshake on, and give Chrome's answer back.
 */

#include "cdpd/conn.h"
#include "lib/base.h"
#include "lib/model/cdp_client.h"

/*
 * Start the upstream half of client, which has its tunnel already. On failure there is
 * none: VS_EINVAL (no such endpoint or key), VS_EIO, VS_ENOMEM.
 */
int	dial_start(struct conn *client, const struct cdp_client_grant *grant) VS_MUST_USE;

/* Handlers of the upstream half. */
enum conn_next	dial_connected(struct conn *c);
enum conn_next	dial_answer(struct conn *c);
