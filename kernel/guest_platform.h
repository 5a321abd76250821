// SPDX-License-Identifier: Apache-2.0
// What kind of machine guests find: where its devices are, and where a kernel goes. The architecture supplies it; the
// checker on the host has those of all, and takes the one that belongs to the board.
#ifndef KERNEL_GUEST_PLATFORM_H
#define KERNEL_GUEST_PLATFORM_H

#include "kernel/sysdesc_check.h"

// Where memory cannot be.
struct guest_window {
    gpa_t base;
    uint64_t size;
    const char *what;
};

struct guest_platform {
    const struct guest_window *windows; // the last one has no size
    const char *memory_remedy;          // where memory could be instead
    gpa_t virtio_base;                  // where the virtio console is, and its interrupt
    unsigned virtio_irq;
    const char *no_devices; // why none of the machine's can be assigned to a VM; NULL: they can
    // Judges the VM's kernel, which is there, and says where everything that is loaded goes: type, segments, entry,
    // initrd_gpa, dtb_gpa. Reports mistakes. `vm` has at least one block of memory.
    void (*place)(struct sysdesc_check *c, struct vm_desc *vm);
};

extern const struct guest_platform virt_platform, pc_platform; // as an arm64 machine, and an x86-64 one, has them

// The one of guests on this board. In the hypervisor there is one, whatever `board` is.
const struct guest_platform *arch_guest_platform(const struct board *board);

#endif
