// SPDX-License-Identifier: Apache-2.0
// The x86 parts of the machine and of a VM, put together from the files that make them.
#include "arch/x86/exits.h"
#include "arch/x86/guest_acpi.h"
#include "arch/x86/guest_start.h"
#include "arch/x86/hardware.h"
#include "arch/x86/host_ioapic.h"
#include "arch/x86/interrupts.h"
#include "arch/x86/machine.h"
#include "arch/x86/vcpu.h"
#include "arch/x86/virt.h"
#include "kernel/arch.h"
#include "kernel/guest_mem.h"
#include "kernel/guest_platform.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/pagetable.h"
#include "kernel/string.h"

enum { NESTED_BITS = 48, VIOAPIC_INPUTS = 24, LEAST_PERIOD_US = 20 };
#define NS_PER_S 1000000000ull

const struct virt_ops *virt;

// ---- the machine ------------------------------------------------------------------------------------------

static COLD int choose_virt(void) {
    static const struct virt_ops *const kinds[] = {&svm_ops, &vmx_ops};

    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        int status = kinds[i]->machine_init();
        if (status == OK) { virt = kinds[i]; }
        if (status != ERR_NOT_FOUND) { return status; }
    }
    log_line("this processor has neither SVM nor VMX; take another one (QEMU: -cpu max, EPYC)");
    return ERR_UNSUPPORTED;
}

// What of the processor's state is saved and switched for guests: all components that the machine has and a guest may.
static COLD int fpu_init(void) {
    const uint64_t wanted = XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512 | XCR0_PKRU;
    struct cpuid features = read_cpuid(CPUID_XSAVE, 0);

    if ((read_cpuid(CPUID_FEATURES, 0).ecx & CPUID_1_ECX_XSAVE) == 0) {
        log_line("this processor has no XSAVE; take another one");
        return ERR_UNSUPPORTED;
    }
    machine.xcr0 = ((uint64_t)features.edx << 32 | features.eax) & wanted;
    if ((machine.xcr0 & XCR0_AVX512) != XCR0_AVX512) { machine.xcr0 &= ~XCR0_AVX512; }
    machine.tsc_aux = (read_cpuid(CPUID_EXT_FEATURES, 0).edx & CPUID_EXT_EDX_RDTSCP) != 0;
    machine.xsave_size = features.ecx; // of all that the machine has: enough
    return OK;
}

COLD int arch_init(UNUSED const struct board *board) {
    int status = host_ioapic_init();

    if (status == OK) { status = fpu_init(); }
    return status == OK ? choose_virt() : status;
}

// Nothing of ours is a user's page: what is one is neither executed nor read.
static COLD uint64_t protections(void) {
    uint32_t features = read_cpuid(0, 0).eax >= CPUID_EXTENDED ? read_cpuid(CPUID_EXTENDED, 0).ebx : 0;

    return ((features & CPUID_7_EBX_SMEP) != 0 ? CR4_SMEP : 0) | ((features & CPUID_7_EBX_SMAP) != 0 ? CR4_SMAP : 0);
}

COLD int virt_pages(struct cpu *cpu) {
    cpu->arch.virt_page = memory_alloc_pages(1);
    cpu->arch.virt_state = memory_alloc_pages(1);
    return cpu->arch.virt_page != NULL && cpu->arch.virt_state != NULL ? OK : ERR_NO_MEMORY;
}

COLD void arch_cpu_init(struct cpu *cpu) {
    struct frame *frame = (struct frame *)cpu->thread_stack - 1;

    interrupts_set_stacks(cpu);
    *frame = (struct frame){
        .rip = (uint64_t)job_loop,
        .cs = SELECTOR_CODE,
        .rflags = RFLAGS_RES1 | RFLAGS_IF,
        .rsp = (uint64_t)cpu->thread_stack - sizeof(uint64_t), // as after a call
        .ss = SELECTOR_DATA,
    };
    cpu->arch.thread_sp = (uint64_t)frame;
    write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | protections());
    if ((cpu == &boot_cpu && virt_pages(cpu) != OK) || virt->cpu_init(cpu) != OK) {
        panic("core %u: %s cannot be switched on", cpu->id, virt->name);
    }
}

// ---- a VM -------------------------------------------------------------------------------------------------

static void machine_cpuid(UNUSED void *context, uint32_t leaf, uint32_t subleaf, struct cpuid_result *result) {
    struct cpuid r = read_cpuid(leaf, subleaf);

    *result = (struct cpuid_result){r.eax, r.ebx, r.ecx, r.edx};
}

static int lapic_mmio(struct vcpu *vcpu, UNUSED void *device, struct mmio_access *access) {
    struct vlapic *lapic = &vcpu->arch.vlapic;
    unsigned offset = (unsigned)access->offset;
    int status = access->write ? vlapic_mmio_write(lapic, offset, access->size, access->value)
                               : vlapic_mmio_read(lapic, offset, access->size, &access->value);

    if (status != OK && !access->write) { access->value = UINT64_MAX; } // in x2APIC mode the page is nobody's
    return OK;
}

static int ioapic_mmio(UNUSED struct vcpu *vcpu, void *device, struct mmio_access *access) {
    unsigned offset = (unsigned)access->offset;

    return access->write ? vioapic_mmio_write(device, offset, access->size, access->value)
                         : vioapic_mmio_read(device, offset, access->size, &access->value);
}

static void ioapic_deliver(void *context, const struct vlapic_message *message) {
    struct vm *vm = context;

    vlapic_deliver(vm->arch.vlapics, vm->vcpu_count, NULL, message);
}

static const struct vioapic_ops ioapic_ops = {.deliver = ioapic_deliver};

static uint64_t ports_now(UNUSED void *context) { return arch_clock(); }

static uint64_t ports_seconds(UNUSED void *context) {
    return clock_ticks_to_ns_down(&clock_rate, arch_clock()) / NS_PER_S;
}

static COLD void ports_reset(void *context) { vm_end(context, VM_END_RESET, "the guest reset itself"); }

static COLD void ports_off(void *context) { vm_end(context, VM_END_OFF, "the guest powered itself off"); }

static const struct pc_ports_ops ports_ops = {
    .now = ports_now,
    .seconds = ports_seconds,
    .reset = ports_reset,
    .off = ports_off,
};

static COLD int init_vcpu(struct vm *vm, struct vcpu *vcpu) {
    struct arch_vcpu *arch = &vcpu->arch;

    arch->fpu = memory_alloc(machine.xsave_size); // aligned to a cache line, as XSAVE wants it
    if (arch->fpu == NULL) { return ERR_NO_MEMORY; }
    arch->cpuid.apic_id = vcpu->index;
    vm->arch.vlapics[vcpu->index] = &arch->vlapic;
    pv_init(&arch->pv, &vm->arch.pv, &vcpu_pv_ops, vcpu);
    msr_init(&arch->msr, &vm->arch.cpuid, &arch->pv, &vcpu_msr_ops, vcpu);
    return vlapic_init(&arch->vlapic, vcpu->index, vcpu->index == 0, &vm->arch.vlapic_config, &vcpu_lapic_ops, vcpu);
}

static COLD int add_devices(struct vm *vm) {
    const struct mmio_region lapic = {APIC_DEFAULT_BASE, PAGE_SIZE, lapic_mmio, NULL};
    const struct mmio_region ioapic = {GUEST_IO_APIC, PAGE_SIZE, ioapic_mmio, &vm->arch.vioapic};
    int status = mmio_add(&vm->mmio, &lapic);

    if (status == OK) { status = mmio_add(&vm->mmio, &ioapic); }
    if (status == OK) { status = vioapic_init(&vm->arch.vioapic, VIOAPIC_INPUTS, 0, &ioapic_ops, vm); }
    return status == OK ? pc_ports_init(&vm->arch.ports, clock_rate.hz, &ports_ops, vm) : status;
}

COLD int arch_vm_init(struct vm *vm) {
    const struct cpuid_config config = {
        .machine = machine_cpuid,
        .tsc_hz = clock_rate.hz,
        .apic_hz = clock_rate.hz >> VLAPIC_CLOCK_SHIFT,
        .xcr0 = machine.xcr0,
        .vcpus = vm->vcpu_count,
    };
    int status = cpuid_policy_init(&vm->arch.cpuid, &config);

    vm->arch.vlapic_config = (struct vlapic_config){
        .least_period = clock_ns_to_ticks_up(&clock_rate, LEAST_PERIOD_US * 1000ull),
    };
    if (status == OK) { status = pv_config_init(&vm->arch.pv, clock_rate.hz); }
    vm->arch.nested = memory_alloc_pages(1);
    if (vm->arch.nested == NULL) { return ERR_NO_MEMORY; }
    vm->arch.nested_pa = memory_pa(vm->arch.nested);
    if (status == OK) { status = add_devices(vm); }
    for (unsigned i = 0; i < vm->vcpu_count && status == OK; i++) { status = init_vcpu(vm, vm->vcpus[i]); }
    return status == OK ? virt->vm_init(vm) : status;
}

void arch_vm_reset(struct vm *vm) {
    vm->arch.tsc_offset = -arch_clock();
    vioapic_reset(&vm->arch.vioapic);
    pc_ports_reset(&vm->arch.ports);
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        vlapic_set_tsc_offset(&vm->vcpus[i]->arch.vlapic, vm->arch.tsc_offset);
    }
    memset(vm->arch.resident, 0, sizeof(vm->arch.resident)); // see vm_init of virt.h
}

int arch_vm_map(struct vm *vm, gpa_t gpa, paddr_t pa, uint64_t size, enum stage2_kind kind) {
    const struct pagetable tables = {.format = virt->nested_format, .root = vm->arch.nested, .bits = NESTED_BITS};

    return pagetable_map(&tables, gpa, pa, size, virt->nested_leaves[kind]);
}

void arch_vm_set_line(struct vm *vm, unsigned id, bool level) { vioapic_set_line(&vm->arch.vioapic, id, level); }

int arch_vm_add_ports(struct vm *vm, uint16_t first, uint16_t count, const struct port_ops *ops, void *device) {
    return pc_ports_add(&vm->arch.ports, first, count, ops, device);
}

// Caches are coherent with what guests read and fetch.
void arch_cache_publish(UNUSED const void *address, UNUSED uint64_t size) {}

// ---- assigned interrupts: no device has one that is not behind an IOMMU unit ---------------------------------

int arch_irq_assign(UNUSED unsigned irq, UNUSED struct vcpu *vcpu, UNUSED bool edge, UNUSED uint64_t distance) {
    return ERR_UNSUPPORTED;
}

void arch_irq_switch(UNUSED unsigned irq, UNUSED bool on) {}

// ---- what a guest is told of its machine ---------------------------------------------------------------------

const struct guest_platform *arch_guest_platform(UNUSED const struct board *board) { return &pc_platform; }

int arch_guest_describe(struct vm *vm, void *buffer, size_t size) {
    int status = size < GUEST_START_SIZE ? ERR_NO_MEMORY : OK;

    if (status == OK && vm->desc->type != IMAGE_RAW) {
        status = guest_write(vm, GUEST_RESET_GPA, guest_reset_code, sizeof(guest_reset_code));
    }
    return status == OK ? (int)guest_start_build(vm->desc, buffer, &vm->arch.start) : status;
}
