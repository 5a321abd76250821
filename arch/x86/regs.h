// SPDX-License-Identifier: Apache-2.0
// Control registers, model-specific registers and entries of tables, by the manuals' names. Intel SDM volume 3, 2.5, 4.5,
// and volume 4; AMD APM volume 2, 3.1, 5.3.
#ifndef X86_REGS_H
#define X86_REGS_H

#define REG_BIT(n)  (1ull << (n))

#define CR0_PE      REG_BIT(0)
#define CR0_ET      REG_BIT(4)
#define CR0_NW      REG_BIT(29)
#define CR0_CD      REG_BIT(30)
#define CR0_PG      REG_BIT(31)

#define CR4_PAE     REG_BIT(5)

#define EFER_LME    REG_BIT(8)
#define EFER_LMA    REG_BIT(10)

#define RFLAGS_RES1 REG_BIT(1)

// Entries of translation tables.
#define PTE_PRESENT REG_BIT(0)
#define PTE_WRITE   REG_BIT(1)
#define PTE_BLOCK   REG_BIT(7)

#endif
