# SPDX-License-Identifier: Apache-2.0
# lighttpd's error table and the platform's speak of the same problems.
sed -n 's/^PROBLEM([A-Z_]*,[[:space:]]*\([0-9]*\), "\([^"]*\)",[[:space:]]*"\([^"]*\)")$/\2|\1|\3/p' \
    lib/problem.def | sort >/tmp/problems.$$
trap 'rm -f /tmp/problems.$$' EXIT
grep -vE '^(#|$)' etc/lighttpd/errors.def | while IFS='|' read -r status slug title _; do
	theirs=$(grep "^$slug|" /tmp/problems.$$) || continue
	[ "$theirs" = "$slug|$status|$title" ] ||
		echo "etc/lighttpd/errors.def: $status $slug \"$title\" is not lib/problem.def's $theirs"
done
[ -s /tmp/problems.$$ ] || echo "lib/problem.def: no row was read"
