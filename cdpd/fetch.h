/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * fetch - one of Chrome's JSON documents, from the agent to the client.
 */

#include "cdpd/conn.h"

/* Handler of the upstream half. */
enum conn_next	fetch_read(struct conn *c);
