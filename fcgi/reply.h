/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * reply - the answer that a handler fills and the dispatcher prints.
 *
 * Either a JSON body or a problem, and headers. What cannot be stored (no memory,
 * too many headers) is remembered and turns the answer into a 500 when printed.
 *
 * Owner: dispatch(). Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/base.h"
#include "lib/buf.h"
#include "lib/jsonio.h"
#include "lib/problem.h"

#define REPLY_HEAD_MAX	16384

struct reply {
	struct vs_arena		*arena;		/* borrowed, like the three below */
	const char		*public_url, *instance, *request_id;

	int			 status;
	struct vs_buf		 head;		/* "Name: value\r\n" each */
	struct json_object	*body;		/* owned; NULL with a problem */

	enum vs_problem		 problem;
	const char		*detail;	/* arena or static; NULL: the title */
	struct vs_json_issues	 issues;	/* printed with a problem */

	int64_t			 db_us;		/* spent waiting for the database */
	bool			 broken;
};

void	reply_init(struct reply *ret_rep, struct vs_arena *arena, const char *public_url,
	    const char *request_id);
void	reply_fini(struct reply *rep);

/* Value must hold no control character; one that does breaks the reply. */
void	reply_header(struct reply *rep, const char *name, const char *fmt, ...) VS_PRINTF(3, 4);

/*
 * Becomes the answer, whatever was there. Takes body; NULL means that there was no
 * memory for it. Returns 0.
 */
int	reply_json(struct reply *rep, int status, struct json_object *body);

/* The same. detail is static or in the arena. */
int	reply_problem(struct reply *rep, enum vs_problem problem, const char *detail);

/* What a handler's error means to the client: a 5xx that says as little as it must. */
void	reply_failure(struct reply *rep, int rc);

/* The database is asked between these two. */
void	reply_db_begin(struct reply *rep);
void	reply_db_end(struct reply *rep);

/* The whole answer as FastCGI wants it. VS_ENOMEM, VS_EFULL. */
int	reply_print(const struct reply *rep, struct vs_buf *out) VS_MUST_USE;

/* Microseconds of the monotonic clock. */
int64_t	reply_now_us(void);
