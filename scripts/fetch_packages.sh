#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Downloads what is unpacked and never installed: libfdt's source (out of Debian's u-boot source package), the packages for
# arm64 and amd64 that the Linux guests are assembled from, arm64's gnu-efi for the loader and its Xen for the experiments.
# scripts/setup.sh calls it.
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

# The metapackages of the kernels.
architectures='arm64 amd64'
kernels_arm64='linux-image-cloud-arm64 linux-image-rt-arm64'
kernels_amd64='linux-image-cloud-amd64 linux-image-amd64'
guest_packages='busybox-static rt-tests libc6 libnuma1'
peer_metapackage=xen-system-arm64 # depends on the release's Xen, which `make experiment-sleep` runs for comparison
loader_packages='gnu-efi' # for arm64; this machine's own is installed

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

# use ARCHITECTURE: what guest_apt is about from here on.
use() {
    arch=$1
    state=$apt/$arch
    mkdir -p "$state/lists/partial" "$apt/cache/archives/partial"
    write_sources
    quietly "read the package lists for $arch" guest_apt apt-get update
}

write_sources() {
    options="arch=$arch"
    [ ! -r "$keyring" ] || options="$options signed-by=$keyring"
    apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk -v name="$VERSION_CODENAME" '$3 == "main" && ($2 == name || index($2, name "-") == 1) &&
            $2 != name "-backports"' | sort -u |
        while read -r site suite component; do
            echo "deb [$options] $site $suite $component"
            [ "$suite" != "$VERSION_CODENAME" ] || echo "deb-src [$options] $site $suite $component"
        done >"$state/sources.list"
    [ -s "$state/sources.list" ] ||
        fail "apt has no source for $VERSION_CODENAME main; add one to /etc/apt/sources.list.d"
}

# apt of its own: a machine of that architecture on which nothing is installed.
guest_apt() {
    command=$1
    shift
    "$command" -q -o Dir::State="$state" -o Dir::Cache="$apt/cache" -o Dir::State::status=/dev/null \
        -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=/dev/null -o APT::Architecture="$arch" \
        -o APT::Architectures="$arch" -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3 "$@"
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

# A metapackage depends on the release's newest kernel of its flavour.
kernel_of() {
    guest_apt apt-cache depends "$1" | sed -n 's/^ *Depends: \(linux-image-[0-9][^ ]*\)$/\1/p' | head -n 1
}

# Nothing but the comparison needs it, and that says so where it is missing: no failure.
peer_of() {
    guest_apt apt-cache depends "$1" 2>/dev/null | sed -n 's/^ *Depends: \(xen-hypervisor-[0-9][^ ]*\)$/\1/p' | head -n 1
}

# fetch_packages METAPACKAGE...
fetch_packages() {
    kernels=
    for metapackage in "$@"; do
        kernel=$(kernel_of "$metapackage")
        [ -n "$kernel" ] || fail "the mirror has no kernel $metapackage for $VERSION_CODENAME"
        kernels="$kernels $kernel"
    done
    wanted="$kernels $guest_packages"
    if [ "$arch" = arm64 ]; then
        peer=$(peer_of "$peer_metapackage")
        [ -n "$peer" ] || echo "setup: the mirror has no Xen for arm64; the experiments go without it" >&2
        wanted="$wanted $loader_packages $peer"
    fi
    echo "setup: downloading for the Linux guests, the loader and the experiments (unpacked below $build, not installed):$wanted"
    # shellcheck disable=SC2086 # lists of words
    (cd "$build/packages.new" && quietly "download the packages for $arch" guest_apt apt-get download $wanted)
}

fetch_libfdt() {
    echo "setup: downloading the u-boot source package for its libfdt"
    mkdir -p "$apt/source" "$build/libfdt-src"
    (cd "$apt/source" && quietly "download the u-boot source package" guest_apt apt-get source --download-only --tar-only u-boot)
    archive=$(find "$apt/source" -name 'u-boot_*.orig.tar.*' ! -name '*.asc' | head -n 1)
    [ -n "$archive" ] || fail "apt brought no u-boot_*.orig.tar.* into $apt/source"
    tar -C "$build/libfdt-src" --strip-components=4 --wildcards -xf "$archive" '*/scripts/dtc/libfdt/*.[ch]'
    rm -rf "$apt/source"
}

mkdir -p "$build/packages.new"
for architecture in $architectures; do
    use "$architecture"
    # shellcheck disable=SC2046 # a list of words
    fetch_packages $(eval "echo \$kernels_$architecture")
done
fetch_libfdt
rm -rf "$build/packages"
mv "$build/packages.new" "$build/packages"
rm -rf "$apt" "$build/setup.log"
echo "$made_by" >"$stamp"
