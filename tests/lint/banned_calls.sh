# SPDX-License-Identifier: Apache-2.0
# Calls and includes that banned_calls.list keeps out of a file. Comments and string
# literals are taken away first, except on #include lines.
sources=$(mktemp -d)
trap 'rm -rf "$sources"' EXIT
git ls-files '*.c' '*.h' | while read -r file; do
	mkdir -p "$sources/$(dirname "$file")"
	awk '
		/^#include/ { print; next }
		{
			line = $0
			gsub(/\\./, "", line)
			gsub(/"[^"]*"/, "\"\"", line)
			out = ""
			while (length(line)) {
				if (inside) {
					at = index(line, "*/")
					if (!at) { line = ""; break }
					line = substr(line, at + 2); inside = 0
				}
				at = index(line, "/*")
				if (!at) { out = out line; break }
				out = out substr(line, 1, at - 1)
				line = substr(line, at + 2); inside = 1
			}
			print out
		}' "$file" >"$sources/$file"
done
here=$PWD
cd "$sources" || exit 1
grep -v '^#\( \|$\)' "$here/tests/lint/banned_calls.list" | while IFS=$'\t' read -r pattern may why; do
	grep -rnP -- "$pattern" . | sed 's|^\./||' | while IFS=: read -r file line _; do
		[ "$may" != - ] && [[ $file =~ $may ]] && continue
		echo "$file:$line: $pattern ($why)"
	done
done
