# SPDX-License-Identifier: Apache-2.0
# build-aux/packages.list, debian/control and README.md name the same packages.
field() {	# FIELD FILE-SECTION(1 source, 2 first binary)
	awk -v field="$1:" -v want="$2" '
		/^$/ { section++ }
		/^[A-Za-z-]+:/ { on = ($1 == field && section + 1 == want) }
		on { sub(/^[A-Za-z-]+:/, ""); print }' debian/control |
		tr ',' '\n' | sed 's/(.*)//; s/<.*>//; s/[[:space:]]//g' |
		grep -vE '^$|^debhelper-compat$|\$\{' | sort
}

differ() {	# NAME, then two lists on descriptors 3 and 4
	diff <(cat <&3) <(cat <&4) | sed -n "s|^< |$1 lacks |p; s|^> |packages.list lacks, for $1: |p"
}

differ "debian/control Depends" 3< <(build-aux/packages run | sort) 4< <(field Depends 2)
build-aux/packages build | sort | comm -23 - <(field Build-Depends 1) |
	sed 's/^/debian\/control Build-Depends lacks /'
field Build-Depends 1 | comm -23 - <(build-aux/packages build platform run | sort) |
	sed 's/^/packages.list lacks, for Build-Depends: /'
for name in $(build-aux/packages toolchain build); do
	grep -qwF -- "$name" README.md || echo "README.md lacks $name"
done
