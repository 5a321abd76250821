// SPDX-License-Identifier: Apache-2.0
// How fast the TSC counts: CPUID says it on newer Intel processors, everywhere else it is measured against the 8254's
// channel 2, whose output is read at port 0x61 (82C54 datasheet; the port is the PC/AT's). The local APIC's timer is
// measured against the TSC at the same time.
#include "arch/x86/host_apic.h"
#include "kernel/log.h"

enum { PIT_HZ = 1193182, PIT_CHANNEL2 = 0x42, PIT_COMMAND = 0x43, PORT_B = 0x61 };
enum { PIT_MODE_CHANNEL2_ONE_SHOT = 0xb0, PORT_B_GATE = 1, PORT_B_SPEAKER = 2, PORT_B_OUTPUT = 0x20 };
// 10 ms; how many readings of the port may see no end of it, before there is no such timer: seconds.
enum { PIT_COUNT = PIT_HZ / 100, POLLS_MAX = 4000000 };
// A measured frequency this close to whole MHz is that: parts per million, which is what reading ports, a microsecond
// each, and the 8254's own step of 838 ns leave uncertain of 10 ms.
enum { SNAP_PPM = 50, PPM = 1000000 };
// A measurement whose ends are less certain was disturbed, by firmware's SMIs or an emulator's host: the best of TRIES counts.
enum { DISTURBED_PPM = 300, TRIES = 4 };

struct reading {
    uint64_t tsc;
    uint32_t apic;
};

// Of one count: the TSC's ticks, how many of them are uncertain, and both timers shortly before and after it.
struct measurement {
    uint64_t ticks, uncertain;
    struct reading from, to;
};

static struct reading read_both(void) {
    uint32_t apic = host_apic_read(APIC_CURRENT_COUNT);

    return (struct reading){read_tsc(), apic};
}

// Both ends of the count are known to lie between two readings of the TSC, and taken to be in their middle. The 8254 begins
// within a step of its own around that (82C54: gate and count in mode 0). False: it never ends.
static bool measure(struct measurement *m) {
    uint8_t port = (uint8_t)(arch_port_read8(PORT_B) & ~(PORT_B_SPEAKER | PORT_B_GATE));

    arch_port_write8(PORT_B, port);
    arch_port_write8(PIT_COMMAND, PIT_MODE_CHANNEL2_ONE_SHOT);
    arch_port_write8(PIT_CHANNEL2, PIT_COUNT & 0xff);
    arch_port_write8(PIT_CHANNEL2, PIT_COUNT >> 8);
    m->from = read_both();
    uint64_t before = read_tsc();
    arch_port_write8(PORT_B, port | PORT_B_GATE);
    uint64_t begun = read_tsc(), polled = begun;
    for (unsigned polls = 0; polls < POLLS_MAX; polls++) {
        uint64_t last = polled;
        polled = read_tsc();
        if ((arch_port_read8(PORT_B) & PORT_B_OUTPUT) == 0) { continue; }
        uint64_t seen = read_tsc();
        m->to = read_both();
        m->ticks = (last + seen - before - begun) / 2;
        m->uncertain = (seen - last + begun - before) / 2;
        arch_port_write8(PORT_B, port);
        return true;
    }
    return false;
}

// In about a millionth. Of what is uncertain in itself nothing may be too little: an emulator that its host took the processor from
// can end the count after a hundredth of its time.
static uint64_t uncertain_ppm(const struct measurement *m) { return (m->uncertain << 10) / ((m->ticks >> 10) + 1); }

// The least uncertain of some.
static bool measure_well(struct measurement *best) {
    struct measurement m;

    *best = (struct measurement){.uncertain = PPM};
    for (unsigned tries = 0; tries < TRIES && uncertain_ppm(best) > DISTURBED_PPM; tries++) {
        if (!measure(&m)) { return false; }
        if (uncertain_ppm(&m) < uncertain_ppm(best)) { *best = m; }
    }
    return best->ticks != 0;
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
    struct measurement m;

    if (hz != 0 && host_apic.deadline) { return hz; }
    host_apic_write(APIC_LVT_TIMER, VECTOR_TIMER | APIC_LVT_MASKED);
    host_apic_write(APIC_INITIAL_COUNT, UINT32_MAX);
    bool measured = measure_well(&m);
    host_apic_write(APIC_INITIAL_COUNT, 0);
    host_apic_cpu_init();
    if (!measured) {
        log_line("clock: CPUID does not say the TSC's frequency, and the 8254 at ports 0x40 to 0x43 does not count");
        return 0;
    }
    if (hz == 0) { hz = snap(m.ticks * PIT_HZ / PIT_COUNT); }
    host_apic.timer_hz = snap((uint64_t)(m.from.apic - m.to.apic) * hz / (m.to.tsc - m.from.tsc));
    return hz;
}
