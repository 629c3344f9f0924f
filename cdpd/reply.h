/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * reply - HTTP answers of our own, whole, into a buffer.
 */

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/problem.h"

int	reply_problem(const struct vs_problem_doc *doc, struct vs_buf *out) VS_MUST_USE;

/* A JSON document. */
int	reply_json(const void *body, size_t len, const char *request_id, struct vs_buf *out) VS_MUST_USE;

/* 101 with Chrome's own accept; protocol may be NULL. */
int	reply_upgrade(const char *accept, const char *protocol, const char *request_id,
	    struct vs_buf *out) VS_MUST_USE;
