/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * dispatch - one request from its parameters to its printed answer.
 *
 * The order is: usable at all, route, key, role, body, handler. A key is asked for
 * before anything is told about a path, so that nothing can be probed without one.
 * The only place of ventus-api that logs a failure, and that logs each request.
 */

#include "fcgi/app.h"
#include "fcgi/req.h"
#include "lib/arena.h"
#include "lib/buf.h"

/* Always leaves an answer in out (which is cleared first), if it is a poor one. */
void	dispatch(struct app *app, struct vs_arena *arena, const struct req_source *source,
	    struct vs_buf *out);
