# SPDX-License-Identifier: Apache-2.0
# Scripts are as shellcheck wants them. Files that are only sourced are seen through
# the script that sources them.
command -v shellcheck >/dev/null || { echo "shellcheck is missing"; exit 77; }
git grep -lE '^#!/bin/(ba)?sh' -- . ':!*.md' ':!debian/rules' |
	xargs -r shellcheck -x -a -f gcc
git ls-files 'tests/lint/*.sh' | xargs -r shellcheck -s bash -f gcc
