#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of the house that a program can check: who may include whom, sizes, licence lines.

    check_rooms.py [ROOT]

The rooms and their directions are those of docs/design.md: (arch, drivers, iommu) -> kernel -> sched -> timer.
"""
import pathlib
import re
import subprocess
import sys

FREESTANDING = {"stdint.h", "stddef.h", "stdbool.h", "stdarg.h", "limits.h", "stdalign.h"}

# room: (rooms whose headers it may include, system headers it may include; None: any)
ROOMS = {
    "sched": ({"sched", "timer"}, FREESTANDING),
    "timer": ({"timer"}, FREESTANDING),
    "kernel": ({"kernel", "sched", "timer", "include"}, FREESTANDING | {"libfdt.h"}),
    "iommu": ({"iommu", "kernel"}, FREESTANDING | {"libfdt.h"}),
    "drivers": ({"drivers", "iommu", "kernel", "include"}, FREESTANDING | {"libfdt.h"}),
    "arch/arm64": ({"arch/arm64", "kernel", "sched", "timer", "include"}, FREESTANDING | {"libfdt.h"}),
    "arch/x86": ({"arch/x86", "kernel", "sched", "timer", "include"}, FREESTANDING | {"libfdt.h"}),
    # The fake architecture drives the real one's register models, so that host tests reach them.
    "arch/host": ({"arch/host", "arch/arm64", "kernel", "sched", "timer", "include"}, None),
    "include": ({"include"}, FREESTANDING),
    "guests": ({"guests", "include"}, None),
    "tools": ({"tools", "kernel", "sched", "timer"}, None),
}
# What an architecture supplies and the include path resolves: the one for headers, the other for any file.
SUPPLIED_BY_ARCH = {"arch_types.h": ".h", "maintenance.h": (".h", ".c")}
SUPPLIED_TO = ("kernel/", "arch/")

ARCHITECTURE_CONDITION = re.compile(
    r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b.*(?:__aarch64__|__arm__|__x86_64__|__i386__|CONFIG_ARM|CONFIG_X86|\bARCH_)")
# Whoever draws a ticket between its reading and its writing waits for ever.
LOCK_COPIED = re.compile(r"\block = \*?\w[\w.>-]*\block\b")
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')

FILE_LINES = 500
FUNCTION_LINES = 80
SOURCES = (".c", ".h", ".S")
LICENSED = SOURCES + (".py", ".sh", ".mk", ".ld", ".dts", ".dtsi", ".toml")
LICENCE = "SPDX-License-Identifier: Apache-2.0"


def room_of(path):
    parts = path.split("/")
    if parts[0] == "arch" and len(parts) > 2:
        return "/".join(parts[:2])
    return parts[0]


def resolve(path, name, files):
    """The file that a quoted include means, as the compiler searches: own folder, root, include/; a guest's folders."""
    folder = path.rpartition("/")[0]
    own = []
    if path.startswith("guests/"):
        of_guest = "/".join(path.split("/")[:2])
        own = [f"{room}{part}/{name}" for room in (of_guest, "guests/lib") for part in ("", "/arm64", "/x86")]
    for candidate in (f"{folder}/{name}", name, f"include/{name}", *own):
        if candidate in files:
            return candidate
    return None


def include_faults(path, text, files, graph):
    room = ROOMS.get(room_of(path))
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quoted, system = match.groups()
        target = resolve(path, quoted or system, files)
        if target:
            graph.setdefault(path, set()).add(target)
        if room is None:
            continue
        allowed_rooms, allowed_system = room
        if path.endswith(SUPPLIED_BY_ARCH.get(quoted or system, ())) and path.startswith(SUPPLIED_TO):
            continue
        if target:
            if room_of(target) not in allowed_rooms:
                yield f"{path}:{number}: {room_of(path)}/ may not include {target}; it may include " + \
                    ", ".join(sorted(allowed_rooms))
        elif quoted:
            yield f"{path}:{number}: \"{quoted}\" is not found from here; write it from the root of the tree"
        elif allowed_system is not None and system not in allowed_system:
            yield f"{path}:{number}: <{system}> is not a header that {room_of(path)}/ may include; " \
                f"it may include {', '.join(sorted(allowed_system))}"


def circles(graph):
    """Include circles, each reported once."""
    state, found = {}, []

    def visit(node, trail):
        state[node] = "open"
        for after in sorted(graph.get(node, ())):
            if state.get(after) == "open":
                found.append(" -> ".join([*trail[trail.index(after):], after]))
            elif after not in state:
                visit(after, trail + [after])
        state[node] = "done"

    for start in sorted(graph):
        if start not in state:
            visit(start, [start])
    return [f"files include each other in a circle: {circle}" for circle in found]


def size_faults(path, text):
    lines = text.splitlines()
    if path.startswith("tests/"):
        return
    if len(lines) > FILE_LINES:
        yield f"{path}: {len(lines)} lines; a file is one idea, at most {FILE_LINES}"
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{" and path.endswith(".c"):
            start = number
        elif line == "}" and start is not None:
            if number - start - 1 > FUNCTION_LINES:
                yield f"{path}:{start}: a function of {number - start - 1} lines; at most {FUNCTION_LINES}"
            start = None


def faults(root, files):
    graph = {}
    for path in sorted(files):
        if not path.endswith(LICENSED) and path != "Makefile":
            continue
        text = (root / path).read_text(encoding="utf-8")
        if LICENCE not in "\n".join(text.splitlines()[:4]):
            yield f"{path}: its first lines lack '{LICENCE}'"
        if path.endswith(SOURCES):
            yield from include_faults(path, text, files, graph)
            if not path.startswith(("arch/", "tests/")):
                for number, line in enumerate(text.splitlines(), 1):
                    if ARCHITECTURE_CONDITION.match(line):
                        yield f"{path}:{number}: a condition on an architecture belongs below arch/"
            if not path.startswith("tests/"):
                for number, line in enumerate(text.splitlines(), 1):
                    if LOCK_COPIED.search(line):
                        yield f"{path}:{number}: a lock is copied, for which others may wait; clear what stands behind it"
        if path.endswith(SOURCES + (".py",)):
            yield from size_faults(path, text)
    yield from circles(graph)


def listed(root):
    names = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=root, check=True,
                           capture_output=True, text=True).stdout.splitlines()
    return {name for name in names if (root / name).is_file()}


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    found = list(faults(root, listed(root)))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
