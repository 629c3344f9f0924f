# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# --tls: the same front door again, behind a certificate that only this checkout knows.

TLS_DIR=$VAR/etc/tls
TLS_DAYS=365

# Sets PUBLIC_URL, the address that clients are told.
tls_prepare() {
	PUBLIC_URL=http://localhost:$PORT
	[ -n "$TLS_PORT" ] || return 0
	PUBLIC_URL=https://localhost:$TLS_PORT
	! port_taken "$TLS_PORT" ||
		fail "port $TLS_PORT is taken by another program; choose another with --tls"
	install -d "$TLS_DIR"
	openssl x509 -checkend $((30 * 86400)) -noout -in "$TLS_DIR/cert.pem" >/dev/null 2>&1 ||
		logged tls tls_certificate_make
}

tls_certificate_make() {
	rm -f "$TLS_DIR/key.pem"
	(umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -days $TLS_DAYS -subj "/CN=localhost" \
	    -addext "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1" \
	    -keyout "$TLS_DIR/key.pem" -out "$TLS_DIR/cert.new") &&
		chmod 0644 "$TLS_DIR/cert.new" && mv "$TLS_DIR/cert.new" "$TLS_DIR/cert.pem"
}

# lighttpd's lines for it, after everything else.
tls_configuration() {
	local address
	[ -n "$TLS_PORT" ] || return 0
	cat <<-END
	var.tls_dir = "$TLS_DIR"
	include "$1/lighttpd/tls.conf"
	END
	for address in $(listen_addresses); do
		echo "\$SERVER[\"socket\"] == \"$address:$TLS_PORT\" { ssl.engine = \"enable\" }"
	done
}

# What a program on this machine needs to believe it, and the way past it.
tls_environment() {
	local ca
	[ -n "$TLS_PORT" ] || return 0
	ca=$(said "$TLS_DIR/cert.pem")
	printf 'VENTUS_CA=%s\nNODE_EXTRA_CA_CERTS=%s\nVENTUS_PLAIN_URL=%s\n' \
	    "$ca" "$ca" "http://localhost:$PORT"
}
