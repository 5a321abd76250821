// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/interrupts.h"

#include "arch/x86/host_apic.h"
#include "arch/x86/host_ioapic.h"
#include "arch/x86/layout.h"
#include "arch/x86/run.h"
#include "kernel/arch.h"
#include "kernel/console.h"
#include "kernel/panic.h"

_Static_assert(offsetof(struct cpu, stack_top) == CPU_STACK_TOP, "entry.S");
_Static_assert(offsetof(struct cpu, arch.self) == CPU_SELF, "entry.S");
_Static_assert(offsetof(struct cpu, arch.thread_sp) == CPU_THREAD_SP, "entry.S");
_Static_assert(offsetof(struct cpu, arch.in_handler) == CPU_IN_HANDLER, "entry.S");
_Static_assert(offsetof(struct cpu, arch.taken) == CPU_TAKEN, "entry.S");
_Static_assert(offsetof(struct frame, vector) == FRAME_VECTOR, "entry.S");

enum { IDT_ENTRIES = 256 };
#define GATE_INTERRUPT 0x8e00u // present, 64-bit interrupt gate: masks interrupts (SDM volume 3, 6.14.1)
#define TSS_AVAILABLE  0x0000890000000000ull

struct gate {
    uint16_t offset_low, selector;
    uint16_t flags; // IST in 2:0
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};

struct table_pointer {
    uint16_t limit;
    const void *base;
} __attribute__((packed));

extern const char exception_stubs[], interrupt_stubs[], yield_stub[], stray_stub[]; // entry.S

static struct gate idt[IDT_ENTRIES]; // constant after boot

static void set_gate(unsigned vector, const char *stub, unsigned ist) {
    uint64_t address = (uint64_t)stub;

    idt[vector] = (struct gate){
        .offset_low = (uint16_t)address,
        .selector = SELECTOR_CODE,
        .flags = (uint16_t)(GATE_INTERRUPT | ist),
        .offset_middle = (uint16_t)(address >> 16),
        .offset_high = (uint32_t)(address >> 32),
    };
}

static void load_idt(void) {
    struct table_pointer pointer = {sizeof(idt) - 1, idt};

    __asm__ volatile("lidt %0" ::"m"(pointer));
}

COLD void interrupts_init(void) {
    for (unsigned i = 0; i < IDT_ENTRIES; i++) {
        if (i < VECTOR_EXCEPTIONS) {
            set_gate(i, exception_stubs + i * STUB_SIZE, i == VECTOR_NMI ? IST_NMI : IST_PANIC);
        } else if (i >= VECTOR_OWN) {
            set_gate(i, interrupt_stubs + (i - VECTOR_OWN) * STUB_SIZE, 0);
        } else {
            set_gate(i, i == VECTOR_YIELD ? yield_stub : stray_stub, 0);
        }
    }
    load_idt();
}

COLD void interrupts_set_stacks(struct cpu *cpu) {
    cpu->arch.tss.ist[IST_PANIC - 1] = (uint64_t)cpu->panic_stack;
    cpu->arch.tss.ist[IST_NMI - 1] = (uint64_t)(cpu->arch.nmi_stack + sizeof(cpu->arch.nmi_stack));
}

COLD void interrupts_cpu_init(struct cpu *cpu) {
    struct arch_cpu *arch = &cpu->arch;
    struct table_pointer pointer = {sizeof(arch->gdt) - 1, arch->gdt};
    uint64_t tss = (uint64_t)&arch->tss, limit = sizeof(arch->tss) - 1;

    arch->self = cpu;
    arch->in_handler = true;
    arch->gdt[SELECTOR_CODE / 8] = DESCRIPTOR_CODE64;
    arch->gdt[SELECTOR_DATA / 8] = DESCRIPTOR_DATA;
    arch->gdt[SELECTOR_TSS / 8] = TSS_AVAILABLE | limit | (tss & 0xffffff) << 16 | (tss >> 24 & 0xff) << 56;
    arch->gdt[SELECTOR_TSS / 8 + 1] = tss >> 32;
    arch->tss.io_map = sizeof(arch->tss);
    if (cpu->panic_stack == NULL) { // until it gets its own: the far end of this one
        cpu->panic_stack = (char *)cpu->stack_top - BOOT_STACK_SIZE + PAGE_SIZE;
    }
    interrupts_set_stacks(cpu);
    __asm__ volatile("lgdt %0" ::"m"(pointer));
    __asm__ volatile("ltr %w0" ::"r"(SELECTOR_TSS));
    write_msr(MSR_GS_BASE, (uint64_t)cpu);
    load_idt();
}

// ---- interrupts -------------------------------------------------------------------------------------------

static inline void count(struct cpu *cpu, enum exit_reason reason) {
    if (cpu->current != NULL) { cpu->current->stats.exits[reason]++; }
}

// The counter that the machine has may be slower than the clock: it comes again for what is left.
static void take_timer(struct cpu *cpu) {
    if (unlikely(arch_clock() < cpu->arch.timer_when)) {
        arch_timer_arm(cpu->arch.timer_when);
    } else {
        count(cpu, EXIT_VTIMER);
        cpu_timer_expired(cpu);
    }
    host_apic_eoi();
}

static COLD __attribute__((noinline)) void take_rare(struct cpu *cpu, unsigned vector) {
    if (vector >= VECTOR_DEVICE && vector < VECTOR_KICK) {
        count(cpu, EXIT_DEVICE_IRQ);
        if (console_uart != NULL && vector == host_ioapic_vector(console_uart->irq)) { console_uart_interrupt(); }
    } else if (vector == VECTOR_ERROR) {
        host_apic_write(APIC_ESR, 0);
        log_line("core %u: its local APIC reports error 0x%x", cpu->id, host_apic_read(APIC_ESR));
    } else {
        return; // nothing is in service
    }
    host_apic_eoi();
}

void interrupt_take(struct cpu *cpu, unsigned vector) {
    if (likely(vector == VECTOR_TIMER)) {
        take_timer(cpu);
    } else if (vector == VECTOR_KICK) { // from another core, which has left a word for the way out
        count(cpu, EXIT_IPI);
        host_apic_eoi();
    } else if (vector == VECTOR_YIELD) {
        cpu->todo |= TODO_DISPATCH;
    } else {
        take_rare(cpu, vector);
    }
}

void thread_interrupted(struct cpu *cpu, unsigned vector) {
    cpu->entered = arch_clock();
    interrupt_take(cpu, vector);
    run(cpu);
}

// One instruction after STI interrupts are open (SDM volume 2, STI); the first that comes in closes them again (entry.S).
void interrupt_let_in(struct cpu *cpu) {
    cpu->arch.taken = 0;
    __asm__ volatile("sti; nop; cli" ::: "memory");
    interrupt_take(cpu, (uint8_t)cpu->arch.taken);
}

void arch_interrupt_take(struct cpu *cpu) {
    uint64_t now = arch_clock();

    cpu_note_masked(cpu, now);
    cpu->entered = now;
    interrupt_let_in(cpu);
}

void arch_thread_yield(void) { __asm__ volatile("int %0" ::"i"(VECTOR_YIELD) : "memory"); }

void arch_ipi(struct cpu *target) { host_apic_send((uint32_t)target->hwid, VECTOR_KICK); }

static bool stopping;

COLD void arch_stop_others(void) {
    __atomic_store_n(&stopping, true, __ATOMIC_RELEASE);
    host_apic_send(0, HOST_APIC_NMI_OTHERS);
}

// ---- exceptions -------------------------------------------------------------------------------------------

// Three in a line, in the order of the frame.
static COLD void log_registers(const struct frame *frame) {
    static const char names[][7] = {"r15", "r14", "r13", "r12", "r11",    "r10",   "r9",  "r8", "rdi",    "rsi", "rbp",
                                    "rdx", "rcx", "rbx", "rax", "vector", "error", "rip", "cs", "rflags", "rsp"};
    const uint64_t *values = (const uint64_t *)frame;

    for (unsigned i = 0; i < ARRAY_SIZE(names); i += 3) {
        log_line("  %s %016lx  %s %016lx  %s %016lx", names[i], values[i], names[i + 1], values[i + 1], names[i + 2],
                 values[i + 2]);
    }
}

COLD void exception_taken(struct frame *frame) {
    if (frame->vector == VECTOR_NMI) {
        if (__atomic_load_n(&stopping, __ATOMIC_ACQUIRE)) { panic_stop(); }
        log_line("core %u: an NMI that nobody asked for", this_cpu()->id);
        return;
    }
    panic_begin("exception %lu in the hypervisor", frame->vector);
    log_registers(frame);
    panic_dump_from(frame->rsp);
    arch_park();
}
