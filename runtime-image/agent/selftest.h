/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * selftest - can this machine run a desktop in a sandbox? One plain sentence on
 * standard output, and status 0 or 1.
 */

int	selftest_main(void);
