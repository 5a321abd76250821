// SPDX-License-Identifier: Apache-2.0
// The machine's side of VMX: Intel SDM volume 3, 24.6 to 24.8 (enabling), 25.6.9 (MSR bitmap), 29.3 and 29.4 (EPT; what is
// cached, by VPID), appendix A (capabilities).
#include "arch/x86/vmx/vmx.h"

#include "arch/x86/hardware.h"
#include "kernel/arch.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/pagetable.h"
#include "kernel/string.h"

enum { MSR_BITMAP_RANGE = 0x400, MSR_BITMAP_WRITES = 0x800, MSR_BITMAP_MSRS = 0x2000 };

struct vmx_machine vmx_machine;

// Allowed are the 1s of an MSR's upper half, and obligatory those of its lower half.
static const struct {
    uint32_t msr, wanted, liked;
    const char *name;
} controls[VMX_CONTROLS] = {
    [VMX_PIN] = {MSR_VMX_TRUE_PINBASED_CTLS, PIN_INTERRUPTS | PIN_NMIS | PIN_VIRTUAL_NMIS | PIN_PREEMPTION_TIMER, 0,
                 "pin-based"},
    [VMX_PRIMARY] = {MSR_VMX_TRUE_PROCBASED_CTLS,
                     PRIMARY_TSC_OFFSET | PRIMARY_HLT | PRIMARY_MWAIT | PRIMARY_RDPMC | PRIMARY_CR8_LOAD |
                         PRIMARY_CR8_STORE | PRIMARY_IO | PRIMARY_MSR_BITMAP | PRIMARY_MONITOR | PRIMARY_SECONDARY,
                     0, "processor-based"},
    [VMX_SECONDARY] = {MSR_VMX_PROCBASED_CTLS2, SECONDARY_EPT | SECONDARY_UNRESTRICTED,
                       SECONDARY_VPID | SECONDARY_RDTSCP | SECONDARY_INVPCID | SECONDARY_WBINVD, "secondary"},
    [VMX_EXIT] = {MSR_VMX_TRUE_EXIT_CTLS,
                  EXIT_SAVE_DEBUG | EXIT_HOST_64 | EXIT_ACKNOWLEDGE | EXIT_LOAD_PAT | EXIT_SAVE_EFER | EXIT_LOAD_EFER,
                  0, "exit"},
    [VMX_ENTRY] = {MSR_VMX_TRUE_ENTRY_CTLS, ENTRY_LOAD_DEBUG | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER, 0, "entry"},
};

const struct pagetable_format vmx_format = {
    .table = EPT_READ | EPT_WRITE | EPT_EXECUTE,
    .block = EPT_READ | EPT_BLOCK,
    .page = EPT_READ,
    .distinction = EPT_BLOCK,
    .block_level = 2, // not every processor has blocks of 1 GiB
};

// The guest's own PAT is combined with the type.
const uint64_t vmx_leaves[] = {
    [STAGE2_RAM] = EPT_WRITE | EPT_EXECUTE | MEMORY_WB << EPT_TYPE_SHIFT,
    [STAGE2_DEVICE] = EPT_WRITE | MEMORY_UC << EPT_TYPE_SHIFT,
    [STAGE2_SHARED] = MEMORY_WB << EPT_TYPE_SHIFT,
};

// ---- what this machine has --------------------------------------------------------------------------------

static COLD int choose_controls(void) {
    for (unsigned i = 0; i < VMX_CONTROLS; i++) {
        uint64_t capability = read_msr(controls[i].msr);
        uint32_t allowed = (uint32_t)(capability >> 32), missing = controls[i].wanted & ~allowed;
        if (missing != 0) {
            log_line("VMX: of the %s controls this processor lacks 0x%x; take another one (Bochs: corei7_skylake_x)",
                     controls[i].name, missing);
            return ERR_UNSUPPORTED;
        }
        vmx_machine.controls[i] = controls[i].wanted | (controls[i].liked & allowed) | (uint32_t)capability;
    }
    return OK;
}

static COLD int choose_translation(void) {
    const uint64_t wanted = EPT_CAP_WALK4 | EPT_CAP_WB | EPT_CAP_2M | EPT_CAP_INVEPT | EPT_CAP_INVEPT_SINGLE;
    uint64_t capability = read_msr(MSR_VMX_EPT_VPID_CAP);

    if ((capability & wanted) != wanted) {
        log_line("VMX: of EPT this processor lacks 0x%lx; take another one", wanted & ~capability);
        return ERR_UNSUPPORTED;
    }
    if ((capability & EPT_CAP_INVVPID) == 0 || (capability & EPT_CAP_INVVPID_SINGLE) == 0) {
        vmx_machine.controls[VMX_SECONDARY] &= ~SECONDARY_VPID;
    }
    return OK;
}

// One bit for each MSR of two ranges, for reads and again for writes: 1 exits.
static COLD int make_msr_bitmap(void) {
    uint8_t *map = memory_alloc_pages(1);

    if (map == NULL) { return ERR_NO_MEMORY; }
    memset(map, 0xff, PAGE_SIZE);
    for (unsigned i = 0; i < MSR_DIRECT; i++) {
        uint32_t n = msr_direct[i] % MSR_BITMAP_MSRS, high = msr_direct[i] < MSR_BITMAP_MSRS ? 0 : MSR_BITMAP_RANGE;
        map[high + n / 8] &= (uint8_t)~(1u << n % 8);
        map[high + n / 8 + MSR_BITMAP_WRITES] &= (uint8_t)~(1u << n % 8);
    }
    vmx_machine.msr_bitmap = memory_pa(map);
    return OK;
}

COLD int vmx_machine_init(void) {
    if ((read_cpuid(CPUID_FEATURES, 0).ecx & CPUID_1_ECX_VMX) == 0) { return ERR_NOT_FOUND; }
    uint64_t feature = read_msr(MSR_FEATURE_CONTROL), basic = read_msr(MSR_VMX_BASIC);
    if ((feature & FEATURE_CONTROL_LOCKED) != 0 && (feature & FEATURE_CONTROL_VMX) == 0) {
        log_line("VMX: switched off by the firmware; switch it on in its set-up");
        return ERR_UNSUPPORTED;
    }
    if ((basic & VMX_BASIC_TRUE) == 0) {
        log_line("VMX: this processor is of its first generation, without unrestricted guests; take another one");
        return ERR_UNSUPPORTED;
    }
    vmx_machine.revision = (uint32_t)basic & VMX_BASIC_REVISION;
    vmx_machine.timer_shift = read_msr(MSR_VMX_MISC) & VMX_MISC_TIMER;
    int status = choose_controls();
    if (status == OK) { status = choose_translation(); }
    return status == OK ? make_msr_bitmap() : status;
}

COLD int vmx_cpu_init(struct cpu *cpu) {
    paddr_t region = memory_pa(cpu->arch.virt_page);
    uint64_t feature = read_msr(MSR_FEATURE_CONTROL);
    bool failed;

    if ((feature & FEATURE_CONTROL_LOCKED) == 0) {
        write_msr(MSR_FEATURE_CONTROL, feature | FEATURE_CONTROL_LOCKED | FEATURE_CONTROL_VMX);
    }
    *(uint32_t *)cpu->arch.virt_page = vmx_machine.revision;
    write_cr4(read_cr4() | CR4_VMXE);
    __asm__ volatile("vmxon %1" : "=@ccbe"(failed) : "m"(region) : "memory");
    return failed ? ERR_UNSUPPORTED : OK;
}

// ---- a VM -------------------------------------------------------------------------------------------------

COLD int vmx_vm_init(struct vm *vm) {
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        struct arch_vcpu *arch = &vm->vcpus[i]->arch;
        uint32_t *vmcs = memory_alloc_pages(1);
        arch->control = memory_alloc(sizeof(struct vmx_vcpu));
        if (vmcs == NULL || arch->control == NULL) { return ERR_NO_MEMORY; }
        *vmcs = vmx_machine.revision;
        arch->control_pa = memory_pa(vmcs);
    }
    return OK;
}
