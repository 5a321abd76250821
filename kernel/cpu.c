// SPDX-License-Identifier: Apache-2.0
// Bring-up of the cores.
#include "kernel/cpu.h"

#include "kernel/arch.h"
#include "kernel/boot.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/space.h"

struct cpu boot_cpu;
struct cpu *cpus[MAX_CORES];
unsigned cpu_count;
struct clock_rate clock_rate;

// How long one best-effort VCPU runs before the next; short enough for a shell, long against a switch.
#define TURN_NS          2000000
// A core that firmware promised to start answers long before this.
#define START_TIMEOUT_NS 1000000000ull

// A timer interrupt this late was not ours to prevent: the longest masked section is far below (docs/design.md).
#define DISTORTION_NS    100000
// What loading a VCPU and returning to it takes, about: `make bench`'s activation is six times that.
#define LOAD_NS          400

// A stack of `pages` 4 KiB pages between two unmapped guard pages; its top, or NULL.
static void *alloc_stack(unsigned pages) {
    void *memory = memory_alloc_pages(pages);
    char *bottom = memory != NULL ? space_map(SPACE_STACKS, memory_pa(memory), pages * PAGE_SIZE) : NULL;

    return bottom != NULL ? bottom + pages * PAGE_SIZE : NULL;
}

static int cpu_prepare(struct cpu *cpu, unsigned id) {
    cpu->id = id;
    cpu->armed = UINT64_MAX;
    cpu->stats.timer.late_min = UINT64_MAX;
    cpu->late_limit = clock_ns_to_ticks_up(&clock_rate, DISTORTION_NS);
    cpu->load_time = clock_ns_to_ticks_up(&clock_rate, LOAD_NS);
    if (cpu->stack_top == NULL) { // the boot core runs on its own already
        cpu->stack_top = alloc_stack(4);
    }
    cpu->panic_stack = alloc_stack(2);
    cpu->thread_stack = alloc_stack(4);
    if (cpu->stack_top == NULL || cpu->panic_stack == NULL || cpu->thread_stack == NULL) { return ERR_NO_MEMORY; }
    sched_core_init(&cpu->sched, clock_ns_to_ticks_up(&clock_rate, TURN_NS));
    timer_queue_init(&cpu->timers);
    job_thread_init(cpu);
    return OK;
}

int cpus_create(const struct board *board) {
    cpu_count = MIN(board->cpu_count + board->thread_count, (unsigned)MAX_CORES);
    for (unsigned i = 0; i < cpu_count; i++) {
        struct cpu *cpu = board->cpus[i].hwid == arch_hwid() ? &boot_cpu : memory_alloc(sizeof(*cpu));
        if (cpu == NULL || cpu_prepare(cpu, i) != OK) { return ERR_NO_MEMORY; }
        cpu->hwid = board->cpus[i].hwid;
        cpus[i] = cpu;
    }
    return OK;
}

int cpus_start(void) {
    uint64_t limit = arch_clock() + clock_ns_to_ticks_up(&clock_rate, START_TIMEOUT_NS);

    for (unsigned i = 0; i < cpu_count; i++) {
        if (cpus[i] == &boot_cpu) { continue; }
        int status = arch_cpu_start(cpus[i]);
        if (status != OK) {
            log_line("core %u: the firmware does not start it (%d)", i, status);
            return status;
        }
    }
    for (unsigned i = 0; i < cpu_count; i++) {
        while (cpus[i] != &boot_cpu && !__atomic_load_n(&cpus[i]->online, __ATOMIC_ACQUIRE)) {
            if (arch_clock() > limit) {
                log_line("core %u: started by the firmware but never came up", i);
                return ERR_NOT_FOUND;
            }
            arch_relax();
        }
    }
    return OK;
}

void cpu_main(struct cpu *cpu) {
    arch_cpu_init(cpu);
    __atomic_store_n(&cpu->online, true, __ATOMIC_RELEASE);
    arch_enter(cpu);
}
