#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what building, running and testing need, on Debian 12 or 13, from the mirrors that apt is configured with.
# Every make command calls it; when all is there it ends at once.
#
#   scripts/setup.sh [--build DIR]     DIR (default: build) receives libfdt's source and the guests' packages
set -eu
cd "$(dirname "$0")/.."
build=build
while [ $# -gt 0 ]; do
    case $1 in
    --build) build=$2; shift 2 ;;
    *) echo "setup: unknown option $1; the only one is --build DIR" >&2; exit 2 ;;
    esac
done

compile='gcc libc6-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross clang lld llvm device-tree-compiler libfdt-dev
    libcmocka-dev newlib-source gnu-efi dpkg-dev xz-utils cpio kmod'
qemu='qemu-system-arm qemu-system-x86'
run="$qemu u-boot-qemu qemu-efi-aarch64 u-boot-tools mtools python3 python3-pytest python3-pytest-xdist python3-pexpect"
# The PC: its firmware, the emulator with VMX and what that shows a screen on, the boot loader on a CD-ROM, the ACPI compiler,
# sfdisk for the GPT of a USB stick. What reads a trace beside our own scripts.
run="$run ovmf bochs bochs-term bochsbios vgabios grub-common grub-pc-bin xorriso acpica-tools fdisk babeltrace2"
# The same version on both releases, so that one format and one set of checks holds.
lint='clang-format-19 clang-tidy-19 cppcheck'

fail() { echo "setup: $*" >&2; exit 1; }

release() {
    [ -r /etc/os-release ] || fail "this is no Debian (no /etc/os-release); use Debian 12 or 13"
    . /etc/os-release
    [ "${ID:-}" = debian ] || fail "this is ${PRETTY_NAME:-not Debian}; the set-up knows Debian 12 and 13 only"
    case ${VERSION_ID:-} in
    12 | 13) ;;
    *) fail "this is Debian ${VERSION_ID:-of no number}; the set-up knows Debian 12 and 13 only" ;;
    esac
    version=$VERSION_ID codename=$VERSION_CODENAME
}

# libFuzzer's runtime is a package named after clang's version, which clang only recommends.
fuzzer_runtime() {
    case $version in
    12) echo libclang-rt-14-dev ;;
    13) echo libclang-rt-19-dev ;;
    esac
}

# QEMU below 8 lacks what the tests ask of it (cntfrq=, dtb-randomness=), so Debian 12 takes it from its backports.
needed_qemu=1:8

missing_packages() {
    wanted="$compile $run $lint $(fuzzer_runtime)"
    # shellcheck disable=SC2086 # a list of words
    have=$(dpkg-query -W -f '${Package}=${db:Status-Status}=${Version}\n' $wanted 2>/dev/null) || :
    for p in $wanted; do
        case "
$have" in
        *"
$p=installed="*) ;;
        *) printf '%s ' "$p" ;;
        esac
    done
    for p in $qemu; do
        installed=$(printf '%s\n' "$have" | sed -n "s/^$p=installed=//p")
        if [ -n "$installed" ] && dpkg --compare-versions "$installed" lt $needed_qemu; then printf '%s ' "$p"; fi
    done
}

# The lines `site suite component` that apt is configured with for this release.
configured_suites() {
    apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk -v name="$codename" '$2 == name || index($2, name "-") == 1' | sort -u
}

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
signed_by() { [ -r "$keyring" ] && printf 'signed-by=%s' "$keyring" || :; }

# apt_quietly WHAT COMMAND...: its words are shown only if it fails.
apt_quietly() {
    what=$1
    shift
    mkdir -p "$build"
    if ! DEBIAN_FRONTEND=noninteractive "$@" >"$build/setup.log" 2>&1 </dev/null; then
        tail -n 15 "$build/setup.log" >&2
        fail "could not $what (the lines above are apt's; all of them: $build/setup.log)." \
            "Check the network and 'apt-get update', then repeat the command."
    fi
}

install_packages() {
    [ "$(id -u)" = 0 ] || fail "these packages are missing: $missing- run 'make setup' once as root (sudo make setup)"
    echo "setup: installing $missing"
    emulators= plain=
    for p in $missing; do
        case " $qemu " in
        *" $p "*) emulators="$emulators $p" ;;
        *) plain="$plain $p" ;;
        esac
    done
    [ -z "$emulators" ] || add_backports
    apt_quietly "read the package lists" apt-get -q update
    # Before QEMU, which would bring newer ones of libraries that others need at the release's version.
    # shellcheck disable=SC2086 # a list of words
    [ -z "$plain" ] || apt_quietly "install the packages" apt-get -q -y --no-install-recommends install $plain $(libdw1)
    [ -n "$emulators" ] || return 0
    # With one, all: both come from one source package and share their data, which must be of one version.
    qemu_from=
    [ "$version" != 12 ] || qemu_from="-t $codename-backports"
    # shellcheck disable=SC2086 # an option and its value, a list of words
    apt_quietly "install QEMU" apt-get -q -y --no-install-recommends install $qemu_from $qemu
}

# babeltrace2 wants it of libelf1's very version, and that is of the backports where QEMU was there first.
libdw1() {
    case $(dpkg-query -W -f '${Version}' libelf1 2>/dev/null) in
    *~bpo*) echo "libdw1/$codename-backports" ;;
    esac
}

add_backports() {
    [ "$version" = 12 ] || return 0
    configured_suites | grep -q " $codename-backports " && return 0
    site=$(configured_suites | awk -v name="$codename" '$2 == name { print $1; exit }')
    [ -n "$site" ] || fail "apt has no source for $codename; add one to /etc/apt/sources.list.d"
    options=$(signed_by)
    echo "deb ${options:+[$options] }$site $codename-backports main" >/etc/apt/sources.list.d/takt-backports.list
    echo "setup: added $codename-backports of the same mirror to apt (/etc/apt/sources.list.d/takt-backports.list)"
}

release
missing=$(missing_packages)
[ -z "$missing" ] || install_packages

# What is only unpacked, never installed, comes through an apt state of its own below $build: this machine's list of
# architectures and sources stays as it is.
scripts/fetch_packages.sh --build "$build"

# Root was needed for the packages only: what lies in the build folder belongs to the owner of the tree, who works on.
if [ "$(id -u)" = 0 ] && [ "$(stat -c %u Makefile)" != 0 ]; then
    chown -R --reference=Makefile "$build"
fi
