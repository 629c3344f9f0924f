# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Where we are: the system, the room, and whether other users can reach the checkout.

DISK_FIRST_KIB=$((3 * 1024 * 1024))	# packages and build
DISK_AGAIN_KIB=$((300 * 1024))		# logs and the database

system_check() {
	local id='' version='' need have
	# shellcheck source=/dev/null
	. <(sed -n 's/^ID=/id=/p; s/^VERSION_ID=/version=/p' /etc/os-release)
	[ "$id $version" = "debian 12" ] ||
		fail "this needs Debian 12; here is ${id:-an unknown system} ${version}"
	need=$DISK_FIRST_KIB
	[ ! -e "$VAR/build/installed" ] || need=$DISK_AGAIN_KIB
	have=$(df -Pk "$(dirname "$VAR")" | awk 'NR == 2 { print $4 }')
	[ "$have" -ge "$need" ] ||
		fail "$((need / 1024)) MiB of disk are needed below $HERE, $((have / 1024)) MiB are free"
	if [ "$EUID" != 0 ] && [ ! -w "$(dirname "$VAR")" ]; then
		fail "$HERE does not belong to $(id -un)"
	fi
}

# May every user walk down to this directory?
others_reach() {
	local dir=$1
	while [ "$dir" != / ]; do
		[ $((8#$(stat -c %a "$dir") & 1)) = 1 ] || return 1
		dir=$(dirname "$dir")
	done
}

# elsewhere PROGRAM ARGUMENT... - run a program of this checkout in a mount namespace of
# its own, where /mnt is the checkout. The host sees no mount. Does not return.
elsewhere() {
	# shellcheck disable=SC2016
	exec unshare --mount --propagation private -- sh -c '
		mount --bind "$1" /mnt || {
			echo "$2: other users cannot reach $1 and it cannot be mounted elsewhere;" \
			    "move the checkout, for example to /srv" >&2
			exit 1
		}
		program=$2
		shift 2
		cd /mnt && exec "./$program" "$@"' sh "$TOP" "$@"
}

# As root, PostgreSQL, the web side and every session run as users of their own. When
# they cannot walk to this checkout (say, below /root), all of quickstart runs elsewhere.
place_check() {
	[ "$EUID" = 0 ] || return 0
	[ -z "${VENTUS_QUICKSTART_HERE-}" ] || return 0
	case $VAR in
	"$TOP"/*) ;;
	*)
		others_reach "$(dirname "$VAR")" ||
			fail "other users cannot reach $VAR: choose a VENTUS_VAR that they can" ;;
	esac
	! others_reach "$TOP" || return 0
	export VENTUS_QUICKSTART_HERE=$TOP
	[ "${VAR#"$TOP"/}" = "$VAR" ] || VAR=/mnt/${VAR#"$TOP"/}
	export VENTUS_VAR=$VAR
	elsewhere quickstart "$@"
}

# A path as the caller knows it.
said() {
	case $1 in
	"$TOP"/*) echo "$HERE${1#"$TOP"}" ;;
	*) echo "$1" ;;
	esac
}

# Unix sockets need short names: at most 107 bytes, of which a runtime's take 50.
# So deep checkouts get a run directory in /tmp, with var/run pointing there.
run_dir_make() {
	local where=$VAR/run
	if [ ${#where} -le 55 ]; then
		[ ! -L "$where" ] || rm -f "$where"
		mkdir -p "$where"
	elif [ ! -d "$where/." ]; then
		rm -rf "$where"
		ln -s "$(mktemp -d /tmp/ventus.XXXXXX)" "$where"
	fi
	RUN=$(cd "$where" && pwd -P)
	chmod 0711 "$RUN"
}

run_dir_remove() {
	local where=$VAR/run
	if [ -L "$where" ]; then
		rm -rf -- "$(readlink "$where")"
	fi
	rm -rf -- "$where"
}

port_taken() {
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# 8080, or the next free one; --port is taken at its word.
port_choose() {
	local port
	if [ -n "$PORT" ]; then
		[ "$PORT" -ge 1024 ] || [ "$EUID" = 0 ] || fail "port $PORT needs root"
		! port_taken "$PORT" ||
			fail "port $PORT is taken by another program; choose another with --port"
		return
	fi
	for port in 8080 {8081..8089} {18080..18180}; do
		if ! port_taken "$port"; then
			PORT=$port
			return
		fi
	done
	fail "no port from 8080 on is free; choose one with --port"
}
