// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libfdt.h>

#include "arch/arm64/mmu.h"
#include "arch/arm64/stage2.h"
#include "arch/host/host.h"
#include "arch/host/model.h"
#include "kernel/board.h"
#include "kernel/guest_platform.h"
#include "kernel/memory.h"
#include "kernel/space.h"

#define FAKE __attribute__((weak))

static struct cpu fake_cpu;

struct cpu *host_cpu = &fake_cpu;
uint64_t host_clock;
bool host_irqs_masked;
bool host_irq_pending;
bool host_in_handler;
void (*host_meanwhile)(void);

struct host_record host_record;
bool host_has_interrupt;
uint64_t host_timer_deadline = UINT64_MAX;
unsigned host_pa_range = 2;
int host_cpu_start_status;
jmp_buf host_catch;
bool host_catching;

static bool window_open[SPACE_WINDOWS];

void host_reset(void) {
    static const struct board board = {
        .cpu_count = 1,
        .memory_count = 1,
        .memory = {{MODEL_RAM_BASE, MODEL_RAM_SIZE}},
    };

    model_reset();
    memset(&fake_cpu, 0, sizeof(fake_cpu));
    timer_queue_init(&fake_cpu.timers);
    memset(&host_record, 0, sizeof(host_record));
    memset(window_open, 0, sizeof(window_open));
    host_record.timer = UINT64_MAX;
    host_cpu = &fake_cpu;
    host_clock = 0;
    host_irqs_masked = false;
    host_irq_pending = false;
    host_in_handler = false;
    host_meanwhile = NULL;
    host_has_interrupt = false;
    host_timer_deadline = UINT64_MAX;
    host_pa_range = 2;
    host_cpu_start_status = OK;
    host_catching = false;
    if (memory_init(&board) != OK) { abort(); }
}

static void end(enum host_end how) __attribute__((noreturn));
static void end(enum host_end how) {
    if (!host_catching) {
        fprintf(stderr, "host: the core stopped (%d), and no test expected it\n", (int)how);
        abort();
    }
    host_catching = false;
    longjmp(host_catch, (int)how);
}

// ---- boot and cores ---------------------------------------------------------------------------------------

FAKE int arch_init(const struct board *board) {
    (void)board;
    return OK;
}

FAKE uint64_t arch_hwid(void) { return 0; }

FAKE void arch_cpu_init(struct cpu *cpu) { (void)cpu; }

FAKE int arch_cpu_start(struct cpu *cpu) {
    host_record.starts[cpu->id]++;
    cpu->online = true;
    return host_cpu_start_status;
}

FAKE void arch_ipi(struct cpu *target) { host_record.ipis[target->id]++; }

FAKE void arch_interrupt_take(struct cpu *cpu) {
    host_irq_pending = false;
    cpu->entered = host_clock;
}

FAKE void arch_enter(struct cpu *cpu) {
    (void)cpu;
    end(HOST_ENTERED);
}

FAKE void arch_thread_yield(void) { host_record.yields++; }

FAKE void arch_system_off(void) { end(HOST_OFF); }

FAKE void arch_system_reset(void) { end(HOST_RESET); }

FAKE void arch_park(void) { end(HOST_PARKED); }

FAKE void arch_stop_others(void) {}

FAKE void arch_panic_dump(void) {}

// ---- time -------------------------------------------------------------------------------------------------

FAKE uint64_t arch_clock_hz(void) { return HOST_CLOCK_HZ; }

FAKE void arch_timer_arm(uint64_t when) {
    host_record.timer = when;
    host_record.timer_arms++;
}

// ---- VCPUs and VMs ----------------------------------------------------------------------------------------

FAKE void arch_vcpu_reset(struct vcpu *vcpu) { memset(&vcpu->arch.regs, 0, sizeof(vcpu->arch.regs)); }

FAKE void arch_vcpu_set_entry(struct vcpu *vcpu, gpa_t entry, uint64_t arg) {
    vcpu->arch.regs.elr = entry;
    vcpu->arch.regs.x[0] = arg;
}

FAKE void arch_resume_set(struct cpu *cpu, struct vcpu *vcpu) {
    cpu->arch.resume = vcpu != NULL ? &vcpu->arch.regs : &cpu->arch.thread;
    host_record.resumed = vcpu;
}

FAKE void arch_vcpu_save(struct vcpu *vcpu) {
    (void)vcpu;
    host_record.saves++;
}

FAKE void arch_vcpu_load(struct vcpu *vcpu) {
    (void)vcpu;
    host_record.loads++;
}

FAKE void arch_vcpu_leave_core(struct vcpu *vcpu) { (void)vcpu; }

FAKE void arch_vcpu_enter_core(struct vcpu *vcpu) { (void)vcpu; }

FAKE void arch_vcpu_pause(struct vcpu *vcpu) {
    (void)vcpu;
    host_record.pauses++;
}

FAKE void arch_vcpu_resume(struct vcpu *vcpu) {
    (void)vcpu;
    host_record.resumes++;
}

FAKE uint64_t arch_vcpu_timer_deadline(const struct vcpu *vcpu) {
    (void)vcpu;
    return host_timer_deadline;
}

FAKE bool arch_vcpu_timer_expire(struct vcpu *vcpu) {
    arch_vcpu_inject(vcpu, 27);
    return true;
}

FAKE bool arch_vcpu_has_interrupt(struct vcpu *vcpu) {
    (void)vcpu;
    return host_has_interrupt;
}

FAKE void arch_vcpu_sync_interrupts(struct vcpu *vcpu) {
    (void)vcpu;
    host_record.syncs++;
}

FAKE void arch_vcpu_trap_wfi(struct vcpu *vcpu, bool trap) {
    (void)vcpu;
    (void)trap;
}

FAKE void arch_vcpu_inject(struct vcpu *vcpu, unsigned id) {
    host_record.injected = vcpu;
    host_record.injected_id = id;
    host_record.injections++;
}

FAKE void arch_vm_set_line(struct vm *vm, unsigned id, bool level) {
    (void)vm;
    (void)id;
    (void)level;
    host_record.lines_set++;
}

FAKE bool arch_vcpu_interrupt_free(const struct vcpu *vcpu, unsigned id) {
    (void)vcpu;
    return id >= 16 && id < 25; // private, below those of timers and controller
}

FAKE uint64_t arch_vcpu_clock_offset(const struct vcpu *vcpu) { return vcpu->vm->arch.cntvoff; }

FAKE int arch_vm_init(struct vm *vm) { return stage2_init(vm); }

FAKE void arch_vm_reset(struct vm *vm) { stage2_flush(vm); }

FAKE void arch_irq_claim(unsigned irq, struct cpu *cpu) {
    host_record.irq_claimed = irq;
    host_record.irq_claimer = cpu;
}

FAKE int arch_irq_assign(unsigned irq, struct vcpu *vcpu, bool edge, uint64_t distance) {
    (void)vcpu;
    (void)edge;
    (void)distance;
    host_record.irq_assigned = irq;
    return OK;
}

FAKE void arch_irq_switch(unsigned irq, bool on) {
    (void)on;
    host_record.irq_switched = irq;
}

// ---- the machine ------------------------------------------------------------------------------------------

FAKE unsigned mmu_pa_range(void) { return host_pa_range; }

FAKE const void *arch_map_fdt(paddr_t pa) { return model_ram(pa); }

FAKE void arch_boot_ranges(struct range *image, struct range *fdt) {
    *image = (struct range){0, 0};
    *fdt = (struct range){0, 0};
}

FAKE paddr_t arch_image_pa(const void *address) { return (paddr_t)(uintptr_t)address; }

FAKE void *arch_image_va(paddr_t pa) { return (void *)(uintptr_t)pa; }

FAKE void *space_map(enum space_kind kind, paddr_t pa, uint64_t size) {
    static uint64_t registers[8192]; // of all devices: plain memory

    if (kind != SPACE_DEVICES) { return model_ram(pa); }
    return size <= sizeof(registers) ? registers : NULL;
}

FAKE void *window_map(unsigned slot, paddr_t pa) {
    if (slot >= SPACE_WINDOWS || window_open[slot] || pa % WINDOW_SIZE != 0) {
        abort(); // what mmu.c asserts
    }
    window_open[slot] = true;
    return model_ram(pa);
}

FAKE void window_unmap(unsigned slot) { window_open[slot] = false; }

FAKE int arch_trng(uint64_t *value) {
    (void)value;
    return ERR_UNSUPPORTED;
}

// A host program may be asked about any board.
const struct guest_platform *arch_guest_platform(const struct board *board) {
    bool pc = board != NULL && board->fdt != NULL && fdt_node_check_compatible(board->fdt, 0, "takt,pc") == 0;

    return pc ? &pc_platform : &virt_platform;
}
