// SPDX-License-Identifier: Apache-2.0
// The machine has no IOMMU: nothing can be isolated, so nothing is accepted.
#include "iommu/iommu.h"

static int none_init(const struct board *board) {
    (void)board;
    return OK;
}

static int none_device_add(const struct board *board, const char *path, struct iommu_device *device) {
    (void)board;
    (void)path;
    (void)device;
    return ERR_UNSUPPORTED;
}

static int none_domain_create(struct iommu_domain *domain, struct vm *vm) {
    (void)domain;
    (void)vm;
    return ERR_UNSUPPORTED;
}

static int none_map(struct iommu_domain *domain, gpa_t gpa, paddr_t pa, uint64_t size, unsigned access) {
    (void)domain;
    (void)gpa;
    (void)pa;
    (void)size;
    (void)access;
    return ERR_UNSUPPORTED;
}

static int none_unmap(struct iommu_domain *domain, gpa_t gpa, uint64_t size) {
    (void)domain;
    (void)gpa;
    (void)size;
    return ERR_UNSUPPORTED;
}

static int none_attach(struct iommu_domain *domain, struct iommu_device *device) {
    (void)domain;
    (void)device;
    return ERR_UNSUPPORTED;
}

static int none_detach(struct iommu_device *device) {
    (void)device;
    return ERR_UNSUPPORTED;
}

static int none_interrupt_map(struct iommu_device *device, uint32_t message, unsigned irq) {
    (void)device;
    (void)message;
    (void)irq;
    return ERR_UNSUPPORTED;
}

static int none_interrupt_unmap(struct iommu_device *device, uint32_t message) {
    (void)device;
    (void)message;
    return ERR_UNSUPPORTED;
}

const struct iommu_ops iommu_none = {
    .name = "none",
    .init = none_init,
    .device_add = none_device_add,
    .domain_create = none_domain_create,
    .map = none_map,
    .unmap = none_unmap,
    .attach = none_attach,
    .detach = none_detach,
    .interrupt_map = none_interrupt_map,
    .interrupt_unmap = none_interrupt_unmap,
};
