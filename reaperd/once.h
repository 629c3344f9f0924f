/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * once - jobs by hand or from cron: run them and go, or say what they would do.
 *
 * One line a job on standard output. The exit status is 0 when all went well, also
 * when another reaperd has the lead and nothing was to be done here.
 *
 * Threads: one.
 */

#include <stdbool.h>

#include "reaperd/job.h"

struct reaper;

/* Waits for what was started or stopped, within the provision timeout. */
int	once_run(struct reaper *reaper, const bool want[JOBS]);

/* Changes nothing; needs no lead. */
int	once_dry_run(struct reaper *reaper, const bool want[JOBS]);
