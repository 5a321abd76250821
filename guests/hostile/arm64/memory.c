// SPDX-License-Identifier: Apache-2.0
// Accesses outside this VM's memory and devices, and page tables that point there. The hypervisor's
// and other VMs' memory have no guest-physical address, so any address that is not this VM's own
// stands for them; the names say what lies there on the physical board.
#include "arm64.h"

#include "outside.h"

#define BOARD_FLASH   0x00000000ull   // QEMU virt: flash
#define BOARD_ITS     0x08080000ull   // interrupt translation service
#define BOARD_CLOCK   0x09010000ull   // PL031, never in the default map
#define BOARD_FW_CFG  0x09020000ull   // DMA on behalf of whoever reaches it
#define BOARD_RAM_TOP 0x7ff00000ull   // physical memory of a 1 GiB board
#define BOARD_PCIE    0x4010000000ull // configuration space

READ(read_flash, BOARD_FLASH)
READ(read_its, BOARD_ITS)
WRITE(write_clock, BOARD_CLOCK)
WRITE(write_fw_cfg, BOARD_FW_CFG)
READ(read_ram_top, BOARD_RAM_TOP)
WRITE(write_ram_top, BOARD_RAM_TOP)
READ(read_pcie, BOARD_PCIE)
WRITE(crash, BOARD_FLASH)

static void atomic_outside(void) {
    void *address = window(memory_end() + BEYOND, true, false);
    step_instruction(0x885f7c00, (uintptr_t)address); // ldxr w0, [x0]
}

// The walk of the upper half of the address space reads its table at `table`. The program itself
// lives in the lower half and goes on.
static void walk_from(uint64_t table) {
    uint64_t tcr = SYSREG_READ(tcr_el1);
    uint64_t upper = 25ull << 16 | 2ull << 30; // T1SZ 39 bits, TG1 4 KiB
    SYSREG_WRITE(ttbr1_el1, table);
    SYSREG_WRITE(tcr_el1, (tcr & ~(1ull << 23)) | upper);
    __asm__ volatile("tlbi vmalle1\n\tdsb sy\n\tisb" ::: "memory");
    step(load, (void *)0xffffff8000000000ull);
    SYSREG_WRITE(tcr_el1, tcr);
    SYSREG_WRITE(ttbr1_el1, 0);
    __asm__ volatile("tlbi vmalle1\n\tdsb sy\n\tisb" ::: "memory");
}

static void table_outside(void) { walk_from((memory_end() + BEYOND) & ~0xfffull); }

static void table_in_device(void) { walk_from(0x09000000); }

static void table_last_page(void) { walk_from(LAST_PAGE_40); }

// A table whose entries point to itself: a walk of bounded depth, on the hardware's own terms.
static void table_loop(void) {
    static uint64_t table[512] __attribute__((aligned(4096)));
    for (unsigned i = 0; i < 512; i++) table[i] = (uintptr_t)table | 3;
    barrier_full();
    walk_from((uintptr_t)table);
}

const struct attack memory_attacks[] = {
    {"crash", crash, DIES},
    {"read-at", read_at, DIES},
    {"write-at", write_at, DIES},
    {"execute-at", execute_at, DIES},
    {"read-outside", read_outside, DIES},
    {"write-outside", write_outside, DIES},
    {"execute-outside", execute_outside, DIES},
    {"atomic-outside", atomic_outside, DIES},
    {"read-flash", read_flash, DIES},
    {"read-its", read_its, DIES},
    {"write-clock", write_clock, DIES},
    {"write-fw-cfg", write_fw_cfg, DIES},
    {"read-ram-top", read_ram_top, DIES},
    {"write-ram-top", write_ram_top, DIES},
    {"read-pcie", read_pcie, DIES},
    {"read-last-page", read_last_page, DIES},
    {"execute-last-page", execute_last_page, DIES},
    {"read-beyond", read_beyond, EITHER},
    {"table-outside", table_outside, EITHER},
    {"table-in-device", table_in_device, EITHER},
    {"table-last-page", table_last_page, EITHER},
    {"table-loop", table_loop, CONTINUES},
    {0},
};
