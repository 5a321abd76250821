// SPDX-License-Identifier: Apache-2.0
#include "apic.h"

#include "clock.h"
#include "entry.h"
#include "interrupts.h"
#include "private.h"

#define VECTORS    256
#define PIC1_MASK  0x21
#define PIC2_MASK  0xa1
#define ALL_MASKED 0xff

struct apic apic;

static irq_handler *handlers[VECTORS];
// Without a deadline register: when the timer is due. A count is at most a second long and may end a little early.
static uint64_t due_at[VCPUS_MAX];

void irq_handle(uint32_t vector, irq_handler *handler) { handlers[vector] = handler; }

static uint32_t timer_mode(void) { return TIMER_INTERRUPT | (apic.deadline ? LVT_TSC_DEADLINE : 0); }

// A vector needs no enabling; what sends it may.
void irq_enable(uint32_t vector) {
    if (vector == TIMER_INTERRUPT) apic_write(APIC_LVT_TIMER, timer_mode());
}

void irq_disable(uint32_t vector) {
    if (vector == TIMER_INTERRUPT) apic_write(APIC_LVT_TIMER, timer_mode() | LVT_MASKED);
}

// ---- between VCPUs ------------------------------------------------------------------------------

// An xAPIC takes the next command when the last one is gone.
static void wait_sent(void) {
    while (apic_read(APIC_ICR) & ICR_PENDING) spin_pause();
}

uint64_t ipi_send_stamped(unsigned vcpu, uint32_t ipi) {
    uint32_t low, high, command = IPI_INTERRUPT(ipi) | ICR_ASSERT;
    // The PAUSE lets an emulator with one host thread turn to the target at once.
    if (apic.x2apic) {
        __asm__ volatile(
            "rdtsc\n\tmovl %%eax, %0\n\tmovl %%edx, %1\n\tmovl %3, %%eax\n\tmovl %4, %%edx\n\twrmsr\n\tpause"
            : "=&r"(low), "=&r"(high)
            : "c"(MSR_X2APIC + (APIC_ICR >> 4)), "r"(command), "r"(apic_ids[vcpu])
            : "eax", "edx", "memory");
    } else {
        wait_sent();
        mmio_write32(APIC_PAGE + APIC_ICR_HIGH, apic_ids[vcpu] << ICR_DESTINATION_SHIFT);
        __asm__ volatile("rdtsc\n\tmovl %2, (%3)\n\tpause"
                         : "=&a"(low), "=&d"(high)
                         : "r"(command), "r"((uintptr_t)APIC_PAGE + APIC_ICR)
                         : "memory");
    }
    return (uint64_t)high << 32 | low;
}

void apic_command(uint32_t id, uint32_t command) {
    if (apic.x2apic) {
        msr_write(MSR_X2APIC + (APIC_ICR >> 4), (uint64_t)id << 32 | command);
        return;
    }
    wait_sent();
    mmio_write32(APIC_PAGE + APIC_ICR_HIGH, id << ICR_DESTINATION_SHIFT);
    mmio_write32(APIC_PAGE + APIC_ICR, command);
}

void ipi_send(unsigned vcpu, uint32_t ipi) { apic_command(apic_ids[vcpu], IPI_INTERRUPT(ipi) | ICR_ASSERT); }

void ipi_send_others(uint32_t ipi) { apic_command(0, IPI_INTERRUPT(ipi) | ICR_ASSERT | ICR_TO_OTHERS); }

// ---- timer --------------------------------------------------------------------------------------

static void start_count(uint64_t due) {
    uint64_t now = clock_now(), left = due > now ? due - now : 0;
    if (left > clock_hz) left = clock_hz;
    uint64_t count = (left * apic_hz + clock_hz - 1) / clock_hz;
    apic_write(APIC_TIMER_INITIAL, count == 0 ? 1 : (uint32_t)count);
}

void timer_set(uint64_t due) {
    if (apic.deadline) {
        msr_write(MSR_TSC_DEADLINE, due);
    } else {
        due_at[vcpu_self()] = due;
        start_count(due);
    }
}

void timer_off(void) {
    if (apic.deadline)
        msr_write(MSR_TSC_DEADLINE, 0);
    else
        apic_write(APIC_TIMER_INITIAL, 0);
}

// ---- set-up and interrupts ----------------------------------------------------------------------

void apic_init_vcpu(void) {
    uint64_t base = APIC_PAGE | (msr_read(MSR_APIC_BASE) & 1u << 8); // bit 8: the boot VCPU
    if (msr_read(MSR_APIC_BASE) & APIC_BASE_EXTD) msr_write(MSR_APIC_BASE, base); // no other way leads out of x2APIC mode
    msr_write(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
    if (apic.x2apic) msr_write(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_EXTD);
    apic_write(APIC_SVR, APIC_SVR_ENABLE | SPURIOUS_VECTOR);
    apic_write(APIC_TPR, 0);
    apic_write(APIC_LVT_LINT0, LVT_MASKED);
    apic_write(APIC_LVT_LINT1, LVT_MASKED);
    apic_write(APIC_LVT_ERROR, LVT_MASKED);
    irq_disable(TIMER_INTERRUPT);
    apic_write(APIC_TIMER_DIVIDE, TIMER_DIVIDE_BY_1);
    apic_write(APIC_TIMER_INITIAL, 0);
    barrier_full(); // the mode, before the first deadline
}

void apic_init(void) {
    uint32_t features = cpuid(1, 0).ecx;
    port_write8(PIC1_MASK, ALL_MASKED);
    port_write8(PIC2_MASK, ALL_MASKED);
    apic.x2apic = features & CPUID_1_ECX_X2APIC && !arg_has("xapic");
    apic.deadline = features & CPUID_1_ECX_TSC_DEADLINE;
    apic_init_vcpu();
}

void irq_dispatch(uint32_t vector, uint64_t stamp) {
    if (vector == SPURIOUS_VECTOR) return;
    if (vector == TIMER_INTERRUPT && !apic.deadline && clock_now() < due_at[vcpu_self()])
        start_count(due_at[vcpu_self()]);
    else if (handlers[vector])
        handlers[vector](vector, stamp);
    apic_write(APIC_EOI, 0);
}
