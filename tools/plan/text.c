// SPDX-License-Identifier: Apache-2.0
// A plan as text: mistakes to the error output, what is promised to the standard output.
#include "tools/plan/plan.h"

#include "kernel/promise.h"
#include "kernel/sysdesc_reclaim.h"

static double percent(uint64_t utilisation) { return 100.0 * (double)utilisation / (double)SCHED_UTILISATION_ONE; }

static double us(const struct plan *plan, uint64_t ticks) {
    return (double)clock_ticks_to_ns_up(&plan->rate, ticks) / 1e3;
}

// With budget left, and whether there is any or not. Tables say nothing of the board's ways.
static void print_latency(const struct plan *plan, const struct vcpu_desc *v) {
    if (plan->smt || v->latency == 0) {
        const char *none = plan->smt ? "withdrawn" : "undecided";
        printf(" %10s %10s", none, none);
    } else {
        printf(" %10.3f %10.3f", us(plan, v->latency), us(plan, v->latency) + (double)promise_wait_us(v));
    }
}

static void print_pieces(const struct plan *plan, const struct sched_placement *p) {
    for (int i = 0; i < 2; i++) {
        printf("%23s %s core %d, %.3f us within %.3f us\n", "", i == 0 ? "first" : "then ",
               i == 0 ? p->core : p->second, us(plan, p->pieces[i].budget), us(plan, p->pieces[i].deadline));
    }
}

static void print_vcpu(const struct plan *plan, const struct plan_vcpu *vcpu) {
    const struct vcpu_desc *v = vcpu->desc;
    char blackout[24] = "withdrawn", core[12] = "-";

    if (vcpu->placement->step != SCHED_STEP_REFUSED) { snprintf(core, sizeof(core), "%d", vcpu->placement->core); }
    printf("%-23s %4u %4s", vcpu->vm, vcpu->index, core);
    if (v->reserved) {
        if (!plan->smt) { snprintf(blackout, sizeof(blackout), "%llu", (unsigned long long)sysdesc_blackout_us(v)); }
        if (vcpu->placement->step == SCHED_STEP_REFUSED) { snprintf(blackout, sizeof(blackout), "refused"); }
        printf(" %10u %10u %10u %6.2f %% %10s", v->budget_us, v->period_us, v->deadline_us,
               percent(sched_utilisation(&v->task)), blackout);
        if (plan->sys != NULL && vcpu->placement->step != SCHED_STEP_REFUSED) { print_latency(plan, v); }
        printf("%s\n", v->reclaim ? "  reclaims" : "");
    } else {
        printf(" best effort, weight %u\n", v->weight);
    }
    if (vcpu->placement->second >= 0) { print_pieces(plan, vcpu->placement); }
}

static void print_admission(const struct plan *plan) {
    if (plan->smt) { printf("no bound holds: a core's threads slow each other as they like (smt)\n"); }
    printf("%-23s %4s %4s %10s %10s %10s %8s %10s%s\n", plan->sys != NULL ? "VM" : "name", "VCPU", "core", "budget us",
           "period us", "deadline", "uses", "blackout", plan->sys != NULL ? "    latency     always" : "");
    for (unsigned i = 0; i < plan->vcpu_count; i++) { print_vcpu(plan, &plan->vcpus[i]); }
    for (unsigned i = 0; i < plan->core_count; i++) {
        printf("core %u: %.2f %% %s, overhead and interrupts included%s\n", i,
               percent(sched_core_utilisation(&plan->cores[i])), plan->smt ? "asked for" : "promised",
               plan->sys != NULL && sysdesc_reclaims(plan->sys, i) ? "; its sleepers' shares are reclaimed" : "");
    }
}

static void print_memory(const struct system_desc *sys) {
    for (unsigned i = 0; i < sys->vm_count; i++) {
        const struct vm_desc *vm = &sys->vms[i];
        for (unsigned j = 0; j < vm->memory_count; j++) {
            printf("%-23s memory 0x%09llx, %llu MiB\n", vm->name, (unsigned long long)vm->memory[j].base,
                   (unsigned long long)vm->memory[j].size >> 20);
        }
        printf("%-23s kernel 0x%09llx, entry 0x%09llx, initrd 0x%09llx, description 0x%09llx\n", vm->name,
               (unsigned long long)vm->segments[0].gpa, (unsigned long long)vm->entry,
               (unsigned long long)vm->initrd_gpa, (unsigned long long)vm->dtb_gpa);
    }
    printf("guests have %llu of the %llu MiB that the board has for them\n",
           (unsigned long long)sys->memory_guests >> 20, (unsigned long long)sys->memory_total >> 20);
}

void plan_text(const struct plan *plan) {
    unsigned refused = plan_refused_count(plan);

    for (unsigned i = 0; i < MIN(plan->sink.count, (unsigned)SYSDESC_MISTAKES); i++) {
        const struct plan_mistake *m = &plan->mistakes[i];
        fprintf(stderr, "%s: %s; %s\n", m->place, m->wrong, m->remedy);
    }
    if (plan->sink.count > SYSDESC_MISTAKES) { fprintf(stderr, "and %u more\n", plan->sink.count - SYSDESC_MISTAKES); }
    // Beside other mistakes a table would only distract: it lacks what they hide.
    if (plan->sink.count != refused) { return; }
    print_admission(plan);
    if (plan->sys != NULL) { print_memory(plan->sys); }
    if (refused != 0) { printf("refused: %u of %u VCPUs find no place\n", refused, plan->vcpu_count); }
}
