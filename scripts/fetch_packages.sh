#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Downloads what is unpacked and never installed: libfdt's source (out of Debian's u-boot source package), the arm64
# packages that the Linux guests are assembled from, and arm64's gnu-efi for the loader. scripts/setup.sh calls it.
#
#   scripts/fetch_packages.sh [--build DIR]   -> DIR/libfdt-src/*.[ch]   DIR/packages/*.deb
#
# apt runs on a state of its own in DIR/apt, with the mirrors and suites that this machine's apt is configured with.
set -eu
build=build
[ "${1:-}" = --build ] && build=$2
mkdir -p "$build"
build=$(cd "$build" && pwd)
. /etc/os-release
stamp=$build/setup.stamp

flavours='cloud rt'
guest_packages='busybox-static rt-tests libc6 libnuma1'
loader_packages='gnu-efi'

fail() { echo "setup: $*" >&2; exit 1; }

# Complete: made by this very script, for this release.
made_by="$VERSION_CODENAME $(cksum <"$0")"
complete() {
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$made_by" ] && [ -f "$build/libfdt-src/fdt.c" ] && [ -d "$build/packages" ]
}
complete && exit 0
exec 9>"$build/setup.lock"
flock 9
complete && exit 0

apt=$build/apt
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

write_sources() {
    options='arch=arm64'
    [ ! -r "$keyring" ] || options="$options signed-by=$keyring"
    apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk -v name="$VERSION_CODENAME" '$3 == "main" && ($2 == name || index($2, name "-") == 1) &&
            $2 != name "-backports"' | sort -u |
        while read -r site suite component; do
            echo "deb [$options] $site $suite $component"
            [ "$suite" != "$VERSION_CODENAME" ] || echo "deb-src [$options] $site $suite $component"
        done >"$apt/sources.list"
    [ -s "$apt/sources.list" ] ||
        fail "apt has no source for $VERSION_CODENAME main; add one to /etc/apt/sources.list.d"
}

# apt of its own: an arm64 machine on which nothing is installed.
arm64_apt() {
    command=$1
    shift
    "$command" -q -o Dir::State="$apt/state" -o Dir::Cache="$apt/cache" -o Dir::State::status=/dev/null \
        -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o APT::Architecture=arm64 \
        -o APT::Architectures=arm64 -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}

quietly() {
    what=$1
    shift
    if ! "$@" >"$build/setup.log" 2>&1 </dev/null; then
        tail -n 15 "$build/setup.log" >&2
        fail "could not $what (the lines above are apt's; all of them: $build/setup.log)." \
            "Check the network and the mirror in /etc/apt, then repeat the command."
    fi
}

# The metapackage of a flavour depends on the release's newest kernel of that flavour.
kernel_of() {
    arm64_apt apt-cache depends "linux-image-$1-arm64" | sed -n 's/^ *Depends: \(linux-image-[0-9][^ ]*\)$/\1/p' | head -n 1
}

fetch_packages() {
    kernels=
    for flavour in $flavours; do
        kernel=$(kernel_of "$flavour")
        [ -n "$kernel" ] || fail "the mirror has no arm64 kernel of flavour '$flavour' for $VERSION_CODENAME"
        kernels="$kernels $kernel"
    done
    wanted="$kernels $guest_packages $loader_packages"
    echo "setup: downloading for the Linux guests and the loader (unpacked below $build, not installed):$wanted"
    mkdir -p "$build/packages.new"
    # shellcheck disable=SC2086 # lists of words
    (cd "$build/packages.new" && quietly "download the arm64 packages" arm64_apt apt-get download $wanted)
    rm -rf "$build/packages"
    mv "$build/packages.new" "$build/packages"
}

fetch_libfdt() {
    echo "setup: downloading the u-boot source package for its libfdt"
    mkdir -p "$apt/source" "$build/libfdt-src"
    (cd "$apt/source" && quietly "download the u-boot source package" arm64_apt apt-get source --download-only --tar-only u-boot)
    archive=$(find "$apt/source" -name 'u-boot_*.orig.tar.*' ! -name '*.asc' | head -n 1)
    [ -n "$archive" ] || fail "apt brought no u-boot_*.orig.tar.* into $apt/source"
    tar -C "$build/libfdt-src" --strip-components=4 --wildcards -xf "$archive" '*/scripts/dtc/libfdt/*.[ch]'
    rm -rf "$apt/source"
}

mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial"
write_sources
quietly "read the package lists for arm64" arm64_apt apt-get update
fetch_libfdt
fetch_packages
rm -rf "$apt" "$build/setup.log"
echo "$made_by" >"$stamp"
