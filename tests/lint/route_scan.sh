# SPDX-License-Identifier: Apache-2.0
# Each row of fcgi/route.def has its paragraph in docs/API.md ("### METHOD path") and
# tests named after its handler; docs/API.md has no other.
routes=$(sed -nE 's/^ROUTE\(([A-Z]+),[[:space:]]*"([^"]+)",.*[[:space:]]([a-z_]+)\)$/\1 \2 \3/p' fcgi/route.def)
[ -n "$routes" ] || echo "fcgi/route.def: no row was read"
[ "$(wc -l <<<"$routes")" -eq "$(grep -c '^ROUTE(' fcgi/route.def)" ] ||
	echo "fcgi/route.def: a row could not be read"
while read -r method path handler; do
	grep -qxF "### $method $path" docs/API.md ||
		echo "docs/API.md: has no paragraph \"### $method $path\""
	grep -qE "^${handler}__[a-z0-9_]+\(" tests/it/test_it_api_*.c ||
		echo "tests/it: no test is named ${handler}__..."
done <<<"$routes"
sed -nE 's/^### ([A-Z]+ \/.*)$/\1/p' docs/API.md | while read -r method path; do
	grep -qE "^$method ${path//[\{\}]/.} " <<<"$routes" ||
		echo "docs/API.md: \"$method $path\" is no route"
done
