// SPDX-License-Identifier: Apache-2.0
// The other VCPUs: found in the MADT (ACPI 6.5, 5.2.12), started by INIT and SIPI (Intel SDM volume 3, "MP Initialization").
#include "acpi.h"
#include "apic.h"
#include "entry.h"
#include "private.h"

#include <string.h>

#define MADT_ENTRIES     44
#define MADT_APIC        0
#define MADT_X2APIC      9
#define MADT_ENABLED     1
#define ERROR_PARAMETERS (-2)
#define ERROR_ALREADY_ON (-4)
#define ERROR_SILENT     (-6)

#define INIT_US          200
#define FIRST_SIPI_US    10000 // before the second one
#define SECOND_SIPI_US   1000000

static unsigned count = 1;
static void (*entries[VCPUS_MAX])(void);
static volatile enum { OFF, STARTING, ON } states[VCPUS_MAX];

static void add(uint32_t id, uint32_t flags) {
    if (flags & MADT_ENABLED && id != apic_ids[0] && count < VCPUS_MAX) apic_ids[count++] = id;
}

void vcpus_find(void) {
    const struct acpi_header *madt = acpi_table("APIC");
    apic_ids[0] = cpuid(1, 0).ebx >> 24;
    if (!madt) return;
    const uint8_t *at = (const uint8_t *)madt + MADT_ENTRIES, *end = (const uint8_t *)madt + madt->length;
    for (; at + 2 <= end && at[1] >= 2; at += at[1]) {
        uint32_t id, flags;
        if (at[0] == MADT_APIC) {
            memcpy(&flags, at + 4, sizeof(flags));
            add(at[3], flags);
        } else if (at[0] == MADT_X2APIC) {
            memcpy(&id, at + 4, sizeof(id));
            memcpy(&flags, at + 8, sizeof(flags));
            add(id, flags);
        }
    }
}

unsigned vcpu_count(void) { return count; }

static bool wait_on(unsigned number, uint64_t us) {
    for (uint64_t end = clock_now() + us_to_ticks(us); states[number] == STARTING && clock_now() < end;) spin_pause();
    return states[number] != STARTING;
}

int64_t vcpu_start(unsigned number, void (*function)(void)) {
    if (number == 0 || number >= count) return ERROR_PARAMETERS;
    if (states[number] != OFF) return ERROR_ALREADY_ON;
    memcpy((void *)TRAMPOLINE, trampoline_start, (size_t)(trampoline_end - trampoline_start));
    entries[number] = function;
    states[number] = STARTING;
    barrier_full();
    apic_command(apic_ids[number], ICR_INIT | ICR_ASSERT);
    wait_on(number, INIT_US);
    apic_command(apic_ids[number], ICR_STARTUP | ICR_ASSERT | TRAMPOLINE_VECTOR);
    if (wait_on(number, FIRST_SIPI_US)) return 0;
    apic_command(apic_ids[number], ICR_STARTUP | ICR_ASSERT | TRAMPOLINE_VECTOR);
    if (wait_on(number, SECOND_SIPI_US)) return 0;
    states[number] = OFF;
    return ERROR_SILENT;
}

bool vcpu_is_off(unsigned number) { return states[number] == OFF; }

void secondary_start(unsigned number) {
    apic_init_vcpu();
    states[number] = ON;
    entries[number]();
    irq_mask();
    states[number] = OFF;
    for (;;) wait_for_interrupt();
}
