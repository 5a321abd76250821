// SPDX-License-Identifier: Apache-2.0
// The system description: found in the system image, checked, and turned into the plain structures that the rest of
// the hypervisor reads. The same C runs in `make check` on the host and in the hypervisor before anything starts.
// The binding: docs/system-description.md.
#ifndef KERNEL_SYSDESC_H
#define KERNEL_SYSDESC_H

#include "kernel/board.h"
#include "kernel/types.h"
#include "sched/placement.h"

struct blob { // a file inside the system image
    const void *data;
    uint64_t size;
};

enum image_type { IMAGE_LINUX, IMAGE_RAW, IMAGE_PVH, IMAGE_MULTIBOOT };
enum restart_policy { RESTART_NEVER, RESTART_ON_FAILURE, RESTART_ALWAYS };
enum { CORE_AUTO = 0xff };

// Limits of one description; the checker refuses what lies beyond, by name.
enum {
    SYSDESC_PARTS = 2 + 4 * MAX_VMS,  // the description, the board's data, four files for each VM
    SYSDESC_SIZE_MAX = 64 * 1024,     // of the compiled description
    SYSDESC_MISTAKES = 64,            // told one by one; the rest is counted
    BUDGET_US_MIN = 10,               // a few times what two context switches cost
    PERIOD_US_MAX = 10 * 1000 * 1000, // 10 s
    OVERHEAD_NS_MAX = 1000 * 1000,    // 1 ms
    BOOTARGS_MAX = 2047,              // Linux' COMMAND_LINE_SIZE on arm64, without the terminator
    SPIS_MAX = 224,
    MAX_IMAGE_SEGMENTS = 8,
#if TAKT_TRACE
    TRACE_RECORDS_MIN = 64,
    TRACE_RECORDS_DEFAULT = 4096, // with `trace` alone
    TRACE_RECORDS_MAX = 32768,    // of 24 bytes: 6 MiB of HYPERVISOR_SHARE with 8 cores
#endif
};
// Guest memory and assigned devices lie below: what three levels of 4 KiB granule stage-2 tables reach.
#define GUEST_ADDRESS_MAX (1ull << 39)
// Guest memory is given out in blocks of this size and alignment, on both sides: stage 2 has them in one entry each.
#define GUEST_BLOCK       (2ull << 20)
// What the hypervisor keeps for itself of the board's memory: image, tables, stacks, buffers.
#define HYPERVISOR_SHARE  (16ull << 20)

struct vcpu_desc {
    bool reserved; // has a reservation; else best effort with `weight`
    uint32_t budget_us, period_us, deadline_us;
    uint32_t weight;        // 1..SCHED_WEIGHT_MAX, default 100; 0 when reserved
    uint8_t core;           // logical core or CORE_AUTO as written
    uint8_t placed;         // the core that placement chose; split: of its first piece
    struct sched_task task; // reserved: what was admitted, in counter ticks, overhead included
#if TAKT_SPLIT
    uint8_t second;              // the core of its second piece, CORE_AUTO: it is whole
    struct sched_task pieces[2]; // split: what was admitted in its place, on `placed` and on `second`
#endif
#if TAKT_RECLAIM
    bool reclaim; // runs longer on its budget while others on its core sleep
#endif
#if TAKT_ANALYSIS
    uint64_t latency; // reserved: ticks from a wake-up with budget to the guest's vector at most; 0: not decided
    bool has_tasks;   // tasks of its guest were checked against the reservation
#endif
};

struct device_desc {      // an assigned platform device
    const char *path;     // its node in the board's device tree
    bool unprotected_dma; // the description accepts DMA without an IOMMU
    unsigned page_count;
    struct range pages[MAX_DEVICE_PAGES]; // 4 KiB aligned host ranges, mapped at guest_base + offset or 1:1
    gpa_t guest_base[MAX_DEVICE_PAGES];
    unsigned irq_count;
    uint16_t irq[MAX_DEVICE_IRQS]; // the board's interrupt numbers (GIC INTID)
    bool irq_edge[MAX_DEVICE_IRQS];
    uint32_t irq_distance_us; // least distance between interrupts; 0 only on a core without reservations
};

// A piece of the kernel's file and where it goes.
struct image_segment {
    uint64_t offset, size;
    gpa_t gpa;
};

struct vm_desc {
    const char *name;
    unsigned memory_count, vcpu_count, segment_count;
    unsigned device_count, irq_count; // irq_count: of all its devices
    unsigned spi_count;               // virtual SPIs, 32-step, default 224
    enum image_type type;
    bool start;                  // started at boot (default yes)
    bool vpl011, virtio_console; // default: both
#if TAKT_CONTROL
    bool on_demand;  // has no place until it is created
    bool controller; // may ask for changes (TAKT_HC_CONTROL)
#endif
    bool observer;              // may read figures of its cores and of the boot (TAKT_HC_STATS)
    uint32_t timer_distance_us; // least distance between two expiries of a VCPU's hypercall timers
    gpa_t load, entry;          // raw: as given; else chosen by the checker from the file's header
    gpa_t initrd_gpa;           // where the loader puts the initrd, when there is one
    gpa_t dtb_gpa;              // and what describes the machine to the guest: at most GUEST_FDT_MAX bytes
    const char *bootargs;       // "" when none
    struct blob kernel, initrd, dtb, overlay;
    enum restart_policy restart;
    uint32_t restart_limit; // restarts by policy before the VM stays stopped
    struct vm_memory_desc {
        gpa_t base;
        uint64_t size;
    } memory[MAX_VM_MEMORY];
    struct vcpu_desc vcpus[MAX_VCPUS];
    struct image_segment segments[MAX_IMAGE_SEGMENTS];
    struct device_desc devices[MAX_VM_DEVICES];
};

// One file of the system image.
struct sysdesc_part {
    const char *name;      // of its node below /images
    const char *type;      // of the FIT binding: "flat_dt", "firmware" ...
    const uint8_t *sha256; // NULL: it has none
    struct blob data;
    const uint8_t *paths; // the names by which the description calls it, each with its terminator
    uint32_t paths_size;
};

struct system_desc {
    const char *source;      // name of the description's source file, for messages
    bool deterministic;      // seeds are fixed: bench and tests only
    bool smt;                // every thread of a core is used as a core; no bound holds then
    uint32_t overhead_ns;    // added to every budget: measured by `make bench`, from the board's data
    uint32_t migration_ns;   // added to each piece of a split VCPU, from the board's data; 0: nobody is split
    uint32_t irq_cost_ns;    // of one interrupt at EL2 not charged elsewhere, from the board's data
    uint32_t injection_ns;   // from a timer's expiry to the guest's vector, when nothing is in the way
    uint32_t masked_ns;      // the longest section with interrupts masked
    uint32_t masked_vcpu_ns; // what each further VCPU of a VM adds to it where that ends, on the core that they share
    uint32_t trace_ns;       // more for each of the six above where tracing is on from the start, from the board's data
    uint32_t console_core;   // where the board's data says the console's interrupt goes
    uint32_t console_irq_distance_us; // the least distance that the console keeps
    const char *console_focus;        // name of the VM that has the input first, or NULL
#if TAKT_SPLIT
    uint32_t by_count; // 1: `placement = "count"`; 0: by utilisation
#endif
#if TAKT_TRACE
    bool trace;             // tracing is on from the start
    uint32_t trace_records; // of each core's ring; 0: it has none
#endif
    unsigned vm_count, part_count;
    uint64_t memory_total; // of the board, in whole blocks, that guests could have
#if TAKT_ANALYSIS
    uint64_t memory_guests; // of that, what they have; for the planner
#endif
    struct vm_desc vms[MAX_VMS];
    struct sched_core_load cores[MAX_CORES]; // what admission accepted on each core
    struct sysdesc_part parts[SYSDESC_PARTS];
    struct { // working space of placement: each VCPU that could be judged, and how. Afterwards for the planner alone
        struct vcpu_desc *vcpus[MAX_VMS * MAX_VCPUS];
        struct sched_request requests[MAX_VMS * MAX_VCPUS];
        struct sched_placement placements[MAX_VMS * MAX_VCPUS];
    } scratch;
};

// Where complaints go: one call per mistake. `place` is file:node:property.
struct sysdesc_sink {
    void (*mistake)(struct sysdesc_sink *sink, const char *place, const char *wrong, const char *remedy);
    unsigned count; // mistakes so far; at most SYSDESC_MISTAKES were told
};

// Finds the description in `image` (the inner FIT, or the outer one, into which it descends), checks everything but the
// guest files' hashes against the board, places and admits every VCPU. Reports every mistake through `sink`; returns OK
// only when there was none. `hz`: the board's counter frequency. Reads `image` only inside [image, image + size); any
// content is safe. `out` points into the image, which has to stay. `image` is 8-byte aligned. Boot, or host.
int sysdesc_parse(const void *image, uint64_t size, const struct board *board, uint64_t hz, struct system_desc *out,
                  struct sysdesc_sink *sink);

// Compares the guest files with their hashes, about 50 instructions a byte. Nothing of a guest may be used before.
// After sysdesc_parse, whatever it returned.
int sysdesc_verify(const struct system_desc *desc, struct sysdesc_sink *sink);

// How many cores the system has: entries of board->cpus.
static inline unsigned sysdesc_cores(const struct board *board, const struct system_desc *desc) {
    return MIN(board->cpu_count + (desc->smt ? board->thread_count : 0), (unsigned)MAX_CORES);
}

// The longest time that admission lets a runnable VCPU be without supply, T + D - 2Q, of the budget as described (Shin &
// Lee 2003 for D = T: 2(T - Q); Easwaran, Anand & Lee 2007 for D < T). Microseconds.
static inline uint64_t sysdesc_blackout_us(const struct vcpu_desc *vcpu) {
    return (uint64_t)vcpu->period_us + vcpu->deadline_us - 2ull * vcpu->budget_us;
}

#endif
