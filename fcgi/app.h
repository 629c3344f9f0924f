/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * app - what one worker of ventus-api has for all its requests.
 *
 * Owner: the worker. Threads: one.
 */

#include <signal.h>

#include "fcgi/wait.h"
#include "lib/conf.h"
#include "lib/db.h"
#include "lib/keyring.h"

struct app {
	const struct vs_conf	*conf;		/* borrowed from main */
	struct vs_keyring	*ring;		/* owned; replaced on SIGHUP */
	struct vs_db		*db;		/* owned */
	struct wait_slots	*waiting;	/* borrowed; shared by all workers */
	int			 slot;		/* this worker's place among them */
	const volatile sig_atomic_t *stop;	/* set: finish the request at hand */
	sigset_t		 open_signals;	/* the mask while waiting for something */
};
