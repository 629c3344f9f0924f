/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* programs - where Debian keeps what a runtime is made of. */

#define PROGRAM_BWRAP	"/usr/bin/bwrap"
#define PROGRAM_XVNC	"/usr/bin/Xtigervnc"
#define PROGRAM_OPENBOX	"/usr/bin/openbox"
/* The binary, not Debian's wrapper: the wrapper costs 60 ms and adds flags of its own. */
#define PROGRAM_CHROME	"/usr/lib/chromium/chromium"
