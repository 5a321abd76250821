// SPDX-License-Identifier: Apache-2.0
// Which platform device may be given to a guest: the one place that decides it. Pure, so the checker asks it on the host
// and again in the hypervisor. What is done with an admitted device: kernel/devices.h.
#ifndef KERNEL_ASSIGN_H
#define KERNEL_ASSIGN_H

#include "kernel/board.h"
#include "kernel/sysdesc.h"

struct refusal_text {
    const char *wrong, *remedy;
};

// May the node `path` of the board's device tree be assigned? Refused are devices that the hypervisor itself needs,
// those that share a 4 KiB page or an interrupt with another enabled node, those whose interrupt it cannot route and,
// where no IOMMU confines them, those that can do DMA or are not known to be unable to, unless out->unprotected_dma is
// set (in). On success fills path, pages, guest_base (the same addresses; the caller may replace them) and interrupts;
// irq_distance_us is left alone, and the result is NULL; else what is wrong and what would be right, in constant texts. Any
// context, any tree content.
const struct refusal_text *assign_check(const struct board *board, const char *path, struct device_desc *out);

// Can an IOMMU keep the DMA of the board's device `node` to the memory of its VM? OK, or ERR_UNSUPPORTED. In iommu/.
int iommu_confine(const void *fdt, int node);

// True when both claim the same page or the same interrupt: one device given away twice.
bool assign_conflict(const struct device_desc *a, const struct device_desc *b);

#endif
