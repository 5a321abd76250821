// SPDX-License-Identifier: Apache-2.0
// The machine's side of SVM: AMD APM volume 2, 15.4 (enabling), 15.10, 15.11 (permission maps), 15.16 (ASIDs).
#include "arch/x86/svm/svm.h"
#include "arch/x86/hardware.h"
#include "arch/x86/mmu.h"
#include "kernel/arch.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/string.h"

enum { IOPM_PAGES = 4, MSRPM_PAGES = 2, MSRPM_RANGE = 0x800, MSRPM_BITS = 2, MSRPM_MSRS = 0x2000 };

struct svm_machine svm_machine;

const uint64_t svm_leaves[] = {
    [STAGE2_RAM] = PTE_USER | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY,
    [STAGE2_DEVICE] = PTE_USER | PTE_WRITE | PTE_PCD | PTE_PWT | PTE_ACCESSED | PTE_DIRTY | BIT(63),
    [STAGE2_SHARED] = PTE_USER | PTE_ACCESSED | PTE_DIRTY | BIT(63),
};

// Two bits, read and write, for each MSR of three ranges (15.11).
static void pass_msr(uint8_t *map, uint32_t msr) {
    static const uint32_t ranges[] = {0, 0xc0000000, 0xc0010000};

    for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++) {
        uint32_t n = msr - ranges[i];
        if (n < MSRPM_MSRS) { map[i * MSRPM_RANGE + n * MSRPM_BITS / 8] &= (uint8_t)~(3u << n * MSRPM_BITS % 8); }
    }
}

COLD int svm_machine_init(void) {
    struct cpuid features;
    uint8_t *iopm, *msrpm;

    if (read_cpuid(CPUID_EXT_MAX, 0).eax < CPUID_SVM ||
        (read_cpuid(CPUID_EXT_FEATURES, 0).ecx & CPUID_EXT_ECX_SVM) == 0) {
        return ERR_NOT_FOUND;
    }
    if ((read_msr(MSR_VM_CR) & VM_CR_SVMDIS) != 0) {
        log_line("SVM: switched off by the firmware; switch it on in its set-up");
        return ERR_UNSUPPORTED;
    }
    features = read_cpuid(CPUID_SVM, 0);
    if ((features.edx & CPUID_SVM_EDX_NPT) == 0) {
        log_line("SVM: this processor has no nested paging; take another one (QEMU: -cpu max, EPYC)");
        return ERR_UNSUPPORTED;
    }
    svm_machine.asids = MAX(features.ebx, 2u) - 1; // 0 is the hypervisor's
    svm_machine.next_rip = (features.edx & CPUID_SVM_EDX_NRIPS) != 0;
    svm_machine.flush = (features.edx & CPUID_SVM_EDX_FLUSH_ASID) != 0 ? SVM_FLUSH_ASID : SVM_FLUSH_ALL;
    iopm = memory_alloc_pages(IOPM_PAGES);
    msrpm = memory_alloc_pages(MSRPM_PAGES);
    if (iopm == NULL || msrpm == NULL) { return ERR_NO_MEMORY; }
    memset(iopm, 0xff, IOPM_PAGES * PAGE_SIZE);
    memset(msrpm, 0xff, MSRPM_PAGES * PAGE_SIZE);
    for (unsigned i = 0; i < MSR_DIRECT; i++) { pass_msr(msrpm, msr_direct[i]); }
    svm_machine.iopm = memory_pa(iopm);
    svm_machine.msrpm = memory_pa(msrpm);
    return OK;
}

COLD int svm_cpu_init(struct cpu *cpu) {
    struct arch_cpu *arch = &cpu->arch;

    write_msr(MSR_EFER, read_msr(MSR_EFER) | EFER_SVME);
    write_msr(MSR_VM_HSAVE_PA, memory_pa(arch->virt_page));
    arch->virt_state_pa = memory_pa(arch->virt_state);
    __asm__ volatile("vmsave %0" ::"a"(arch->virt_state_pa) : "memory");
    return OK;
}

COLD int svm_vm_init(struct vm *vm) {
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        struct arch_vcpu *arch = &vm->vcpus[i]->arch;
        arch->control = memory_alloc_pages(1);
        if (arch->control == NULL) { return ERR_NO_MEMORY; }
        arch->control_pa = memory_pa(arch->control);
    }
    return OK;
}
