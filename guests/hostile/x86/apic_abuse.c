// SPDX-License-Identifier: Apache-2.0
// The local APIC: every register with every width, commands of every kind to everybody, illegal vectors, timers that never
// let go.
#include "apic.h"
#include "interrupts.h"
#include "x86.h"

#define LVT_DEFINED   0x700ffu // of the timer: mode, mask, vector
#define COMMANDS      20000
#define PERIOD_BARE   10000
#define EXPIRIES      10000
#define WRITES        20000
#define ACCESSES      20000
#define REGISTERS_END 0x400
#define NOBODY        0x7f
#define ICR_MODE(n)   ((uint32_t)(n) << 8)
#define ICR_LEVEL     (1u << 15)
#define ICR_SHORTHAND 18
#define VECTORS       256
#define EXCEPTIONS    32
#define ILLEGAL       16
#define APIC_IPI      0xf0

// Commands that start or stop nobody: INIT and STARTUP have attacks of their own, and NMI and SMI of the caller's own.
static bool harmless(uint32_t command) {
    uint32_t mode = command >> 8 & 7;
    return mode == 0 || mode == 1 || mode == 3 || mode == 7;
}

static void random_commands(void) {
    irq_unmask();
    for (unsigned i = 0; i < COMMANDS; i++) {
        uint64_t r = random64();
        uint32_t command = (uint32_t)r & 0x000ccfff; // vector, mode, destination mode, level, shorthand
        if ((command & 0xff) < EXCEPTIONS) command |= EXCEPTIONS;
        if (harmless(command)) apic_command((uint32_t)(r >> 32) % 4, command);
        step_passed();
    }
    drain();
    restore_interrupts();
}

static void send_self(void *vector) { apic_command(0, *(uint32_t *)vector | ICR_ASSERT | ICR_TO_SELF); }

static void take_all(void *unused) {
    (void)unused;
    drain();
}

// Vectors of exceptions without an error code, which an interrupt is then taken for.
#define LIKE_EXCEPTIONS 0x1fdd0000u

// 0 to 15 are illegal. QEMU's APIC sends them all the same, so they need a better one.
static void illegal_vectors(void) {
    bool refused = takt_present();
    for (uint32_t vector = 0; vector < EXCEPTIONS; vector++) {
        if (vector < ILLEGAL ? !refused : !(LIKE_EXCEPTIONS >> vector & 1)) continue;
        step(send_self, &vector);
        step(take_all, NULL);
        apic_write(APIC_EOI, 0);
    }
    apic_write(APIC_ESR, 0);
    restore_interrupts();
}

static void all_vectors(void) {
    for (uint32_t vector = 32; vector < VECTORS - 1; vector++) step(send_self, &vector);
    drain();
    restore_interrupts();
}

// With all classes masked they stay pending, and come in one go.
static void priority_storm(void) {
    for (unsigned i = 0; i < COMMANDS / 100; i++) {
        apic_write(APIC_TPR, 0xf0);
        for (uint32_t vector = 32; vector < VECTORS - 1; vector += 7) send_self(&vector);
        irq_unmask();
        for (uint32_t level = 0x100; level > 0; level -= 0x10) apic_write(APIC_TPR, level - 0x10);
        irq_mask();
        step_passed();
    }
    restore_interrupts();
}

static void to_nobody(void) {
    for (unsigned i = 0; i < COMMANDS; i++) {
        apic_command(NOBODY - i % 16, ICR_MODE(i % 8) | ICR_ASSERT | APIC_IPI);
        step_passed();
    }
    restore_interrupts();
}

// INIT and STARTUP to the other VCPUs, which are off, as fast as it goes, and de-assertions.
static void start_storm(void) {
    for (unsigned i = 0; i < COMMANDS; i++) {
        apic_command(0, ICR_INIT | (i & 1 ? ICR_ASSERT : ICR_LEVEL) | ICR_TO_OTHERS);
        step_passed();
    }
    restore_interrupts();
}

// They start in a page of zeros, at the end of the first MiB, and run into what comes.
static void start_nowhere(void) {
    if (vcpu_count() < 2) {
        skip("needs a second VCPU");
        return;
    }
    apic_command(0, ICR_INIT | ICR_ASSERT | ICR_TO_OTHERS);
    apic_command(0, ICR_STARTUP | ICR_ASSERT | ICR_TO_OTHERS | 0x9f);
    drain();
}

static void init_self(void) { apic_command(0, ICR_INIT | ICR_ASSERT | ICR_TO_SELF); }

static void eoi_storm(void) {
    for (unsigned i = 0; i < WRITES; i++) {
        apic_write(APIC_EOI, 0);
        step_passed();
    }
}

// ---- timer --------------------------------------------------------------------------------------

static volatile unsigned expiries;

static void count_expiry(uint32_t vector, uint64_t stamp) {
    (void)vector, (void)stamp;
    expiries++;
}

static void wait_expiries(void) {
    irq_unmask();
    for (uint64_t end = clock_now() + clock_hz; expiries < EXPIRIES && clock_now() < end;) spin_pause();
    irq_mask();
    irq_handle(TIMER_INTERRUPT, NULL);
    restore_interrupts();
    step_passed();
}

static void begin_storm(uint32_t mode) {
    expiries = 0;
    irq_handle(TIMER_INTERRUPT, count_expiry);
    apic_write(APIC_LVT_TIMER, TIMER_INTERRUPT | mode);
}

// The shortest period that there is. QEMU's own timer would never come to an end with it.
static void timer_periodic(void) {
    begin_storm(LVT_PERIODIC);
    apic_write(APIC_TIMER_DIVIDE, TIMER_DIVIDE_BY_1);
    apic_write(APIC_TIMER_INITIAL, takt_present() ? 1 : PERIOD_BARE);
    wait_expiries();
}

static void timer_past(void) {
    irq_enable(TIMER_INTERRUPT);
    irq_unmask();
    for (unsigned i = 0; i < WRITES; i++) {
        timer_set(i & 1 ? 1 : clock_now() + random64() % 1000);
        step_passed();
    }
    restore_interrupts();
}

static void timer_garbage(void) {
    // The library takes vectors from 32 up for interrupts. QEMU's APIC reads a delivery mode where there is none.
    uint32_t allowed = takt_present() ? ~0u : LVT_DEFINED;
    for (unsigned i = 0; i < WRITES; i++) {
        uint64_t r = random64();
        uint32_t offset[] = {APIC_LVT_TIMER, APIC_TIMER_INITIAL, APIC_TIMER_DIVIDE, APIC_TIMER_CURRENT};
        uint32_t value = (uint32_t)(r >> 8) & (r & 4 ? ~0u : LVT_DEFINED);
        if (r % 4 == 0) value = (value | EXCEPTIONS) & allowed;
        if (apic.x2apic)
            step_msr_write(MSR_X2APIC + (offset[r % 4] >> 4), value);
        else
            apic_write(offset[r % 4], value);
        if (r & 8) step_msr_write(MSR_TSC_DEADLINE, random64());
        step_passed();
    }
    restore_interrupts();
}

// ---- registers ----------------------------------------------------------------------------------

// Anywhere in the page but at the command register, in whose place a wrong value may be an INIT.
static void fuzz(uintptr_t page, uintptr_t spared) {
    access_at_random(page, REGISTERS_END, ACCESSES, spared);
    restore_interrupts();
}

static void registers_xapic(void) {
    if (apic.x2apic) {
        skip("needs the boot argument xapic");
        return;
    }
    fuzz(APIC_PAGE, APIC_PAGE + APIC_ICR);
}

static void registers_x2apic(void) {
    for (uint32_t msr = MSR_X2APIC; msr < MSR_X2APIC + 0x100; msr++) {
        if (msr == MSR_X2APIC + (APIC_ICR >> 4)) continue;
        step_msr_write(msr, 0);
        step_msr_write(msr, ~0ull);
        step_msr_write(msr, random64() & 0xff);
    }
    restore_interrupts();
}

static void registers_ioapic(void) { fuzz(IOAPIC_PAGE, 0); }

// Off, on, back to the other mode, and elsewhere; each is a write that hardware refuses or takes.
static void base_values(void) {
    static const uint64_t bits[] = {0, APIC_BASE_ENABLE, APIC_BASE_EXTD, APIC_BASE_ENABLE | APIC_BASE_EXTD};
    uint64_t old = msr_read(MSR_APIC_BASE);
    for (unsigned i = 0; i < COUNT_OF(bits); i++) {
        step_msr_write(MSR_APIC_BASE, APIC_PAGE | bits[i]);
        step_msr_write(MSR_APIC_BASE, bits[i]);
        step_msr_write(MSR_APIC_BASE, ~0ull << 36 | bits[i]);
    }
    step_msr_write(MSR_APIC_BASE, APIC_PAGE);
    step_msr_write(MSR_APIC_BASE, old);
    restore_interrupts();
}

const struct attack apic_attacks[] = {
    {"apic-commands", random_commands, CONTINUES},
    {"apic-illegal-vectors", illegal_vectors, CONTINUES},
    {"apic-all-vectors", all_vectors, CONTINUES},
    {"apic-priorities", priority_storm, CONTINUES},
    {"apic-nobody", to_nobody, CONTINUES},
    {"apic-init-storm", start_storm, CONTINUES},
    {"apic-start-nowhere", start_nowhere, EITHER},
    {"apic-init-self", init_self, EITHER},
    {"apic-eoi-storm", eoi_storm, CONTINUES},
    {"apic-registers", registers_xapic, CONTINUES},
    {"apic-msrs", registers_x2apic, CONTINUES},
    {"apic-base", base_values, EITHER},
    {"ioapic-registers", registers_ioapic, CONTINUES},
    {"timer-periodic", timer_periodic, CONTINUES},
    {"timer-past", timer_past, CONTINUES},
    {"timer-garbage", timer_garbage, CONTINUES},
    {0},
};
