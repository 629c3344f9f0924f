/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ep_session - what the endpoints of a session have in common: its answer.
 */

#include "fcgi/app.h"
#include "fcgi/reply.h"
#include "fcgi/req.h"
#include "lib/model/sess.h"

/* The session with its links. NULL: no memory. */
struct json_object	*ep_session_json(const struct app *app, struct req *req,
			    const struct sess *sess);

/* Answer with the session and how long each part of its start took. */
int	ep_session_reply(const struct app *app, struct req *req, struct reply *rep, int status,
	    const struct sess *sess);
