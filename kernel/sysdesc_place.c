// SPDX-License-Identifier: Apache-2.0
// What holds for the system as a whole: its VMs find room in the board's memory, its reservations on the board's cores.
#include "kernel/log.h"
#include "kernel/sysdesc_control.h"
#include "kernel/sysdesc_reclaim.h"
#include "kernel/sysdesc_split.h"

// ---- memory -----------------------------------------------------------------------------------------------

static uint64_t largest(const struct ranges *room) {
    uint64_t size = 0;

    for (unsigned i = 0; i < room->count; i++) { size = MAX(size, room->at[i].size); }
    return size;
}

static void give_vm(struct sysdesc_check *c, struct ranges *room, const struct vm_desc *vm) {
    paddr_t base;

    for (unsigned i = 0; i < vm->memory_count; i++) {
        uint64_t size = vm->memory[i].size, left = largest(room) >> 20;
        if (ranges_take(room, size, GUEST_BLOCK, &base) == OK) { continue; }
        sysdesc_at(c, vm, -1);
        sysdesc_mistake(c, "memory", sysdesc_remedy(c, "at most %lu MiB, or less for another VM", left),
                        "no room for %lu MiB: of the %lu MiB for guests, the largest piece left is %lu MiB", size >> 20,
                        c->sys->memory_total >> 20, left);
    }
}

void sysdesc_memory(struct sysdesc_check *c) {
    struct ranges room = {.unit = GUEST_BLOCK}; // that nobody has
    uint64_t total, share = HYPERVISOR_SHARE;
    paddr_t base;

    for (unsigned i = 0; i < c->board->memory_count; i++) { ranges_add(&room, &c->board->memory[i]); }
    for (unsigned i = 0; i < c->board->reserved_count; i++) { ranges_remove(&room, &c->board->reserved[i]); }
    ranges_remove(&room, &c->board->initrd);
    total = ranges_total(&room);
    // The image stays in memory. A board that did not boot from it does not say where: then it only costs room.
    if (c->board->initrd.size == 0) { share += ALIGN_UP(c->image_size, GUEST_BLOCK); }
    c->sys->memory_total = total > share ? total - share : 0;
    for (uint64_t taken = 0; taken < MIN(share, total); taken += GUEST_BLOCK) {
        (void)ranges_take(&room, GUEST_BLOCK, GUEST_BLOCK, &base);
    }
    for (unsigned i = 0; i < c->sys->vm_count; i++) { give_vm(c, &room, &c->sys->vms[i]); }
}

// ---- what admission is asked ------------------------------------------------------------------------------

// Costs round up, promises round down: what is admitted in ticks holds in microseconds.
void sysdesc_set_task(const struct sysdesc_check *c, struct vcpu_desc *vcpu) {
    vcpu->task.budget =
        clock_ns_to_ticks_up(&c->rate, vcpu->budget_us * 1000ull) + clock_ns_to_ticks_up(&c->rate, c->sys->overhead_ns);
    vcpu->task.deadline = clock_ns_to_ticks_down(&c->rate, vcpu->deadline_us * 1000ull);
    vcpu->task.period = clock_ns_to_ticks_down(&c->rate, vcpu->period_us * 1000ull);
}

static bool well_formed(const struct vcpu_desc *vcpu) {
    return vcpu->reserved
               ? vcpu->budget_us != 0 && vcpu->budget_us <= vcpu->deadline_us && vcpu->deadline_us <= vcpu->period_us
               : vcpu->weight != 0;
}

// The VCPUs in the order of the description; those with mistakes of their own are left out.
static unsigned collect(struct sysdesc_check *c) {
    unsigned count = 0;

    for (unsigned v = 0; v < c->sys->vm_count; v++) {
        if (sysdesc_left_out(c, &c->sys->vms[v])) { continue; }
        for (unsigned i = 0; i < c->sys->vms[v].vcpu_count; i++) {
            struct vcpu_desc *vcpu = &c->sys->vms[v].vcpus[i];
            vcpu->placed = vcpu->core;
            if (!well_formed(vcpu)) { continue; }
            if (vcpu->reserved) { sysdesc_set_task(c, vcpu); }
            c->sys->scratch.vcpus[count] = vcpu;
            int32_t core = vcpu->core == CORE_AUTO ? SCHED_CORE_AUTO : vcpu->core;
            c->sys->scratch.requests[count++] =
                (struct sched_request){.task = vcpu->task, .weight = vcpu->weight, .vm = v, .core = core};
        }
    }
    return count;
}

// ---- interrupts -------------------------------------------------------------------------------------------

static void add_source(struct sysdesc_check *c, unsigned core, uint32_t distance_us) {
    struct sched_core_load *load = &c->sys->cores[core];

    if (load->source_count == SCHED_SOURCES_MAX) {
        sysdesc_mistake(c, "devices", "give the VMs with devices different cores for vcpu@0",
                        "core %u has more than %u sources of interrupts", core, SCHED_SOURCES_MAX);
        return;
    }
    load->sources[load->source_count++] =
        (struct sched_source){clock_ns_to_ticks_up(&c->rate, c->sys->irq_cost_ns),
                              MAX(clock_ns_to_ticks_down(&c->rate, distance_us * 1000ull), 1u)};
}

// A VM's devices interrupt the core of its vcpu 0, as far as that has one yet.
static void add_sources(struct sysdesc_check *c) {
    memset(c->sys->cores, 0, sizeof(c->sys->cores));
    sysdesc_leave(c, 0);
    if (c->sys->console_core < c->board->cpu_count) {
        add_source(c, c->sys->console_core, c->sys->console_irq_distance_us);
    }
    for (unsigned v = 0; v < c->sys->vm_count; v++) {
        const struct vm_desc *vm = &c->sys->vms[v];
        sysdesc_at(c, vm, -1);
        for (unsigned d = 0; d < vm->device_count && vm->vcpus[0].placed != CORE_AUTO; d++) {
            const struct device_desc *device = &vm->devices[d];
            for (unsigned i = 0; i < device->irq_count && device->irq_distance_us != 0; i++) {
                add_source(c, vm->vcpus[0].placed, device->irq_distance_us);
            }
        }
    }
}

// Nothing bounds what a source without a rate takes from the reservations of its core.
static void check_rates(struct sysdesc_check *c, const struct vm_desc *vm) {
    unsigned core = vm->vcpus[0].placed;

    if (core == CORE_AUTO || c->sys->cores[core].task_count == 0) { return; }
    sysdesc_at(c, vm, -1);
    sysdesc_enter(c, "devices");
    for (unsigned i = 0; i < vm->device_count; i++) {
        if (vm->devices[i].irq_count != 0 && vm->devices[i].irq_distance_us == 0) {
            sysdesc_mistake(
                c, "irq-distance-us", "say how far apart they are at least, or give vcpu@0 a core without reservations",
                "%s interrupts core %u, which has reservations, at no known rate", vm->devices[i].path, core);
        }
    }
}

// ---- admission --------------------------------------------------------------------------------------------

static const char *advice(struct sysdesc_check *c, const struct sched_placement *p) {
    uint64_t overhead = clock_ns_to_ticks_up(&c->rate, c->sys->overhead_ns);
    uint64_t budget =
        p->largest_budget > overhead ? clock_ticks_to_ns_down(&c->rate, p->largest_budget - overhead) / 1000 : 0;
    uint64_t period = (clock_ticks_to_ns_up(&c->rate, p->smallest_period) + 999) / 1000;

    if (period == 0 && budget < BUDGET_US_MIN) { return "ask less of its core for other VCPUs"; }
    if (period == 0) { return sysdesc_remedy(c, "budget-us at most %lu", budget); }
    return budget < BUDGET_US_MIN
               ? sysdesc_remedy(c, "period-us at least %lu", period)
               : sysdesc_remedy(c, "budget-us at most %lu, or period-us at least %lu", budget, period);
}

static struct decimal to_us(const struct sysdesc_check *c, uint64_t ticks) {
    return format_thousandths(clock_ticks_to_ns_up(&c->rate, ticks));
}

void sysdesc_refused(struct sysdesc_check *c, const struct vcpu_desc *vcpu, const struct sched_placement *p) {
    const struct sched_verdict *verdict = &p->verdict;
    bool any = vcpu->core == CORE_AUTO && !sysdesc_by_count(c->sys);
    char why[112];

    if (vcpu->reserved && vcpu->task.budget > vcpu->task.deadline) {
        sysdesc_mistake(c, "budget-us", "a longer deadline-us, or a smaller budget-us",
                        "with %u ns of overhead, %u is more than the deadline, %u", c->sys->overhead_ns,
                        vcpu->budget_us, vcpu->deadline_us);
        return;
    }
    if (p->core < 0 || !vcpu->reserved) {
        sysdesc_mistake(c, "core", "use another core, or fewer VCPUs",
                        "no core has room for another VCPU: each takes %u", SCHED_MEMBERS_MAX);
        return;
    }
    if (verdict->outcome == SCHED_UNDECIDED) {
        format_string(why, sizeof(why), "not decided within %u steps", SCHED_QPA_STEPS_MAX);
    } else if (verdict->at == 0) {
        format_string(why, sizeof(why), "its reservations together are more than all its time");
    } else {
        format_string(why, sizeof(why), "within %s us its reservations can want %s us, %s us too much",
                      to_us(c, verdict->at).text, to_us(c, verdict->demand).text, to_us(c, verdict->excess).text);
    }
    sysdesc_mistake(c, "budget-us", advice(c, p), "%s %d%s: %s", any ? "no core can keep it; closest is core" : "core",
                    (int)p->core, any ? "" : " cannot keep it", why);
}

static void place(struct sysdesc_check *c, unsigned count) {
    struct sched_machine machine = {.cores = c->sys->cores, .core_count = sysdesc_cores(c->board, c->sys)};

    sysdesc_may_split(c, &machine, count);
    sched_place_all(&machine, c->sys->scratch.requests, c->sys->scratch.placements, count);
    for (unsigned i = 0; i < count; i++) {
        const struct sched_placement *p = &c->sys->scratch.placements[i];
        if (p->step != SCHED_STEP_REFUSED) { c->sys->scratch.vcpus[i]->placed = (uint8_t)p->core; }
    }
    sysdesc_take_pieces(c, count);
}

// Where a VM's devices interrupt depends on where its vcpu 0 lives, and that on what interrupts there. So such VCPUs are
// placed first as if nothing interrupted, then kept there while everybody is placed among the interrupts.
static void settle_interrupted(struct sysdesc_check *c, unsigned count) {
    bool any = false;

    for (unsigned v = 0; v < c->sys->vm_count; v++) { any |= c->sys->vms[v].irq_count != 0; }
    if (!any) { return; }
    place(c, count);
    for (unsigned i = 0; i < count; i++) {
        struct sched_request *request = &c->sys->scratch.requests[i];
        const struct vm_desc *vm = &c->sys->vms[request->vm];
        struct vcpu_desc *vcpu = c->sys->scratch.vcpus[i];
        if (vcpu != &vm->vcpus[0] || vm->irq_count == 0) {
            vcpu->placed = vcpu->core;
        } else if (vcpu->placed != CORE_AUTO) {
            request->core = vcpu->placed;
        }
    }
    add_sources(c);
}

// What runs on one thread of a core can read much of what runs on the others through what they share.
static void check_threads(struct sysdesc_check *c, unsigned count) {
    const struct vm_desc *owners[MAX_CORES] = {NULL};

    for (unsigned i = 0; i < count && c->sys->smt; i++) {
        const struct vcpu_desc *vcpu = c->sys->scratch.vcpus[i];
        if (vcpu->placed == CORE_AUTO) { continue; }
        const struct vm_desc *vm = &c->sys->vms[c->sys->scratch.requests[i].vm];
        const struct vm_desc **owner = &owners[c->board->cpus[vcpu->placed].core];
        if (*owner == NULL) { *owner = vm; }
        if (*owner == vm) { continue; }
        sysdesc_at(c, vm, (int)(vcpu - vm->vcpus));
        sysdesc_mistake(c, "core", "give it another core, or remove smt",
                        "core %u is a thread of one that %s has, and with smt a core belongs to one VM", vcpu->placed,
                        (*owner)->name);
    }
}

void sysdesc_admit(struct sysdesc_check *c) {
    if (clock_rate_init(&c->rate, c->hz) != CLOCK_OK) {
        sysdesc_leave(c, 0);
        sysdesc_mistake(c, NULL, "1 Hz to 10 GHz", "the board's counter runs at %lu Hz", c->hz);
        return;
    }
    unsigned count = collect(c);
    add_sources(c);
    settle_interrupted(c, count);
    place(c, count);
    for (unsigned i = 0; i < count; i++) {
        const struct sched_placement *p = &c->sys->scratch.placements[i];
        if (p->step == SCHED_STEP_REFUSED) {
            const struct vm_desc *vm = &c->sys->vms[c->sys->scratch.requests[i].vm];
            const struct vcpu_desc *vcpu = c->sys->scratch.vcpus[i];
            sysdesc_at(c, vm, (int)(vcpu - vm->vcpus));
            sysdesc_refused(c, vcpu, p);
        }
    }
    for (unsigned i = 0; i < c->sys->vm_count; i++) { check_rates(c, &c->sys->vms[i]); }
    check_threads(c, count);
    sysdesc_check_reclaim(c);
    sysdesc_promise(c);
}
