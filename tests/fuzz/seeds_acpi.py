# SPDX-License-Identifier: Apache-2.0
"""Inputs for fuzz_acpi: a byte of flags, a byte of accesses that succeed, then the firmware's memory; see the target."""
import struct

FIX_CHECKSUMS, PASS_ADDRESS, IN_EBDA = 1, 2, 4
IMAGE = 0xe0000
S5 = b"\x08_S5_\x12\x06\x04\x0a\x05\x0a\x05\x00\x00"
S5_ROOT = b"\x08\\_S5_\x12\x46\x00\x02\x01\x00"


def sealed(data, at):
    return data[:at] + bytes([(data[at] - sum(data)) & 0xff]) + data[at + 1:]


def table(signature, body, revision=1, length=None):
    head = signature + struct.pack("<IBB", 36 + len(body) if length is None else length, revision, 0)
    return sealed(head + b"TAKT  SEEDS   " + bytes(12) + body, 9)


def rsdp(rsdt, xsdt, revision=2):
    head = sealed(b"RSD PTR \0TAKT  " + struct.pack("<BI", revision, rsdt), 8)
    return sealed(head + struct.pack("<IQI", 36, xsdt, 0), 32)


def lapic(uid, apic, flags=1):
    return struct.pack("<BBBBI", 0, 8, uid, apic, flags)


def io_apic(number, base, gsi):
    return struct.pack("<BBBBII", 1, 12, number, 0, base, gsi)


def override(source, gsi, flags=0, bus=0):
    return struct.pack("<BBBBIH", 2, 10, bus, source, gsi, flags)


def apic_address(address):
    return struct.pack("<BBHQ", 5, 12, 0, address)


def x2apic(uid, apic, flags=1):
    return struct.pack("<BBHIII", 9, 16, 0, apic, flags, uid)


def madt(*entries, address=0xfee00000):
    return table(b"APIC", struct.pack("<II", address, 1) + b"".join(entries), 5)


PC_MADT = madt(lapic(0, 0), lapic(1, 2), lapic(2, 4, 0), lapic(3, 6, 2), lapic(4, 255), io_apic(8, 0xfec00000, 0),
               override(0, 2), override(9, 9, 13), override(10, 30, 15), b"\x04\x06\xff\0\0\1", x2apic(1, 2),
               x2apic(5, 256), x2apic(6, 0xffffffff), apic_address(0xfee00000))


def gas(space, address, width=8):
    return struct.pack("<BBBBQ", space, width, 0, 1, address)


def fadt(dsdt, flags=1 << 10, revision=6, reset=gas(1, 0xcf9), pm1a=gas(0, 0xfed40000, 16), size=276, extended=True):
    body = bytearray(size)
    struct.pack_into("<I", body, 40, dsdt)
    struct.pack_into("<HIIII", body, 46, 9, 0xb2, 0, 0, 0)
    struct.pack_into("<II", body, 64, 0x604, 0)
    struct.pack_into("<I", body, 112, flags)
    if size >= 276:
        body[116:128] = reset
        body[128] = 6
        struct.pack_into("<Q", body, 140, dsdt if extended else 0)
        body[172:184] = pm1a
        body[244:256] = gas(1, 0x600)
    return table(b"FACP", bytes(body[36:]), revision)


def ecam(base, segment=0, first=0, last=255):
    return struct.pack("<QHBBI", base, segment, first, last, 0)


def mcfg(*entries):
    return table(b"MCFG", bytes(8) + b"".join(entries))


def firmware(*tables, flags=FIX_CHECKSUMS | PASS_ADDRESS, accesses=0, aml=S5, revision=2, wide=True, fadt_of=fadt,
             more=()):
    """RSDP, RSDT, XSDT, then the DSDT, the FADT and `tables`; `more` are entries of the lists as they are."""
    dsdt_at = 0x200
    parts, at = [(dsdt_at, table(b"DSDT", b"some" + aml, 2))], 0x280
    for part in (fadt_of(IMAGE + dsdt_at), *tables):
        parts.append((at, part))
        at = (at + len(part) + 15) & ~15
    entries = [IMAGE + where for where, _ in parts[1:]] + list(more)
    parts.append((0, rsdp(IMAGE + 0x40, IMAGE + 0xc4 if wide else 0, revision)))
    parts.append((0x40, table(b"RSDT", b"".join(struct.pack("<I", entry & 0xffffffff) for entry in entries))))
    parts.append((0xc4, table(b"XSDT", b"".join(struct.pack("<Q", entry) for entry in entries))))
    image = bytearray(at)
    for where, part in parts:
        image[where:where + len(part)] = part
    return bytes([flags, accesses]) + bytes(image)


def patched(data, offset, patch):
    return data[:2 + offset] + patch + data[2 + offset + len(patch):]


def bad_madts():
    return {"cut": madt(b"\0"), "no-length": madt(b"\0\0"), "overrun": madt(b"\0\x09"), "short": madt(b"\0\x02"),
            "io-apic": madt(io_apic(0, 0, 0)), "io-apics": madt(*[io_apic(0, 0xfec00000, 0)] * 33),
            "bus": madt(override(0, 0, bus=1)), "source": madt(override(16, 0)), "flags": madt(override(1, 0, 2)),
            "address": madt(lapic(0, 0), address=16), "core": madt(lapic(0, 0, 2)),
            "length": table(b"APIC", bytes(4)), "too-long": table(b"APIC", bytes(8), length=0x400001),
            "unreadable": table(b"APIC", bytes(8), length=0x400000)}


def bad_mcfgs():
    return {"cut": mcfg(bytes(8)), "address": mcfg(ecam(0x1000)), "order": mcfg(ecam(0xb0000000, 0, 1, 0)),
            "twice": mcfg(ecam(0xb0000000), ecam(0xc0000000)),
            "many": mcfg(*[ecam(0xb0000000, segment) for segment in range(33)])}


def bad_kept():
    return {"short": table(b"DMAR", bytes(11)), "unreadable": table(b"DMAR", bytes(12), length=0x400000),
            "ivrs": table(b"IVRS", bytes(11))}


def seeds():
    whole = firmware(PC_MADT, mcfg(ecam(0xb0000000, 0, 0, 127), ecam(0xc0000000, 0, 128)),
                     table(b"DMAR", bytes(40)), table(b"IVRS", bytes(12)), more=(0,))
    out = {
        "whole": whole,
        "as-it-is": bytes([PASS_ADDRESS]) + whole[1:],
        "search": bytes([FIX_CHECKSUMS]) + whole[1:],
        "ebda": bytes([FIX_CHECKSUMS | IN_EBDA]) + whole[1:],
        "nowhere": bytes([FIX_CHECKSUMS, 0]) + bytes(64),
        "rsdp-checksum": bytes([PASS_ADDRESS]) + whole[1:10] + b"\xff" + whole[11:],
        "rsdp-extended": bytes([PASS_ADDRESS]) + whole[1:35] + b"\xff" + whole[36:],
        "rsdp-signature": patched(whole, 0, b"rsd"),
        "rsdp-short": patched(whole, 20, b"\x23"),
        "rsdp-empty": patched(patched(whole, 16, bytes(4)), 24, bytes(8)),
        "xsdt-broken": patched(whole, 0xc4, b"YSDT"),
        "xsdt-only": patched(patched(whole, 16, bytes(4)), 0xc4, b"YSDT"),
        "old": firmware(PC_MADT, revision=0, wide=False),
        "old-fadt": firmware(PC_MADT, fadt_of=lambda at: fadt(at, revision=1, size=116)),
        "fadt-32": firmware(PC_MADT, fadt_of=lambda at: fadt(at, pm1a=bytes(12), extended=False)),
        "reduced": firmware(PC_MADT, fadt_of=lambda at: fadt(at, flags=1 << 20 | 1 << 10)),
        "reset-space": firmware(PC_MADT, fadt_of=lambda at: fadt(at, reset=gas(0x7f, 1))),
        "no-dsdt": firmware(PC_MADT, fadt_of=lambda _: fadt(0)),
        "no-madt": firmware(),
        "unreadable": firmware(PC_MADT, more=(0xfffffff0,)),
        "s5-root": firmware(PC_MADT, aml=S5_ROOT + b"\x07"),
        "s5-none": firmware(PC_MADT, aml=S5[:5] + b"\x13"),
        "s5-wide": firmware(PC_MADT, aml=S5[:9] + b"\x08\x0b\x00"),
        "long-list": patched(firmware(PC_MADT) + bytes(3000), 0xc8, struct.pack("<I", 36 + 8 * 257)),
    }
    for count in range(1, 16):
        out[f"accesses-{count}"] = whole[:1] + bytes([count]) + whole[2:]
    for name, part in bad_madts().items():
        out[f"madt-{name}"] = firmware(part)
    for name, part in bad_mcfgs().items():
        out[f"mcfg-{name}"] = firmware(PC_MADT, part)
    for name, part in bad_kept().items():
        out[f"kept-{name}"] = firmware(PC_MADT, part)
    return out
