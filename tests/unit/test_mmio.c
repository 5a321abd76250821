// SPDX-License-Identifier: Apache-2.0
// Emulated MMIO: the table, the decoding of aborts, and what becomes of accesses to nothing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/arm64/mmio_trap.h"
#include "arch/host/hardware.h"
#include "arch/host/host.h"
#include "kernel/mmio.h"
#include "kernel/vm.h"

#define ESR_DATA      (BIT(25) | 0x04ull) // IL, translation fault level 0
#define ESR_ISV       BIT(24)
#define ESR_SAS(size) ((uint64_t)__builtin_ctz(size) << 22)
#define ESR_SSE       BIT(21)
#define ESR_SRT(n)    ((uint64_t)(n) << 16)
#define ESR_SF        BIT(15)
#define ESR_WNR       BIT(6)
#define DEVICE_GPA    0x0a003000ull
#define DEVICE_SIZE   0x800ull

static struct vm vm;
static struct vcpu vcpu;
static struct mmio_access seen;
static uint64_t answer;
static int status;

static int device_access(struct vcpu *who, void *device, struct mmio_access *access) {
    assert_ptr_equal(who, &vcpu);
    assert_ptr_equal(device, &answer);
    if (!access->write) { access->value = answer; }
    seen = *access;
    return status;
}

static struct mmio_region region_at(gpa_t base, uint64_t size) {
    return (struct mmio_region){base, size, device_access, &answer};
}

static int add(gpa_t base, uint64_t size) {
    struct mmio_region region = region_at(base, size);

    return mmio_add(&vm.mmio, &region);
}

static int setup(void **state) {
    (void)state;
    host_reset();
    host_registers = (struct host_registers){0};
    vm = (struct vm){.name = "test", .state = VM_RUNNING, .running_vcpus = 1};
    vcpu = (struct vcpu){.vm = &vm, .cpu = host_cpu};
    vcpu.arch.regs.elr = 0x1000;
    vcpu.arch.regs.spsr = 5;
    status = OK;
    return add(DEVICE_GPA, DEVICE_SIZE);
}

// The guest does an access at `gpa` that stage 2 does not translate.
static void fault(gpa_t gpa, uint64_t esr) {
    host_registers.hpfar_el2 = gpa >> 12 << 4;
    host_registers.far_el2 = 0xffff000000000000ull | (gpa & 0xfff);
    mmio_trap(&vcpu, esr);
}

// ---- the table --------------------------------------------------------------------------------------------

static void regions_are_found_in_any_order_of_adding(void **state) {
    (void)state;
    vm.mmio.count = 0;
    assert_null(mmio_find(&vm.mmio, 0x5000, 4));
    for (unsigned i = 0; i < MAX_MMIO_REGIONS; i++) {
        assert_int_equal(add(0x1000ull * (i * 7 % MAX_MMIO_REGIONS + 1), 0x800), OK);
    }
    assert_int_equal(add(0x100000, 0x1000), ERR_NO_MEMORY);
    for (gpa_t gpa = 0; gpa < 0x1000ull * (MAX_MMIO_REGIONS + 2); gpa += 0x400) {
        const struct mmio_region *region = mmio_find(&vm.mmio, gpa, 4);
        bool inside = gpa >= 0x1000 && gpa < 0x1000ull * (MAX_MMIO_REGIONS + 1) && (gpa & 0x800) == 0;
        assert_int_equal(region != NULL, inside);
        if (inside) { assert_true(region->base == (gpa & ~0xfffull)); }
    }
    assert_non_null(mmio_find(&vm.mmio, 0x17f8, 8));
    assert_null(mmio_find(&vm.mmio, 0x17fc, 8));
}

static void regions_do_not_overlap(void **state) {
    (void)state;
    assert_int_equal(add(DEVICE_GPA, 8), ERR_BUSY);
    assert_int_equal(add(DEVICE_GPA + DEVICE_SIZE - 8, 16), ERR_BUSY);
    assert_int_equal(add(DEVICE_GPA - 8, 16), ERR_BUSY);
    assert_int_equal(add(DEVICE_GPA - 8, 0x10000), ERR_BUSY);
    assert_int_equal(add(DEVICE_GPA + DEVICE_SIZE, 8), OK);
    assert_int_equal(add(DEVICE_GPA - 8, 8), OK);
    assert_int_equal(add(0x1000, 0), ERR_INVALID);
    assert_int_equal(add(0x1000, 12), ERR_INVALID);
    assert_int_equal(add(0x1004, 8), ERR_INVALID);
    assert_int_equal(add(UINT64_MAX - 7, 16), ERR_INVALID);
    assert_int_equal(add(UINT64_MAX - 7, 8), OK);
}

// ---- decoding ---------------------------------------------------------------------------------------------

static void a_read_is_extended_as_the_instruction_says(void **state) {
    static const struct {
        unsigned size;
        uint64_t flags, expected;
    } cases[] = {
        {1, 0, 0x88},
        {1, ESR_SSE, 0xffffff88},
        {1, ESR_SSE | ESR_SF, 0xffffffffffffff88},
        {2, 0, 0x9988},
        {2, ESR_SSE, 0xffff9988},
        {4, 0, 0xbbaa9988},
        {4, ESR_SSE | ESR_SF, 0xffffffffbbaa9988},
        {8, ESR_SF, 0x11ddccbbbbaa9988},
    };
    (void)state;
    answer = 0x11ddccbbbbaa9988;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        vcpu.arch.regs.x[7] = UINT64_MAX;
        fault(DEVICE_GPA + 0x10, ESR_DATA | ESR_ISV | ESR_SAS(cases[i].size) | ESR_SRT(7) | cases[i].flags);
        assert_true(vcpu.arch.regs.x[7] == cases[i].expected);
        assert_int_equal(seen.size, cases[i].size);
        assert_int_equal(seen.offset, 0x10);
        assert_false(seen.write);
    }
    assert_int_equal(vcpu.arch.regs.elr, 0x1000 + 4 * ARRAY_SIZE(cases));
}

static void a_write_gives_the_bytes_that_it_writes(void **state) {
    (void)state;
    vcpu.arch.regs.x[3] = 0x1122334455667788;
    fault(DEVICE_GPA + 2, ESR_DATA | ESR_ISV | ESR_SAS(2) | ESR_SRT(3) | ESR_WNR);
    assert_true(seen.write);
    assert_int_equal(seen.value, 0x7788);
    assert_int_equal(seen.offset, 2);
    assert_true(vcpu.arch.regs.x[3] == 0x1122334455667788);
}

static void register_31_is_zero(void **state) {
    (void)state;
    vcpu.arch.regs.sp_el0 = 77; // lies behind x30
    answer = 5;
    fault(DEVICE_GPA, ESR_DATA | ESR_ISV | ESR_SAS(4) | ESR_SRT(31));
    assert_int_equal(vcpu.arch.regs.sp_el0, 77);
    fault(DEVICE_GPA, ESR_DATA | ESR_ISV | ESR_SAS(4) | ESR_SRT(31) | ESR_WNR);
    assert_int_equal(seen.value, 0);
}

static void sixteen_bit_instructions_are_two_bytes_long(void **state) {
    (void)state;
    fault(DEVICE_GPA, 0x04 | ESR_ISV | ESR_SAS(4));
    assert_int_equal(vcpu.arch.regs.elr, 0x1002);
}

static void accesses_may_change_from_device_to_device(void **state) {
    (void)state;
    assert_int_equal(add(0x9000000, 0x1000), OK);
    for (unsigned i = 0; i < 4; i++) {
        fault(0x9000000 + i, ESR_DATA | ESR_ISV | ESR_SAS(1));
        assert_int_equal(seen.offset, i);
        fault(DEVICE_GPA + 0x7f8, ESR_DATA | ESR_ISV | ESR_SAS(8));
        assert_int_equal(seen.offset, 0x7f8);
    }
}

// ---- refusals ---------------------------------------------------------------------------------------------

static void assert_aborted(unsigned class) {
    assert_int_equal(host_registers.esr_el1 >> 26, class);
    assert_int_equal(host_registers.esr_el1 & 0x3f, 0x10);
    assert_true(host_registers.far_el1 == host_registers.far_el2);
    assert_int_equal(host_registers.elr_el1, 0x1000);
    assert_int_equal(vm.state, VM_RUNNING);
    host_registers.esr_el1 = 0;
    vcpu.arch.regs.elr = 0x1000;
    vcpu.arch.regs.spsr = 5;
}

static void assert_ended(void) {
    assert_int_equal(vm.state, VM_STOPPING);
    assert_int_equal(vm.end, VM_END_FAULT);
    assert_int_equal(host_registers.esr_el1, 0);
    vm.state = VM_RUNNING;
}

static void an_access_to_nothing_ends_the_vm(void **state) {
    (void)state;
    fault(DEVICE_GPA + DEVICE_SIZE, ESR_DATA | ESR_ISV | ESR_SAS(4));
    assert_ended();
    assert_int_equal(vcpu.stats.exits[EXIT_ABORT], 1);
    fault(DEVICE_GPA - 8, ESR_DATA); // a pair, an exclusive: not decoded
    assert_ended();
    mmio_fetch_trap(&vcpu, BIT(25) | 0x04);
    assert_ended();
    vcpu.arch.regs.spsr = 0; // from EL0
    fault(0, ESR_DATA | ESR_ISV | ESR_SAS(4));
    assert_ended();
}

static void what_the_guest_can_handle_is_an_external_abort(void **state) {
    (void)state;
    fault(0, ESR_DATA | BIT(7)); // a table walk that leads nowhere
    assert_aborted(0x25);
    assert_true(vm.arch.trap_log.abort);
    host_registers.hpfar_el2 = DEVICE_GPA >> 12 << 4;
    mmio_fetch_trap(&vcpu, BIT(25) | 0x04); // out of a device
    assert_aborted(0x21);
    vcpu.arch.regs.spsr = 0;
    mmio_fetch_trap(&vcpu, BIT(25) | 0x0f); // a permission
    assert_aborted(0x20);
    fault(DEVICE_GPA, ESR_DATA | ESR_SAS(4));
    assert_aborted(0x25);
    vcpu.arch.regs.spsr = 0;
    fault(DEVICE_GPA, ESR_DATA | ESR_SAS(4));
    assert_aborted(0x24);
}

static void what_cannot_be_decoded_is_an_external_abort(void **state) {
    (void)state;
    fault(DEVICE_GPA, ESR_DATA | ESR_SAS(4)); // ISV 0: load pair, atomic, ...
    assert_aborted(0x25);
    fault(DEVICE_GPA + 2, ESR_DATA | ESR_ISV | ESR_SAS(4)); // not aligned
    assert_aborted(0x25);
    fault(DEVICE_GPA, ESR_DATA | ESR_ISV | ESR_SAS(4) | BIT(7)); // a table walk
    assert_aborted(0x25);
    fault(DEVICE_GPA, BIT(25) | ESR_ISV | ESR_SAS(4) | 0x0f | ESR_WNR); // permission
    assert_aborted(0x25);
    status = ERR_DENIED;
    fault(DEVICE_GPA, ESR_DATA | ESR_ISV | ESR_SAS(4));
    assert_aborted(0x25);
}

static void an_abort_of_the_bus_ends_the_vm(void **state) {
    static const uint64_t causes[] = {0x10, 0x14, 0x17, 0x18, 0x04 | BIT(9)};
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(causes); i++) {
        vm.state = VM_RUNNING;
        fault(DEVICE_GPA, BIT(25) | ESR_ISV | ESR_SAS(4) | causes[i] | BIT(10));
        assert_int_equal(vm.state, VM_STOPPING);
        assert_int_equal(vm.end, VM_END_FAULT);
        assert_int_equal(host_registers.esr_el1, 0);
    }
    vm.state = VM_RUNNING;
    mmio_fetch_trap(&vcpu, BIT(25) | 0x10);
    assert_int_equal(vm.state, VM_STOPPING);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(regions_are_found_in_any_order_of_adding),
        TEST(regions_do_not_overlap),
        TEST(a_read_is_extended_as_the_instruction_says),
        TEST(a_write_gives_the_bytes_that_it_writes),
        TEST(register_31_is_zero),
        TEST(sixteen_bit_instructions_are_two_bytes_long),
        TEST(accesses_may_change_from_device_to_device),
        TEST(an_access_to_nothing_ends_the_vm),
        TEST(what_the_guest_can_handle_is_an_external_abort),
        TEST(what_cannot_be_decoded_is_an_external_abort),
        TEST(an_abort_of_the_bus_ends_the_vm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
