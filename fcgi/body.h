/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * body - the request's body, read and parsed as its route wants it.
 *
 * Both answer 0 with rep->status still 0 when all is well, and 0 with rep filled
 * when the client is wrong.
 */

#include "fcgi/app.h"
#include "fcgi/reply.h"
#include "fcgi/req.h"

int	body_take(struct app *app, struct req *req, struct reply *rep) VS_MUST_USE;

/* The bytes that were read into req->json, after a look at the Content-Type. */
int	body_parse_json(struct req *req, struct reply *rep) VS_MUST_USE;
