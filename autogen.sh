#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# From a git checkout to ./configure.
set -e
cd "$(dirname "$0")"
cp /usr/share/automake-1.16/tap-driver.sh build-aux/
exec autoreconf -fi
