// SPDX-License-Identifier: Apache-2.0
// Monitor commands about VMs: list, stop, start, restart.
#include "kernel/monitor_commands.h"
#include "kernel/string.h"
#include "kernel/vm.h"

// How a stopped VM ended says more than that it is stopped.
static const char *state_name(const struct vm *vm) {
    static const char *const names[] = {
        [VM_STOPPED] = "stopped", [VM_LOADING] = "loading", [VM_RUNNING] = "running", [VM_STOPPING] = "stopping"};

    if (VM_ABSENT(vm)) { return "absent"; }
    if (vm->state == VM_STOPPED && vm->end == VM_END_FAULT) { return "failed"; }
    if (vm->state == VM_STOPPED && vm->end == VM_END_OFF) { return "off"; }
    return names[vm->state];
}

static uint64_t memory_mib(const struct vm *vm) {
    uint64_t size = 0;

    for (unsigned i = 0; i < vm->memory_count; i++) { size += vm->memory[i].size; }
    return size >> 20;
}

bool monitor_row_vms(unsigned row) {
    char reason[sizeof(vms[0]->reason)];
    struct vm *vm = vms[row];

    unsigned long flags = spin_lock(&vm->lock);
    memcpy(reason, vm->reason, sizeof(reason));
    spin_unlock(&vm->lock, flags);
    monitor_print("%2u %-23s %-8s %6lu %8u %5u %10lu %s\n", row + 1, vm->name, state_name(vm), vm->stats.starts,
                  vm->restarts, vm->vcpu_count, memory_mib(vm), reason[0] != '\0' ? reason : "-");
    return row + 1 < vm_count;
}

// Every change of a VM's life is asked for here and done by the VM's own job; the log tells when.
bool monitor_row_act(UNUSED unsigned row) {
    struct vm *vm = vm_find(monitor->words[1]);

    if (vm == NULL) {
        monitor_print("no VM '%s'; `vms` lists them\n", monitor->words[1]);
    } else if (monitor->active->action(vm) == OK) {
        monitor_print("%s: is being %s\n", vm->name, monitor->active->done);
    } else {
        monitor_print("%s: not now, it is %s\n", vm->name, state_name(vm));
    }
    return false;
}
