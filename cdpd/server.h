/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * server - one worker: its loop, its database connection, its keys, its connections.
 *
 * Owner: main, in the worker process. Threads: one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cdpd/client_close.h"
#include "cdpd/conn.h"
#include "cdpd/instance.h"
#include "cdpd/listener.h"
#include "cdpd/session.h"
#include "lib/base.h"
#include "lib/conf.h"
#include "lib/dbq.h"
#include "lib/keyring.h"
#include "lib/list.h"
#include "lib/loop.h"

struct server {
	const struct vs_conf	*conf;		/* borrowed */
	struct vs_loop		*loop;
	struct vs_dbq		*dbq;
	struct vs_keyring	*ring;
	struct listener		 listener;
	struct instance		 instance;
	struct session_table	 sessions;
	struct client_closes	 closes;
	struct vs_node		 live[2];	/* struct conn.node, by side */
	struct vs_node		 dead;
	size_t			 nclients;	/* live conns of the client side */
	size_t			 max_clients;	/* configured, or what descriptors allow */
	struct vs_timer		 sweep;
	struct vs_timer		 stop_limit;
	bool			 stopping;
	uint8_t			*scratch;	/* FRAMES_SCRATCH_SIZE, within scratch_block */
	uint8_t			*scratch_block;	/* owned */
};

#define SERVER_SWEEP_MS	250
#define SERVER_DB_MS	5000	/* how long a question may take */
#define SERVER_STOP_MS	4000	/* from SIGTERM to the end, at most */

/* In the worker, after fork. listen_fd is borrowed. VS_ECONF with a sentence in fault. */
int	server_new(const struct vs_conf *conf, int listen_fd, struct vs_buf *fault,
	    struct server **ret_srv) VS_MUST_USE;
int	server_run(struct server *srv) VS_MUST_USE;	/* until SIGTERM and its drain */
void	server_free(struct server *srv);

void	server_free_dead(struct server *srv);	/* once per batch, after the last event */
