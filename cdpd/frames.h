/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * frames - bytes of one direction on their way to the other half, frame by frame.
 *
 * Passes everything on as it came, except an unfinished frame head and the few client
 * frames that have to be seen whole before they are judged (a short text message, a
 * pong of ours): these are held back until the rest has arrived.
 */

#include <stddef.h>
#include <stdint.h>

#include "cdpd/conn.h"
#include "lib/base.h"

/*
 * One scratch for all connections of a worker: room for what was held and one read. It
 * begins in the middle of a page: copying into memory that lies just behind its source,
 * as places within a page go, takes twice the time on some machines, and the kernel's
 * socket buffers begin where pages do.
 */
#define FRAMES_HELD_MAX		640
#define FRAMES_SCRATCH_SIZE	(CONN_CHUNK_MAX + FRAMES_HELD_MAX)
#define FRAMES_SCRATCH_SKEW	2048
#define FRAMES_SCRATCH_ALIGN	4096
#define FRAMES_SCRATCH_BLOCK	(CONN_CHUNK_MAX + FRAMES_SCRATCH_ALIGN)

/*
 * What is held of c is copied to the front of scratch; its size is returned. The
 * caller reads new bytes behind it.
 */
size_t	frames_begin(const struct conn *c, uint8_t *scratch);

/*
 * scratch now holds held + len bytes of c's stream. Pass on what may pass. VS_EPROTO,
 * VS_ETOOBIG: what preceded the bad frame has been passed, nothing more may be fed.
 * VS_ENOMEM. Stops without an error when the tunnel is being closed.
 */
int	frames_pass(struct conn *c, uint8_t *scratch, size_t held, size_t len) VS_MUST_USE;
void	frames_drop(struct conn *c);	/* what is held */
