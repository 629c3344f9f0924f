# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What bench/relay.sh tells HAProxy, nginx and lighttpd: pass everything on, log nothing, one
# thread, room for 9,500 tunnels. Uses its dir and port.

configure() {
	local size
	for name in haproxy haproxy64; do
		size=
		[ $name = haproxy ] || size="tune.bufsize 65536"
		cat >"$dir/$name.cfg" <<-END
			global
			    maxconn 9500
			    nbthread 1
			    $size
			defaults
			    mode http
			    timeout connect 5s
			    timeout client 60s
			    timeout server 60s
			    timeout tunnel 1h
			frontend f
			    bind 127.0.0.1:${port[$name]}
			    default_backend b
			backend b
			    server s 127.0.0.1:${port[direct]}
		END
	done
	nginx_conf nginx "location / { proxy_pass http://127.0.0.1:${port[direct]}; }"
	lighttpd_conf lighttpd "${port[direct]}"
	lighttpd_conf door "${port[cdpd]}"
}

nginx_conf() {
	cat >"$dir/$1.conf" <<-END
		daemon off; master_process off; pid $dir/$1.pid;
		events { worker_connections 19000; }
		http {
		    access_log off;
		    client_body_temp_path $dir; proxy_temp_path $dir; fastcgi_temp_path $dir;
		    uwsgi_temp_path $dir; scgi_temp_path $dir;
		    proxy_http_version 1.1;
		    proxy_set_header Upgrade \$http_upgrade; proxy_set_header Connection upgrade;
		    proxy_read_timeout 1h; proxy_send_timeout 1h;
		    server { listen 127.0.0.1:${port[$1]} backlog=4096; $2 }
		}
	END
}

lighttpd_conf() {
	cat >"$dir/$1.conf" <<-END
		server.port = ${port[$1]}
		server.bind = "127.0.0.1"
		server.document-root = "$dir"
		server.modules = ( "mod_proxy" )
		server.event-handler = "linux-sysepoll"
		server.max-fds = 20000
		server.max-connections = 9500
		server.listen-backlog = 4096
		proxy.server = ( "" => (( "host" => "127.0.0.1", "port" => $2 )) )
		proxy.header = ( "upgrade" => "enable" )
	END
}
