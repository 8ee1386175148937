#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compile and link the init image: a static program of its own, with another C library than wherry's.
#	build-init-image.sh OUTPUT DEPFILE SOURCE_ROOT COMPILER SOURCE...
set -eu
output=$1 depfile=$2 root=$3 compiler=$4
shift 4

# musl's wrapper does not look where the kernel's headers are
triplet=$(gcc -print-multiarch 2>/dev/null || true)
flags="-std=gnu17 -D_GNU_SOURCE -Os -g0 -Wall -Wextra -Wno-missing-field-initializers -Wno-unused-parameter
	-fstack-protector-strong -ftrivial-auto-var-init=zero -fno-strict-aliasing -fno-asynchronous-unwind-tables
	-ffunction-sections -fdata-sections -I$root -idirafter /usr/include -idirafter /usr/include/$triplet"
objects=$output.objects
mkdir -p "$objects"
list=
for source in "$@"; do
	# with a prefix: the source may be ../x.c, and "*.d" below would not find a hidden file
	object=$objects/image-$(echo "${source#"$root"/}" | tr / _).o
	# shellcheck disable=SC2086 # the flags are words
	"$compiler" $flags -MMD -MF "$object.d" -MT "$output" -c "$source" -o "$object"
	list="$list $object"
done
# shellcheck disable=SC2086
"$compiler" -static -Wl,--gc-sections -Wl,-z,relro -Wl,-z,noexecstack -Wl,--build-id=none -s -o "$output" $list
cat "$objects"/*.d >"$depfile"
