# SPDX-License-Identifier: Apache-2.0
"""The device tree of an emulated PC, which has none of its own: the one that the hypervisor makes there from ACPI and the
firmware's memory map, for the checker on the host. `run.py --board BOARD --dump-dtb FILE` writes it.

RAM stands in it as the machine lays it out; what firmware keeps of it is known on the machine only.
"""
MIB = 1 << 20
FOUR_GIB = 1 << 32

TREE = """\
/dts-v1/;
/ {{
    compatible = "takt,pc";
    model = "PC";
    #address-cells = <2>;
    #size-cells = <2>;
    chosen {{ stdout-path = "/isa/serial@3f8"; }};
    cpus {{
        #address-cells = <1>;
        #size-cells = <0>;
{cpus}
    }};
    memory@0 {{ device_type = "memory"; reg = {memory}; }};
    isa {{
        compatible = "isa";
        #address-cells = <2>;
        #size-cells = <1>;
        serial@3f8 {{ compatible = "ns16550a"; reg = <1 0x3f8 8>; }};
    }};
}};
"""
# APIC ids count up without a hole where there are as many threads in a core as a power of two: both emulators put all cores
# into packages of one kind.
CPU = '        cpu@{apic:x} {{ device_type = "cpu"; reg = <{threads}>; }};'


def ram(memory_mib, low_memory_mib):
    """[(base, size)] in bytes. low_memory_mib: all of it stands below 4 GiB when it is less than the first; else as much
    as the second does, and the rest from 4 GiB on."""
    all_below, split = low_memory_mib
    low = memory_mib if memory_mib < all_below else split
    rest = memory_mib - low
    return [(0, low * MIB)] + ([(FOUR_GIB, rest * MIB)] if rest else [])


def cells(number):
    return f"{number >> 32:#x} {number & 0xffffffff:#x}"


def source(cores, threads, memory_mib, low_memory_mib):
    memory = ", ".join(f"<{cells(base)} {cells(size)}>" for base, size in ram(memory_mib, low_memory_mib))
    cpus = "\n".join(CPU.format(apic=apic, threads=" ".join(map(str, range(apic, apic + threads))))
                     for apic in range(0, cores * threads, threads))
    return TREE.format(cpus=cpus, memory=memory)

