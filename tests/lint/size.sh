# SPDX-License-Identifier: Apache-2.0
# No function over 80 lines, no source file over 1,000, no script over 300.
# A table's initialiser is not a function: its brace stands at the end of a line.
git ls-files '*.c' | while read -r file; do
	awk -v file="$file" '
		/^\{/ { from = NR; next }
		/^\}/ && from { if (NR - from - 1 > 80) printf "%s:%d: a function of %d lines\n",
		    file, from, NR - from - 1; from = 0 }
		END { if (NR > 1000) printf "%s: %d lines\n", file, NR }' "$file"
done
git grep -lE '^#!/bin/(ba)?sh|^# shellcheck shell' -- . ':!*.md' | while read -r file; do
	lines=$(wc -l <"$file")
	[ "$lines" -le 300 ] || echo "$file: $lines lines"
done
