// SPDX-License-Identifier: Apache-2.0
// Translation tables and stage 2, walked by the model as the manual says.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <maintenance.h>

#include "arch/arm64/mmu.h"
#include "arch/arm64/stage2.h"
#include "arch/arm64/sysreg.h"
#include "arch/host/host.h"
#include "kernel/memory.h"

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

static struct pagetable make_table(void) {
    return (struct pagetable){
        .format = &vmsa_format,
        .root = memory_alloc_pages(1),
        .bits = 48,
        .flush = tlb_flush_hypervisor,
    };
}

static struct model_translation use(const struct pagetable *table, uint64_t address) {
    return model_use_hypervisor(memory_pa(table->root), address);
}

static int setup(void **state) {
    (void)state;
    host_reset();
    return 0;
}

static void maps_with_the_largest_blocks(void **state) {
    static const struct {
        uint64_t address, pa, size, probe, block;
    } cases[] = {
        {0x1000, 0x40000000, KIB(4), 0x1fff, KIB(4)},
        {MIB(2), MIB(64), MIB(2), MIB(3), MIB(2)},
        {MIB(2), MIB(64) + KIB(4), MIB(2), MIB(3), KIB(4)}, // out of step: only pages fit
        {GIB(1), GIB(5), GIB(2), GIB(2) + 5, GIB(1)},
        {GIB(1) - KIB(4), GIB(5) - KIB(4), GIB(1) + KIB(8), GIB(1) - 1, KIB(4)},
        {GIB(1) - KIB(4), GIB(5) - KIB(4), GIB(1) + KIB(8), GIB(1), GIB(1)},
        {GIB(1) - KIB(4), GIB(5) - KIB(4), GIB(1) + KIB(8), GIB(2), KIB(4)},
        {MIB(2) - KIB(4), GIB(1) + MIB(2) - KIB(4), MIB(4), MIB(2) + 77, MIB(2)},
        {0x800000000000, GIB(1), GIB(512), 0x807fffffffff, GIB(1)}, // level 0 has no blocks
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct pagetable table = make_table();
        assert_int_equal(pagetable_map(&table, cases[i].address, cases[i].pa, cases[i].size, DESC_AF | DESC_XN), OK);
        struct model_translation t = use(&table, cases[i].probe);
        assert_true(t.mapped);
        assert_int_equal(t.pa, cases[i].pa + (cases[i].probe - cases[i].address));
        assert_int_equal(t.size, cases[i].block);
        assert_int_equal(t.leaf & (DESC_AF | DESC_XN), DESC_AF | DESC_XN);
        assert_false(use(&table, cases[i].address - 1).mapped);
        assert_false(use(&table, cases[i].address + cases[i].size).mapped);
        host_reset();
    }
}

static void every_page_of_an_odd_range_is_right(void **state) {
    struct pagetable table = make_table();
    uint64_t address = MIB(6) + KIB(12), pa = GIB(1) + MIB(6) + KIB(12), size = MIB(3) + KIB(20);

    (void)state;
    assert_int_equal(pagetable_map(&table, address, pa, size, DESC_AF), OK);
    for (uint64_t offset = 0; offset < size; offset += KIB(4)) {
        assert_int_equal(use(&table, address + offset).pa, pa + offset);
    }
}

static void refuses_what_cannot_be(void **state) {
    struct pagetable table = make_table();

    (void)state;
    assert_int_equal(pagetable_map(&table, 1, 0, KIB(4), DESC_AF), ERR_INVALID);
    assert_int_equal(pagetable_map(&table, 0, 1, KIB(4), DESC_AF), ERR_INVALID);
    assert_int_equal(pagetable_map(&table, 0, 0, 1, DESC_AF), ERR_INVALID);
    assert_int_equal(pagetable_map(&table, BIT(48), 0, KIB(4), DESC_AF), ERR_RANGE);
    assert_int_equal(pagetable_map(&table, BIT(48) - KIB(4), 0, KIB(8), DESC_AF), ERR_RANGE);
    assert_int_equal(pagetable_map(&table, 0, BIT(48), KIB(4), DESC_AF), ERR_RANGE);
    assert_int_equal(pagetable_map(&table, 0, BIT(48) - KIB(4), KIB(8), DESC_AF), ERR_RANGE);
    assert_int_equal(pagetable_map(&table, UINT64_MAX - PAGE_MASK, 0, KIB(8), DESC_AF), ERR_RANGE);
    assert_int_equal(pagetable_map(&table, 0, 0, UINT64_MAX - PAGE_MASK, DESC_AF), ERR_RANGE);
}

static void maps_nothing_over_something(void **state) {
    struct pagetable table = make_table();

    (void)state;
    assert_int_equal(pagetable_map(&table, MIB(4), MIB(64), MIB(2), DESC_AF), OK);
    assert_int_equal(pagetable_map(&table, MIB(2), MIB(80), MIB(4), DESC_AF), ERR_BUSY);
    assert_false(use(&table, MIB(2)).mapped); // nothing of the refused range
    assert_int_equal(pagetable_map(&table, MIB(5), MIB(80), KIB(4), DESC_AF), ERR_BUSY);
    assert_int_equal(pagetable_map(&table, 0, MIB(80), GIB(1), DESC_AF), ERR_BUSY);
    assert_int_equal(use(&table, MIB(5)).pa, MIB(65));
}

// A range whose tables are there already, from a smaller neighbour, is filled with smaller blocks.
static void fills_the_rest_of_a_table(void **state) {
    struct pagetable table = make_table();

    (void)state;
    assert_int_equal(pagetable_map(&table, 0, MIB(64), KIB(4), DESC_AF), OK);
    assert_int_equal(pagetable_map(&table, KIB(4), MIB(64) + KIB(4), MIB(4) - KIB(4), DESC_AF), OK);
    assert_int_equal(use(&table, MIB(2) - 1).size, KIB(4));
    assert_int_equal(use(&table, MIB(2)).size, MIB(2));
}

// Two pages in two last-level tables need four tables; with fewer, nothing may be mapped.
static void leaves_nothing_mapped_without_memory(void **state) {
    (void)state;
    for (unsigned left = 0; left <= 4; left++) {
        unsigned total = 0;

        host_reset();
        while (memory_alloc_pages(1) != NULL) { total++; }
        host_reset();
        struct pagetable table = make_table();
        for (unsigned i = 1; i < total - left; i++) { assert_non_null(memory_alloc_pages(1)); }
        int status = pagetable_map(&table, MIB(2) - KIB(4), GIB(1), KIB(8), DESC_AF);
        assert_int_equal(status, left < 4 ? ERR_NO_MEMORY : OK);
        assert_int_equal(use(&table, MIB(2) - KIB(4)).mapped, left == 4);
        assert_int_equal(use(&table, MIB(2)).mapped, left == 4);
    }
}

static void a_window_opens_and_closes(void **state) {
    struct pagetable table = make_table();
    uint64_t *entry = memory_alloc_pages(1); // a level 2 table of our own below the root
    uint64_t *level1 = memory_alloc_pages(1);

    (void)state;
    table_write(&table.root[0], memory_pa(level1) | DESC_VALID | DESC_TABLE);
    table_write(&level1[0], memory_pa(entry) | DESC_VALID | DESC_TABLE);
    table_publish();
    for (unsigned i = 0; i < 3; i++) {
        pagetable_open(&entry[1], MIB(64 + 2 * i) | DESC_VALID | DESC_AF);
        assert_int_equal(use(&table, MIB(2) + 5).pa, MIB(64 + 2 * i) + 5);
        pagetable_close(&table, &entry[1], MIB(2));
        assert_false(use(&table, MIB(2) + 5).mapped);
    }
}

// ---- stage 2 ----------------------------------------------------------------------------------------------

static struct vm *make_vm(unsigned id) {
    struct vm *vm = memory_alloc(sizeof(*vm));

    vm->id = (uint8_t)id;
    assert_int_equal(stage2_init(vm), OK);
    return vm;
}

static struct model_translation guest_use(const struct vm *vm, gpa_t gpa) {
    return model_use_guest(vm->arch.vttbr, vm->arch.vtcr, gpa);
}

static void a_guest_sees_its_memory_and_nothing_else(void **state) {
    static const unsigned top_bits[] = {32, 36, 40, 40, 40, 40}; // by PARange

    (void)state;
    for (unsigned range = 0; range < ARRAY_SIZE(top_bits); range++) {
        host_reset();
        host_pa_range = range;
        struct vm *vm = make_vm(3);
        uint64_t top = BIT(top_bits[range]);

        assert_int_equal(memory_pa(vm->arch.stage2.root) % (top_bits[range] == 40 ? KIB(8) : KIB(4)), 0);
        assert_int_equal(arch_vm_map(vm, GIB(1), GIB(1), MIB(512), STAGE2_RAM), OK);
        assert_int_equal(arch_vm_map(vm, top - MIB(2), GIB(2), MIB(2), STAGE2_RAM), OK);
        assert_int_equal(arch_vm_map(vm, 0x9000000, 0x9040000, KIB(4), STAGE2_DEVICE), OK);
        assert_int_equal(arch_vm_map(vm, 0xa000000, GIB(1), KIB(4), STAGE2_SHARED), OK);
        assert_int_equal(arch_vm_map(vm, top, GIB(2), MIB(2), STAGE2_RAM), ERR_RANGE);

        assert_int_equal(guest_use(vm, GIB(1) + 123).pa, GIB(1) + 123);
        assert_int_equal(guest_use(vm, GIB(1) + 123).size, MIB(2));
        assert_int_equal(guest_use(vm, top - 1).pa, GIB(2) + MIB(2) - 1);
        assert_false(guest_use(vm, GIB(1) - 1).mapped);
        assert_false(guest_use(vm, GIB(1) + MIB(512)).mapped);
        assert_false(guest_use(vm, 0).mapped);

        assert_int_equal(guest_use(vm, GIB(1)).leaf & DESC_S2_NORMAL_WB, DESC_S2_NORMAL_WB);
        assert_int_equal(guest_use(vm, GIB(1)).leaf & DESC_XN, 0);
        assert_int_equal(guest_use(vm, 0x9000000).leaf & DESC_S2_NORMAL_WB, DESC_S2_DEVICE);
        assert_int_equal(guest_use(vm, 0x9000000).leaf & DESC_XN, DESC_XN);
        assert_int_equal(guest_use(vm, 0xa000000).leaf & (DESC_S2_READ | DESC_S2_WRITE | DESC_XN),
                         DESC_S2_READ | DESC_XN);
    }
}

static void a_gigabyte_is_one_block(void **state) {
    struct vm *vm = make_vm(0);

    (void)state;
    assert_int_equal(arch_vm_map(vm, GIB(4), GIB(8), GIB(4), STAGE2_RAM), OK);
    assert_int_equal(guest_use(vm, GIB(6)).size, GIB(1));
}

static void every_vm_has_its_own_vmid(void **state) {
    struct vm *vm[MAX_VMS];

    (void)state;
    for (unsigned i = 0; i < MAX_VMS; i++) {
        vm[i] = make_vm(i);
        assert_int_equal(arch_vm_map(vm[i], GIB(1), GIB(1) + i * MIB(2), MIB(2), STAGE2_RAM), OK);
        assert_int_not_equal(vm[i]->arch.vttbr >> VTTBR_VMID_SHIFT, 0);
    }
    for (unsigned round = 0; round < 2; round++) { // the second time from the TLB
        for (unsigned i = 0; i < MAX_VMS; i++) { assert_int_equal(guest_use(vm[i], GIB(1)).pa, GIB(1) + i * MIB(2)); }
    }
}

static void fails_without_memory(void **state) {
    static struct vm vm;

    (void)state;
    while (memory_alloc_pages(1) != NULL) {}
    assert_int_equal(stage2_init(&vm), ERR_NO_MEMORY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(maps_with_the_largest_blocks, setup),
        cmocka_unit_test_setup(every_page_of_an_odd_range_is_right, setup),
        cmocka_unit_test_setup(refuses_what_cannot_be, setup),
        cmocka_unit_test_setup(maps_nothing_over_something, setup),
        cmocka_unit_test_setup(fills_the_rest_of_a_table, setup),
        cmocka_unit_test_setup(leaves_nothing_mapped_without_memory, setup),
        cmocka_unit_test_setup(a_window_opens_and_closes, setup),
        cmocka_unit_test_setup(a_guest_sees_its_memory_and_nothing_else, setup),
        cmocka_unit_test_setup(a_gigabyte_is_one_block, setup),
        cmocka_unit_test_setup(every_vm_has_its_own_vmid, setup),
        cmocka_unit_test_setup(fails_without_memory, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
