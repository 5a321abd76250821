// SPDX-License-Identifier: Apache-2.0
// The I/O APIC's registers and bits, by the manuals' names. Intel 82093AA datasheet, chapter 3 ("82093AA" in what includes
// this); what version 0x20 changed: Intel I/O Controller Hub 10 datasheet, 13.5 ("ICH").
#ifndef X86_IOAPIC_REGS_H
#define X86_IOAPIC_REGS_H

#define IOAPIC_DEFAULT_BASE 0xfec00000ull
#define IOAPIC_SIZE         0x1000u

// Offsets of what lies in memory (82093AA 3.1, ICH 13.5.1): which register IOWIN is, in 8 bits; its 32 bits; EOI.
enum { IOREGSEL = 0x00, IOWIN = 0x10, IOAPIC_EOI = 0x40 };
// Registers behind IOWIN (82093AA 3.2). Redirection entry n is two of them, the lower half first.
enum { IOAPICID = 0x00, IOAPICVER = 0x01, IOAPICARB = 0x02, IOREDTBL = 0x10 };

#define IOAPIC_ID_SHIFT            24
#define IOAPIC_ID_MAX              15u
#define IOAPIC_VERSION_EOI         0x20u // the first that has the EOI register
#define IOAPIC_MAX_ENTRY_SHIFT     16    // of IOAPICVER: the number of the last redirection entry

// A redirection entry: 82093AA 3.2.4. The delivery mode is an enum apic_mode (apic_regs.h).
#define IOREDTBL_VECTOR            0xffull
#define IOREDTBL_MODE_SHIFT        8
#define IOREDTBL_MODE_MASK         7u
#define IOREDTBL_LOGICAL           BIT(11)
#define IOREDTBL_POLARITY          BIT(13) // set: active low
#define IOREDTBL_REMOTE_IRR        BIT(14) // read-only
#define IOREDTBL_LEVEL             BIT(15)
#define IOREDTBL_MASKED            BIT(16)
#define IOREDTBL_DESTINATION_SHIFT 56

#endif
