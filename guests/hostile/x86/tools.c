// SPDX-License-Identifier: Apache-2.0
// The attacks of this architecture, and the tools that they share.
#include "apic.h"
#include "x86.h"

#include <string.h>

#define OP_RET     0xc3
#define WINDOW_GIB 511 // of the identity map's page directory pointers: far above anything
#define GIB_SHIFT  30
#define LARGE_PAGE (1ull << LARGE_PAGE_SHIFT)
#define PTE_NX     (1ull << 63)
#define STUB_SIZE  4096

const struct attack *const attack_tables[] = {
    memory_attacks,         control_attacks,   msr_attacks,  port_attacks,    call_attacks,
    virtualization_attacks, interrupt_attacks, apic_attacks, decoder_attacks, console_attacks,
    virtio_attacks,         smp_attacks,       NULL,
};

extern uint64_t guest_pdpt[];

// In xAPIC mode a register that may have any value, else what is sure to be in memory space: the I/O APIC.
uint64_t a_device(void) { return apic.x2apic ? IOAPIC_PAGE : APIC_PAGE + APIC_TPR; }

// By large pages of its own, two for what goes on behind the first: the address may lie above what the identity map has.
void *window(uint64_t address, bool normal, bool executable) {
    static uint64_t directory[512] __attribute__((aligned(4096)));
    uint64_t base = address & ~(LARGE_PAGE - 1);
    directory[0] = base | PTE_P | PTE_RW | PTE_PS | (normal ? 0 : PTE_PCD | PTE_PWT) | (executable ? 0 : PTE_NX);
    directory[1] = directory[0] + LARGE_PAGE;
    guest_pdpt[WINDOW_GIB] = (uintptr_t)directory | PTE_P | PTE_RW;
    CONTROL_WRITE(cr3, CONTROL_READ(cr3));
    return (void *)(((uint64_t)WINDOW_GIB << GIB_SHIFT) + (address - base));
}

static uint8_t stub[STUB_SIZE] __attribute__((aligned(4096)));

static void call_stub(void *argument) {
    struct registers r = *(const struct registers *)argument;
    __asm__ volatile("call *%6\n\tcld"
                     : "+a"(r.rax), "+b"(r.rbx), "+c"(r.rcx), "+d"(r.rdx), "+S"(r.rsi), "+D"(r.rdi)
                     : "r"((void (*)(void))(uintptr_t)stub)
                     : "r8", "r9", "r10", "r11", "memory", "cc");
}

bool step_code(const void *code, unsigned length, const struct registers *registers) {
    struct registers copy = *registers;
    memcpy(stub, code, length);
    stub[length] = OP_RET;
    return step(call_stub, &copy);
}

void step_each(const struct instruction *table, unsigned count, const struct registers *registers) {
    for (unsigned i = 0; i < count; i++) step_code(table[i].code, table[i].length, registers);
}

bool step_msr_write(uint32_t msr, uint64_t value) {
    static const uint8_t wrmsr[] = {0x0f, 0x30};
    return step_code(wrmsr, sizeof(wrmsr), &(struct registers){.rax = (uint32_t)value, .rcx = msr, .rdx = value >> 32});
}

void restore_interrupts(void) {
    irq_mask();
    apic_init_vcpu();
    timer_off();
}
