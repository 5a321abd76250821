// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/host_ioapic.h"
#include "arch/x86/interrupts.h"
#include "arch/x86/run.h"
#include "kernel/arch.h"
#include "kernel/console.h"
#include "kernel/log.h"

int arch_init(const struct board *board) {
    (void)board;
    return host_ioapic_init();
}
void arch_cpu_init(struct cpu *cpu) {
    interrupts_set_stacks(cpu);
    struct frame *f = (struct frame *)((char *)cpu->thread_stack - sizeof(struct frame));
    *f = (struct frame){.rip = (uint64_t)job_loop,
                        .cs = SELECTOR_CODE,
                        .rflags = 0x202,
                        .rsp = (uint64_t)cpu->thread_stack - 8,
                        .ss = SELECTOR_DATA};
    cpu->arch.thread_sp = (uint64_t)f;
    cpu->arch.resume = NULL;
}
void run(struct cpu *cpu) {
    for (;;) {
        uint64_t words = __atomic_load_n((uint64_t *)(void *)&cpu->todo, __ATOMIC_RELAXED);
        if (words != 0) dispatch(cpu);
        cpu_note_masked(cpu, arch_clock());
        thread_resume(cpu);
    }
}
void arch_enter(struct cpu *cpu) {
    cpu->entered = arch_clock();
    cpu->todo |= TODO_DISPATCH;
    run(cpu);
}
void arch_system_off(void) {
    arch_port_write16(0x604, 0x2000);
    arch_park();
}
void arch_system_reset(void) { arch_park(); }
void arch_vcpu_reset(struct vcpu *v) { (void)v; }
void arch_vcpu_set_entry(struct vcpu *v, gpa_t e, uint64_t a) {
    (void)v;
    (void)e;
    (void)a;
}
void arch_resume_set(struct cpu *cpu, struct vcpu *v) { cpu->arch.resume = v; }
void arch_vcpu_save(struct vcpu *v) { (void)v; }
void arch_vcpu_load(struct vcpu *v) { (void)v; }
void arch_vcpu_pause(struct vcpu *v) { (void)v; }
void arch_vcpu_resume(struct vcpu *v) { (void)v; }
uint64_t arch_vcpu_timer_deadline(const struct vcpu *v) {
    (void)v;
    return UINT64_MAX;
}
bool arch_vcpu_timer_expire(struct vcpu *v) {
    (void)v;
    return false;
}
bool arch_vcpu_has_interrupt(struct vcpu *v) {
    (void)v;
    return false;
}
void arch_vcpu_sync_interrupts(struct vcpu *v) { (void)v; }
void arch_vcpu_trap_wfi(struct vcpu *v, bool t) {
    (void)v;
    (void)t;
}
void arch_vcpu_inject(struct vcpu *v, unsigned id) {
    (void)v;
    (void)id;
}
void arch_vm_set_line(struct vm *vm, unsigned id, bool l) {
    (void)vm;
    (void)id;
    (void)l;
}
bool arch_vcpu_interrupt_free(const struct vcpu *v, unsigned id) {
    (void)v;
    (void)id;
    return false;
}
uint64_t arch_vcpu_clock_offset(const struct vcpu *v) {
    (void)v;
    return 0;
}
int arch_vm_init(struct vm *vm) {
    (void)vm;
    return OK;
}
void arch_vm_reset(struct vm *vm) { (void)vm; }
int arch_vm_map(struct vm *vm, gpa_t g, paddr_t p, uint64_t s, enum stage2_kind k) {
    (void)vm;
    (void)g;
    (void)p;
    (void)s;
    (void)k;
    return OK;
}
void arch_cache_publish(const void *a, uint64_t s) {
    (void)a;
    (void)s;
}
int arch_guest_fdt(void *f, struct vm *vm) {
    (void)f;
    (void)vm;
    return 0;
}
int arch_guest_fdt_interrupt(void *f, int n, unsigned i, bool e) {
    (void)f;
    (void)n;
    (void)i;
    (void)e;
    return 0;
}
int arch_irq_assign(unsigned irq, struct vcpu *v, bool e, uint64_t d) {
    (void)irq;
    (void)v;
    (void)e;
    (void)d;
    return ERR_UNSUPPORTED;
}
void arch_irq_acquire(unsigned irq) { (void)irq; }
void arch_irq_release(unsigned irq) { (void)irq; }
int arch_trng(uint64_t *v) {
    (void)v;
    return ERR_UNSUPPORTED;
}
