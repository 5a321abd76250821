#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every check that reads the sources without running them. Each prints `ok: NAME` or `FAILED: NAME` after its complaints.
#
#   scripts/lint.sh [--build DIR]
set -u
cd "$(dirname "$0")/.."
build=build
[ "${1:-}" = --build ] && build=$2
python=/usr/bin/python3
export PYTHONDONTWRITEBYTECODE=1
status=0

# check NAME COMMAND...: complaints are what the command prints when it fails.
check() {
    name=$1
    shift
    if complaints=$("$@" 2>&1); then
        echo "ok: $name"
    else
        printf '%s\n' "$complaints" | head -n 60
        echo "FAILED: $name"
        status=1
    fi
}

files() { git ls-files --cached --others --exclude-standard -- "$@" | while read -r f; do [ -f "$f" ] && echo "$f"; done; }
flags() { variable=$1; shift; make -s BUILD="$build" "$@" "print-$variable"; }

formatted() { files '*.c' '*.h' | xargs -r clang-format-19 --dry-run --Werror || { echo "'make format' mends it"; return 1; }; }

tidy() { # tidy "FLAGS" FILES...
    options=$1
    shift
    [ $# -eq 0 ] || printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} clang-tidy-19 --quiet --warnings-as-errors='*' {} -- $options 2>/dev/null
}
# tidy_for BOARD FILES...: as Clang compiles them for that board, its drivers too.
tidy_for() {
    board=$1
    shift
    # shellcheck disable=SC2046 # lists of files
    tidy "--target=$(flags TARGET_TRIPLE BOARD="$board") $(flags HYPERVISOR_CFLAGS COMPILER=clang BOARD="$board")" \
        "$@" $(printf 'drivers/%s.c ' $(flags DRIVERS BOARD="$board"))
}
tidy_hypervisor() { # what is common as the first board compiles it
    # shellcheck disable=SC2046 # lists of files
    tidy_for qemu-arm64 $(files 'arch/arm64/*.c' 'kernel/*.c' 'sched/*.c' 'timer/*.c' 'iommu/*.c') &&
        tidy_for qemu-x86 $(files 'arch/x86/*.c')
}
tidy_host() {
    # shellcheck disable=SC2046 # lists of files
    tidy "$(flags HOST_CFLAGS)" $(files 'arch/host/*.c' 'tools/*.c' ':!tools/efi/*' 'tests/*.c')
}
tidy_loader() { # what both have in common once, with x86-64
    make -s BUILD="$build" "$build/efi/gnu-efi-arm64/unpacked" &&
        tidy "--target=x86_64-linux-gnu $(flags EFI_ALL_CFLAGS_x86_64)" $(files 'tools/efi/*.c' ':!tools/efi/aarch64.c') &&
        tidy "--target=aarch64-linux-gnu $(flags EFI_ALL_CFLAGS_aarch64)" tools/efi/aarch64.c
}

# cppcheck reads the hypervisor as the compiler does; what it cannot see of system headers it need not. Two symbols of
# the linker script bound one object, which it cannot know (comparePointers); an array inside a structure that a function
# fills counts with it as never written (uninitvar: compilers and clang-tidy judge that better). Newer ones do not read a
# register's name behind a variable, and tell how deep they look.
analyse() { # analyse ARCH SYMBOL FOLDERS...
    arch=$1
    symbol=$2
    shift 2
    cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr --enable=warning,performance,portability \
        --suppress=missingIncludeSystem --suppress=unmatchedSuppression --suppress=comparePointers --suppress=uninitvar \
        --suppress=normalCheckLevelMaxBranches -j "$(nproc)" '-D__asm__(name)=' -D"$symbol" -D__GNUC__ \
        -I. -Iarch/"$arch" -Iinclude arch/"$arch" "$@"
}
analysed() { analyse arm64 __aarch64__ kernel sched timer drivers iommu tools && analyse x86 __x86_64__; }

python_compiles() {
    # shellcheck disable=SC2046 # a list of files
    $python - $(files '*.py') <<'PYTHON'
import sys
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        compile(file.read(), path, "exec")
PYTHON
}

shell_parses() { for f in $(files '*.sh'); do sh -n "$f" || return 1; done; }

check "the C sources are formatted" formatted
check "clang-tidy finds nothing in the hypervisor" tidy_hypervisor
check "clang-tidy finds nothing in the host programs and tests" tidy_host
check "clang-tidy finds nothing in the UEFI loader" tidy_loader
check "cppcheck finds nothing" analysed
check "the rules of the house hold" $python scripts/check_rooms.py
check "the Python scripts compile" python_compiles
check "the shell scripts parse" shell_parses
exit $status
