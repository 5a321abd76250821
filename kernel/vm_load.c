// SPDX-License-Identifier: Apache-2.0
// Makes a VM ready to start: everything of a former life is scrubbed, then the verified files of the system image are
// copied and the device tree is written. In slices, as the VM's job: a restart is felt by nobody else.
#include "kernel/arch.h"
#include "kernel/devices.h"
#include "kernel/guest_fdt.h"
#include "kernel/guest_mem.h"
#include "kernel/memory.h"

// One slice: about 10 us of copying at one instruction per nanosecond, cache maintenance included.
enum { COPY_SLICE = 4096, SCRUB_SLICE = 64 * 1024 };

struct vm_load;
// Does one slice; OK: the step is done, ERR_BUSY: more to do, other: loading fails.
typedef int (*load_step_t)(struct vm *vm, struct vm_load *load);

struct vm_load {
    const load_step_t *step;
    uint64_t done;  // bytes of this step
    unsigned block; // of memory, or segment of the kernel
    uint64_t described;
    char description[GUEST_FDT_MAX] __attribute__((aligned(8)));
};

static int step_reset(struct vm *vm, UNUSED struct vm_load *load) {
    for (unsigned i = 0; virtual_devices[i] != NULL; i++) {
        if (vm->devices->state[i] != NULL) { virtual_devices[i]->reset(vm, vm->devices->state[i]); }
    }
    arch_vm_reset(vm);
    return OK;
}

static int step_scrub(struct vm *vm, struct vm_load *load) {
    const struct vm_memory *memory = &vm->memory[load->block];
    uint64_t size = MIN((uint64_t)SCRUB_SLICE, memory->size - load->done);
    uint64_t start = arch_clock();
    int status = guest_zero(vm, memory->gpa + load->done, size);

    vm->stats.scrub_ticks += arch_clock() - start;
    if (status != OK) { return status; }
    load->done += size;
    if (load->done < memory->size) { return ERR_BUSY; }
    load->done = 0;
    return ++load->block == vm->memory_count ? OK : ERR_BUSY;
}

static int copy(struct vm *vm, struct vm_load *load, const struct blob *from, gpa_t to) {
    uint64_t size = MIN((uint64_t)COPY_SLICE, from->size - load->done);
    uint64_t start = arch_clock();
    int status = size == 0 ? OK : guest_write_image(vm, to + load->done, (const char *)from->data + load->done, size);

    vm->stats.copy_ticks += arch_clock() - start;
    if (status != OK) { return status; }
    load->done += size;
    return load->done == from->size ? OK : ERR_BUSY;
}

static int step_kernel(struct vm *vm, struct vm_load *load) {
    if (load->block == vm->desc->segment_count) { return OK; }
    const struct image_segment *segment = &vm->desc->segments[load->block];
    const struct blob piece = {(const char *)vm->desc->kernel.data + segment->offset, segment->size};
    int status = copy(vm, load, &piece, segment->gpa);

    if (status != OK) { return status; }
    load->done = 0;
    load->block++;
    return ERR_BUSY;
}

static int step_initrd(struct vm *vm, struct vm_load *load) {
    return copy(vm, load, &vm->desc->initrd, vm->desc->initrd_gpa);
}

static int step_describe(struct vm *vm, struct vm_load *load) {
    int size = arch_guest_describe(vm, load->description, sizeof(load->description));

    load->described = (uint64_t)MAX(size, 0);
    return MIN(size, 0);
}

static int step_description(struct vm *vm, struct vm_load *load) {
    const struct blob description = {load->description, load->described};

    return copy(vm, load, &description, vm->desc->dtb_gpa);
}

static const load_step_t load_steps[] = {
    step_reset, step_scrub, step_kernel, step_initrd, step_describe, step_description, NULL,
};

int vm_load_init(struct vm *vm) {
    vm->load = memory_alloc(sizeof(*vm->load));
    return vm->load == NULL ? ERR_NO_MEMORY : OK;
}

void vm_load_begin(struct vm *vm) {
    vm->stats.copy_ticks = 0;
    vm->stats.scrub_ticks = 0;
    vm->load->step = load_steps;
    vm->load->done = 0;
    vm->load->block = 0;
}

int vm_load_slice(struct vm *vm) {
    struct vm_load *load = vm->load;
    int status = (*load->step)(vm, load);

    if (status != OK) { return status; }
    load->done = 0;
    load->block = 0;
    load->step++;
    return *load->step != NULL ? ERR_BUSY : OK;
}
