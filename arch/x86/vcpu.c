// SPDX-License-Identifier: Apache-2.0
// A VCPU: its state in hardware, its interrupts, what its local APIC and MSRs ask for.
#include "arch/x86/vcpu.h"

#include "arch/x86/defences.h"
#include "arch/x86/guest_ram.h"
#include "arch/x86/hardware.h"
#include "arch/x86/machine.h"
#include "kernel/arch.h"
#include "kernel/log.h"
#include "kernel/string.h"
#include "kernel/trace.h"

enum { MXCSR_POWER_ON = 0x1f80, FPU_CONTROL_POWER_ON = 0x37f };

// The beginning of an XSAVE area (SDM volume 1, 13.4).
struct xsave_area {
    uint16_t control;
    uint8_t reserved0[22];
    uint32_t mxcsr;
    uint8_t reserved1[484];
    uint64_t components; // XSTATE_BV: which are here
    uint8_t reserved2[56];
};
_Static_assert(offsetof(struct xsave_area, mxcsr) == 24 && offsetof(struct xsave_area, components) == 512, "13.4");

// ---- state in hardware ------------------------------------------------------------------------------------

static void fpu_save(struct vcpu *vcpu) {
    uint64_t all = machine.xcr0;

    if (vcpu->arch.xcr0 != all) { write_xcr0(all); }
    __asm__ volatile("xsave64 (%0)" ::"r"(vcpu->arch.fpu), "a"((uint32_t)all), "d"((uint32_t)(all >> 32)) : "memory");
}

static void fpu_restore(const struct vcpu *vcpu) {
    uint64_t all = machine.xcr0;

    write_xcr0(all);
    __asm__ volatile("xrstor64 (%0)" ::"r"(vcpu->arch.fpu), "a"((uint32_t)all), "d"((uint32_t)(all >> 32)) : "memory");
    if (vcpu->arch.xcr0 != all) { write_xcr0(vcpu->arch.xcr0); }
}

void arch_vcpu_save(struct vcpu *vcpu) {
    fpu_save(vcpu);
    for (unsigned i = 0; i < ARRAY_SIZE(vcpu->arch.debug.dr); i++) { vcpu->arch.debug.dr[i] = read_debug(i); }
    virt->save(vcpu);
}

void arch_vcpu_load(struct vcpu *vcpu) {
    const struct vm **last = &vcpu->cpu->arch.last;

    if (unlikely(defences.on != 0) && *last != vcpu->vm) {
        *last = vcpu->vm;
        defences_vm_change();
    }
    virt->load(vcpu);
    for (unsigned i = 0; i < ARRAY_SIZE(vcpu->arch.debug.dr); i++) { write_debug(i, vcpu->arch.debug.dr[i]); }
    if (machine.tsc_aux) { write_msr(MSR_TSC_AUX, vcpu->arch.msr.tsc_aux); }
    fpu_restore(vcpu);
}

#if TAKT_MOVES
COLD void arch_vcpu_leave_core(struct vcpu *vcpu) { virt->leave_core(vcpu); }

COLD void arch_vcpu_enter_core(struct vcpu *vcpu) { virt->enter_core(vcpu); }
#endif

// Apart, as few guests ask for it.
static COLD __attribute__((noinline)) void tell_stolen(struct vcpu *vcpu, bool preempted) {
    pv_steal(&vcpu->arch.pv, clock_ticks_to_ns_down(&clock_rate, vcpu->stolen), preempted);
}

static inline void report_stolen(struct vcpu *vcpu, bool preempted) {
    if (unlikely(vcpu->arch.pv.msr[PV_STEAL] != 0)) { tell_stolen(vcpu, preempted); }
}

void arch_vcpu_pause(struct vcpu *vcpu) { report_stolen(vcpu, vcpu->state == VCPU_READY); }

void arch_vcpu_resume(struct vcpu *vcpu) { report_stolen(vcpu, false); }

void arch_vcpu_trap_wfi(struct vcpu *vcpu, bool trap) { virt->trap_hlt(vcpu, trap); }

COLD void arch_vcpu_reset(struct vcpu *vcpu) {
    struct arch_vcpu *arch = &vcpu->arch;

    memset(arch->gpr, 0, sizeof(arch->gpr));
    *arch->fpu = (struct xsave_area){
        .control = FPU_CONTROL_POWER_ON,
        .mxcsr = MXCSR_POWER_ON,
        .components = XCR0_X87 | XCR0_SSE,
    };
    memset(&arch->debug, 0, sizeof(arch->debug));
    arch->xcr0 = XCR0_X87;
    arch->unhalt = false;
    virt->reset(vcpu);
    (void)cpuid_set_xcr0(&vcpu->vm->arch.cpuid, &arch->cpuid, XCR0_X87);
    msr_reset(&arch->msr);
    pv_reset(&arch->pv);
    vlapic_reset(&arch->vlapic);
    arch->vlapic.waits = false;
}

COLD void arch_vcpu_set_entry(struct vcpu *vcpu, gpa_t entry, UNUSED uint64_t arg) {
    struct guest_registers registers;

    if (vcpu->index == 0) {
        registers = vcpu->vm->arch.start;
    } else {
        guest_registers_startup((uint8_t)(entry >> PAGE_SHIFT), &registers);
    }
    memcpy(vcpu->arch.gpr, registers.gpr, sizeof(registers.gpr));
    vcpu->arch.rip = registers.rip;
    vcpu->arch.rflags = registers.rflags;
    virt->start(vcpu, &registers);
}

uint64_t arch_vcpu_clock_offset(const struct vcpu *vcpu) { return -vcpu->vm->arch.tsc_offset; }

// ---- interrupts -------------------------------------------------------------------------------------------

// HLT ends with an interrupt that is let in, an NMI, INIT, or a kick of another VCPU (KVM_HC_KICK_CPU).
bool arch_vcpu_has_interrupt(struct vcpu *vcpu) {
    const struct vlapic *lapic = &vcpu->arch.vlapic;

    if (unlikely(__atomic_load_n(&vcpu->arch.unhalt, __ATOMIC_ACQUIRE))) { return true; }
    if (unlikely(vlapic_event_pending(lapic))) { return true; }
    return (vcpu->arch.rflags & RFLAGS_IF) != 0 && vlapic_pending_vector(lapic) != VLAPIC_NONE;
}

static COLD void give_nmi(struct vcpu *vcpu) {
    const struct event nmi = {.type = EVENT_NMI, .vector = VECTOR_NMI};

    if (virt->can_nmi(vcpu) && vlapic_take_nmi(&vcpu->arch.vlapic)) { virt->inject(vcpu, &nmi); }
}

void arch_vcpu_sync_interrupts(struct vcpu *vcpu) {
    struct vlapic *lapic = &vcpu->arch.vlapic;

    vcpu->arch.unhalt = false;
    if (unlikely(vlapic_take_events(lapic)) && vcpu->state == VCPU_OFF) { return; }
    int vector = vlapic_requested_vector(lapic);
    if (virt->interrupt(vcpu, vector)) { vlapic_accept(lapic, (unsigned)vector); }
    if (unlikely(vlapic_nmi_pending(lapic))) { give_nmi(vcpu); }
}

void arch_vcpu_inject(struct vcpu *vcpu, unsigned id) {
    const struct vlapic_message message = {.vector = (uint8_t)id, .mode = APIC_MODE_FIXED};

    vlapic_receive(&vcpu->arch.vlapic, &message);
}

bool arch_vcpu_interrupt_free(UNUSED const struct vcpu *vcpu, unsigned id) { return id >= VECTOR_EXCEPTIONS; }

// ---- its local APIC ---------------------------------------------------------------------------------------

// The trace names the most urgent request, which is the new one unless that has to wait.
static COLD __attribute__((noinline)) void trace_request(struct vcpu *vcpu) {
    trace(this_cpu(), TRACE_INJECT, vcpu, (uint32_t)vlapic_requested_vector(&vcpu->arch.vlapic), 0);
}

static COLD __attribute__((noinline)) void kick_traced(struct vcpu *vcpu) {
    trace_request(vcpu);
    vcpu_interrupt(vcpu);
}

static void lapic_kick(void *context) { trace_is_on(this_cpu()) ? kick_traced(context) : vcpu_interrupt(context); }

static void lapic_timer_kick(void *context, uint64_t expiry) {
    if (trace_is_on(this_cpu())) { trace_request(context); }
    vcpu_timer_pending(context, expiry);
}

// A STARTUP starts a VCPU that is off; one that is still on its way there by an INIT starts again when it has arrived.
static void lapic_send(void *context, const struct vlapic_message *message) {
    struct vcpu *vcpu = context;
    struct vm *vm = vcpu->vm;

    if (likely(message->mode != APIC_MODE_STARTUP)) {
        vlapic_deliver(vm->arch.vlapics, vm->vcpu_count, &vcpu->arch.vlapic, message);
        return;
    }
    uint32_t set = vlapic_destinations(vm->arch.vlapics, vm->vcpu_count, &vcpu->arch.vlapic, message);
    for (unsigned i = 1; i < vm->vcpu_count; i++) { // never the boot processor, which does not wait for one
        if ((set >> i & 1) != 0 && vcpu_start(vm->vcpus[i], (gpa_t)message->vector << PAGE_SHIFT, 0) != OK) {
            vlapic_receive(&vm->vcpus[i]->arch.vlapic, message);
        }
    }
}

static void lapic_level_eoi(void *context, uint8_t vector) {
    struct vcpu *vcpu = context;

    vioapic_eoi(&vcpu->vm->arch.vioapic, vector);
}

static void timer_fired(struct timer_event *event, UNUSED uint64_t now) {
    vlapic_timer_fired(&container_of(event, struct vcpu, device_timer)->arch.vlapic);
}

static void lapic_timer_arm(void *context, uint64_t when) {
    struct vcpu *vcpu = context;
    struct cpu *cpu = vcpu->cpu;

    if (when == VLAPIC_NEVER) {
        timer_queue_remove(&cpu->timers, &vcpu->device_timer);
        return;
    }
    vcpu->device_timer.fire = timer_fired;
    vcpu->device_timer.slack = vcpu_running_slack(vcpu);
    timer_queue_add(&cpu->timers, &vcpu->device_timer, when);
    cpu->todo |= TODO_DISPATCH; // programs the hardware timer
}

static uint64_t lapic_now(UNUSED void *context) { return arch_clock(); }

// INIT: the boot processor would begin at the reset vector, where nothing is; others wait for a STARTUP.
static COLD void lapic_init(void *context) {
    struct vcpu *vcpu = context;

    if (vcpu->index == 0) {
        vm_end(vcpu->vm, VM_END_RESET, "the guest reset its boot processor");
    } else {
        vcpu_off(vcpu);
    }
}

static COLD void lapic_startup(void *context, uint8_t vector) {
    (void)vcpu_start(context, (gpa_t)vector << PAGE_SHIFT, 0);
}

const struct vlapic_ops vcpu_lapic_ops = {
    .kick = lapic_kick,
    .send = lapic_send,
    .level_eoi = lapic_level_eoi,
    .timer_arm = lapic_timer_arm,
    .timer_kick = lapic_timer_kick,
    .now = lapic_now,
    .init = lapic_init,
    .startup = lapic_startup,
};

// The local APIC's timer is a timer of the core's queue, whatever the VCPU does: nothing of it is in hardware.
uint64_t arch_vcpu_timer_deadline(UNUSED const struct vcpu *vcpu) { return UINT64_MAX; }

bool arch_vcpu_timer_expire(UNUSED struct vcpu *vcpu) { return false; }

// ---- its MSRs ---------------------------------------------------------------------------------------------

const uint32_t guest_msrs[FIELDS] = {
#define FIELD(name, msr, in_vmcb, in_vmcs) msr,
#include "arch/x86/guest_fields.h"
};

// The policy asks for no others.
static COLD enum guest_field field_of(uint32_t msr) {
    enum guest_field field = 0;

    while (guest_msrs[field] != msr) { field++; }
    return field;
}

static COLD uint64_t msr_hardware(void *context, uint32_t msr) {
    return virt->get(context, field_of(msr)) & ~(msr == MSR_EFER ? EFER_SVME : 0);
}

// A reset is of a VCPU that is not loaded: it has its values from there already.
static COLD void msr_to_hardware(void *context, uint32_t msr, uint64_t value) {
    const struct vcpu *vcpu = context;

    if (vcpu->cpu->loaded != vcpu) { return; }
    if (msr != MSR_TSC_AUX) {
        virt->set(context, field_of(msr),
                  msr == MSR_EFER ? value | (virt->get(context, FIELD_EFER) & EFER_LMA) : value);
    } else if (machine.tsc_aux) {
        write_msr(msr, value);
    }
}

static COLD bool msr_paging(void *context) { return (virt->get(context, FIELD_CR0) & CR0_PG) != 0; }

static COLD uint64_t msr_tsc(void *context) {
    const struct vcpu *vcpu = context;

    return arch_clock() + vcpu->vm->arch.tsc_offset + vcpu->arch.msr.tsc_adjust;
}

static COLD void msr_tsc_move(void *context, uint64_t by) {
    struct vcpu *vcpu = context;
    uint64_t offset = vcpu->vm->arch.tsc_offset + vcpu->arch.msr.tsc_adjust + by;

    virt->set(vcpu, FIELD_TSC_OFFSET, offset);
    vlapic_set_tsc_offset(&vcpu->arch.vlapic, offset);
}

static int msr_apic_read(void *context, uint32_t msr, uint64_t *value) {
    struct vlapic *lapic = &((struct vcpu *)context)->arch.vlapic;

    if (msr == MSR_APIC_BASE) {
        *value = vlapic_base_read(lapic);
    } else if (msr == MSR_TSC_DEADLINE) {
        *value = vlapic_tsc_deadline_read(lapic);
    } else {
        return vlapic_msr_read(lapic, msr, value);
    }
    return OK;
}

static int msr_apic_write(void *context, uint32_t msr, uint64_t value) {
    struct vlapic *lapic = &((struct vcpu *)context)->arch.vlapic;

    if (msr == MSR_APIC_BASE) { return vlapic_base_write(lapic, value); }
    if (msr != MSR_TSC_DEADLINE) { return vlapic_msr_write(lapic, msr, value); }
    vlapic_tsc_deadline_write(lapic, value);
    return OK;
}

static COLD void msr_unknown(void *context, uint32_t msr, bool write) {
    const struct vcpu *vcpu = context;

    log_line("%s: VCPU %u: %s of MSR 0x%x, which it has not, at RIP 0x%lx", vcpu->vm->name, vcpu->index,
             write ? "write" : "read", msr, vcpu->arch.rip);
}

const struct msr_ops vcpu_msr_ops = {
    .load = msr_hardware,
    .store = msr_to_hardware,
    .paging = msr_paging,
    .tsc = msr_tsc,
    .tsc_move = msr_tsc_move,
    .apic_read = msr_apic_read,
    .apic_write = msr_apic_write,
    .unknown = msr_unknown,
};

const struct pv_ops vcpu_pv_ops = {.write = guest_ram_write, .read = guest_ram_read};

// ---- its state for emulation and for the log --------------------------------------------------------------

COLD void vcpu_view(struct vcpu *vcpu, struct guest_state_view *view) {
    uint64_t (*const get)(const struct vcpu *vcpu, enum guest_field field) = virt->get;
    unsigned code = (unsigned)get(vcpu, FIELD_CODE);

    view->gpr = vcpu->arch.gpr;
    view->rip = vcpu->arch.rip;
    view->rflags = view->paging.rflags = vcpu->arch.rflags;
    view->paging.cr0 = get(vcpu, FIELD_CR0);
    view->paging.cr3 = get(vcpu, FIELD_CR3);
    view->paging.cr4 = get(vcpu, FIELD_CR4);
    view->paging.efer = get(vcpu, FIELD_EFER);
    view->paging.cpl = get(vcpu, FIELD_CPL) & 3;
    view->paging.maxphyaddr = (uint8_t)vcpu->vm->arch.cpuid.physical_bits;
    view->mode = (code & SEGMENT_BIG) != 0 ? DECODE_32 : DECODE_16;
    if ((view->paging.cr0 & CR0_PE) == 0 || (view->rflags & RFLAGS_VM) != 0) { view->mode = DECODE_16; }
    if ((view->paging.efer & EFER_LMA) != 0 && (code & SEGMENT_LONG) != 0) { view->mode = DECODE_64; }
    for (unsigned i = view->mode == DECODE_64 ? SEGMENT_FS : SEGMENT_ES; i < GUEST_SEGMENTS; i++) {
        view->segment_base[i] = get(vcpu, FIELD_ES_BASE + i);
    }
}

COLD void vcpu_dump(const struct vcpu *vcpu) {
    static const char names[] =
#define FIELD(name, msr, in_vmcb, in_vmcs) #name "\0"
#include "arch/x86/guest_fields.h"
        ;
    const char *name = names;

    log_line("%s: VCPU %u:", vcpu->vm->name, vcpu->index);
    for (unsigned field = 0; field < FIELDS; field++) {
        uint64_t value = virt->get(vcpu, field);
        if (value != 0) { log_line("  %s %lx", name, value); }
        name += strlen(name) + 1;
    }
}
