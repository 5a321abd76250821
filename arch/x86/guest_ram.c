// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/guest_ram.h"

#include "kernel/guest_mem.h"
#include "kernel/space.h"
#include "kernel/vm.h"

// Opens a window to one aligned word; NULL: it is no RAM. To be closed with window_unmap(WINDOW_HANDLER).
static void *open_word(const struct vm *vm, gpa_t gpa, size_t size) {
    for (const struct vm_memory *m = vm->memory; m < vm->memory + vm->memory_count; m++) {
        if (gpa >= m->gpa && gpa - m->gpa < m->size && size <= m->size - (gpa - m->gpa)) {
            paddr_t pa = m->pa + (gpa - m->gpa);
            return (char *)window_map(WINDOW_HANDLER, ALIGN_DOWN(pa, WINDOW_SIZE)) + pa % WINDOW_SIZE;
        }
    }
    return NULL;
}

static bool is_word(gpa_t gpa, size_t size) { return (size == 4 || size == 8) && gpa % size == 0; }

int guest_ram_read(void *context, gpa_t gpa, void *out, size_t size) {
    const struct vcpu *vcpu = context;

    if (!is_word(gpa, size)) { return guest_read(vcpu->vm, gpa, out, size); }
    const void *word = open_word(vcpu->vm, gpa, size);
    if (word == NULL) { return ERR_RANGE; }
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

    if (!is_word(gpa, size)) { return guest_write(vcpu->vm, gpa, in, size); }
    void *word = open_word(vcpu->vm, gpa, size);
    if (word == NULL) { return ERR_RANGE; }
    if (size == 8) {
        __atomic_store_n((uint64_t *)word, *(const uint64_t *)in, __ATOMIC_RELEASE);
    } else {
        __atomic_store_n((uint32_t *)word, *(const uint32_t *)in, __ATOMIC_RELEASE);
    }
    window_unmap(WINDOW_HANDLER);
    return OK;
}

int guest_ram_compare_exchange(void *context, gpa_t gpa, unsigned size, uint64_t expected, uint64_t desired) {
    const struct vcpu *vcpu = context;
    void *word = open_word(vcpu->vm, gpa, size);
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
