// SPDX-License-Identifier: Apache-2.0
// Frequencies: as the hypervisor says, or as the CPU says, or by the 8254 timer (Intel 231164).
#include "clock.h"

#include "apic.h"
#include "guest.h"

#define CPUID_HYPERVISOR  0x40000000
#define CPUID_FREQUENCIES 0x40000010 // EAX: TSC, EBX: local APIC, in kHz
#define CPUID_TSC_CRYSTAL 0x15

#define PIT_CHANNEL2      0x42
#define PIT_COMMAND       0x43
#define PIT_CHANNEL2_ONCE 0xb0 // both bytes, mode 0
#define PIT_HZ            1193182
#define PIT_COUNT         59659 // 50 ms
#define SPEAKER           0x61
#define SPEAKER_GATE2     0x01
#define SPEAKER_DATA      0x02
#define SPEAKER_OUT2      0x20

uint64_t clock_hz, apic_hz;

static bool hypervisor_says(void) {
    if (!(cpuid(1, 0).ecx & CPUID_1_ECX_HYPERVISOR) || cpuid(CPUID_HYPERVISOR, 0).eax < CPUID_FREQUENCIES) return false;
    struct cpuid khz = cpuid(CPUID_FREQUENCIES, 0);
    clock_hz = khz.eax * 1000ull;
    apic_hz = khz.ebx * 1000ull;
    return clock_hz != 0 && apic_hz != 0;
}

static bool cpu_says(void) {
    if (cpuid(0, 0).eax < CPUID_TSC_CRYSTAL) return false;
    struct cpuid ratio = cpuid(CPUID_TSC_CRYSTAL, 0);
    if (ratio.eax == 0 || ratio.ebx == 0 || ratio.ecx == 0) return false;
    apic_hz = ratio.ecx;
    clock_hz = apic_hz * ratio.ebx / ratio.eax;
    return true;
}

// Both clocks over one run of the 8254's second channel.
static void measure(void) {
    port_write8(SPEAKER, (uint8_t)((port_read8(SPEAKER) & ~SPEAKER_DATA) | SPEAKER_GATE2));
    port_write8(PIT_COMMAND, PIT_CHANNEL2_ONCE);
    port_write8(PIT_CHANNEL2, PIT_COUNT & 0xff);
    port_write8(PIT_CHANNEL2, PIT_COUNT >> 8);
    apic_write(APIC_TIMER_INITIAL, UINT32_MAX);
    uint64_t start = clock_now();
    while (!(port_read8(SPEAKER) & SPEAKER_OUT2)) spin_pause();
    uint64_t ticks = clock_now() - start;
    uint32_t left = apic_read(APIC_TIMER_CURRENT);
    apic_write(APIC_TIMER_INITIAL, 0);
    clock_hz = ticks * PIT_HZ / PIT_COUNT;
    apic_hz = (uint64_t)(UINT32_MAX - left) * PIT_HZ / PIT_COUNT;
}

void clock_init(void) {
    if (!hypervisor_says() && !cpu_says()) measure();
}
