// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/run.h"

#include "arch/x86/exits.h"
#include "arch/x86/interrupts.h"
#include "arch/x86/vcpu.h"
#include "kernel/arch.h"

void run(struct cpu *cpu) {
    struct vm_exit exit;

    for (;;) {
        if (unlikely((cpu->todo | __atomic_load_n(&cpu->todo_remote, __ATOMIC_RELAXED)) != 0)) { dispatch(cpu); }
        cpu_note_masked(cpu, arch_clock());
        struct vcpu *vcpu = cpu->arch.resume;
        if (vcpu == NULL) { thread_resume(cpu); }
        vcpu_prepare_entry(vcpu);
        virt->run(vcpu, cpu->arch.timer_when, &exit);
        cpu->entered = arch_clock();
        vcpu_finish_exit(vcpu);
        exit_handle(vcpu, &exit);
    }
}

void arch_enter(struct cpu *cpu) {
    cpu->entered = arch_clock();
    cpu->todo |= TODO_DISPATCH;
    run(cpu);
}

void arch_resume_set(struct cpu *cpu, struct vcpu *vcpu) { cpu->arch.resume = vcpu; }
