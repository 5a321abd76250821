// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/host_apic.h"

#include "kernel/arch.h"
#include "kernel/log.h"
#include "kernel/space.h"

enum { DIVIDE_BY_1 = 0xb };

#define APIC_BASE_ADDRESS 0xffffffffff000ull

struct host_apic host_apic;

COLD int host_apic_init(paddr_t base) {
    uint32_t features = read_cpuid(CPUID_FEATURES, 0).ecx;

    host_apic.x2apic = (features & CPUID_1_ECX_X2APIC) != 0;
    host_apic.deadline = (features & CPUID_1_ECX_DEADLINE) != 0;
    if (host_apic.x2apic) { return OK; }
    if ((read_msr(MSR_APIC_BASE) & APIC_BASE_EXTD) != 0) {
        log_line("local APIC: in x2APIC mode on a processor that has none");
        return ERR_UNSUPPORTED;
    }
    host_apic.page = space_map(SPACE_DEVICES, base, PAGE_SIZE);
    return host_apic.page != NULL ? OK : ERR_NO_MEMORY;
}

COLD uint32_t host_apic_id(void) {
    if (read_cpuid(0, 0).eax >= CPUID_TOPOLOGY) {
        struct cpuid topology = read_cpuid(CPUID_TOPOLOGY, 0);
        if (topology.ebx != 0) { return topology.edx; }
    }
    return read_cpuid(CPUID_FEATURES, 0).ebx >> APIC_XAPIC_ID_SHIFT;
}

COLD void host_apic_cpu_init(void) {
    uint64_t base = read_msr(MSR_APIC_BASE) | APIC_BASE_EN;

    write_msr(MSR_APIC_BASE, base);
    if (host_apic.x2apic) { write_msr(MSR_APIC_BASE, base | APIC_BASE_EXTD); }
    host_apic_write(APIC_TPR, 0);
    host_apic_write(APIC_SVR, APIC_SVR_ENABLE | VECTOR_SPURIOUS); // before it vectors stay masked (SDM 11.4.7.2)
    host_apic_write(APIC_LVT_LINT0, APIC_LVT_MASKED);
    host_apic_write(APIC_LVT_LINT1, APIC_MODE_NMI << APIC_LVT_MODE_SHIFT);
    host_apic_write(APIC_LVT_ERROR, VECTOR_ERROR);
    host_apic_write(APIC_LVT_TIMER, VECTOR_TIMER | (host_apic.deadline ? APIC_LVT_TIMER_DEADLINE : 0));
    host_apic_write(APIC_DIVIDE, DIVIDE_BY_1);
    arch_barrier_full(); // xAPIC: the timer's mode before the first deadline (SDM 11.5.4.1)
}

// ---- interrupts between cores -----------------------------------------------------------------------------

// In x2APIC mode the WRMSR orders nothing: what was stored for the target comes first, which takes both barriers, since MFENCE
// holds back no WRMSR (SDM 11.12.3).
void host_apic_send(uint32_t apic_id, uint32_t command) {
    if (host_apic.x2apic) {
        arch_barrier_full();
        __asm__ volatile("lfence" ::: "memory");
        write_msr(APIC_MSR_FIRST + APIC_ICR_LOW,
                  (uint64_t)apic_id << APIC_ICR_DESTINATION_SHIFT | APIC_ICR_ASSERT | command);
        return;
    }
    while ((host_apic_read(APIC_ICR_LOW) & APIC_ICR_STATUS) != 0) { arch_relax(); }
    host_apic_write(APIC_ICR_HIGH, apic_id << APIC_XAPIC_ID_SHIFT);
    host_apic_write(APIC_ICR_LOW, APIC_ICR_ASSERT | command);
}

// ---- the one-shot timer -----------------------------------------------------------------------------------

// What a count of the timer is, never early: rounded up.
static uint32_t count_until(uint64_t when) {
    uint64_t now = arch_clock(), ticks = when > now ? when - now : 0;
    uint64_t longest = UINT32_MAX * (clock_rate.hz / host_apic.timer_hz + 1);

    if (ticks > longest) { ticks = longest; }
    uint64_t whole = ticks / clock_rate.hz, rest = ticks % clock_rate.hz;
    uint64_t count = whole * host_apic.timer_hz + (rest * host_apic.timer_hz + clock_rate.hz - 1) / clock_rate.hz;
    return (uint32_t)MIN(MAX(count, 1ull), (uint64_t)UINT32_MAX);
}

void arch_timer_arm(uint64_t when) {
    this_cpu()->arch.timer_when = when;
    if (host_apic.deadline) {
        write_msr(MSR_TSC_DEADLINE, when == UINT64_MAX ? 0 : MAX(when, 1ull));
    } else {
        host_apic_write(APIC_INITIAL_COUNT, when == UINT64_MAX ? 0 : count_until(when));
    }
}
