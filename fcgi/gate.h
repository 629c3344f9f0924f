/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gate - who is asking, and may they?
 */

#include <stdbool.h>

#include "fcgi/app.h"
#include "fcgi/req.h"

/* Fill req->key and req->caller from the Authorization header. VS_EAUTH, VS_EDB. */
int	gate_authenticate(struct app *app, struct req *req) VS_MUST_USE;

/* Each role may all that the ones before it may. */
bool	gate_allows(const struct req *req, enum api_role least);
