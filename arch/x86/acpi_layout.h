// SPDX-License-Identifier: Apache-2.0
// The layout of the ACPI tables that acpi.c reads and guest_acpi.c writes: byte offsets (little-endian fields, no alignment), bits and lengths
// under the specification's names. Section numbers are of ACPI 6.5 unless another is named.
#ifndef ARCH_X86_ACPI_LAYOUT_H
#define ARCH_X86_ACPI_LAYOUT_H

#include "kernel/types.h"

// Where a PC BIOS leaves the RSDP (5.2.5.1).
enum {
    EBDA_SEGMENT = 0x40e, // a real-mode segment
    EBDA_SEARCHED = 1024,
    BIOS_AREA = 0xe0000,
    BIOS_AREA_SIZE = 0x20000,
    RSDP_ALIGN = 16,
    REAL_MODE_SHIFT = 4,       // from a segment to its address
    REAL_MODE_VECTORS = 0x400, // an EBDA below is none
};

// Root system description pointer (5.2.5.3).
enum {
    RSDP_CHECKSUM = 8, // over RSDP_V1_LENGTH bytes
    RSDP_REVISION = 15,
    RSDP_RSDT = 16, // 4 bytes
    RSDP_V1_LENGTH = 20,
    RSDP_LENGTH = 20, // 4 bytes; this and the following since revision 2
    RSDP_XSDT = 24,   // 8 bytes
    RSDP_EXTENDED_CHECKSUM = 32,
    RSDP_V2_LENGTH = 36,
    RSDP_REVISION_2_0 = 2, // of ACPI 2.0
    RSDP_LENGTH_MAX = 256, // sanity: nothing follows in any revision
};
#define RSDP_SIGNATURE "RSD PTR "

// Header of every other table (5.2.6); the lists of the RSDT (5.2.7) and XSDT (5.2.8) follow it.
enum { SIGNATURE_SIZE = 4, SDT_LENGTH = 4, SDT_REVISION = 8, SDT_CHECKSUM = 9, SDT_HEADER = 36 };
enum { RSDT_ENTRY = 4, XSDT_ENTRY = 8 };

// Multiple APIC description table (5.2.12).
enum { MADT_LOCAL_APIC = 36, MADT_FLAGS = 40, MADT_ENTRIES = 44, MADT_ENTRY_HEADER = 2, MADT_PCAT_COMPAT = 1u << 0 };
enum { MADT_CPU_ENABLED = 1u << 0, XAPIC_ID_NONE = 0xff };
#define X2APIC_ID_NONE 0xffffffffu
// 5.2.12.2, .3, .5, .8, .12: type, length, then offsets within the entry.
enum { LAPIC_TYPE = 0, LAPIC_LENGTH = 8, LAPIC_ID = 3, LAPIC_FLAGS = 4 };
enum { IO_APIC_TYPE = 1, IO_APIC_LENGTH = 12, IO_APIC_ADDRESS = 4, IO_APIC_GSI_BASE = 8 };
enum { ISO_TYPE = 2, ISO_LENGTH = 10, ISO_BUS = 2, ISO_SOURCE = 3, ISO_GSI = 4, ISO_FLAGS = 8 };
enum { LAPIC_OVERRIDE_TYPE = 5, LAPIC_OVERRIDE_LENGTH = 12, LAPIC_OVERRIDE_ADDRESS = 4 };
enum { X2APIC_TYPE = 9, X2APIC_LENGTH = 16, X2APIC_ID = 4, X2APIC_FLAGS = 8 };
// MPS INTI flags (5.2.12.5, table 5.26).
enum {
    INTI_POLARITY = 3u,
    INTI_POLARITY_RESERVED = 2u,
    INTI_ACTIVE_LOW = 3u,
    INTI_TRIGGER = 3u << 2,
    INTI_TRIGGER_RESERVED = 2u << 2,
    INTI_LEVEL = 3u << 2,
};

// Fixed ACPI description table (5.2.9). Revision 1 ends at FADT_V1_LENGTH.
enum {
    FADT_DSDT = 40,
    FADT_PM1A_CNT_BLK = 64,
    FADT_PM1B_CNT_BLK = 68,
    FADT_IAPC_BOOT_ARCH = 109,
    FADT_FLAGS = 112,
    FADT_V1_LENGTH = 116,
    FADT_RESET_REG = 116,
    FADT_RESET_VALUE = 128,
    FADT_MINOR_VERSION = 131,
    FADT_X_DSDT = 140,
    FADT_X_PM1A_CNT_BLK = 172,
    FADT_X_PM1B_CNT_BLK = 184,
    FADT_SLEEP_CONTROL_REG = 244,
    FADT_SLEEP_STATUS_REG = 256,
    FADT_V6_LENGTH = 276,
};
enum { FADT_WBINVD = 1u << 0, FADT_RESET_REG_SUP = 1u << 10, FADT_HW_REDUCED_ACPI = 1u << 20 };
enum { // 5.2.9.3
    IAPC_VGA_NOT_PRESENT = 1u << 2,
    IAPC_MSI_NOT_SUPPORTED = 1u << 3,
    IAPC_CMOS_RTC_NOT_PRESENT = 1u << 5,
};
// Generic address structure (5.2.3.2).
enum { GAS_SPACE = 0, GAS_WIDTH = 1, GAS_ACCESS = 3, GAS_ADDRESS = 4, GAS_ACCESS_BYTE = 1, ACPI_SPACE_IO = 1 };

// AML (20.2): opcodes and encodings that the reader looks at.
enum {
    AML_ZERO = 0x00,
    AML_ONE = 0x01,
    AML_NAME = 0x08,
    AML_BYTE = 0x0a,
    AML_PACKAGE = 0x12,
    AML_ROOT = '\\',
    AML_PKG_FOLLOW_SHIFT = 6,  // of PkgLength's first byte (20.2.4): how many bytes follow,
    AML_PKG_SHORT_MASK = 0x3f, // with none the length,
    AML_PKG_LOW_MASK = 0x0f,   // else its lowest 4 bits
    AML_PKG_LOW_BITS = 4,
};
#define AML_S5 "_S5_"
enum { SLEEP_TYPE_MAX = 7 }; // SLP_TYP has 3 bits (4.8.3.2.1)

// Memory mapped configuration space (PCI Firmware Specification 3.3, 4.1.2).
enum { MCFG_ENTRIES = 44, MCFG_ENTRY = 16, MCFG_BASE = 0, MCFG_SEGMENT = 8, MCFG_FIRST_BUS = 10, MCFG_LAST_BUS = 11 };
enum { ECAM_BUS_SHIFT = 20 };

// DMA remapping: where the entries begin behind what every table has, and more (VT-d 8.1; AMD IOMMU 5.2).
enum { DMAR_ENTRIES = 48, IVRS_ENTRIES = 48 };

// No physical address is wider (Intel SDM volume 3, 4.1.4: MAXPHYADDR is at most 52).
#define PHYSICAL_END BIT(52)

#endif
