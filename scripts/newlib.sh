#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds newlib for the bare-metal guests from Debian's newlib-source package.
#
#   scripts/newlib.sh TARGET OUT     TARGET is aarch64-none-elf or x86_64-none-elf; the result is
#                                    in OUT/TARGET/{include,lib}
#
# Environment: CROSS names the cross tools (TARGET's CPU with -linux-gnu-), JOBS the parallel jobs
# (all processors), NEWLIB_TARBALL the source (newest below /usr/src/newlib). A finished build
# whose inputs have not changed is left alone.
#
# Debian has no ready newlib for these targets. The packaged cross compilers aim at Linux, hence
# the flags. For arm64: no outlined atomics (they live in libgcc), strict alignment (code that runs
# before the MMU is on), and x18 left alone, because the guests' interrupt vector uses it as a
# scratch register (guests/lib/arm64/vectors.S). For x86-64: no control-flow marks.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
target=$1
out=$2
cross=${CROSS:-${target%%-*}-linux-gnu-}
jobs=${JOBS:-$(nproc)}
tarball=${NEWLIB_TARBALL:-$(ls /usr/src/newlib/newlib-*.tar.* 2>/dev/null | sort -V | tail -n 1)}
if [ -z "$tarball" ] || ! [ -r "$tarball" ]; then
    echo "newlib.sh: no newlib source below /usr/src/newlib: install the package newlib-source" >&2
    exit 1
fi
cc_version=$("${cross}gcc" -dumpfullversion)

flags="-O2 -ffreestanding -fno-stack-protector -fno-pic -fno-pie -U_FORTIFY_SOURCE"
case $target in
aarch64-*) flags="$flags -mstrict-align -mno-outline-atomics -ffixed-x18" ;;
x86_64-*) flags="$flags -fcf-protection=none" ;;
*) echo "newlib.sh: $target is not a target that the guests have" >&2; exit 2 ;;
esac
flags="$flags -ffunction-sections -ffile-prefix-map=$out/src=newlib"

stamp="$tarball $cc_version $(cksum "$root/scripts/newlib.sh" | cut -d' ' -f1)"
if [ "$(cat "$out/stamp" 2>/dev/null || true)" = "$stamp" ]; then
    touch "$out/stamp"
    exit 0
fi

run() { # run NAME COMMAND...: keep the output in a log, show its end when the command fails
    name=$1
    shift
    if ! "$@" >"$out/$name.log" 2>&1; then
        echo "newlib.sh: $name failed; the end of $out/$name.log:" >&2
        tail -n 15 "$out/$name.log" >&2
        exit 1
    fi
}

rm -rf "$out"
mkdir -p "$out/src" "$out/obj"
out=$(cd "$out" && pwd)
tar -xf "$tarball" -C "$out/src" --strip-components=1
cd "$out/obj"
# A parent make's job server is not ours to use: this build has its own number of jobs.
unset MAKEFLAGS MAKELEVEL MFLAGS CFLAGS LDFLAGS CPPFLAGS
run configure ../src/configure --target=$target --prefix="$out" \
    --disable-multilib --disable-libgloss --disable-newlib-supplied-syscalls --disable-nls \
    --enable-newlib-io-long-long --enable-newlib-reent-small \
    CC_FOR_TARGET="${cross}gcc" CXX_FOR_TARGET="${cross}g++" AS_FOR_TARGET="${cross}as" \
    LD_FOR_TARGET="${cross}ld" AR_FOR_TARGET="${cross}ar" NM_FOR_TARGET="${cross}nm" \
    RANLIB_FOR_TARGET="${cross}ranlib" OBJCOPY_FOR_TARGET="${cross}objcopy" \
    OBJDUMP_FOR_TARGET="${cross}objdump" READELF_FOR_TARGET="${cross}readelf" \
    STRIP_FOR_TARGET="${cross}strip" CFLAGS_FOR_TARGET="$flags" MAKEINFO=true
run make make -j"$jobs" all-target-newlib MAKEINFO=true
run install make install-target-newlib MAKEINFO=true
cd "$out"
rm -rf src obj
echo "$stamp" >stamp
