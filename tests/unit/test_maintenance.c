// SPDX-License-Identifier: Apache-2.0
// Cache and TLB maintenance: each rule twice. The right sequence, by the functions that the hypervisor uses, breaks
// nothing; the same sequence with one step left out is found: the model is not blind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <maintenance.h>

#include "arch/arm64/mmu.h"
#include "arch/arm64/stage2.h"
#include "arch/arm64/sysreg.h"
#include "arch/host/host.h"
#include "kernel/guest_mem.h"
#include "kernel/memory.h"

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)
#define PLACE  MIB(2) // of the block that comes and goes
#define LEAF_A (MIB(64) | DESC_VALID | DESC_AF)
#define LEAF_B (MIB(66) | DESC_VALID | DESC_AF)

static struct pagetable table;
static uint64_t *entry; // maps PLACE

static int setup(void **state) {
    uint64_t *level1, *level2;

    (void)state;
    host_reset();
    table = (struct pagetable){
        .format = &vmsa_format, .root = memory_alloc_pages(1), .bits = 48, .flush = tlb_flush_hypervisor};
    level1 = memory_alloc_pages(1);
    level2 = memory_alloc_pages(1);
    table_write(&table.root[0], memory_pa(level1) | DESC_VALID | DESC_TABLE);
    table_write(&level1[0], memory_pa(level2) | DESC_VALID | DESC_TABLE);
    table_publish();
    entry = &level2[1]; // the second 2 MiB
    return 0;
}

static struct model_translation use(void) { return model_use_hypervisor(memory_pa(table.root), PLACE); }

// ---- a window: unmap, invalidate, use again --------------------------------------------------------------

static void a_window_is_never_stale(void **state) {
    (void)state;
    pagetable_open(entry, LEAF_A);
    assert_int_equal(use().pa, MIB(64));
    pagetable_close(&table, entry, PLACE);
    assert_false(use().mapped);
    pagetable_open(entry, LEAF_B);
    assert_int_equal(use().pa, MIB(66));
}

static void an_unmap_without_its_invalidation_is_found(void **state) {
    (void)state;
    model_expect(MODEL_STALE);
    pagetable_open(entry, LEAF_A);
    assert_true(use().mapped);
    table_write(entry, 0);
    table_publish();
    assert_true(use().mapped); // the TLB still has it: what a use after unmap would reach
    assert_int_equal(model_broken(MODEL_STALE), 1);
}

static void an_invalidation_of_another_address_is_found(void **state) {
    (void)state;
    model_expect(MODEL_STALE);
    pagetable_open(entry, LEAF_A);
    assert_true(use().mapped);
    pagetable_close(&table, entry, PLACE + MIB(2));
    assert_true(use().mapped);
    assert_int_equal(model_broken(MODEL_STALE), 1);
}

static void a_new_entry_without_its_barrier_is_found(void **state) {
    (void)state;
    model_expect(MODEL_UNPUBLISHED);
    table_write(entry, LEAF_A);
    (void)use();
    assert_int_equal(model_broken(MODEL_UNPUBLISHED), 1);
}

static void a_change_without_break_before_make_is_found(void **state) {
    (void)state;
    model_expect(MODEL_NO_BREAK);
    pagetable_open(entry, LEAF_A);
    table_write(entry, LEAF_B);
    assert_int_equal(model_broken(MODEL_NO_BREAK), 1);
}

static void a_break_without_its_flush_is_found(void **state) {
    (void)state;
    model_expect(MODEL_NO_FLUSH);
    pagetable_open(entry, LEAF_A);
    assert_true(use().mapped);
    table_write(entry, 0);
    table_publish();
    pagetable_open(entry, LEAF_B);
    assert_int_equal(model_broken(MODEL_NO_FLUSH), 1);
}

// ---- VMIDs ------------------------------------------------------------------------------------------------

static struct vm *make_vm(unsigned id, paddr_t pa) {
    struct vm *vm = memory_alloc(sizeof(*vm));

    vm->id = (uint8_t)id;
    assert_int_equal(stage2_init(vm), OK);
    assert_int_equal(arch_vm_map(vm, GIB(1), pa, MIB(2), STAGE2_RAM), OK);
    vm->memory_count = 1;
    vm->memory[0] = (struct vm_memory){GIB(1), pa, MIB(2)};
    return vm;
}

static struct model_translation guest_use(const struct vm *vm) {
    return model_use_guest(vm->arch.vttbr, vm->arch.vtcr, GIB(1));
}

static void vms_share_no_vmid(void **state) {
    const struct vm *a = make_vm(0, GIB(1)), *b = make_vm(1, GIB(1) + MIB(2));

    (void)state;
    assert_int_equal(guest_use(a).pa, GIB(1));
    assert_int_equal(guest_use(b).pa, GIB(1) + MIB(2));
    assert_int_equal(guest_use(a).pa, GIB(1));
}

static void a_vmid_in_two_hands_is_found(void **state) {
    const struct vm *a = make_vm(0, GIB(1));
    struct vm *b = make_vm(1, GIB(1) + MIB(2));

    (void)state;
    model_expect(MODEL_VMID_REUSED);
    assert_int_equal(guest_use(a).pa, GIB(1));
    b->arch.vttbr = memory_pa(b->arch.stage2.root) | a->arch.vttbr >> VTTBR_VMID_SHIFT << VTTBR_VMID_SHIFT;
    assert_int_equal(guest_use(b).pa, GIB(1)); // b reaches what is a's
    assert_int_equal(model_broken(MODEL_VMID_REUSED), 1);
}

static void a_vmid_that_was_flushed_may_change_hands(void **state) {
    struct vm *a = make_vm(0, GIB(1)), *b;

    (void)state;
    assert_int_equal(guest_use(a).pa, GIB(1));
    b = make_vm(0, GIB(1) + MIB(2)); // stage2_init flushes
    assert_int_equal(guest_use(b).pa, GIB(1) + MIB(2));
}

static void a_restart_forgets_the_last_life(void **state) {
    struct vm *vm = make_vm(0, GIB(1)), *other = make_vm(1, GIB(1) + MIB(2));
    uint64_t *root = vm->arch.stage2.root;
    uint64_t *level2 = memory_va(root[1] & (BIT(48) - PAGE_SIZE));

    (void)state;
    assert_true(guest_use(vm).mapped);
    assert_true(guest_use(other).mapped);
    host_irqs_masked = true;
    table_write(&level2[0], 0);
    stage2_flush(vm);
    assert_true(host_irqs_masked); // as it was
    assert_false(guest_use(vm).mapped);
    assert_true(guest_use(other).mapped); // and from the TLB: its own VMID
}

// ---- caches -----------------------------------------------------------------------------------------------

static void a_restarted_guest_fetches_its_new_image(void **state) {
    static const unsigned char first[200] = {[100] = 1}, second[200] = {[100] = 2};
    struct vm *vm = make_vm(0, GIB(1));

    (void)state;
    stage2_flush(vm);
    assert_int_equal(guest_write_image(vm, GIB(1), first, sizeof(first)), OK);
    assert_int_equal(model_fetch(GIB(1) + 100), 1);
    stage2_flush(vm);
    assert_int_equal(guest_write_image(vm, GIB(1), second, sizeof(second)), OK);
    assert_int_equal(model_fetch(GIB(1) + 100), 2);
}

static void an_image_that_was_not_cleaned_is_found(void **state) {
    static const unsigned char image[200] = {[100] = 1};
    struct vm *vm = make_vm(0, GIB(1));

    (void)state;
    stage2_flush(vm);
    assert_int_equal(guest_write(vm, GIB(1), image, sizeof(image)), OK);
    assert_int_equal(model_read_uncached(GIB(1) + 100), 0); // the guest would not see it
    assert_int_equal(model_fetch(GIB(1) + 100), 0);
}

static void an_image_behind_a_full_instruction_cache_is_found(void **state) {
    static const unsigned char first[200] = {[100] = 1}, second[200] = {[100] = 2};
    struct vm *vm = make_vm(0, GIB(1));

    (void)state;
    stage2_flush(vm);
    assert_int_equal(guest_write_image(vm, GIB(1), first, sizeof(first)), OK);
    assert_int_equal(model_fetch(GIB(1) + 100), 1);
    assert_int_equal(guest_write_image(vm, GIB(1), second, sizeof(second)),
                     OK); // no reset of the VM
    assert_int_equal(model_read_uncached(GIB(1) + 100), 2);
    assert_int_equal(model_fetch(GIB(1) + 100), 1); // the guest would execute the old image
}

static void a_clean_reaches_whole_lines_only(void **state) {
    unsigned char *ram = model_ram(GIB(1));

    (void)state;
    memset(ram, 0x33, 256);
    cache_clean(ram + 70, 60); // lines 1 and 2
    assert_int_equal(model_read_uncached(GIB(1) + 63), 0);
    assert_int_equal(model_read_uncached(GIB(1) + 64), 0x33);
    assert_int_equal(model_read_uncached(GIB(1) + 191), 0x33);
    assert_int_equal(model_read_uncached(GIB(1) + 192), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_window_is_never_stale, setup),
        cmocka_unit_test_setup(an_unmap_without_its_invalidation_is_found, setup),
        cmocka_unit_test_setup(an_invalidation_of_another_address_is_found, setup),
        cmocka_unit_test_setup(a_new_entry_without_its_barrier_is_found, setup),
        cmocka_unit_test_setup(a_change_without_break_before_make_is_found, setup),
        cmocka_unit_test_setup(a_break_without_its_flush_is_found, setup),
        cmocka_unit_test_setup(vms_share_no_vmid, setup),
        cmocka_unit_test_setup(a_vmid_in_two_hands_is_found, setup),
        cmocka_unit_test_setup(a_vmid_that_was_flushed_may_change_hands, setup),
        cmocka_unit_test_setup(a_restart_forgets_the_last_life, setup),
        cmocka_unit_test_setup(a_restarted_guest_fetches_its_new_image, setup),
        cmocka_unit_test_setup(an_image_that_was_not_cleaned_is_found, setup),
        cmocka_unit_test_setup(an_image_behind_a_full_instruction_cache_is_found, setup),
        cmocka_unit_test_setup(a_clean_reaches_whole_lines_only, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
