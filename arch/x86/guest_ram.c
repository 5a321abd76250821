// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/guest_ram.h"

#include "kernel/guest_mem.h"
#include "kernel/space.h"
#include "kernel/vm.h"

// Opens a window to an aligned word of 4 or 8 bytes; NULL: it is none, or no RAM. To be closed with
// window_unmap(WINDOW_HANDLER).
static void *open_word(const struct vcpu *vcpu, gpa_t gpa, size_t size) {
    const struct vm *vm = vcpu->vm;

    if ((size != 4 && size != 8) || gpa % size != 0) { return NULL; }
    for (const struct vm_memory *m = vm->memory; m < vm->memory + vm->memory_count; m++) {
        if (gpa >= m->gpa && gpa - m->gpa < m->size && size <= m->size - (gpa - m->gpa)) {
            paddr_t pa = m->pa + (gpa - m->gpa);
            return (char *)window_map(WINDOW_HANDLER, ALIGN_DOWN(pa, WINDOW_SIZE)) + pa % WINDOW_SIZE;
        }
    }
    return NULL;
}

int guest_ram_read(void *context, gpa_t gpa, void *out, size_t size) {
    const struct vcpu *vcpu = context;
    const void *word = open_word(vcpu, gpa, size);

    if (word == NULL) { return guest_read(vcpu->vm, gpa, out, size); }
    if (size == 8) {
        *(uint64_t *)out = __atomic_load_n((const uint64_t *)word, __ATOMIC_RELAXED);
    } else {
        *(uint32_t *)out = __atomic_load_n((const uint32_t *)word, __ATOMIC_RELAXED);
    }
    window_unmap(WINDOW_HANDLER);
    return OK;
}

int guest_ram_write(void *context, gpa_t gpa, const void *in, size_t size) {
    const struct vcpu *vcpu = context;
    void *word = open_word(vcpu, gpa, size);

    if (word == NULL) { return guest_write(vcpu->vm, gpa, in, size); }
    if (size == 8) {
        __atomic_store_n((uint64_t *)word, *(const uint64_t *)in, __ATOMIC_RELEASE);
    } else {
        __atomic_store_n((uint32_t *)word, *(const uint32_t *)in, __ATOMIC_RELEASE);
    }
    window_unmap(WINDOW_HANDLER);
    return OK;
}

int guest_ram_compare_exchange(void *context, gpa_t gpa, unsigned size, uint64_t expected, uint64_t desired) {
    void *word = open_word(context, gpa, size);
    uint32_t expected32 = (uint32_t)expected;
    bool done;

    if (word == NULL) { return ERR_RANGE; }
    if (size == 8) {
        done = __atomic_compare_exchange_n((uint64_t *)word, &expected, desired, false, __ATOMIC_ACQ_REL,
                                           __ATOMIC_ACQUIRE);
    } else {
        done = __atomic_compare_exchange_n((uint32_t *)word, &expected32, (uint32_t)desired, false, __ATOMIC_ACQ_REL,
                                           __ATOMIC_ACQUIRE);
    }
    window_unmap(WINDOW_HANDLER);
    return done ? OK : ERR_BUSY;
}
