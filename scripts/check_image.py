#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Proves on the linked hypervisor what no compiler option promises, and prints its sizes.

    check_image.py [--arch arm64|x86] [--cross aarch64-linux-gnu-] [--json FILE] [--most BYTES] takt.elf

* No instruction uses a floating-point or SIMD register. What switches a guest's may: on arm64 two functions, on x86 the
  instructions that save and restore all of them (XSAVE, FXSAVE and their kin).
* No segment and no section is both writable and executable.
* The file of it (takt.Image) is not larger than BYTES.
"""
import argparse
import json
import re
import subprocess
import sys

# arch: (the only functions that may use them, the registers, mnemonics that use them without naming one)
FPSIMD = {
    "arm64": ({"fpsimd_save", "fpsimd_restore"},
              re.compile(r"(?<![\w.#$])(?:[vz](?:[12]?\d|3[01])(?:\.\w+)?|[bhsdq](?:[12]?\d|3[01]))(?!\w)"),
              re.compile(r"(?!)")),
    # All that begins with f is of the x87, but FXSAVE and FXRSTOR, and what objdump prints of a prefix (fs).
    "x86": (set(),
            re.compile(r"%(?:[xyzt]?mm\d+|st\b|k[0-7]\b|bnd\d)"),
            re.compile(r"(?:f(?!xsave|xrstor|s$)\w+|wait|emms|v?(?:ld|st)mxcsr|vzero(?:all|upper)|(?:ld|st)tilecfg|tilerelease)$")),
}
FUNCTION = re.compile(r"^[0-9a-f]+ <([^>]+)>:$")
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\t(\S+)\t?(.*)$")


def fpsimd_uses(disassembly, arch="arm64"):
    """Yields (function, address, instruction) for each use where none may be."""
    may, register, mnemonic_of_one = FPSIMD[arch]
    function = "?"
    for line in disassembly.splitlines():
        if match := FUNCTION.match(line):
            function = match.group(1)
        elif (match := INSTRUCTION.match(line)) and function not in may:
            address, mnemonic, operands = match.groups()
            operands = re.sub(r"<[^>]*>|//.*", "", operands)
            if not mnemonic.startswith(".") and (register.search(operands) or mnemonic_of_one.match(mnemonic)):
                yield function, address, f"{mnemonic} {operands.strip()}"


def writable_and_executable(program_headers, sections):
    for line in program_headers.splitlines():
        fields = line.split()
        if fields and fields[0] == "LOAD" and {"W", "E"} <= set("".join(fields[6:-1])):
            yield f"the segment at {fields[2]}"
    for name, _size, flags, _kind in sections:
        if "W" in flags and "X" in flags:
            yield f"the section {name}"


def file_size(program_headers):
    """What `objcopy -O binary` makes of it: the segments' bytes, with the gaps between them."""
    loads = [line.split() for line in program_headers.splitlines() if line.split()[:1] == ["LOAD"]]
    filled = [(int(fields[3], 16), int(fields[4], 16)) for fields in loads if int(fields[4], 16)]
    return max(start + size for start, size in filled) - min(start for start, _ in filled)


def too_large(size, most):
    if most is not None and size > most:
        yield f"takt.Image has {size} bytes, {size - most} more than the {most} that it may have; make something smaller"


def read_sections(listing):
    """(name, size, flags, type) of each section that occupies memory, from `readelf -SW`."""
    rows = []
    for line in listing.splitlines():
        match = re.match(r"\s*\[\s*\d+\]\s+(\S+)\s+(\S+)\s+[0-9a-f]+\s+[0-9a-f]+\s+([0-9a-f]+)\s+\d+\s+([A-Zxop]*)\s", line)
        if match and "A" in match.group(4):
            rows.append((match.group(1), int(match.group(3), 16), match.group(4), match.group(2)))
    return rows


def sizes(sections):
    total = {"text": 0, "rodata": 0, "data": 0, "bss": 0}
    for _name, size, flags, kind in sections:
        if kind == "NOBITS":
            total["bss"] += size
        elif "X" in flags:
            total["text"] += size
        elif "W" in flags:
            total["data"] += size
        else:
            total["rodata"] += size
    total["image"] = total["text"] + total["rodata"] + total["data"]
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arch", choices=sorted(FPSIMD), default="arm64")
    parser.add_argument("--cross", default="aarch64-linux-gnu-", help="prefix of objdump and readelf")
    parser.add_argument("--json", help="write the sizes there too")
    parser.add_argument("--most", type=int, help="how many bytes takt.Image may have")
    parser.add_argument("elf")
    args = parser.parse_args()

    def tool(name, *options):
        return subprocess.run([args.cross + name, *options, args.elf], check=True, capture_output=True, text=True).stdout

    sections = read_sections(tool("readelf", "-SW"))
    headers = tool("readelf", "-lW")
    faults = [f"{function} at {address}: `{text}` uses a floating-point or SIMD register; they belong to the guests"
              for function, address, text in fpsimd_uses(tool("objdump", "-d", "--no-show-raw-insn"), args.arch)]
    faults += [f"{what} is writable and executable; give code and data segments of their own (PHDRS in the linker script)"
               for what in writable_and_executable(headers, sections)]
    faults += too_large(file_size(headers), args.most)
    total = sizes(sections) | {"file": file_size(headers)}
    print("  SIZE     " + "  ".join(f"{name} {value}" for name, value in total.items()))
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(total, file)
    for fault in faults[:20]:
        print(f"{args.elf}: {fault}", file=sys.stderr)
    if len(faults) > 20:
        print(f"{args.elf}: and {len(faults) - 20} more of this kind", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
