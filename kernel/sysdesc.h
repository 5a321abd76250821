// SPDX-License-Identifier: Apache-2.0
// The system description: found in the system image, checked, and turned into the plain structures that the rest of
// the hypervisor reads. The same C runs in `make check` on the host and in the hypervisor before anything starts.
// The binding: docs/system-description.md.
#ifndef KERNEL_SYSDESC_H
#define KERNEL_SYSDESC_H

#include "kernel/board.h"
#include "kernel/types.h"

struct blob { // a file inside the system image
    const void *data;
    uint64_t size;
};

enum image_type { IMAGE_LINUX, IMAGE_RAW };
enum restart_policy { RESTART_NEVER, RESTART_ON_FAILURE, RESTART_ALWAYS };
enum { CORE_AUTO = 0xff };

struct vcpu_desc {
    bool reserved; // has a reservation; else best effort with `weight`
    uint32_t budget_us, period_us, deadline_us;
    uint32_t weight; // 1..10000, default 100
    uint8_t core;    // logical core or CORE_AUTO as written
    uint8_t placed;  // the core that placement chose
};

struct device_desc {      // an assigned platform device
    const char *path;     // its node in the board's device tree
    bool unprotected_dma; // the description accepts DMA without an IOMMU
    unsigned page_count;
    struct range
        pages[MAX_DEVICE_PAGES]; // 4 KiB aligned host ranges, mapped at guest_base + offset or 1:1
    gpa_t guest_base[MAX_DEVICE_PAGES];
    unsigned irq_count;
    uint16_t irq[MAX_DEVICE_IRQS]; // the board's interrupt numbers (GIC INTID)
    bool irq_edge[MAX_DEVICE_IRQS];
    uint32_t
        irq_distance_us; // least distance between interrupts; required on a core with reservations when edge
};

struct vm_desc {
    const char *name;
    unsigned memory_count;
    struct {
        gpa_t base;
        uint64_t size;
    } memory[MAX_VM_MEMORY];
    unsigned vcpu_count;
    struct vcpu_desc vcpus[MAX_VCPUS];
    enum image_type type;
    struct blob kernel, initrd, dtb, overlay;
    gpa_t load, entry; // raw: as given; Linux: chosen by the checker from the Image header
    const char *bootargs;
    enum restart_policy restart;
    uint32_t restart_limit;      // restarts by policy before the VM stays stopped
    bool start;                  // started at boot (default yes)
    bool vpl011, virtio_console; // default: both
    unsigned spi_count;          // virtual SPIs, 32-step, default 224
    unsigned device_count;
    struct device_desc devices[MAX_VM_DEVICES];
};

struct system_desc {
    const char *source;   // name of the description's source file, for messages
    bool deterministic;   // seeds are fixed: bench and tests only
    uint64_t overhead_ns; // added to every budget: measured by `make bench`, from the board's data
    uint64_t irq_cost_ns; // of one interrupt at EL2 not charged elsewhere, from the board's data
    const char *console_focus; // name of the VM that has the input first, or NULL
    unsigned vm_count;
    struct vm_desc vms[MAX_VMS];
};

// Where complaints go: one call per mistake. `place` is file:node:property.
struct sysdesc_sink {
    void (*mistake)(struct sysdesc_sink *sink, const char *place, const char *wrong,
                    const char *remedy);
    unsigned count;
};

// Finds the description in `image` (the inner FIT, or the outer one, into which it descends), checks everything against
// the board, places and admits every VCPU. Reports every mistake through `sink`; returns OK only when there was none.
// `hz`: the board's counter frequency. Reads `image` only inside [image, image + size); any content is safe.
// Boot, or host.
int sysdesc_load(const void *image, uint64_t size, const struct board *board, uint64_t hz,
                 struct system_desc *out, struct sysdesc_sink *sink);

#endif
