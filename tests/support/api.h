/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * api - the whole REST side for a test: PostgreSQL, ventus-api with two workers and
 * lighttpd with the product's own configuration, on unix sockets, with two
 * workspaces and a key of each role in the first.
 *
 * Every function fails the test when it cannot do its work.
 */

#include <libpq-fe.h>
#include <sys/types.h>

#include "lib/model/api_key.h"
#include "tests/support/http.h"
#include "tests/support/pg.h"
#include "tests/support/tmpdir.h"

/* Whose key a call bears. */
enum api_who { NOBODY, VIEWER, OPERATOR, ADMIN, STRANGER, WHO_COUNT }; /* STRANGER: of workspace 2 */

struct api {
	struct pg	*pg;
	PGconn		*sql;			/* as the owner; row-level security is off */
	char		 dir[TMPDIR_SIZE];
	char		 web_socket[TMPDIR_SIZE + 16], api_socket[TMPDIR_SIZE + 16];
	char		 workspace[2][VS_ULID_SIZE];
	char		 key[WHO_COUNT][API_KEY_SIZE];
	pid_t		 daemon, web;
};

struct api	*api_new(int workers);
void	 api_free(struct api *api);

/* One request as HTTP/1.1 with Connection: close. */
struct api_call {
	const char	*method, *path;
	enum api_who	 who;
	const char	*headers;	/* "Name: value\r\n" each, or NULL */
	const char	*body;		/* NULL: none, and no Content-Length either */
	const char	*type;		/* of the body; NULL: application/json; "": none */
};

int	 api_start(const struct api *api, const struct api_call *call);	/* its descriptor */
void	 api_do(const struct api *api, const struct api_call *call, struct http_answer *ret_answer);

/* Create a session as OPERATOR with a key of its own; its id. */
void	 api_session(const struct api *api, const char *body, char ret_id[VS_ULID_SIZE]);

/* As reaperd would. */
void	 api_claim(const struct api *api, const char *id);
void	 api_run(const struct api *api, const char *id);	/* claimed before */
void	 api_fail(const struct api *api, const char *id, const char *code);

/* The workers' process ids, at most max; how many there are. */
int	 api_workers(const struct api *api, pid_t *ret_pids, int max);

/* All that ventus-api and lighttpd have logged so far; owned. */
char	*api_logs(const struct api *api);
