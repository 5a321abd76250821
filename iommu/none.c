// SPDX-License-Identifier: Apache-2.0
// The unit of a machine without an IOMMU, or with one that Takt does not drive yet: it confines nothing, so nothing else
// of a unit is ever asked of it.
#include "kernel/assign.h"

int iommu_confine(UNUSED const void *fdt, UNUSED int node) { return ERR_UNSUPPORTED; }
