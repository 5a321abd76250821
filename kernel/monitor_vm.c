// SPDX-License-Identifier: Apache-2.0
// Monitor commands about VMs: list, stop, start, restart.
#include "kernel/monitor_commands.h"
#include "kernel/string.h"
#include "kernel/vm.h"

// How a stopped VM ended says more than that it is stopped.
static const char *state_name(const struct vm *vm) {
    static const char *const names[] = {
        [VM_STOPPED] = "stopped",
        [VM_LOADING] = "loading",
        [VM_RUNNING] = "running",
        [VM_STOPPING] = "stopping",
    };

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
    unsigned long flags;
    struct vm *vm;

    if (row == 0) {
        monitor_print("no name                    state    starts restarts vcpus memory-MiB last-end\n");
        return vm_count > 0;
    }
    vm = vms[row - 1];
    flags = spin_lock(&vm->lock);
    memcpy(reason, vm->reason, sizeof(reason));
    spin_unlock(&vm->lock, flags);
    monitor_print("%2u %-23s %-8s %6lu %8u %5u %10lu %s\n", row, vm->name, state_name(vm), vm->stats.starts,
                  vm->restarts, vm->vcpu_count, memory_mib(vm), reason[0] != '\0' ? reason : "-");
    return row < vm_count;
}

// Every change of a VM's life is asked for here and done by the VM's own job; the log tells when.
static bool act(int (*action)(struct vm *vm), const char *done) {
    struct vm *vm = vm_find(monitor->words[1]);
    int status = vm != NULL ? action(vm) : ERR_NOT_FOUND;

    if (vm == NULL) {
        monitor_print("no VM '%s'; `vms` lists them\n", monitor->words[1]);
    } else if (status == OK) {
        monitor_print("%s: %s\n", vm->name, done);
    } else {
        monitor_print("%s: not now, it is %s\n", vm->name, state_name(vm));
    }
    return false;
}

bool monitor_row_stop(unsigned row) {
    (void)row;
    return act(vm_stop, "is being stopped");
}

bool monitor_row_start(unsigned row) {
    (void)row;
    return act(vm_start, "is being started");
}

bool monitor_row_restart(unsigned row) {
    (void)row;
    return act(vm_restart, "is being restarted");
}
