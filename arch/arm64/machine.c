// SPDX-License-Identifier: Apache-2.0
// The arm64 parts of the machine and of a VM, put together from the files that make them.
#include "arch/arm64/gic.h"
#include "arch/arm64/psci.h"
#include "arch/arm64/smccc.h"
#include "arch/arm64/stage2.h"
#include "arch/arm64/trap.h"
#include "kernel/arch.h"
#include "kernel/guest_platform.h"

#define MPIDR_AFFINITY 0xff00ffffffull

int arch_init(const struct board *board) {
    int status = smccc_init(board->fdt);

    if (status == OK) { status = gic_init(board->fdt); }
    if (status == OK) { irq_init(); }
    return status;
}

uint64_t arch_hwid(void) { return read_sysreg(mpidr_el1) & MPIDR_AFFINITY; }

int arch_vm_init(struct vm *vm) {
    int status = stage2_init(vm);

    if (status == OK) { status = stolen_time_init(vm); }
    return status == OK ? vgic_vm_init(vm) : status;
}

void arch_vm_reset(struct vm *vm) {
    vm->arch.cntvoff = arch_clock();
    stage2_flush(vm);
    vgic_vm_reset(vm);
}

const struct guest_platform *arch_guest_platform(UNUSED const struct board *board) { return &virt_platform; }
