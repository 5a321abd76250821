// SPDX-License-Identifier: Apache-2.0
// Accesses outside this VM's memory and devices, and page tables that point there. The hypervisor's and other VMs' memory
// have no guest-physical address, so any address that is not this VM's own stands for them; the names say what lies there on
// a PC.
#include "x86.h"

#include "outside.h"

#define PC_ECAM      0xb0000000ull
#define PC_HPET      0xfed00000ull
#define PC_TPM       0xfed40000ull
#define PC_FLASH     0xfffff000ull
#define PTE_RESERVED (0xfull << 48)
#define WALK_PML4    511
#define STRING_BYTES 4096

READ(read_ecam, PC_ECAM)
READ(read_hpet, PC_HPET)
WRITE(write_tpm, PC_TPM)
WRITE(write_flash, PC_FLASH)
EXECUTE(crash, memory_end() + BEYOND)

static void locked(void *address) { __asm__ volatile("lock incl (%0)" ::"r"(address) : "memory", "cc"); }

static void atomic_outside(void) { step(locked, window(memory_end() + BEYOND, true, false)); }

static void copy(void *address) {
    uint64_t count = STRING_BYTES;
    static char buffer[STRING_BYTES];
    void *to = buffer;
    __asm__ volatile("rep movsb" : "+S"(address), "+D"(to), "+c"(count)::"memory");
}

// Begins in memory and goes on behind its end.
static void string_across(void) { step(copy, window(memory_end() - STRING_BYTES / 2, true, false)); }

extern uint64_t guest_table[];

// The upper half of the address space is walked from `entry`. The program lives in the lower half and goes on.
static void walk_from(uint64_t entry) {
    guest_table[WALK_PML4] = entry;
    CONTROL_WRITE(cr3, CONTROL_READ(cr3));
    step(load, (void *)0xffffff8000000000ull);
    guest_table[WALK_PML4] = 0;
    CONTROL_WRITE(cr3, CONTROL_READ(cr3));
}

static void table_outside(void) { walk_from((memory_end() + BEYOND) | PTE_P | PTE_RW); }

static void table_in_device(void) { walk_from((a_device() & ~0xfffull) | PTE_P | PTE_RW); }

static void table_last_page(void) { walk_from(LAST_PAGE_40 | PTE_P | PTE_RW); }

static void table_reserved(void) { walk_from((uintptr_t)guest_table | PTE_RESERVED | PTE_P | PTE_RW); }

// The table is its own next level, down to the page.
static void table_loop(void) { walk_from((uintptr_t)guest_table | PTE_P | PTE_RW); }

static void load_table(void *address) {
    uint64_t old = CONTROL_READ(cr3);
    CONTROL_WRITE(cr3, (uintptr_t)address);
    CONTROL_WRITE(cr3, old);
}

// Not even the next instruction can be fetched, nor the handler of that.
static void root_outside(void) { step(load_table, (void *)(memory_end() + BEYOND)); }

const struct attack memory_attacks[] = {
    {"crash", crash, DIES},
    {"read-at", read_at, CONTINUES},
    {"write-at", write_at, CONTINUES},
    {"execute-at", execute_at, DIES},
    {"read-outside", read_outside, CONTINUES},
    {"write-outside", write_outside, CONTINUES},
    {"execute-outside", execute_outside, DIES},
    {"atomic-outside", atomic_outside, CONTINUES},
    {"string-across", string_across, CONTINUES},
    {"read-ecam", read_ecam, CONTINUES},
    {"read-hpet", read_hpet, CONTINUES},
    {"write-tpm", write_tpm, CONTINUES},
    {"write-flash", write_flash, CONTINUES},
    {"read-last-page", read_last_page, EITHER},
    {"execute-last-page", execute_last_page, EITHER},
    {"read-beyond", read_beyond, EITHER},
    {"table-outside", table_outside, EITHER},
    {"table-in-device", table_in_device, EITHER},
    {"table-last-page", table_last_page, EITHER},
    {"table-reserved", table_reserved, CONTINUES},
    {"table-loop", table_loop, CONTINUES},
    {"root-outside", root_outside, DIES},
    {0},
};
