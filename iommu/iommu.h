// SPDX-License-Identifier: Apache-2.0
// What stands between devices and memory. One constant record of functions for each kind of hardware (smmuv3.c, vtd.c,
// amdvi.c to come); a machine without one has the null unit (none.c), which confines nothing, so that a device that does
// DMA stays unassigned (iommu_confine in kernel/assign.h).
//
// A domain is one VM's view of memory for its devices, in the guest's addresses. A device is in one domain or in none;
// in none, all its accesses are refused. Functions answer OK, ERR_UNSUPPORTED (this unit cannot), ERR_NO_MEMORY,
// ERR_BUSY or ERR_NOT_FOUND as said, and change nothing unless OK. Thread context or boot, any core.
#ifndef IOMMU_IOMMU_H
#define IOMMU_IOMMU_H

#include "kernel/types.h"

struct board;
struct vm;

enum { IOMMU_READ = 1, IOMMU_WRITE = 2 };

struct iommu_domain {
    struct vm *vm;
    void *tables; // the unit's own
    uint32_t id;
};

// How the unit knows a device: stream id, source id, device id.
struct iommu_device {
    uint32_t id;
    struct iommu_domain *domain; // NULL: in none
};

struct iommu_ops {
    const char *name;
    // Takes the unit over with every device in no domain. Boot, once. ERR_NOT_FOUND: the board has none of this kind.
    int (*init)(const struct board *board);
    // A device that the board lists behind this unit. ERR_NOT_FOUND: it is not behind it.
    int (*device_add)(const struct board *board, const char *path, struct iommu_device *device);

    int (*domain_create)(struct iommu_domain *domain, struct vm *vm);
    // Maps [gpa, gpa + size), multiples of 4 KiB, for all devices of the domain. ERR_BUSY: something is mapped there.
    int (*map)(struct iommu_domain *domain, gpa_t gpa, paddr_t pa, uint64_t size, unsigned access);
    // When it returns no device reaches the range any more: the unit's TLBs are invalidated and accesses have ended.
    int (*unmap)(struct iommu_domain *domain, gpa_t gpa, uint64_t size);
    // ERR_BUSY: the device is in another domain.
    int (*attach)(struct iommu_domain *domain, struct iommu_device *device);
    // Into no domain; its accesses under way have ended when it returns.
    int (*detach)(struct iommu_device *device);

    // Message-signalled interrupt `message` of the device raises the machine's interrupt `irq`, and no other one can be
    // raised by it.
    int (*interrupt_map)(struct iommu_device *device, uint32_t message, unsigned irq);
    int (*interrupt_unmap)(struct iommu_device *device, uint32_t message);
};

#endif
