// SPDX-License-Identifier: Apache-2.0
// Decoding of data aborts: DDI 0487, ESR_EL2, "ISS encoding for an exception from a Data Abort".
#include "arch/arm64/mmio_trap.h"

#include <hardware.h>

#include "arch/arm64/inject.h"
#include "kernel/log.h"
#include "kernel/vm.h"

#define ESR_IL          BIT(25)
#define ESR_ISV         BIT(24) // the fields below are valid
#define ESR_SAS_SHIFT   22      // access size, log2
#define ESR_SSE         BIT(21) // sign-extend
#define ESR_SRT_SHIFT   16      // register
#define ESR_SF          BIT(15) // it is 64 bits wide
#define ESR_FNV         BIT(10) // FAR_EL2 is not valid
#define ESR_EA          BIT(9)
#define ESR_S1PTW       BIT(7)  // of a stage 1 table walk
#define ESR_WNR         BIT(6)  // write
#define FSC_KIND        0x3cull // without the level
#define FSC_TRANSLATION 0x04ull
#define FSC_GROUP       0x30ull
#define FSC_EXTERNAL    0x10ull // 0x10..0x17 external, 0x18..0x1f parity or ECC

enum { REG_ZERO = 31, HPFAR_FIPA_SHIFT = 4 };

// The faulting guest-physical address. HPFAR_EL2 has its page, for translation faults and faults on table walks only.
static gpa_t fault_address(void) {
    return hardware_read(hpfar_el2) >> HPFAR_FIPA_SHIFT << PAGE_SHIFT | (hardware_read(far_el2) & PAGE_MASK);
}

static bool is_external(uint64_t esr) { return (esr & ESR_EA) != 0 || (esr & FSC_GROUP) == FSC_EXTERNAL; }

// A guest that goes where its machine has nothing has lost its way: its end is where that shows, and what its restart
// policy is for. A table walk that does, or what a device does not answer, is for the guest to handle.
static bool leads_nowhere(struct vm *vm, uint64_t esr) {
    return (esr & (ESR_S1PTW | FSC_KIND)) == FSC_TRANSLATION && mmio_find(&vm->mmio, fault_address(), 1) == NULL;
}

// What an access leads to that no emulated device does.
static void refuse(struct vcpu *vcpu, uint64_t esr, bool instruction) {
    struct vm *vm = vcpu->vm;
    uint64_t far = (esr & ESR_FNV) != 0 ? 0 : hardware_read(far_el2);
    unsigned long long pc = vcpu->arch.regs.elr;

    vcpu->stats.exits[EXIT_ABORT] += instruction ? 0 : 1;
    if (is_external(esr)) {
        vm_end(vm, VM_END_FAULT, "VCPU %u: external abort at PC 0x%llx, address 0x%llx", vcpu->index, pc,
               (unsigned long long)far);
        return;
    }
    if (leads_nowhere(vm, esr)) {
        vm_end(vm, VM_END_FAULT, "VCPU %u: %s 0x%llx at PC 0x%llx, where its machine has nothing", vcpu->index,
               instruction ? "fetch from" : "access to", (unsigned long long)fault_address(), pc);
        return;
    }
    if (!__atomic_exchange_n(&vm->arch.trap_log.abort, true, __ATOMIC_RELAXED)) {
        log_line("%s: VCPU %u: %s 0x%llx (PC 0x%llx) is not allowed; it gets an external abort, "
                 "and further ones without a line",
                 vm->name, vcpu->index, instruction ? "fetch from" : "access to",
                 (unsigned long long)((esr & FSC_KIND) == FSC_TRANSLATION ? fault_address() : far), pc);
    }
    inject_abort(vcpu, far, instruction);
}

static uint64_t extended(uint64_t value, unsigned size, uint64_t esr) {
    unsigned unused = 64 - 8 * size;

    if ((esr & ESR_SSE) == 0) { return value << unused >> unused; }
    value = (uint64_t)((int64_t)(value << unused) >> unused);
    return (esr & ESR_SF) != 0 ? value : (uint32_t)value;
}

// A device is tried first where one with such an address was found before. The bits are those in which the devices of a
// board differ: its map gives them 64 KiB to 16 MiB each.
static const struct mmio_region *find_region(struct vcpu *vcpu, gpa_t gpa, unsigned size) {
    const struct mmio_region **found =
        &vcpu->arch.mmio_found[(gpa >> 17 ^ gpa >> 24) % ARRAY_SIZE(vcpu->arch.mmio_found)];

    if (unlikely(*found == NULL || gpa - (*found)->base >= (*found)->size)) {
        *found = mmio_find(&vcpu->vm->mmio, gpa, size);
    }
    return *found;
}

void mmio_trap(struct vcpu *vcpu, uint64_t esr) {
    struct regs *regs = &vcpu->arch.regs;
    const unsigned reg = esr >> ESR_SRT_SHIFT & REG_ZERO;
    const unsigned size = 1u << (esr >> ESR_SAS_SHIFT & 3);
    const bool write = (esr & ESR_WNR) != 0;

    if (unlikely((esr & (ESR_ISV | ESR_EA | ESR_S1PTW | FSC_KIND)) != (ESR_ISV | FSC_TRANSLATION))) {
        refuse(vcpu, esr, false);
        return;
    }
    const gpa_t gpa = fault_address();
    const struct mmio_region *region = find_region(vcpu, gpa, size);
    if (unlikely(region == NULL || (gpa & (size - 1)) != 0)) {
        refuse(vcpu, esr, false);
        return;
    }
    struct mmio_access access = {.offset = gpa - region->base, .size = (uint8_t)size, .write = write};
    if (write && reg != REG_ZERO) { access.value = extended(regs->x[reg], size, 0); }
    int status = region->handler(vcpu, region->device, &access);
    if (unlikely(status != OK)) {
        if (status != ERR_BUSY) { refuse(vcpu, esr, false); }
        return;
    }
    if (!write && reg != REG_ZERO) { regs->x[reg] = extended(access.value, size, esr); }
    regs->elr += (esr & ESR_IL) != 0 ? 4 : 2; // AArch32 code at EL0 has 16-bit instructions
}

void mmio_fetch_trap(struct vcpu *vcpu, uint64_t esr) { refuse(vcpu, esr, true); }
