# SPDX-License-Identifier: Apache-2.0
# The web configuration is accepted, with no key that lighttpd does not know (to
# lighttpd that is a warning in a log).
command -v lighttpd >/dev/null || { echo "lighttpd is missing"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
sh etc/lighttpd/ventus-errors etc/lighttpd/errors.def http://localhost:8080 "$dir/errors"
cat >"$dir/lighttpd.conf" <<END
server.port = 8080
var.run = "$dir"
var.errors = "$dir/errors"
var.docroot = "$dir"
var.logscrub = "/bin/true"
var.logdir = "$dir"
include "$PWD/etc/lighttpd/ventus.conf"
END
if [ -e /usr/lib/lighttpd/mod_openssl.so ]; then
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
	    -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>"$dir/openssl.log" || cat "$dir/openssl.log"
	cat >>"$dir/lighttpd.conf" <<-END
	var.tls_dir = "$dir"
	include "$PWD/etc/lighttpd/tls.conf"
	\$SERVER["socket"] == "127.0.0.1:8443" { ssl.engine = "enable" }
	END
fi
lighttpd -tt -f "$dir/lighttpd.conf" 2>&1
lighttpd -p -f "$dir/lighttpd.conf" 2>&1 | grep -i 'unknown'
for file in "$dir"/errors/*.html; do
	jq -e '.status and .type and .title and .detail' "$file" >/dev/null ||
		echo "$(basename "$file"): not a problem document"
done
