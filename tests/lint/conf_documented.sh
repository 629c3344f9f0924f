# SPDX-License-Identifier: Apache-2.0
# etc/ventus.conf.example and the options of man/ventus.conf.5 are what the option
# table says, as for a package (/usr/libexec). With --write: make them so.
example=etc/ventus.conf.example
man=man/ventus.conf.5
cd "${top_srcdir:-.}" || exit 1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

${CC:-cc} -I. -D_GNU_SOURCE -DVS_LIBEXECDIR='"/usr/libexec/ventus-sessions"' -o "$tmp/confdoc" \
	tests/lint/confdoc.c lib/conf_opt.c lib/conf_print.c lib/buf.c lib/log.c lib/scrub.c \
	lib/utf8.c lib/clock.c lib/err.c || exit 1
"$tmp/confdoc" --example >"$tmp/example" || exit 1
"$tmp/confdoc" --man >"$tmp/options" || exit 1
# The page with its part between the two comments replaced.
sed -e '/^\.\\" END OPTIONS/,$!{/^\.\\" BEGIN OPTIONS/,$!b' -e '/^\.\\" BEGIN OPTIONS/!d' \
	-e "r $tmp/options" -e '}' "$man" >"$tmp/man"

if [ "${1:-}" = --write ]; then
	cp "$tmp/example" "$example" && cp "$tmp/man" "$man"
	exit
fi
cmp -s "$tmp/example" "$example" ||
	echo "$example: not what lib/opt.def says; run: bash tests/lint/conf_documented.sh --write"
cmp -s "$tmp/man" "$man" ||
	echo "$man: not what lib/opt.def says; run: bash tests/lint/conf_documented.sh --write"
# Sections of the page may be reordered by hand, options may not be lost.
sed -n 's/^OPT_[A-Z]* *([a-z_]*, *\([a-z_]*\),.*/\1/p; s/^REGION_[A-Z]* *(\([a-z_]*\),.*/\1/p' lib/opt.def |
	while read -r key; do
		grep -q "^\.B $key\$" "$man" || echo "$man: does not name $key"
		grep -q "^#$key =" "$example" || echo "$example: does not name $key"
	done
