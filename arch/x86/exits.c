// SPDX-License-Identifier: Apache-2.0
// A guest's exits: a table by kind. A guest's mistake becomes an exception in the guest, or ends its VM.
#include "arch/x86/exits.h"

#include "arch/x86/control_regs.h"
#include "arch/x86/guest_ram.h"
#include "arch/x86/hardware.h"
#include "arch/x86/interrupts.h"
#include "arch/x86/vcpu.h"
#include "kernel/arch.h"
#include "kernel/guest_mem.h"
#include "kernel/hypercall.h"
#include "kernel/log.h"
#include "kernel/string.h"
#include "takt/hypercall.h"

// Rare, and not inlined: the handlers that may come to it keep small frames.
#define APART COLD __attribute__((noinline))

enum { MAX_YIELDS = 8 }; // in a row, of one VCPU

// ---- what handlers do -------------------------------------------------------------------------------------

static APART void inject_exception(struct vcpu *vcpu, unsigned vector, bool has_error, uint32_t error) {
    const struct event event = {EVENT_EXCEPTION, (uint8_t)vector, has_error, error};

    virt->inject(vcpu, &event);
}

static APART bool refuse_instruction(struct vcpu *vcpu, unsigned vector) {
    vcpu->stats.exits[EXIT_UNDEFINED]++;
    inject_exception(vcpu, vector, vector == EXCEPTION_GP, 0);
    return false;
}

static APART bool end_vm(struct vcpu *vcpu, const char *what) {
    return vm_end(vcpu->vm, VM_END_FAULT, "VCPU %u: %s at RIP 0x%lx (%s exit 0x%lx), CR0 %lx, used %lx, CR4 %lx",
                  vcpu->index, what, vcpu->arch.rip, virt->name, virt->get(vcpu, FIELD_EXIT),
                  virt->get(vcpu, FIELD_CR0), virt->get(vcpu, FIELD_USED_CR0), virt->get(vcpu, FIELD_CR4));
}

// What a failed emulation means for the guest. An exception in real mode has no error code.
static APART void refuse(struct vcpu *vcpu, const struct guest_state_view *view, enum emulate_outcome outcome,
                         const struct emulate_result *result) {
    if (outcome == EMULATE_FAULT) {
        if (result->vector == EXCEPTION_PF) { virt->set(vcpu, FIELD_CR2, result->address); }
        inject_exception(vcpu, result->vector, result->vector != EXCEPTION_UD && (view->paging.cr0 & CR0_PE) != 0,
                         result->error);
    } else if (outcome == EMULATE_UNKNOWN) {
        uint64_t bytes[2] = {0};
        memcpy(bytes, result->bytes, result->count);
        end_vm(vcpu, result->reason);
        log_line("  instruction, %u bytes: %016lx%016lx", result->count, __builtin_bswap64(bytes[0]),
                 __builtin_bswap64(bytes[1]));
    }
}

static void end_attempt(struct vcpu *vcpu, enum emulate_outcome outcome) {
    if (outcome != EMULATE_RETRY) { vcpu->arch.yields = 0; }
}

static bool decode(struct vcpu *vcpu, struct guest_state_view *view, struct decoded *d) {
    struct emulate_result result;

    vcpu_view(vcpu, view);
    enum emulate_outcome outcome = emulate_decode(view, &guest_emulation, vcpu, d, &result);
    end_attempt(vcpu, outcome);
    if (likely(outcome == EMULATE_DONE)) { return true; }
    refuse(vcpu, view, outcome, &result);
    return false;
}

static APART bool read_length(struct vcpu *vcpu, const struct vm_exit *exit, struct known_length *known) {
    struct guest_state_view view;
    struct decoded d;

    if (!decode(vcpu, &view, &d) || d.operation != exit->operation) { return false; }
    *known = (struct known_length){view.rip, exit->place, exit->operation, d.length};
    return true;
}

// How long an intercepted instruction is where the machine does not say. It is read from the guest once for each place:
// an instruction of the same kind that comes to stand at the same place, with another number of redundant prefixes, would
// be taken for the old one; only that guest would notice. False: it is another one by now, and nothing must be done.
static inline bool find_length(struct vcpu *vcpu, struct vm_exit *exit) {
    struct known_length *known = &vcpu->arch.lengths[vcpu->arch.rip % ARRAY_SIZE(vcpu->arch.lengths)];

    if (unlikely(known->rip != vcpu->arch.rip || known->cr3 != exit->place || known->operation != exit->operation) &&
        !read_length(vcpu, exit, known)) {
        return false;
    }
    exit->length = known->length;
    return true;
}

// The processor would have raised this after the instruction (SDM volume 3, 17.3.1.4).
static COLD void single_step(struct vcpu *vcpu) {
    virt->set(vcpu, FIELD_DR6, virt->get(vcpu, FIELD_DR6) | DR6_BS);
    inject_exception(vcpu, EXCEPTION_DB, false, 0);
}

// An instruction was done on the guest's behalf, which goes on at RIP.
static inline void end_instruction(struct vcpu *vcpu) {
    if (unlikely(vcpu->arch.shadowed)) { virt->end_shadow(vcpu); }
    if (unlikely((vcpu->arch.rflags & RFLAGS_TF) != 0)) { single_step(vcpu); }
}

static bool end_emulation(struct vcpu *vcpu, const struct guest_state_view *view, enum emulate_outcome outcome,
                          const struct emulate_result *result) {
    vcpu->stats.exits[EXIT_MMIO]++;
    end_attempt(vcpu, outcome);
    if (unlikely(outcome != EMULATE_DONE)) {
        refuse(vcpu, view, outcome, result);
    } else {
        vcpu->arch.rip = view->rip;
        vcpu->arch.rflags = view->rflags;
        end_instruction(vcpu);
    }
    return false;
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

// An emulation is given up for an interrupt that waits, which is taken here, and the guest comes again. Not for ever: who
// sends this core one after the other must not stop a guest.
static bool emulate_must_yield(void *context) {
    struct vcpu *vcpu = context;

    if (likely(!cpu_must_yield(vcpu->cpu)) || vcpu->arch.yields == MAX_YIELDS) { return false; }
    vcpu->arch.yields++;
    arch_interrupt_take(vcpu->cpu);
    return true;
}

static int emulate_read(void *context, gpa_t gpa, void *out, size_t size) {
    return emulate_must_yield(context) ? ERR_BUSY : guest_ram_read(context, gpa, out, size);
}

const struct emulate_ops guest_emulation = {
    .memory = {.read = emulate_read, .write = guest_ram_write, .compare_exchange = guest_ram_compare_exchange},
    .mmio = emulate_access,
    .port = emulate_port,
    .must_yield = emulate_must_yield,
};

// From here on: what is done for each kind of exit. True: the instruction is done, and the guest goes on behind it.

static bool exit_nested(struct vcpu *vcpu, struct vm_exit *exit) {
    struct guest_state_view view;
    struct emulate_result result;
    gpa_t gpa = exit->nested.gpa;

    if (unlikely(exit->nested.table || exit->nested.fetch)) {
        end_vm(vcpu, exit->nested.fetch ? "code where there is no memory" : "page tables where there is no memory");
        return false;
    }
    if (unlikely(guest_is_ram(vcpu->vm, gpa, 1))) { return false; } // mapped by now, or stale: the guest does it again
    vcpu_view(vcpu, &view);
    enum emulate_outcome outcome = emulate_mmio(&view, &guest_emulation, vcpu, gpa, exit->nested.write, &result);
    return end_emulation(vcpu, &view, outcome, &result);
}

// ---- instructions -----------------------------------------------------------------------------------------

static bool exit_cpuid(struct vcpu *vcpu, UNUSED struct vm_exit *exit) {
    uint64_t *gpr = vcpu->arch.gpr, cr4 = virt->get(vcpu, FIELD_CR4);
    struct cpuid_vcpu *own = &vcpu->arch.cpuid;
    struct cpuid_result r;

    own->osxsave = (cr4 & CR4_OSXSAVE) != 0;
    own->ospke = (cr4 & CR4_PKE) != 0;
    own->apic_disabled = (vlapic_base_read(&vcpu->arch.vlapic) & APIC_BASE_EN) == 0;
    cpuid_read(&vcpu->vm->arch.cpuid, own, (uint32_t)gpr[GPR_RAX], (uint32_t)gpr[GPR_RCX], &r);
    gpr[GPR_RAX] = r.eax;
    gpr[GPR_RBX] = r.ebx;
    gpr[GPR_RCX] = r.ecx;
    gpr[GPR_RDX] = r.edx;
    return true;
}

static bool exit_hlt(struct vcpu *vcpu, UNUSED struct vm_exit *exit) {
    vcpu_block(vcpu);
    return true;
}

static bool exit_rdmsr(struct vcpu *vcpu, UNUSED struct vm_exit *exit) {
    uint64_t *gpr = vcpu->arch.gpr, value = 0;

    if (unlikely(msr_read(&vcpu->arch.msr, (uint32_t)gpr[GPR_RCX], &value) != OK)) {
        return refuse_instruction(vcpu, EXCEPTION_GP);
    }
    gpr[GPR_RAX] = (uint32_t)value;
    gpr[GPR_RDX] = value >> 32;
    return true;
}

static uint64_t value_in(const uint64_t *gpr) { return gpr[GPR_RDX] << 32 | (uint32_t)gpr[GPR_RAX]; }

static bool exit_wrmsr(struct vcpu *vcpu, UNUSED struct vm_exit *exit) {
    const uint64_t *gpr = vcpu->arch.gpr;

    if (likely(msr_write(&vcpu->arch.msr, (uint32_t)gpr[GPR_RCX], value_in(gpr)) == OK)) { return true; }
    return refuse_instruction(vcpu, EXCEPTION_GP);
}

static COLD bool exit_xsetbv(struct vcpu *vcpu, UNUSED struct vm_exit *exit) {
    const uint64_t *gpr = vcpu->arch.gpr;
    uint64_t value = value_in(gpr);

    if ((uint32_t)gpr[GPR_RCX] != 0 || cpuid_set_xcr0(&vcpu->vm->arch.cpuid, &vcpu->arch.cpuid, value) != OK) {
        return refuse_instruction(vcpu, EXCEPTION_GP);
    }
    vcpu->arch.xcr0 = value;
    write_xcr0(value);
    return true;
}

static COLD bool exit_nothing(UNUSED struct vcpu *vcpu, UNUSED struct vm_exit *exit) { return true; }

// ---- CR0 --------------------------------------------------------------------------------------------------

// SDM volume 2, MOV to control registers.
static bool cr0_is_possible(const struct guest_state_view *view, uint64_t value) {
    uint64_t turned = value ^ view->paging.cr0;

    if (value > UINT32_MAX || (value & (CR0_CD | CR0_NW)) == CR0_NW || (value & (CR0_PG | CR0_PE)) == CR0_PG) {
        return false;
    }
    if ((turned & CR0_PG) == 0) { return true; }
    if ((value & CR0_PG) == 0) { return view->mode != DECODE_64 && (view->paging.cr4 & CR4_PCIDE) == 0; }
    return (view->paging.efer & EFER_LME) == 0 || (view->paging.cr4 & CR4_PAE) != 0;
}

static bool move_to_cr0(struct vcpu *vcpu, const struct guest_state_view *view, uint64_t value) {
    bool long_mode = (value & CR0_PG) != 0 && (view->paging.efer & EFER_LME) != 0;

    if (!cr0_is_possible(view, value)) { return refuse_instruction(vcpu, EXCEPTION_GP); }
    virt->set(vcpu, FIELD_CR0, value | CR0_ET);
    virt->set(vcpu, FIELD_EFER, long_mode ? view->paging.efer | EFER_LMA : view->paging.efer & ~EFER_LMA);
    return true;
}

// QEMU has one intercept for reads of all control registers.
static uint64_t read_control(const struct vcpu *vcpu, unsigned number) {
    if (number == 8) { return vlapic_tpr(&vcpu->arch.vlapic) >> TPR_SHIFT; }
    return virt->get(vcpu, number == 0 ? FIELD_CR0 : FIELD_CR2 + number - 2);
}

// A guest's caches stay on, whatever it writes to CD and NW: without them it would take its cores' neighbours their time.
// SVM has no mask for bits of CR0, so these writes, and reads while the guest must see what is not so, are done here.
static COLD bool exit_cr0(struct vcpu *vcpu, struct vm_exit *exit) {
    const uint64_t status = CR0_MP | CR0_EM | CR0_TS;
    struct guest_state_view view;
    struct decoded d;

    if (!decode(vcpu, &view, &d)) { return false; }
    uint64_t cr0 = view.paging.cr0, value = decode_register_read(&d, vcpu->arch.gpr);
    exit->length = d.length;
    switch (d.operation) {
    case OP_SMSW: decode_register_write(&d, vcpu->arch.gpr, cr0); return true;
    case OP_MOV_FROM_CR:
        decode_register_write(&d, vcpu->arch.gpr, read_control(vcpu, (unsigned)d.immediate));
        return true;
    case OP_MOV_TO_CR:
        if (d.immediate != 0) { break; }
        return move_to_cr0(vcpu, &view, value);
    case OP_LMSW: return move_to_cr0(vcpu, &view, (cr0 & ~status) | (value & (status | CR0_PE)));
    case OP_CLTS: return move_to_cr0(vcpu, &view, cr0 & ~CR0_TS);
    default: break;
    }
    return false; // another instruction by now: it traps again, or does not
}

// ---- ports ------------------------------------------------------------------------------------------------

// One element of INS or OUTS; with a repeat prefix the guest comes here again, and interrupts in between.
static APART bool exit_io_string(struct vcpu *vcpu) {
    struct guest_state_view view;
    struct emulate_result result;

    vcpu_view(vcpu, &view);
    enum emulate_outcome outcome = emulate_port_string(&view, &guest_emulation, vcpu, &result);
    return end_emulation(vcpu, &view, outcome, &result);
}

static bool exit_io(struct vcpu *vcpu, struct vm_exit *exit) {
    static const uint64_t kept[] = {
        [1] = ~(uint64_t)UINT8_MAX, [2] = ~(uint64_t)UINT16_MAX, [4] = 0}; // of RAX, by size
    uint64_t *rax = &vcpu->arch.gpr[GPR_RAX], keep = kept[exit->io.size];
    struct pc_ports *ports = &vcpu->vm->arch.ports;

    if (unlikely(exit->io.string)) { return exit_io_string(vcpu); }
    if (!exit->io.in) { // without room now, the guest does it again
        return pc_ports_write(ports, exit->io.port, exit->io.size, (uint32_t)(*rax & ~keep)) != ERR_BUSY;
    }
    *rax = (*rax & keep) | (pc_ports_read(ports, exit->io.port, exit->io.size) & ~keep);
    return true;
}

// ---- hypercalls -------------------------------------------------------------------------------------------

static APART void call_kvm(struct vcpu *vcpu) {
    uint64_t *gpr = vcpu->arch.gpr;
    const uint64_t arguments[] = {gpr[GPR_RBX], gpr[GPR_RCX], gpr[GPR_RDX], gpr[GPR_RSI]};
    struct vm *vm = vcpu->vm;
    struct guest_state_view view;
    struct pv_call call;

    vcpu_view(vcpu, &view);
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
static bool exit_hypercall(struct vcpu *vcpu, struct vm_exit *exit) {
    uint64_t *gpr = vcpu->arch.gpr;

    if (unlikely(exit->cpl != 0)) { return refuse_instruction(vcpu, EXCEPTION_UD); }
    guest_call_t call = find_call((uint32_t)gpr[GPR_RAX]);
    if (likely(call != NULL)) {
        gpr[GPR_RAX] = (uint64_t)call(vcpu, gpr);
    } else {
        call_kvm(vcpu);
    }
    return true;
}

// ---- the rest ---------------------------------------------------------------------------------------------

static bool exit_interrupt(struct vcpu *vcpu, struct vm_exit *exit) {
    if (exit->vector != 0) {
        interrupt_take(vcpu->cpu, exit->vector);
    } else {
        interrupt_let_in(vcpu->cpu);
    }
    return false;
}

static COLD bool exit_done(UNUSED struct vcpu *vcpu, UNUSED struct vm_exit *exit) { return false; }

static bool exit_window(struct vcpu *vcpu, UNUSED struct vm_exit *exit) {
    vcpu->stats.exits[EXIT_MAINTENANCE]++;
    vcpu->cpu->todo |= TODO_INTERRUPTS;
    return false;
}

static bool exit_timer(struct vcpu *vcpu, UNUSED struct vm_exit *exit) {
    if (arch_clock() >= vcpu->cpu->arch.timer_when) {
        vcpu->stats.exits[EXIT_VTIMER]++;
        cpu_timer_expired(vcpu->cpu);
    }
    return false;
}

static COLD bool exit_exception(struct vcpu *vcpu, struct vm_exit *exit) {
    vcpu->stats.exits[EXIT_UNDEFINED]++;
    inject_exception(vcpu, exit->vector, exit->vector == EXCEPTION_AC, exit->error);
    return false;
}

static COLD bool exit_undefined(struct vcpu *vcpu, UNUSED struct vm_exit *exit) {
    return refuse_instruction(vcpu, EXCEPTION_UD);
}

static COLD bool exit_refused(struct vcpu *vcpu, UNUSED struct vm_exit *exit) {
    return refuse_instruction(vcpu, EXCEPTION_GP);
}

static COLD bool exit_end(struct vcpu *vcpu, struct vm_exit *exit) {
    bool shutdown = exit->kind == VM_EXIT_SHUTDOWN, invalid = exit->kind == VM_EXIT_INVALID;

    vcpu->stats.exits[EXIT_OTHER]++;
    bool ended = end_vm(vcpu, shutdown  ? "triple fault"
                              : invalid ? "a processor state that does not exist"
                                        : "an exit that no table has");
    if (ended && !shutdown && !invalid) { vcpu_dump(vcpu); } // it takes longer than what guests do at will may
    return false;
}

static COLD bool exit_machine_check(struct vcpu *vcpu, UNUSED struct vm_exit *exit) {
    panic("machine check while VCPU %u of %s ran", vcpu->index, vcpu->vm->name);
}

// `counted`, enum exit_reason: of an instruction that is done. The others count themselves.
static const struct {
    bool (*handle)(struct vcpu *vcpu, struct vm_exit *exit);
    uint8_t counted;
} kinds[VM_EXIT_KINDS] = {
    [VM_EXIT_UNKNOWN] = {exit_end, 0},
    [VM_EXIT_INTERRUPT] = {exit_interrupt, 0},
    [VM_EXIT_NMI] = {exit_done, 0},
    [VM_EXIT_WINDOW] = {exit_window, 0},
    [VM_EXIT_TIMER] = {exit_timer, 0},
    [VM_EXIT_HYPERCALL] = {exit_hypercall, EXIT_HYPERCALL},
    [VM_EXIT_CPUID] = {exit_cpuid, EXIT_FIRMWARE},
    [VM_EXIT_HLT] = {exit_hlt, EXIT_WAIT},
    [VM_EXIT_IO] = {exit_io, EXIT_MMIO},
    [VM_EXIT_RDMSR] = {exit_rdmsr, EXIT_SYSREG},
    [VM_EXIT_WRMSR] = {exit_wrmsr, EXIT_SYSREG},
    [VM_EXIT_XSETBV] = {exit_xsetbv, EXIT_SYSREG},
    [VM_EXIT_CR0] = {exit_cr0, EXIT_SYSREG},
    [VM_EXIT_NESTED] = {exit_nested, 0},
    [VM_EXIT_NOTHING] = {exit_nothing, EXIT_FIRMWARE},
    [VM_EXIT_UNDEFINED] = {exit_undefined, 0},
    [VM_EXIT_REFUSED] = {exit_refused, 0},
    [VM_EXIT_EXCEPTION] = {exit_exception, 0},
    [VM_EXIT_SHUTDOWN] = {exit_end, 0},
    [VM_EXIT_INVALID] = {exit_end, 0},
    [VM_EXIT_MACHINE_CHECK] = {exit_machine_check, 0},
    [VM_EXIT_DONE] = {exit_done, 0},
};

void exit_handle(struct vcpu *vcpu, struct vm_exit *exit) {
    unsigned kind = exit->kind;

    if (exit->operation != OP_NONE && exit->length == 0 && !find_length(vcpu, exit)) { return; }
    if (!kinds[kind].handle(vcpu, exit)) { return; }
    vcpu->stats.exits[kinds[kind].counted]++;
    vcpu->arch.rip +=
        exit->length; // in 64-bit mode; elsewhere RIP has 32 bits, and what carries beyond is the guest's bug
    vcpu->arch.rflags &= ~RFLAGS_RF;
    end_instruction(vcpu);
}
