// SPDX-License-Identifier: Apache-2.0
// A plan as JSON; docs/planner.md says what stands where. Times are whole nanoseconds: bounds rounded up, the chart down.
#include <inttypes.h>
#include <string.h>

#include "tools/plan/plan.h"

#include "kernel/promise.h"

#define BARS_TOTAL 20000u
#define BARS_MIN   100u

static const char *const steps[] = {
    [SCHED_STEP_FIXED] = "fixed",     [SCHED_STEP_LEAST_USED] = "least-used",   [SCHED_STEP_BEST_FIT] = "best-fit",
    [SCHED_STEP_SPLIT] = "split",     [SCHED_STEP_REPACKED] = "repacked",       [SCHED_STEP_FEWEST] = "fewest",
    [SCHED_STEP_REFUSED] = "refused", [SCHED_STEP_BEST_EFFORT] = "best-effort",
};

static void put_text(FILE *out, const char *text) {
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') { fputc('\\', out); }
        fputc(*text < ' ' || *text > '~' ? '?' : *text, out);
    }
    fputc('"', out);
}

static void put_named(FILE *out, const char *name, const char *text) {
    fprintf(out, ", \"%s\": ", name);
    put_text(out, text);
}

static void put_mistake(FILE *out, const struct plan_mistake *m) {
    fputs("{\"place\": ", out);
    put_text(out, m->place);
    put_named(out, "wrong", m->wrong);
    put_named(out, "remedy", m->remedy);
    fputc('}', out);
}

static uint64_t ns(const struct plan *plan, uint64_t ticks) { return clock_ticks_to_ns_up(&plan->rate, ticks); }

static double share(uint64_t utilisation) { return (double)utilisation / (double)SCHED_UTILISATION_ONE; }

static void put_verdict(FILE *out, const struct plan *plan, const struct sched_verdict *v) {
    const char *outcome = v->outcome == SCHED_ADMITTED    ? "admitted"
                          : v->outcome == SCHED_REFUSED   ? "refused"
                          : v->outcome == SCHED_UNDECIDED ? "undecided"
                                                          : "malformed";

    fprintf(out, ", \"verdict\": {\"outcome\": \"%s\", \"steps\": %" PRIu32, outcome, v->steps);
    if (v->outcome == SCHED_REFUSED && v->at != 0) {
        fprintf(out, ", \"at_ns\": %" PRIu64 ", \"demand_ns\": %" PRIu64 ", \"excess_ns\": %" PRIu64, ns(plan, v->at),
                ns(plan, v->demand), ns(plan, v->excess));
    }
    fputc('}', out);
}

static void put_task(FILE *out, const struct plan *plan, const struct sched_task *task) {
    fprintf(out, "\"budget_ns\": %" PRIu64 ", \"deadline_ns\": %" PRIu64 ", \"period_ns\": %" PRIu64,
            ns(plan, task->budget), ns(plan, task->deadline), ns(plan, task->period));
}

static void put_reservation(FILE *out, const struct plan *plan, const struct plan_vcpu *vcpu) {
    const struct vcpu_desc *v = vcpu->desc;
    const struct sched_placement *p = vcpu->placement;

    fprintf(out, ", \"budget_us\": %u, \"period_us\": %u, \"deadline_us\": %u, \"utilisation\": %.9f", v->budget_us,
            v->period_us, v->deadline_us, share(sched_utilisation(&v->task)));
    fprintf(out, ", \"reclaims\": %s", v->reclaim ? "true" : "false");
    fputs(", \"admitted_as\": {", out);
    put_task(out, plan, &v->task);
    fputc('}', out);
    put_verdict(out, plan, &p->verdict);
    if (p->step == SCHED_STEP_REFUSED) {
        uint64_t overhead = clock_ns_to_ticks_up(&plan->rate, plan->overhead_ns);
        fprintf(out, ", \"largest_budget_ns\": %" PRIu64 ", \"smallest_period_ns\": %" PRIu64,
                p->largest_budget > overhead ? clock_ticks_to_ns_down(&plan->rate, p->largest_budget - overhead) : 0,
                ns(plan, p->smallest_period));
    } else if (!plan->smt) {
        fprintf(out, ", \"blackout_us\": %" PRIu64, sysdesc_blackout_us(v));
        if (v->latency != 0) {
            fprintf(out, ", \"latency_ns\": %" PRIu64 ", \"always_ns\": %" PRIu64, ns(plan, v->latency),
                    ns(plan, v->latency) + promise_wait_us(v) * 1000);
        }
    }
    if (p->second >= 0) {
        fputs(", \"pieces\": [", out);
        for (int i = 0; i < 2; i++) {
            fprintf(out, "%s{\"core\": %d, ", i == 0 ? "" : ", ", i == 0 ? p->core : p->second);
            put_task(out, plan, &p->pieces[i]);
            fputc('}', out);
        }
        fputc(']', out);
    }
}

// Below 0: none.
static void put_core_number(FILE *out, int32_t core) {
    if (core < 0) {
        fputs("null", out);
    } else {
        fprintf(out, "%d", (int)core);
    }
}

static void put_vcpu(FILE *out, const struct plan *plan, const struct plan_vcpu *vcpu) {
    const struct sched_placement *p = vcpu->placement;
    char name[64];

    snprintf(name, sizeof(name), plan->sys != NULL ? "%s/%u" : "%s", vcpu->vm, vcpu->index);
    fputs("{\"name\": ", out);
    put_text(out, name);
    if (plan->sys == NULL) { fprintf(out, ", \"line\": %u", vcpu->line); }
    fputs(", \"core_wanted\": ", out);
    if (vcpu->desc->core == CORE_AUTO) {
        fputs("\"auto\"", out);
    } else {
        fprintf(out, "%u", vcpu->desc->core);
    }
    fprintf(out, ", \"step\": \"%s\", \"core\": ", steps[p->step]);
    put_core_number(out, p->step == SCHED_STEP_REFUSED ? -1 : p->core);
    if (vcpu->desc->reserved) {
        put_reservation(out, plan, vcpu);
    } else {
        fprintf(out, ", \"weight\": %u", vcpu->desc->weight);
    }
    if (p->step == SCHED_STEP_REFUSED) {
        fputs(", \"closest_core\": ", out);
        put_core_number(out, p->core);
        fputs(", \"refusal\": ", out);
        put_mistake(out, &vcpu->refusal);
    }
    fputc('}', out);
}

static void put_chart(FILE *out, const struct plan *plan, unsigned core) {
    unsigned bars_max = MIN(MAX(BARS_TOTAL / plan->core_count, BARS_MIN), (unsigned)PLAN_BARS_MAX);
    struct plan_chart chart;

    plan_chart(plan, core, bars_max, &chart);
    fprintf(out, ", \"hyperperiod_ns\": ");
    if (chart.hyperperiod != 0) {
        fprintf(out, "%" PRIu64, clock_ticks_to_ns_down(&plan->rate, chart.hyperperiod));
    } else {
        fputs("null", out);
    }
    fprintf(out, ",\n   \"chart\": {\"end_ns\": %" PRIu64 ", \"bars\": [",
            clock_ticks_to_ns_down(&plan->rate, chart.end));
    for (unsigned i = 0; i < chart.count; i++) {
        const struct plan_bar *bar = &chart.bars[i];
        fprintf(out, "%s[%d,%" PRIu64 ",%" PRIu64 "]", i == 0 ? "" : ",", bar->who,
                clock_ticks_to_ns_down(&plan->rate, bar->begin), clock_ticks_to_ns_down(&plan->rate, bar->end));
    }
    fputs("]}", out);
}

static void put_core(FILE *out, const struct plan *plan, unsigned core) {
    const struct sched_core_load *load = &plan->cores[core];
    struct sched_core_load interrupts = {.source_count = load->source_count};

    memcpy(interrupts.sources, load->sources, sizeof(interrupts.sources));
    fprintf(
        out,
        "{\"core\": %u, \"utilisation\": %.9f, \"interrupts\": %.9f, \"vcpus\": %u, \"may_reclaim\": %s, \"sources\": [",
        core, share(sched_core_utilisation(load)), share(sched_core_utilisation(&interrupts)), load->member_count,
        sched_may_reclaim(load->tasks, load->task_count, load->sources, load->source_count) ? "true" : "false");
    for (unsigned i = 0; i < load->source_count; i++) {
        fprintf(out, "%s{\"cost_ns\": %" PRIu64 ", \"distance_ns\": %" PRIu64 "}", i == 0 ? "" : ", ",
                ns(plan, load->sources[i].cost), ns(plan, load->sources[i].distance));
    }
    fputc(']', out);
    put_chart(out, plan, core);
    fputc('}', out);
}

static void put_memory(FILE *out, const struct system_desc *sys) {
    fprintf(out, "{\"board_bytes\": %" PRIu64 ", \"guests_bytes\": %" PRIu64 ", \"vms\": [", sys->memory_total,
            sys->memory_guests);
    for (unsigned i = 0; i < sys->vm_count; i++) {
        const struct vm_desc *vm = &sys->vms[i];
        fprintf(out, "%s\n  {\"vm\": ", i == 0 ? "" : ",");
        put_text(out, vm->name);
        fputs(", \"blocks\": [", out);
        for (unsigned j = 0; j < vm->memory_count; j++) {
            fprintf(out, "%s{\"base\": %" PRIu64 ", \"bytes\": %" PRIu64 "}", j == 0 ? "" : ", ",
                    (uint64_t)vm->memory[j].base, vm->memory[j].size);
        }
        fprintf(out, "], \"kernel\": %" PRIu64 ", \"entry\": %" PRIu64 ", \"initrd\": ", (uint64_t)vm->segments[0].gpa,
                (uint64_t)vm->entry);
        if (vm->initrd.data != NULL) {
            fprintf(out, "%" PRIu64, (uint64_t)vm->initrd_gpa);
        } else {
            fputs("null", out);
        }
        fprintf(out, ", \"description\": %" PRIu64 "}", (uint64_t)vm->dtb_gpa);
    }
    fputs("]}", out);
}

void plan_json(const struct plan *plan, FILE *out) {
    bool counts = plan->rate.hz != 0; // else there are no ticks to speak of

    fprintf(out, "{\"takt_plan\": 1, \"admitted\": %s", plan->sink.count == 0 ? "true" : "false");
    put_named(out, "source", plan->source);
    put_named(out, "machine", plan->machine);
    fprintf(out, ", \"hz\": %" PRIu64 ", \"overhead_ns\": %u, \"migration_ns\": %u, \"bounds_hold\": %s", plan->hz,
            plan->overhead_ns, plan->migration_ns, plan->smt ? "false" : "true");
    fprintf(out, ",\n \"mistake_count\": %u, \"mistakes\": [", plan->sink.count);
    for (unsigned i = 0; i < MIN(plan->sink.count, (unsigned)SYSDESC_MISTAKES); i++) {
        fputs(i == 0 ? "\n  " : ",\n  ", out);
        put_mistake(out, &plan->mistakes[i]);
    }
    fputs("],\n \"vcpus\": [", out);
    for (unsigned i = 0; i < plan->vcpu_count && counts; i++) {
        fputs(i == 0 ? "\n  " : ",\n  ", out);
        put_vcpu(out, plan, &plan->vcpus[i]);
    }
    fputs("],\n \"cores\": [", out);
    for (unsigned i = 0; i < plan->core_count && counts; i++) {
        fputs(i == 0 ? "\n  " : ",\n  ", out);
        put_core(out, plan, i);
    }
    fputs("],\n \"memory\": ", out);
    if (plan->sys != NULL) {
        put_memory(out, plan->sys);
    } else {
        fputs("null", out);
    }
    fputs("}\n", out);
}
