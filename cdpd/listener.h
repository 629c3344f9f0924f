/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * listener - the socket that all workers share.
 */

#include <stdbool.h>

#include "lib/base.h"
#include "lib/conf.h"
#include "lib/loop.h"

struct server;

struct listener {
	int		 fd;		/* borrowed from main */
	bool		 is_tcp;
	struct vs_watch	 io;
	struct vs_timer	 pause;
};

/* Bind what the configuration says. VS_EINVAL, VS_EEXIST, VS_EIO. The descriptor is owned. */
int	listener_open(const struct vs_conf *conf, int *ret_fd) VS_MUST_USE;

int	listener_start(struct server *srv, int fd) VS_MUST_USE;
void	listener_stop(struct server *srv);
