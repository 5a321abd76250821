// SPDX-License-Identifier: Apache-2.0
// The life of a VM: created at boot, loaded, run, ended, and by policy loaded again. What takes long is the VM's job
// on the core of its first VCPU.
#include "kernel/vm.h"
#include "kernel/arch.h"
#include "kernel/devices.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/pieces.h"
#include "kernel/string.h"

struct vm *vms[MAX_VMS];
unsigned vm_count;

// How the log begins with it; a guest's own end says all in its reason.
static const char *const end_names[] = {
    [VM_END_NONE] = "",         [VM_END_OFF] = "",          [VM_END_RESET] = "",
    [VM_END_FAULT] = "fault: ", [VM_END_STOP] = "stopped ", [VM_END_RESTART] = "restarted ",
};

// ---- creation ---------------------------------------------------------------------------------------------

static int create_memory(struct vm *vm) {
    for (unsigned i = 0; i < vm->desc->memory_count; i++) {
        struct vm_memory *m = &vm->memory[i];
        m->gpa = vm->desc->memory[i].base;
        m->size = vm->desc->memory[i].size;
        int status = memory_alloc_guest(m->size, GUEST_BLOCK, &m->pa);
        if (status == OK) { status = arch_vm_map(vm, m->gpa, m->pa, m->size, STAGE2_RAM); }
        if (status != OK) { return status; }
        vm->memory_count++;
    }
    return OK;
}

static int create_vcpus(struct vm *vm, const struct system_desc *system) {
    for (unsigned i = 0; i < vm->desc->vcpu_count; i++) {
        const struct vcpu_desc *desc = &vm->desc->vcpus[i];
        struct vcpu *vcpu = memory_alloc(sizeof(*vcpu));
        if (vcpu == NULL) { return ERR_NO_MEMORY; }
        int status = vcpu_init(vcpu, vm, i, desc, cpus[desc->placed]);
        if (status == OK) { status = pieces_init(vcpu, system->migration_ns); }
        if (status != OK) { return status; }
        vm->vcpus[i] = vcpu;
        vm->vcpu_count++;
    }
    return OK;
}

static int create_devices(struct vm *vm) {
    vm->devices = memory_alloc(sizeof(*vm->devices));
    if (vm->devices == NULL) { return ERR_NO_MEMORY; }
    for (unsigned i = 0; virtual_devices[i] != NULL; i++) {
        int status = virtual_devices[i]->create(vm, &vm->devices->state[i]);
        if (status != OK) { return status; }
    }
    return assign_all(vm);
}

static enum job_result vm_job(struct job *job);

static int create(struct vm *vm, const struct vm_desc *desc, const struct system_desc *system) {
    vm->name = desc->name;
    vm->desc = desc;
    vm->job = (struct job){.run = vm_job};
    vm->home = cpus[desc->vcpus[0].placed];
    int status = create_vcpus(vm, system);
    if (status == OK) { status = arch_vm_init(vm); }
    if (status == OK) { status = create_memory(vm); }
    if (status == OK) { status = create_devices(vm); }
    return status == OK ? vm_load_init(vm) : status;
}

int vm_create_all(const struct system_desc *desc) {
    for (unsigned i = 0; i < desc->vm_count; i++) {
        struct vm *vm = memory_alloc(sizeof(*vm));
        if (vm == NULL) { return ERR_NO_MEMORY; }
        vm->id = (uint8_t)i;
        int status = create(vm, &desc->vms[i], desc);
        if (status != OK) {
            log_line("%s: cannot be created (%d): the machine has too little memory left", desc->vms[i].name, status);
            return status;
        }
        vms[vm_count++] = vm;
    }
    return OK;
}

// ---- ending -----------------------------------------------------------------------------------------------

static const char by_operator[] = "by the operator";

bool vm_end(struct vm *vm, enum vm_end end, const char *format, ...) {
    bool kick[MAX_VCPUS] = {false};
    unsigned long flags = spin_lock(&vm->lock);
    va_list args;

    if (vm->state != VM_RUNNING) {
        spin_unlock(&vm->lock, flags);
        return false;
    }
    vm->state = VM_STOPPING;
    vm->end = end;
    va_start(args, format);
    format_string_v(vm->reason, sizeof(vm->reason), format, args);
    va_end(args);
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        kick[i] = vm->vcpus[i]->on;
        vm->vcpus[i]->stop = true; // those that are off, too: no other VCPU can start them any more
    }
    bool nobody = vm->running_vcpus == 0;
    spin_unlock(&vm->lock, flags);
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        if (kick[i]) { vcpu_kick(vm->vcpus[i]); }
    }
    if (nobody) { job_submit(vm->home, &vm->job); } // its first VCPU was about to start
    return true;
}

void vm_vcpu_left(struct vcpu *vcpu) {
    struct vm *vm = vcpu->vm;
    unsigned long flags = spin_lock(&vm->lock);
    bool last = --vm->running_vcpus == 0;

    vcpu->on = false;
    if (last && vm->state == VM_RUNNING) {
        vm->state = VM_STOPPING;
        vm->end = VM_END_OFF;
        format_string(vm->reason, sizeof(vm->reason), "all its VCPUs are off");
    }
    spin_unlock(&vm->lock, flags);
    if (last) { job_submit(vm->home, &vm->job); }
}

// Whether the end that just happened is followed by a new start.
static bool boots_again(struct vm *vm) {
    enum restart_policy policy = vm->desc->restart;

    if (vm->stop_asked) { return false; }
    if (vm->end == VM_END_RESTART) { // the operator starts it: its failures count from here
        vm->restarts = 0;
        return true;
    }
    if (vm->end == VM_END_RESET) { return true; }
    if (vm->end == VM_END_STOP || policy == RESTART_NEVER || (vm->end == VM_END_OFF && policy != RESTART_ALWAYS)) {
        return false;
    }
    if (vm->restarts >= vm->desc->restart_limit) {
        log_line("%s: ended %u times: its restart limit; it stays stopped", vm->name, vm->restarts + 1);
        return false;
    }
    vm->restarts++;
    return true;
}

// ---- the job ----------------------------------------------------------------------------------------------

static void set_state(struct vm *vm, enum vm_state state) {
    unsigned long flags = spin_lock(&vm->lock);

    vm->state = (uint8_t)state;
    vm->stop_asked = vm->stop_asked && state != VM_STOPPED;
    spin_unlock(&vm->lock, flags);
}

static void stop_as_asked(struct vm *vm) {
    vm->end = VM_END_STOP;
    format_string(vm->reason, sizeof(vm->reason), by_operator);
    log_line("%s: %s%s", vm->name, end_names[vm->end], vm->reason);
    set_state(vm, VM_STOPPED);
}

static void run(struct vm *vm) {
    unsigned long flags = spin_lock(&vm->lock);

    if (vm->stop_asked) {
        spin_unlock(&vm->lock, flags);
        stop_as_asked(vm);
        return;
    }
    vm->state = VM_RUNNING;
    vm->end = VM_END_NONE;
    vm->stats.starts++;
    for (unsigned i = 0; i < vm->vcpu_count; i++) { vm->vcpus[i]->stop = false; }
    spin_unlock(&vm->lock, flags);
    assign_switch(vm, true);
    flags = arch_irq_save();
    vcpu_start(vm->vcpus[0], vm->desc->entry, vm->desc->dtb_gpa);
    arch_irq_restore(flags);
}

static enum job_result job_loading(struct vm *vm) {
    int status = vm_load_slice(vm);

    if (status == ERR_BUSY) { return JOB_AGAIN; }
    if (status == OK) {
        run(vm);
    } else {
        vm->end = VM_END_FAULT;
        format_string(vm->reason, sizeof(vm->reason), "it cannot be loaded (%d)", status);
        set_state(vm, VM_STOPPED);
    }
    return JOB_DONE;
}

static enum job_result job_stopping(struct vm *vm) {
    assign_switch(vm, false);
    if (vm->end == VM_END_FAULT) { vm->stats.failures++; }
    log_line("%s: %s%s", vm->name, end_names[vm->end], vm->reason);
    if (!boots_again(vm)) {
        if (vm->stop_asked && vm->end != VM_END_STOP) {
            stop_as_asked(vm);
        } else {
            set_state(vm, VM_STOPPED);
        }
        return JOB_DONE;
    }
    vm_load_begin(vm);
    set_state(vm, VM_LOADING);
    return JOB_AGAIN;
}

static enum job_result vm_job(struct job *job) {
    struct vm *vm = container_of(job, struct vm, job);

    switch ((enum vm_state)vm->state) {
    case VM_LOADING: return job_loading(vm);
    case VM_STOPPING: return job_stopping(vm);
    default: return JOB_DONE;
    }
}

// ---- the operator -----------------------------------------------------------------------------------------

int vm_start(struct vm *vm) {
    unsigned long flags = spin_lock(&vm->lock);
    bool stopped = vm->state == VM_STOPPED && !VM_ABSENT(vm);

    if (stopped) {
        vm->restarts = 0;
        vm_load_begin(vm);
        vm->state = VM_LOADING;
    }
    spin_unlock(&vm->lock, flags);
    if (!stopped) { return ERR_BUSY; }
    job_submit(vm->home, &vm->job);
    return OK;
}

static int end_by_operator(struct vm *vm, enum vm_end end) {
    unsigned long flags = arch_irq_save();
    bool ends = vm_end(vm, end, by_operator);

    arch_irq_restore(flags);
    return ends ? OK : ERR_BUSY;
}

int vm_stop(struct vm *vm) {
    enum vm_state state;

    do {
        if (end_by_operator(vm, VM_END_STOP) == OK) { return OK; }
        unsigned long flags = spin_lock(&vm->lock);
        state = (enum vm_state)vm->state;
        vm->stop_asked = state == VM_LOADING || state == VM_STOPPING;
        spin_unlock(&vm->lock, flags);
    } while (state == VM_RUNNING); // it was in between just now, and was quick
    return state == VM_STOPPED ? ERR_BUSY : OK;
}

int vm_restart(struct vm *vm) { return vm->state == VM_STOPPED ? vm_start(vm) : end_by_operator(vm, VM_END_RESTART); }

struct vm *vm_find(const char *name) {
    for (unsigned i = 0; i < vm_count; i++) {
        if (strcmp(vms[i]->name, name) == 0) { return vms[i]; }
    }
    return NULL;
}
