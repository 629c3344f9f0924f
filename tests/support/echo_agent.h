/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * echo_agent - an agent with a browser that echoes: a process of the test's own that
 * serves GET /cdp of PROTOCOL.md on a unix socket.
 *
 * /cdp/json/version and /cdp/json/list name one page, /cdp/devtools/page/P-1, which
 * echoes too. Every message comes back as it came. Some texts are orders instead:
 *   !close     send a Close frame (1000 "bye") and end this connection
 *   !die       cut this connection
 *   !exit      the whole process ends, as a crashed Chrome's agent would cut all
 *   !half      send half a frame and nothing more
 * A Browser.close is answered and ends all connections. A Close frame is answered and
 * ends its connection.
 *
 * Owner: the test. Ends the test program when it cannot start.
 */

#include <sys/types.h>

#define ECHO_AGENT_PROTOCOL_BYTES	1500000	/* of /cdp/json/protocol */

/* secret: what every request must bear. Listening when this returns. */
pid_t	echo_agent_start(const char *socket_path, const char *secret);
void	echo_agent_stop(pid_t pid);	/* kill and wait */
