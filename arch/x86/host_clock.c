// SPDX-License-Identifier: Apache-2.0
// How fast the TSC counts: CPUID says it on newer Intel processors, everywhere else it is measured against the 8254's
// channel 2, whose output is read at port 0x61 (82C54 datasheet; the port is the PC/AT's). The local APIC's timer is
// measured against the TSC at the same time.
#include "arch/x86/host_apic.h"
#include "kernel/log.h"

enum { PIT_HZ = 1193182, PIT_CHANNEL2 = 0x42, PIT_COMMAND = 0x43, PORT_B = 0x61 };
enum { PIT_MODE_CHANNEL2_ONE_SHOT = 0xb0, PORT_B_GATE = 1, PORT_B_SPEAKER = 2, PORT_B_OUTPUT = 0x20 };
// 20 ms; how many turns a reading of a port may take that long, before there is no such timer.
enum { PIT_COUNT = PIT_HZ / 50, TURNS_MAX = 100000000 };
// A measured frequency this close to whole MHz is that: parts per million, of what a poll's length makes uncertain.
enum { SNAP_PPM = 50, PPM = 1000000 };

struct reading {
    uint64_t tsc;
    uint32_t apic;
};

static struct reading read_both(void) {
    uint32_t apic = host_apic_read(APIC_CURRENT_COUNT);

    return (struct reading){read_tsc(), apic};
}

// Counts down once from PIT_COUNT; false: it never ends.
static bool measure(struct reading *from, struct reading *to) {
    uint8_t port = (uint8_t)(arch_port_read8(PORT_B) & ~(PORT_B_SPEAKER | PORT_B_GATE));

    arch_port_write8(PORT_B, port);
    arch_port_write8(PIT_COMMAND, PIT_MODE_CHANNEL2_ONE_SHOT);
    arch_port_write8(PIT_CHANNEL2, PIT_COUNT & 0xff);
    arch_port_write8(PIT_CHANNEL2, PIT_COUNT >> 8);
    arch_port_write8(PORT_B, port | PORT_B_GATE);
    *from = read_both();
    for (unsigned turns = 0; turns < TURNS_MAX; turns++) {
        if ((arch_port_read8(PORT_B) & PORT_B_OUTPUT) != 0) {
            *to = read_both();
            arch_port_write8(PORT_B, port);
            return true;
        }
    }
    return false;
}

static uint64_t snap(uint64_t hz) {
    uint64_t whole = (hz + PPM / 2) / PPM * PPM, off = hz > whole ? hz - whole : whole - hz;

    return off <= hz / PPM * SNAP_PPM ? whole : hz;
}

// CPUID.15H: the TSC is crystal * EBX / EAX. Some processors do not say the crystal.
static uint64_t tsc_by_cpuid(void) {
    if (read_cpuid(0, 0).eax < CPUID_TSC) { return 0; }
    struct cpuid r = read_cpuid(CPUID_TSC, 0);
    return r.eax == 0 || r.ebx == 0 || r.ecx == 0 ? 0 : (uint64_t)r.ecx * r.ebx / r.eax;
}

uint64_t host_clock_calibrate(void) {
    uint64_t hz = tsc_by_cpuid();
    struct reading from, to;

    if (hz != 0 && host_apic.deadline) { return hz; }
    host_apic_write(APIC_LVT_TIMER, VECTOR_TIMER | APIC_LVT_MASKED);
    host_apic_write(APIC_INITIAL_COUNT, UINT32_MAX);
    bool measured = measure(&from, &to);
    host_apic_write(APIC_INITIAL_COUNT, 0);
    host_apic_cpu_init();
    if (!measured || to.tsc == from.tsc) {
        log_line("clock: CPUID does not say the TSC's frequency, and the 8254 at ports 0x40 to 0x43 does not count");
        return 0;
    }
    uint64_t ticks = to.tsc - from.tsc, counts = from.apic - to.apic;
    if (hz == 0) { hz = snap(ticks * PIT_HZ / PIT_COUNT); }
    host_apic.timer_hz = snap(counts * (hz / PPM) / ticks * PPM + counts * (hz / PPM) % ticks * PPM / ticks);
    return hz;
}
