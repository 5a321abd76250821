// SPDX-License-Identifier: Apache-2.0
// A guest's exits: a table by kind. A guest's mistake becomes an exception in the guest, or ends its VM.
#include "arch/x86/exits.h"

#include "arch/x86/control_regs.h"
#include "arch/x86/guest_ram.h"
#include "arch/x86/hardware.h"
#include "arch/x86/interrupts.h"
#include "kernel/arch.h"
#include "kernel/guest_mem.h"
#include "kernel/hypercall.h"
#include "kernel/log.h"
#include "takt/hypercall.h"

// ---- what handlers do -------------------------------------------------------------------------------------

static void inject_exception(struct vcpu *vcpu, unsigned vector, bool has_error, uint32_t error) {
    const struct event event = {EVENT_EXCEPTION, (uint8_t)vector, has_error, error};

    virt->inject(vcpu, &event);
}

static COLD void inject_undefined(struct vcpu *vcpu) { inject_exception(vcpu, EXCEPTION_UD, false, 0); }

static COLD void inject_refused(struct vcpu *vcpu) { inject_exception(vcpu, EXCEPTION_GP, true, 0); }

static COLD void end_vm(struct vcpu *vcpu, const struct vm_exit *exit, const char *what) {
    if (vm_end(vcpu->vm, VM_END_FAULT, "VCPU %u: %s at RIP 0x%lx (%s exit 0x%lx, 0x%lx, 0x%lx)", vcpu->index, what,
               vcpu->arch.rip, virt->name, exit->reason, exit->info1, exit->info2)) {
        log_line("%s: VCPU %u:", vcpu->vm->name, vcpu->index);
        virt->dump(vcpu);
    }
}

// What a failed emulation means for the guest. An exception in real mode has no error code.
static COLD void refuse(struct vcpu *vcpu, const struct vm_exit *exit, const struct guest_state_view *view,
                        enum emulate_outcome outcome, const struct emulate_result *result) {
    char bytes[3 * DECODE_MAX_LENGTH + 1] = "";

    if (outcome == EMULATE_FAULT) {
        if (result->vector == EXCEPTION_PF) { virt->set_cr2(vcpu, result->address); }
        inject_exception(vcpu, result->vector, result->vector != EXCEPTION_UD && (view->paging.cr0 & CR0_PE) != 0,
                         result->error);
    } else if (outcome == EMULATE_UNKNOWN) {
        for (unsigned i = 0; i < result->count; i++) {
            format_string(bytes + 3 * i, sizeof(bytes) - 3 * i, " %02x", result->bytes[i]);
        }
        end_vm(vcpu, exit, result->reason);
        log_line("  instruction%s", bytes);
    }
}

// WBNOINVD is what processors without it take for a WBINVD with a prefix, and exits as that.
static bool is_expected(unsigned operation, unsigned expected) {
    return operation == expected || (expected == OP_WBINVD && operation == OP_WBNOINVD);
}

static COLD bool read_length(struct vcpu *vcpu, const struct vm_exit *exit, struct known_length *known) {
    struct guest_state_view view;
    struct emulate_result result;
    struct decoded d;

    virt->view(vcpu, &view);
    enum emulate_outcome outcome = emulate_decode(&view, &guest_emulation, vcpu, &d, &result);
    if (outcome != EMULATE_DONE) {
        refuse(vcpu, exit, &view, outcome, &result);
        return false;
    }
    if (!is_expected(d.operation, exit->operation)) { return false; } // another one by now: it traps again, or does not
    *known = (struct known_length){vcpu->arch.rip, exit->place, exit->operation, d.length};
    return true;
}

// How long an intercepted instruction is where the machine does not say. It is read from the guest once for each place:
// an instruction of the same kind that comes to stand at the same place, with another number of redundant prefixes, would
// be taken for the old one; only that guest would notice.
static inline __attribute__((always_inline)) bool find_length(struct vcpu *vcpu, const struct vm_exit *exit,
                                                              unsigned *length) {
    struct known_length *known = &vcpu->arch.lengths[vcpu->arch.rip % ARRAY_SIZE(vcpu->arch.lengths)];

    if (unlikely(known->rip != vcpu->arch.rip || known->cr3 != exit->place || known->operation != exit->operation) &&
        !read_length(vcpu, exit, known)) {
        return false;
    }
    *length = known->length;
    return true;
}

// Before the instruction is done on the guest's behalf; false: it is another one by now, and nothing must be done.
static inline __attribute__((always_inline)) bool skip_prepare(struct vcpu *vcpu, const struct vm_exit *exit,
                                                               unsigned *length) {
    *length = exit->length;
    return *length != 0 || find_length(vcpu, exit, length);
}

static inline __attribute__((always_inline)) void skip(struct vcpu *vcpu, unsigned length) {
    vcpu->arch.rip += length; // in 64-bit mode; elsewhere RIP has 32 bits, and what carries beyond is the guest's bug
    vcpu->arch.rflags &= ~RFLAGS_RF;
    if (unlikely(vcpu->arch.shadowed)) { virt->end_shadow(vcpu); }
    if (unlikely((vcpu->arch.rflags & RFLAGS_TF) != 0)) { inject_exception(vcpu, EXCEPTION_DB, false, 0); }
}

// ---- memory -----------------------------------------------------------------------------------------------

// What is nobody's reads as all ones and ignores writes, as on a PC; so does what devices do not know.
static int emulate_access(void *context, gpa_t gpa, unsigned size, bool write, uint64_t *value) {
    struct vcpu *vcpu = context;
    struct mmio_access access = {.value = *value, .size = (uint8_t)size, .write = write};
    const struct mmio_region *region = mmio_find(&vcpu->vm->mmio, gpa, size);

    if (unlikely(region == NULL || gpa % size != 0)) {
        if (!write) { *value = UINT64_MAX; }
        return OK;
    }
    access.offset = gpa - region->base;
    int status = region->handler(vcpu, region->device, &access);
    *value = access.value;
    return status;
}

static int emulate_port(void *context, uint16_t port, unsigned size, bool write, uint64_t *value) {
    struct vcpu *vcpu = context;
    struct pc_ports *ports = &vcpu->vm->arch.ports;

    if (write) { return pc_ports_write(ports, port, size, (uint32_t)*value); }
    *value = pc_ports_read(ports, port, size);
    return OK;
}

const struct emulate_ops guest_emulation = {
    .memory = {.read = guest_ram_read, .write = guest_ram_write, .compare_exchange = guest_ram_compare_exchange},
    .mmio = emulate_access,
    .port = emulate_port,
};

static void exit_nested(struct vcpu *vcpu, const struct vm_exit *exit) {
    struct guest_state_view view;
    struct emulate_result result;
    gpa_t gpa = exit->nested.gpa;

    vcpu->stats.exits[EXIT_MMIO]++;
    if (unlikely(exit->nested.table || exit->nested.fetch)) {
        end_vm(vcpu, exit,
               exit->nested.fetch ? "code where there is no memory" : "page tables where there is no memory");
        return;
    }
    if (unlikely(guest_is_ram(vcpu->vm, gpa, 1))) { return; } // mapped by now, or stale: the guest does it again
    virt->view(vcpu, &view);
    enum emulate_outcome outcome = emulate_mmio(&view, &guest_emulation, vcpu, gpa, exit->nested.write, &result);
    if (likely(outcome == EMULATE_DONE)) {
        vcpu->arch.rip = view.rip;
        vcpu->arch.rflags = view.rflags;
        virt->end_shadow(vcpu);
        if (unlikely((view.rflags & RFLAGS_TF) != 0)) { inject_exception(vcpu, EXCEPTION_DB, false, 0); }
    } else {
        refuse(vcpu, exit, &view, outcome, &result);
    }
}

// ---- instructions -----------------------------------------------------------------------------------------

static void exit_cpuid(struct vcpu *vcpu, const struct vm_exit *exit) {
    uint64_t *gpr = vcpu->arch.gpr;
    struct cpuid_result r;
    unsigned length;

    vcpu->stats.exits[EXIT_FIRMWARE]++;
    if (!skip_prepare(vcpu, exit, &length)) { return; }
    uint64_t cr4 = virt->cr4(vcpu);
    vcpu->arch.cpuid.osxsave = (cr4 & CR4_OSXSAVE) != 0;
    vcpu->arch.cpuid.ospke = (cr4 & CR4_PKE) != 0;
    vcpu->arch.cpuid.apic_disabled = (vlapic_base_read(&vcpu->arch.vlapic) & APIC_BASE_EN) == 0;
    cpuid_read(&vcpu->vm->arch.cpuid, &vcpu->arch.cpuid, (uint32_t)gpr[GPR_RAX], (uint32_t)gpr[GPR_RCX], &r);
    gpr[GPR_RAX] = r.eax;
    gpr[GPR_RBX] = r.ebx;
    gpr[GPR_RCX] = r.ecx;
    gpr[GPR_RDX] = r.edx;
    skip(vcpu, length);
}

static void exit_hlt(struct vcpu *vcpu, const struct vm_exit *exit) {
    unsigned length;

    vcpu->stats.exits[EXIT_WAIT]++;
    if (!skip_prepare(vcpu, exit, &length)) { return; }
    skip(vcpu, length);
    vcpu_block(vcpu);
}

static void exit_rdmsr(struct vcpu *vcpu, const struct vm_exit *exit) {
    uint64_t *gpr = vcpu->arch.gpr, value = 0;
    unsigned length;

    vcpu->stats.exits[EXIT_SYSREG]++;
    if (unlikely(msr_read(&vcpu->arch.msr, (uint32_t)gpr[GPR_RCX], &value) != OK)) {
        inject_refused(vcpu);
    } else if (skip_prepare(vcpu, exit, &length)) {
        gpr[GPR_RAX] = (uint32_t)value;
        gpr[GPR_RDX] = value >> 32;
        skip(vcpu, length);
    }
}

static void exit_wrmsr(struct vcpu *vcpu, const struct vm_exit *exit) {
    const uint64_t *gpr = vcpu->arch.gpr;
    unsigned length;

    vcpu->stats.exits[EXIT_SYSREG]++;
    if (!skip_prepare(vcpu, exit, &length)) { return; }
    if (unlikely(msr_write(&vcpu->arch.msr, (uint32_t)gpr[GPR_RCX], gpr[GPR_RDX] << 32 | (uint32_t)gpr[GPR_RAX]) !=
                 OK)) {
        inject_refused(vcpu);
    } else {
        skip(vcpu, length);
    }
}

static COLD void exit_xsetbv(struct vcpu *vcpu, const struct vm_exit *exit) {
    const uint64_t *gpr = vcpu->arch.gpr;
    uint64_t value = gpr[GPR_RDX] << 32 | (uint32_t)gpr[GPR_RAX];
    unsigned length;

    vcpu->stats.exits[EXIT_SYSREG]++;
    if (!skip_prepare(vcpu, exit, &length)) { return; }
    if ((uint32_t)gpr[GPR_RCX] != 0 || cpuid_set_xcr0(&vcpu->vm->arch.cpuid, &vcpu->arch.cpuid, value) != OK) {
        inject_refused(vcpu);
        return;
    }
    vcpu->arch.xcr0 = value;
    write_xcr0(value);
    skip(vcpu, length);
}

static COLD void exit_nothing(struct vcpu *vcpu, const struct vm_exit *exit) {
    unsigned length;

    vcpu->stats.exits[EXIT_FIRMWARE]++;
    if (skip_prepare(vcpu, exit, &length)) { skip(vcpu, length); }
}

// ---- ports ------------------------------------------------------------------------------------------------

static uint64_t size_mask(unsigned size) { return size == 4 ? UINT32_MAX : (1ull << 8 * size) - 1; }

// One element of INS or OUTS; with a repeat prefix the guest comes here again, and interrupts in between.
static COLD void exit_io_string(struct vcpu *vcpu, const struct vm_exit *exit) {
    struct guest_state_view view;
    struct emulate_result result;

    virt->view(vcpu, &view);
    enum emulate_outcome outcome = emulate_port_string(&view, &guest_emulation, vcpu, &result);
    if (outcome == EMULATE_DONE) {
        vcpu->arch.rip = view.rip;
        vcpu->arch.rflags = view.rflags;
        virt->end_shadow(vcpu);
    } else {
        refuse(vcpu, exit, &view, outcome, &result);
    }
}

static void exit_io(struct vcpu *vcpu, const struct vm_exit *exit) {
    uint64_t *rax = &vcpu->arch.gpr[GPR_RAX], mask = size_mask(exit->io.size);
    struct pc_ports *ports = &vcpu->vm->arch.ports;

    vcpu->stats.exits[EXIT_MMIO]++;
    if (unlikely(exit->io.string)) {
        exit_io_string(vcpu, exit);
        return;
    }
    if (exit->io.in) {
        uint32_t value = pc_ports_read(ports, exit->io.port, exit->io.size);
        *rax = exit->io.size == 4 ? value : (*rax & ~mask) | (value & mask);
    } else if (pc_ports_write(ports, exit->io.port, exit->io.size, (uint32_t)(*rax & mask)) == ERR_BUSY) {
        return; // there is no room now: the guest does it again
    }
    skip(vcpu, exit->length);
}

// ---- hypercalls -------------------------------------------------------------------------------------------

static COLD void call_kvm(struct vcpu *vcpu) {
    uint64_t *gpr = vcpu->arch.gpr;
    const uint64_t arguments[] = {gpr[GPR_RBX], gpr[GPR_RCX], gpr[GPR_RDX], gpr[GPR_RSI]};
    struct vm *vm = vcpu->vm;
    struct guest_state_view view;
    struct pv_call call;

    virt->view(vcpu, &view);
    pv_hypercall(view.mode == DECODE_64, gpr[GPR_RAX], arguments, vm->vcpu_count, &call);
    gpr[GPR_RAX] = (uint64_t)call.result;
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        if ((call.set >> i & 1) == 0) { continue; }
        if (call.action == PV_SEND) { vlapic_receive(&vm->vcpus[i]->arch.vlapic, &call.message); }
        if (call.action == PV_WAKE) {
            __atomic_store_n(&vm->vcpus[i]->arch.unhalt, true, __ATOMIC_RELEASE);
            vcpu_interrupt(vm->vcpus[i]);
        }
    }
}

static guest_call_t find_call(uint32_t id) {
    if (likely(id - TAKT_HC_BASE < HYPERCALLS)) { return hypercalls[id - TAKT_HC_BASE]; }
    return id - SMCCC_VENDOR_HYP_COUNT < VENDOR_CALLS ? vendor_calls[id - SMCCC_VENDOR_HYP_COUNT] : NULL;
}

// As include/takt/hypercall.h has them: number, arguments and results in the registers 0 to 3. Else KVM's, which stock
// kernels make.
static void exit_hypercall(struct vcpu *vcpu, const struct vm_exit *exit) {
    uint64_t *gpr = vcpu->arch.gpr;
    unsigned length;

    vcpu->stats.exits[EXIT_HYPERCALL]++;
    if (unlikely(exit->cpl != 0)) {
        inject_undefined(vcpu);
        return;
    }
    if (!skip_prepare(vcpu, exit, &length)) { return; }
    skip(vcpu, length);
    guest_call_t call = find_call((uint32_t)gpr[GPR_RAX]);
    if (likely(call != NULL)) {
        gpr[GPR_RAX] = (uint64_t)call(vcpu, gpr);
    } else {
        call_kvm(vcpu);
    }
}

// ---- the rest ---------------------------------------------------------------------------------------------

static void exit_interrupt(struct vcpu *vcpu, const struct vm_exit *exit) {
    if (exit->vector != 0) {
        interrupt_take(vcpu->cpu, exit->vector);
    } else {
        interrupt_let_in(vcpu->cpu);
    }
}

static COLD void exit_done(UNUSED struct vcpu *vcpu, UNUSED const struct vm_exit *exit) {}

static void exit_window(struct vcpu *vcpu, UNUSED const struct vm_exit *exit) {
    vcpu->stats.exits[EXIT_MAINTENANCE]++;
    vcpu->cpu->todo |= TODO_INTERRUPTS;
}

static void exit_timer(struct vcpu *vcpu, UNUSED const struct vm_exit *exit) {
    if (arch_clock() >= vcpu->cpu->arch.timer_when) {
        vcpu->stats.exits[EXIT_VTIMER]++;
        cpu_timer_expired(vcpu->cpu);
    }
}

static COLD void exit_undefined(struct vcpu *vcpu, UNUSED const struct vm_exit *exit) {
    vcpu->stats.exits[EXIT_UNDEFINED]++;
    inject_undefined(vcpu);
}

static COLD void exit_refused(struct vcpu *vcpu, UNUSED const struct vm_exit *exit) {
    vcpu->stats.exits[EXIT_UNDEFINED]++;
    inject_refused(vcpu);
}

static COLD void exit_exception(struct vcpu *vcpu, const struct vm_exit *exit) {
    vcpu->stats.exits[EXIT_UNDEFINED]++;
    inject_exception(vcpu, exit->vector, exit->vector == EXCEPTION_AC, exit->error);
}

static COLD void exit_shutdown(struct vcpu *vcpu, const struct vm_exit *exit) { end_vm(vcpu, exit, "triple fault"); }

static COLD void exit_invalid(struct vcpu *vcpu, const struct vm_exit *exit) {
    end_vm(vcpu, exit, "a processor state that does not exist");
}

static COLD void exit_machine_check(struct vcpu *vcpu, UNUSED const struct vm_exit *exit) {
    panic("machine check while VCPU %u of %s ran", vcpu->index, vcpu->vm->name);
}

static COLD void exit_unknown(struct vcpu *vcpu, const struct vm_exit *exit) {
    vcpu->stats.exits[EXIT_OTHER]++;
    end_vm(vcpu, exit, "an exit that no table has");
}

static void (*const handlers[VM_EXIT_KINDS])(struct vcpu *vcpu, const struct vm_exit *exit) = {
    [VM_EXIT_UNKNOWN] = exit_unknown,
    [VM_EXIT_INTERRUPT] = exit_interrupt,
    [VM_EXIT_NMI] = exit_done,
    [VM_EXIT_WINDOW] = exit_window,
    [VM_EXIT_TIMER] = exit_timer,
    [VM_EXIT_HYPERCALL] = exit_hypercall,
    [VM_EXIT_CPUID] = exit_cpuid,
    [VM_EXIT_HLT] = exit_hlt,
    [VM_EXIT_IO] = exit_io,
    [VM_EXIT_RDMSR] = exit_rdmsr,
    [VM_EXIT_WRMSR] = exit_wrmsr,
    [VM_EXIT_XSETBV] = exit_xsetbv,
    [VM_EXIT_NESTED] = exit_nested,
    [VM_EXIT_NOTHING] = exit_nothing,
    [VM_EXIT_UNDEFINED] = exit_undefined,
    [VM_EXIT_REFUSED] = exit_refused,
    [VM_EXIT_EXCEPTION] = exit_exception,
    [VM_EXIT_SHUTDOWN] = exit_shutdown,
    [VM_EXIT_INVALID] = exit_invalid,
    [VM_EXIT_MACHINE_CHECK] = exit_machine_check,
    [VM_EXIT_DONE] = exit_done,
};

void exit_handle(struct vcpu *vcpu, const struct vm_exit *exit) { handlers[exit->kind](vcpu, exit); }
