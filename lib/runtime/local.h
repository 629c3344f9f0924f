/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * local - the driver for sandboxes on this machine.
 *
 * One agent per runtime, a child in a session of its own that outlives reaperd. It
 * is found again by its record and directory under <state_dir>/rt (local_rec.h),
 * watched by a pidfd and by its events. Started as root, each runtime has a uid of
 * its own, which is used again only when nothing that has it is alive.
 */

#include "lib/runtime/runtime.h"

extern const struct vs_runtime_ops local_ops;
