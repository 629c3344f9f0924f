# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016
# Who may include whom: lib/ by the layers of layers.list, the model above them, a
# daemon above that and never another daemon's header.
git ls-files '*.c' '*.h' | grep -vE '^(tests|bench)/' | xargs awk '
	function layer(name) {
		if (name in of) return of[name]
		if (name ~ /^lib\/(model|runtime)\//) return 4
		if (name ~ /^lib\//) return -1
		return 5
	}
	function part(name) {
		if (name ~ /^runtime-image\/agent\//) return "agent"
		return substr(name, 1, index(name, "/") - 1)
	}
	BEGIN {
		while ((getline line < "tests/lint/layers.list") > 0)
			if (split(line, f, /[ \t]+/) == 2 && f[1] !~ /^#/) of[f[1]] = f[2]
	}
	FNR == 1 {
		own = FILENAME
		sub(/\.c$/, ".h", own)
		mine = layer(own)
		if (mine < 0 && FILENAME ~ /\.c$/) mine = 3
		if (mine < 0) print FILENAME ": has no layer in tests/lint/layers.list"
	}
	/^#include "/ {
		split($0, q, "\"")
		if (q[2] == "config.h") next
		theirs = layer(q[2])
		if (q[2] !~ /\// ) { print FILENAME ":" FNR ": \"" q[2] "\" is not written from the top"; next }
		if (theirs < 0) print FILENAME ":" FNR ": " q[2] " has no layer in tests/lint/layers.list"
		else if (theirs > mine) print FILENAME ":" FNR ": layer " mine " includes " q[2] " of layer " theirs
		else if (theirs == 5 && part(q[2]) != part(FILENAME)) print FILENAME ":" FNR ": " q[2] " belongs to another daemon"
	}'
