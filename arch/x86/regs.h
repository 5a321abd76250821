// SPDX-License-Identifier: Apache-2.0
// Control registers, model-specific registers and entries of tables, by the manuals' names. Intel SDM volume 3, 2.5, 4.5,
// and volume 4; AMD APM volume 2, 3.1, 5.3. For C and for assembly.
#ifndef X86_REGS_H
#define X86_REGS_H

#ifdef __ASSEMBLER__
#define REG_BIT(n) (1 << (n))
#else
#define REG_BIT(n) (1ull << (n))
#endif

#define CR0_PE                 REG_BIT(0)
#define CR0_MP                 REG_BIT(1)
#define CR0_EM                 REG_BIT(2)
#define CR0_TS                 REG_BIT(3)
#define CR0_ET                 REG_BIT(4)
#define CR0_NE                 REG_BIT(5)
#define CR0_WP                 REG_BIT(16)
#define CR0_NW                 REG_BIT(29)
#define CR0_CD                 REG_BIT(30)
#define CR0_PG                 REG_BIT(31)

#define CR4_VME                REG_BIT(0)
#define CR4_PVI                REG_BIT(1)
#define CR4_TSD                REG_BIT(2)
#define CR4_DE                 REG_BIT(3)
#define CR4_PSE                REG_BIT(4)
#define CR4_PAE                REG_BIT(5)
#define CR4_MCE                REG_BIT(6)
#define CR4_PGE                REG_BIT(7)
#define CR4_PCE                REG_BIT(8)
#define CR4_OSFXSR             REG_BIT(9)
#define CR4_OSXMMEXCPT         REG_BIT(10)
#define CR4_UMIP               REG_BIT(11)
#define CR4_LA57               REG_BIT(12)
#define CR4_VMXE               REG_BIT(13)
#define CR4_FSGSBASE           REG_BIT(16)
#define CR4_PCIDE              REG_BIT(17)
#define CR4_OSXSAVE            REG_BIT(18)
#define CR4_SMEP               REG_BIT(20)
#define CR4_SMAP               REG_BIT(21)
#define CR4_PKE                REG_BIT(22)

#define MSR_EFER               0xc0000080
#define EFER_SCE               REG_BIT(0)
#define EFER_LME               REG_BIT(8)
#define EFER_LMA               REG_BIT(10)
#define EFER_NXE               REG_BIT(11)
#define EFER_SVME              REG_BIT(12)
#define EFER_FFXSR             REG_BIT(14)

#define DR6_BS                 REG_BIT(14) // a single step

#define RFLAGS_RES1            REG_BIT(1)
#define RFLAGS_ZF              REG_BIT(6)
#define RFLAGS_TF              REG_BIT(8)
#define RFLAGS_IF              REG_BIT(9)
#define RFLAGS_DF              REG_BIT(10)
#define RFLAGS_RF              REG_BIT(16)
#define RFLAGS_VM              REG_BIT(17)
#define RFLAGS_AC              REG_BIT(18)

// Entries of translation tables.
#define PTE_PRESENT            REG_BIT(0)
#define PTE_WRITE              REG_BIT(1)
#define PTE_USER               REG_BIT(2)
#define PTE_PWT                REG_BIT(3)
#define PTE_PCD                REG_BIT(4)
#define PTE_ACCESSED           REG_BIT(5)
#define PTE_DIRTY              REG_BIT(6)
#define PTE_BLOCK              REG_BIT(7)
#define PTE_NX_HIGH            0x80000000 // bit 63, in the upper half

// The hypervisor's segments.
#define SELECTOR_CODE          0x08
#define SELECTOR_DATA          0x10
#define SELECTOR_TSS           0x18
#define DESCRIPTOR_CODE64      0x00af9b000000ffff
#define DESCRIPTOR_DATA        0x00cf93000000ffff
#define DESCRIPTOR_CODE32      0x00cf9b000000ffff

// Interrupt stack table: which stack an exception takes.
#define IST_PANIC              1
#define IST_NMI                2

// Vectors of the hypervisor, the upper 32 so that one register of the local APIC shows what is pending.
#define VECTOR_NMI             2
#define VECTOR_EXCEPTIONS      32
#define VECTOR_YIELD           0x20 // the thread gives the core away: INT
#define VECTOR_OWN             0xe0
#define VECTOR_DEVICE          0xe0 // to 0xef: interrupts of the machine's devices
#define VECTOR_KICK            0xf0
#define VECTOR_TIMER           0xf1
#define VECTOR_ERROR           0xfe
#define VECTOR_SPURIOUS        0xff

// CPUID leaves and bits.
#define CPUID_FEATURES         1
#define CPUID_1_ECX_VMX        REG_BIT(5)
#define CPUID_1_ECX_X2APIC     REG_BIT(21)
#define CPUID_1_ECX_DEADLINE   REG_BIT(24)
#define CPUID_1_ECX_XSAVE      REG_BIT(26)
#define CPUID_1_ECX_HYPERVISOR REG_BIT(31)
#define CPUID_EXTENDED         7
#define CPUID_7_EBX_SMEP       REG_BIT(7)
#define CPUID_7_EBX_SMAP       REG_BIT(20)
#define CPUID_7_EDX_HYBRID     REG_BIT(15)
#define CPUID_XSAVE            0xd
#define CPUID_TOPOLOGY         0xb
#define CPUID_TSC              0x15
#define CPUID_EXT_MAX          0x80000000
#define CPUID_EXT_FEATURES     0x80000001
#define CPUID_EXT_ECX_SVM      REG_BIT(2)
#define CPUID_EXT_ECX_TOPOLOGY REG_BIT(22)
#define CPUID_EXT_EDX_NX       REG_BIT(20)
#define CPUID_EXT_EDX_RDTSCP   REG_BIT(27)
#define CPUID_EXT_EDX_LM       REG_BIT(29)
#define CPUID_EXT_TOPOLOGY     0x8000001e

#endif
