// SPDX-License-Identifier: Apache-2.0
// Monitor commands that ask for changes, and the one that shows what came of them.
#include "kernel/control_plan.h"
#include "kernel/monitor_commands.h"

// A decimal number without sign; false: it is none, or too large.
static bool number(const char *word, uint32_t *value) {
    uint64_t sum = 0;

    for (*value = 0; *word >= '0' && *word <= '9' && sum <= UINT32_MAX; word++) {
        sum = sum * 10 + (uint64_t)(*word - '0');
    }
    *value = (uint32_t)sum;
    return *word == '\0' && sum <= UINT32_MAX;
}

static void ask(struct control_request *request, uint32_t vcpu, uint32_t core) {
    const struct vm *vm = vm_find(monitor->words[1]);

    if (vm == NULL) {
        monitor_print("no VM '%s'; `vms` lists them\n", monitor->words[1]);
        return;
    }
    request->vm = vm->id;
    request->vcpu = (uint8_t)MIN(vcpu, UINT8_MAX);
    request->core = (uint8_t)MIN(core, UINT8_MAX);
    switch (control_ask(request)) {
    case OK: monitor_print("%s: is being decided; the log tells\n", vm->name); break;
    case ERR_BUSY: monitor_print("%s: not now, two changes are under way\n", vm->name); break;
    default: monitor_print("%s: no such VCPU or core; `vcpus` and `cpus` list them\n", vm->name);
    }
}

bool monitor_row_reserve(UNUSED unsigned row) {
    struct control_request request = {.operation = CONTROL_RESERVE};
    uint32_t vcpu;

    if (number(monitor->words[2], &vcpu) && number(monitor->words[3], &request.budget_us) &&
        number(monitor->words[4], &request.deadline_us) && number(monitor->words[5], &request.period_us)) {
        ask(&request, vcpu, 0);
    } else {
        monitor_print("budget, deadline and period are whole microseconds\n");
    }
    return false;
}

bool monitor_row_move(UNUSED unsigned row) {
    struct control_request request = {.operation = CONTROL_MOVE};
    uint32_t vcpu, core;

    if (number(monitor->words[2], &vcpu) && number(monitor->words[3], &core)) {
        ask(&request, vcpu, core);
    } else {
        monitor_print("VCPU and core are numbers\n");
    }
    return false;
}

bool monitor_row_create(UNUSED unsigned row) {
    ask(&(struct control_request){.operation = CONTROL_CREATE}, 0, 0);
    return false;
}

bool monitor_row_destroy(UNUSED unsigned row) {
    ask(&(struct control_request){.operation = CONTROL_DESTROY}, 0, 0);
    return false;
}

bool monitor_row_changes(UNUSED unsigned row) {
    const struct control *c = control;

    monitor_print("%5lu %5lu %7lu %13lu %11lu\n", c->stats.asked, c->stats.done, c->stats.refused,
                  clock_ticks_to_ns_up(&clock_rate, c->stats.commit_max),
                  clock_ticks_to_ns_up(&clock_rate, c->stats.core_max));
    return false;
}
