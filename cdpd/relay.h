/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * relay - the handlers of a tunnel's two sockets.
 *
 * One wake-up, one read, one write per message while both sides keep up; nothing is
 * kept then. A side that does not keep up has its peer's bytes in out, and the peer
 * is not read until they are gone.
 */

#include "cdpd/conn.h"
#include "lib/base.h"
#include "lib/buf.h"

/* What came together with a handshake. */
void	relay_early(struct conn *c, const struct vs_buf *early);

/* Handlers. */
enum conn_next	relay_read(struct conn *c);
enum conn_next	relay_flush(struct conn *c);
enum conn_next	relay_drain(struct conn *c);	/* the client has done sending */
enum conn_next	relay_gone_read(struct conn *c);	/* the browser is gone */
enum conn_next	relay_close_read(struct conn *c);	/* the Close handshake */
enum conn_next	relay_close_late(struct conn *c);	/* Close was not answered in time */
