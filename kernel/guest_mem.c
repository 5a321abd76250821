// SPDX-License-Identifier: Apache-2.0
#include "kernel/guest_mem.h"

#include "kernel/arch.h"
#include "kernel/space.h"
#include "kernel/string.h"

// What a handler may touch in one call: a few hundred instructions.
enum { HANDLER_MAX = 4096 };

enum access { READ, WRITE, ZERO, IMAGE };

// The block of RAM that holds all of [gpa, gpa + size), or NULL. Blocks are not adjacent: an access that spans two is
// refused as one that leaves RAM.
static const struct vm_memory *find_block(const struct vm *vm, gpa_t gpa, uint64_t size) {
    for (unsigned i = 0; i < vm->memory_count; i++) {
        const struct vm_memory *block = &vm->memory[i];
        if (gpa >= block->gpa && gpa - block->gpa <= block->size && size <= block->size - (gpa - block->gpa)) {
            return block;
        }
    }
    return NULL;
}

bool guest_is_ram(const struct vm *vm, gpa_t gpa, uint64_t size) { return find_block(vm, gpa, size) != NULL; }

static void touch(enum access access, char *guest, void *own, size_t size) {
    switch (access) {
    case READ: memcpy(own, guest, size); break;
    case ZERO: memset(guest, 0, size); break;
    default: memcpy(guest, own, size); break;
    }
    if (access == ZERO || access == IMAGE) { arch_cache_publish(guest, size); }
}

static int access_memory(struct vm *vm, gpa_t gpa, enum access access, void *own, size_t size) {
    bool handler = arch_in_handler();
    unsigned slot = handler ? WINDOW_HANDLER : WINDOW_THREAD;
    const struct vm_memory *block = find_block(vm, gpa, size);

    if (block == NULL || (handler && size > HANDLER_MAX)) { return ERR_RANGE; }
    for (paddr_t pa = block->pa + (gpa - block->gpa); size > 0;) {
        uint64_t offset = pa & (WINDOW_SIZE - 1);
        size_t chunk = MIN(size, WINDOW_SIZE - offset);
        char *window = window_map(slot, pa - offset);
        touch(access, window + offset, own, chunk);
        window_unmap(slot);
        own = (char *)own + chunk;
        pa += chunk;
        size -= chunk;
    }
    return OK;
}

int guest_read(struct vm *vm, gpa_t gpa, void *out, size_t size) { return access_memory(vm, gpa, READ, out, size); }

// The common path writes through `own` only when it reads the guest.
static void *unconst(const void *in) { return (void *)(uintptr_t)in; }

int guest_write(struct vm *vm, gpa_t gpa, const void *in, size_t size) {
    return access_memory(vm, gpa, WRITE, unconst(in), size);
}

int guest_zero(struct vm *vm, gpa_t gpa, size_t size) { return access_memory(vm, gpa, ZERO, NULL, size); }

int guest_write_image(struct vm *vm, gpa_t gpa, const void *in, size_t size) {
    return access_memory(vm, gpa, IMAGE, unconst(in), size);
}
