// SPDX-License-Identifier: Apache-2.0
// Nodes and properties as QEMU's virt machine has them (Devicetree Specification 0.4; Linux bindings).
#include "kernel/guest_fdt.h"

#include <libfdt.h>

#include "kernel/arch.h"
#include "kernel/devices.h"
#include "kernel/log.h"
#include "kernel/sha256.h"

enum { UART_CLOCK_HZ = 24000000, RNG_SEED_SIZE = 64, KASLR_SEED_SIZE = 8, TRNG_WORDS = 4 };

static struct {
    const struct board *board;
    const struct system_desc *system;
} origin;

void guest_fdt_init(const struct board *board, const struct system_desc *system) {
    origin.board = board;
    origin.system = system;
}

// ---- seeds ------------------------------------------------------------------------------------------------

// What the seeds of this start of the VM are made from; false: the machine has no entropy to give.
static bool seed_material(const struct vm *vm, struct sha256 *hash) {
    uint64_t random[TRNG_WORDS] = {0};
    bool good = origin.system->deterministic;

    sha256_init(hash);
    sha256_update(hash, vm->name, strlen(vm->name));
    if (good) { return true; }
    if (origin.board->has_seed) {
        sha256_update(hash, origin.board->seed, sizeof(origin.board->seed));
        good = true;
    }
    for (unsigned i = 0; i < TRNG_WORDS && arch_trng(&random[i]) == OK; i++) { good = good || i == TRNG_WORDS - 1; }
    sha256_update(hash, random, sizeof(random));
    sha256_update(hash, &vm->stats.starts, sizeof(vm->stats.starts));
    return good;
}

// Independent outputs of one seed: the purpose is hashed last.
static void seed_derive(const struct sha256 *material, char purpose, uint8_t out[SHA256_SIZE]) {
    struct sha256 hash = *material;

    sha256_update(&hash, &purpose, sizeof(purpose));
    sha256_final(&hash, out);
}

static int add_seeds(const struct vm *vm, void *fdt, int chosen) {
    uint8_t rng[RNG_SEED_SIZE], kaslr[SHA256_SIZE];
    struct sha256 material;

    if (!seed_material(vm, &material)) { return 0; }
    seed_derive(&material, 'a', rng);
    seed_derive(&material, 'b', rng + SHA256_SIZE);
    seed_derive(&material, 'k', kaslr);
    int error = fdt_setprop(fdt, chosen, "rng-seed", rng, sizeof(rng));
    return error | fdt_setprop(fdt, chosen, "kaslr-seed", kaslr, KASLR_SEED_SIZE);
}

// ---- what every tree gets, generated or own ------------------------------------------------------------------

static int subnode(void *fdt, int parent, const char *name) {
    int node = fdt_subnode_offset(fdt, parent, name);

    return node >= 0 ? node : fdt_add_subnode(fdt, parent, name);
}

static int add_chosen(const struct vm *vm, void *fdt, gpa_t initrd, uint64_t initrd_size) {
    int chosen = subnode(fdt, 0, "chosen");
    int error = chosen < 0 ? chosen : 0;

    if (vm->desc->bootargs[0] != '\0') { error |= fdt_setprop_string(fdt, chosen, "bootargs", vm->desc->bootargs); }
    if (initrd_size != 0) {
        error |= fdt_setprop_u64(fdt, chosen, "linux,initrd-start", initrd);
        error |= fdt_setprop_u64(fdt, chosen, "linux,initrd-end", initrd + initrd_size);
    }
    return error | add_seeds(vm, fdt, chosen);
}

// One node that lists every block; memory nodes that an own tree brings go.
static int add_memory(const struct vm *vm, void *fdt) {
    char name[sizeof("memory@") + 16];
    int old, node, error = 0;

    while ((old = fdt_node_offset_by_prop_value(fdt, -1, "device_type", "memory", sizeof("memory"))) >= 0) {
        error = fdt_del_node(fdt, old);
        if (error != 0) { return error; }
    }
    format_string(name, sizeof(name), "memory@%lx", vm->desc->memory[0].base);
    node = fdt_add_subnode(fdt, 0, name);
    error |= fdt_setprop_string(fdt, node, "device_type", "memory");
    for (unsigned i = 0; i < vm->desc->memory_count; i++) {
        error |= fdt_appendprop_addrrange(fdt, 0, node, "reg", vm->desc->memory[i].base, vm->desc->memory[i].size);
    }
    return error;
}

// ---- the generated tree -------------------------------------------------------------------------------------

static int add_root(void *fdt) {
    int error = fdt_setprop_string(fdt, 0, "compatible", "linux,dummy-virt");

    error |= fdt_setprop_string(fdt, 0, "model", "linux,dummy-virt");
    error |= fdt_setprop_u32(fdt, 0, "#address-cells", 2);
    error |= fdt_setprop_u32(fdt, 0, "#size-cells", 2);
    error |= fdt_setprop_u32(fdt, 0, "interrupt-parent", GUEST_PHANDLE_INTC);
    error |= MIN(fdt_add_subnode(fdt, 0, "chosen"), 0);
    return error | MIN(fdt_add_subnode(fdt, 0, "aliases"), 0);
}

static int add_clock(void *fdt) {
    int node = fdt_add_subnode(fdt, 0, "apb-pclk");
    int error = fdt_setprop_string(fdt, node, "compatible", "fixed-clock");

    error |= fdt_setprop_u32(fdt, node, "#clock-cells", 0);
    error |= fdt_setprop_u32(fdt, node, "clock-frequency", UART_CLOCK_HZ);
    error |= fdt_setprop_string(fdt, node, "clock-output-names", "clk24mhz");
    return error | fdt_setprop_u32(fdt, node, "phandle", GUEST_PHANDLE_CLOCK);
}

static int add_devices(struct vm *vm, void *fdt) {
    int error = 0;

    for (unsigned i = 0; virtual_devices[i] != NULL && error == 0; i++) {
        if (vm->devices->state[i] != NULL) { error = virtual_device_nodes[i](fdt); }
    }
    for (unsigned i = 0; i < vm->desc->device_count && error == 0; i++) {
        error = guest_fdt_device(fdt, origin.board->fdt, &vm->desc->devices[i]);
    }
    return error;
}

// A root and nothing else. Devicetree Specification 0.4, chapter 5: a header of 40 bytes, then 16 that end the list of
// reservations, 16 of structure, and no strings.
#define CELLS(a, b) __builtin_bswap64((uint64_t)(a) << 32 | (b))
static const uint64_t empty_tree[] = {CELLS(FDT_MAGIC, 72),
                                      CELLS(56, 72),
                                      CELLS(40, 17),
                                      CELLS(16, 0),
                                      CELLS(0, 16),
                                      0,
                                      0,
                                      CELLS(FDT_BEGIN_NODE, 0),
                                      CELLS(FDT_END_NODE, FDT_END)};

static int generate(struct vm *vm, void *fdt, int size) {
    int error = fdt_open_into(empty_tree, fdt, size);

    if (error == 0) { error = add_root(fdt); }
    if (error == 0) { error = add_clock(fdt); }
    if (error == 0) { error = arch_guest_fdt(fdt, vm); }
    return error == 0 ? add_devices(vm, fdt) : error;
}

// ---- the whole ----------------------------------------------------------------------------------------------

// Applying an overlay uses it up, so a copy of it stands at the end of the buffer.
static int apply_overlay(void *fdt, const struct blob *overlay, uint64_t room) {
    void *copy = (char *)fdt + room;

    memcpy(copy, overlay->data, overlay->size);
    return fdt_overlay_apply(fdt, copy);
}

int guest_fdt_build(struct vm *vm, void *buffer, gpa_t initrd, uint64_t initrd_size) {
    const struct vm_desc *desc = vm->desc;
    uint64_t overlay_size = ALIGN_UP(desc->overlay.size, 8ull);
    uint64_t room = GUEST_FDT_MAX - MIN(overlay_size, (uint64_t)GUEST_FDT_MAX / 2);
    int error = overlay_size > GUEST_FDT_MAX / 2 ? -FDT_ERR_NOSPACE : 0;

    if (error == 0 && desc->dtb.size != 0) {
        error = fdt_open_into(desc->dtb.data, buffer, (int)room);
    } else if (error == 0) {
        error = generate(vm, buffer, (int)room);
    }
    if (error == 0) { error = add_chosen(vm, buffer, initrd, initrd_size); }
    if (error == 0) { error = add_memory(vm, buffer); }
    if (error == 0 && overlay_size != 0) { error = apply_overlay(buffer, &desc->overlay, room); }
    if (error != 0) {
        log_line("%s: its device tree cannot be made: %s", vm->name, fdt_strerror(error));
        return error;
    }
    return fdt_pack(buffer);
}
