// SPDX-License-Identifier: Apache-2.0
// Tables made by hand, in every format: where an address goes, every right, every reserved bit, accessed and dirty bits.
#include "tests/unit/emulate_world.h"

static struct guest_paging paging;
static gpa_t gpa;
static uint32_t error;

static const uint64_t linears[] = {0xc0123abc, 0xc0123abc, 0xffff812345678abc, 0xff01812345678abc};

static int setup(void **state) {
    (void)state;
    world_reset();
    return 0;
}

static int walk(uint64_t linear, unsigned access) {
    gpa = UINT64_MAX;
    error = UINT32_MAX;
    world.reads = 0;
    return guest_walk(&paging, &memory_ops, &world, linear, access, &gpa, &error);
}

static void goes_to(uint64_t linear, unsigned access, gpa_t expected) {
    assert_int_equal(walk(linear, access), OK);
    assert_int_equal(gpa, expected);
    assert_int_equal(error, UINT32_MAX);
}

static void faults(uint64_t linear, unsigned access, uint32_t expected) {
    assert_int_equal(walk(linear, access), ERR_DENIED);
    assert_int_equal(error, expected);
    assert_int_equal(gpa, UINT64_MAX);
}

static void without_paging_an_address_is_itself(void **state) {
    (void)state;
    paging = world_paging(LEGACY);
    paging.cr0 = 0;
    paging.cpl = 3;
    goes_to(0xfee00080, PF_WRITE, 0xfee00080);
    assert_int_equal(world.reads, 0);
}

static void every_format_finds_its_page(void **state) {
    (void)state;
    for (enum format_name f = LEGACY; f <= LEVELS5; f++) {
        world_reset();
        paging = world_paging(f);
        paging.cr3 |= f == PAE ? 0x1f : 0xfff; // PCID and flags are no address
        world_map(f, linears[f], (uint64_t)DEVICE | P | RW | A | D);
        goes_to(linears[f], PF_WRITE, DEVICE + 0xabc);
        assert_int_equal(world.reads, formats[f].levels);
        assert_int_equal(world.exchanges, 0);
        faults(linears[f] + 0x1000, 0, 0);
        faults(linears[f] + 0x1000, PF_WRITE, PF_WRITE);
    }
}

static void pae_has_its_top_table_on_any_32_bytes(void **state) {
    (void)state;
    paging = world_paging(PAE);
    gpa_t top = world_entry(PAE, 0xc0000000, 3);
    world_map(PAE, 0xc0000000, 0x5000 | P | A);
    entry_write(PAE, CR3 + 0x7e0 + 24, entry_read(PAE, top));
    entry_write(PAE, top, 0);
    paging.cr3 = CR3 + 0x7e0;
    goes_to(0xc0000123, 0, 0x5123);
    faults(0x40000123, 0, 0);
}

static void large_pages_leave_the_lower_bits(void **state) {
    static const struct {
        enum format_name format;
        unsigned level;
        gpa_t base;
        uint64_t offset;
    } examples[] = {{LEGACY, 2, 0x12c00000, 0x3fffff},
                    {PAE, 2, 0x1234600000, 0x1fffff},
                    {LEVELS4, 2, 0x1234600000, 0x1fffff},
                    {LEVELS4, 3, 0x12c0000000, 0x3fffffff},
                    {LEVELS5, 3, 0x12c0000000, 0x3fffffff}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(examples); i++) {
        const uint64_t linear = linears[examples[i].format];
        gpa_t at;

        world_reset();
        paging = world_paging(examples[i].format);
        at = world_entry(examples[i].format, linear, examples[i].level);
        entry_write(examples[i].format, at, examples[i].base | P | RW | A | PS | 0x1000); // bit 12 is PAT
        goes_to(linear, 0, examples[i].base | (linear & examples[i].offset));
        entry_write(examples[i].format, at, examples[i].base | P | RW | A | D | PS | 1u << 21);
        if (examples[i].offset > 0x1fffff) { faults(linear, 0, PF_PRESENT | PF_RSVD); }
    }
}

static void pse36_reaches_above_4_gib_as_far_as_the_processor_does(void **state) {
    (void)state;
    paging = world_paging(LEGACY);
    const gpa_t at = world_entry(LEGACY, 0xc0123abc, 2);
    entry_write(LEGACY, at, 0x12c00000 | 0xa5u << 13 | P | PS | A);
    goes_to(0xc0123abc, 0, 0xa512d23abc);
    paging.maxphyaddr = 39;
    faults(0xc0123abc, 0, PF_PRESENT | PF_RSVD);
    entry_write(LEGACY, at, 0x12c00000 | 0x25u << 13 | P | PS | A);
    goes_to(0xc0123abc, 0, 0x2512d23abc);
    paging.maxphyaddr = 52;
    goes_to(0xc0123abc, 0, 0x2512d23abc);
    entry_write(LEGACY, at, 0x12c00000 | 1u << 21 | P | PS | A);
    faults(0xc0123abc, 0, PF_PRESENT | PF_RSVD);

    paging.cr4 &= ~CR4_PSE; // PS is not looked at: a table
    entry_write(LEGACY, at, 0x8000 | P | PS | A);
    entry_write(LEGACY, 0x8000 + 0x123 * 4, 0x5000 | P | A);
    goes_to(0xc0123abc, 0, 0x5abc);
}

static void reserved_bits_fault_at_every_level(void **state) {
    static const struct {
        enum format_name format;
        unsigned level;
        uint64_t bits; // each alone
    } examples[] = {
        {PAE, 3, RW | US | 0x1e0 | (BIT(63) - BIT(40)) | XD},
        {PAE, 2, BIT(63) - BIT(40)},
        {PAE, 1, BIT(63) - BIT(40)},
        {LEVELS4, 4, PS | (BIT(52) - BIT(40))},
        {LEVELS4, 3, BIT(52) - BIT(40)},
        {LEVELS4, 1, BIT(52) - BIT(40)},
        {LEVELS5, 5, PS | (BIT(52) - BIT(40))},
        {LEVELS5, 4, PS | (BIT(52) - BIT(40))},
    };
    static const uint64_t ignored = 0xe00 | BIT(52) | BIT(58);

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(examples); i++) {
        const enum format_name f = examples[i].format;
        gpa_t at;
        uint64_t entry;

        world_reset();
        paging = world_paging(f);
        world_map(f, linears[f], 0x5000 | P | RW | A | D);
        at = world_entry(f, linears[f], examples[i].level);
        entry = entry_read(f, at);
        for (unsigned bit = 0; bit < 64; bit++) {
            if ((examples[i].bits >> bit & 1) == 0) { continue; }
            entry_write(f, at, entry | BIT(bit));
            faults(linears[f], PF_WRITE, PF_PRESENT | PF_RSVD | PF_WRITE);
        }
        entry_write(f, at, entry | (f == PAE ? 0xe00 : ignored));
        goes_to(linears[f], PF_WRITE, 0x5abc);
        if (f == PAE && examples[i].level == 3) { continue; }
        entry_write(f, at, entry | XD);
        goes_to(linears[f], PF_WRITE, 0x5abc);
        paging.efer &= ~EFER_NXE; // then it is reserved
        faults(linears[f], 0, PF_PRESENT | PF_RSVD);
    }
    world_reset();
    entry_write(LEVELS5, world_entry(LEVELS5, linears[LEVELS5], 4), P | PS);
    faults(linears[LEVELS5], 0, PF_PRESENT | PF_RSVD);
    paging = world_paging(LEVELS4);
    world_reset();
    entry_write(LEVELS4, world_entry(LEVELS4, linears[LEVELS4], 4), P | PS);
    faults(linears[LEVELS4], 0, PF_PRESENT | PF_RSVD);
    world_reset();
    entry_write(LEVELS4, world_entry(LEVELS4, linears[LEVELS4], 2), 0x600000 | P | PS | A | 1u << 13);
    faults(linears[LEVELS4], 0, PF_PRESENT | PF_RSVD);
    entry_write(LEVELS4, world_entry(LEVELS4, linears[LEVELS4], 2), 0x600000 | P | PS | A | 1u << 20);
    faults(linears[LEVELS4], 0, PF_PRESENT | PF_RSVD);
}

// SDM vol. 3A, 4.6.1, as a function of its own: whether a page that is there lets the access through.
static bool manual_allows(bool us, bool rw, bool xd, unsigned access, bool user) {
    const bool fetch = access == PF_FETCH;

    if (user) { return us && (access != PF_WRITE || rw) && !(fetch && xd); }
    if (us && fetch && (paging.cr4 & CR4_SMEP) != 0) { return false; }
    if (us && !fetch && (paging.cr4 & CR4_SMAP) != 0 && (paging.rflags & RFLAGS_AC) == 0) { return false; }
    if (fetch) { return !xd; }
    return access != PF_WRITE || rw || (paging.cr0 & CR0_WP) == 0;
}

// A right is missing in the entry of this level only.
static void check_rights(enum format_name f, unsigned level, unsigned mode, unsigned rights) {
    static const unsigned accesses[] = {0, PF_WRITE, PF_FETCH};
    const gpa_t at = world_entry(f, linears[f], level);
    const uint64_t usual = entry_read(f, at);
    const bool us = (rights & 1) != 0, rw = (rights & 2) != 0, xd = (rights & 4) != 0 && f != LEGACY;

    paging = world_paging(f);
    paging.cpl = (mode & 1) != 0 ? 3 : 0;
    paging.cr4 |= ((mode & 2) != 0 ? CR4_SMEP : 0) | ((mode & 4) != 0 ? CR4_SMAP : 0);
    paging.rflags = (mode & 8) != 0 ? RFLAGS_AC : 0;
    if ((mode & 16) != 0) { paging.cr0 &= ~CR0_WP; }
    entry_write(f, at, (usual & ~(uint64_t)(US | RW)) | (us ? US : 0) | (rw ? RW : 0) | (xd ? XD : 0));
    for (unsigned i = 0; i < ARRAY_SIZE(accesses); i++) {
        const bool tells_fetch = (paging.cr4 & CR4_SMEP) != 0 || f != LEGACY;
        const uint32_t told = accesses[i] == PF_FETCH && !tells_fetch ? 0 : accesses[i];

        if (manual_allows(us, rw, xd, accesses[i], paging.cpl == 3)) {
            goes_to(linears[f], accesses[i], 0x5abc);
        } else {
            faults(linears[f], accesses[i], PF_PRESENT | told | (paging.cpl == 3 ? PF_USER : 0));
        }
    }
    entry_write(f, at, usual);
}

static void rights_are_those_of_all_levels_together(void **state) {
    (void)state;
    for (enum format_name f = LEGACY; f <= LEVELS5; f++) {
        world_reset();
        world_map(f, linears[f], 0x5000 | P | RW | US | A | D);
        for (unsigned level = 1; level <= (f == PAE ? 2 : formats[f].levels); level++) {
            for (unsigned i = 0; i < 32 * 8; i++) { check_rights(f, level, i / 8, i % 8); }
        }
        assert_int_equal(world.exchanges, 0);
    }
}

static void cpl_1_and_2_are_supervisors(void **state) {
    (void)state;
    paging = world_paging(LEVELS4);
    world_map(LEVELS4, linears[LEVELS4], 0x5000 | P | A);
    paging.cpl = 2;
    goes_to(linears[LEVELS4], 0, 0x5abc);
    paging.cpl = 3;
    faults(linears[LEVELS4], 0, PF_PRESENT | PF_USER);
}

static void what_is_used_is_marked_as_the_processor_does(void **state) {
    (void)state;
    for (enum format_name f = LEGACY; f <= LEVELS5; f++) {
        const unsigned top = f == PAE ? 2 : formats[f].levels;

        world_reset();
        paging = world_paging(f);
        world_map(f, linears[f], 0x5000 | P);
        for (unsigned level = 2; level <= top; level++) {
            gpa_t at = world_entry(f, linears[f], level);
            entry_write(f, at, entry_read(f, at) & ~(uint64_t)A);
        }
        faults(linears[f], PF_WRITE, PF_PRESENT | PF_WRITE);
        assert_int_equal(world.exchanges, 0);
        goes_to(linears[f], 0, 0x5abc);
        assert_int_equal(world.exchanges, top);
        for (unsigned level = 1; level <= top; level++) {
            assert_int_equal(entry_read(f, world_entry(f, linears[f], level)) & (A | D), A);
        }
        world_map(f, linears[f], 0x5000 | P | RW | A);
        goes_to(linears[f], PF_WRITE, 0x5abc);
        assert_int_equal(world.exchanges, top + 1);
        assert_int_equal(entry_read(f, world_entry(f, linears[f], 1)), 0x5000 | P | RW | A | D);
        assert_int_equal(entry_read(f, world_entry(f, linears[f], 2)) & D, 0);
        goes_to(linears[f], PF_WRITE, 0x5abc);
        assert_int_equal(world.exchanges, top + 1);
    }
}

static void an_entry_that_changes_meanwhile_is_not_believed(void **state) {
    (void)state;
    paging = world_paging(LEVELS4);
    world_map(LEVELS4, linears[LEVELS4], 0x5000 | P);
    world.exchange_status = ERR_BUSY;
    assert_int_equal(walk(linears[LEVELS4], 0), ERR_BUSY);
    world.exchange_status = ERR_RANGE;
    assert_int_equal(walk(linears[LEVELS4], 0), ERR_RANGE);
    assert_int_equal(gpa, UINT64_MAX);
}

// A table that is an entry of itself, as some kernels have theirs.
static void an_entry_of_two_levels_is_marked_in_two_turns(void **state) {
    const uint64_t linear = 0xffff800000000000 | 256ull << 30 | 256ull << 21 | 256ull << 12;
    const gpa_t at = CR3 + 256 * sizeof(uint64_t);

    (void)state;
    paging = world_paging(LEVELS4);
    entry_write(LEVELS4, at, CR3 | P | RW);
    assert_int_equal(walk(linear, PF_WRITE), ERR_BUSY);
    assert_int_equal(entry_read(LEVELS4, at), CR3 | P | RW | A);
    goes_to(linear, PF_WRITE, CR3);
    assert_int_equal(entry_read(LEVELS4, at), CR3 | P | RW | A | D);
}

static void an_address_that_is_not_canonical_is_no_page_fault(void **state) {
    (void)state;
    paging = world_paging(LEVELS4);
    assert_int_equal(walk(0x800000000000, 0), ERR_INVALID);
    assert_int_equal(walk(0xffff7fffffffffff, 0), ERR_INVALID);
    assert_int_equal(world.reads, 0);
    faults(0x7fffffffffff, 0, 0);
    faults(0xffff800000000000, 0, 0);
    paging = world_paging(LEVELS5);
    faults(0x800000000000, 0, 0);
    faults(0xff00000000000000, 0, 0);
    assert_int_equal(walk(0x100000000000000, 0), ERR_INVALID);
    assert_int_equal(walk(0xfeffffffffffffff, 0), ERR_INVALID);
}

static void tables_outside_of_ram_are_told(void **state) {
    (void)state;
    for (enum format_name f = LEGACY; f <= LEVELS5; f++) {
        for (unsigned level = 2; level <= formats[f].levels; level++) {
            world_reset();
            paging = world_paging(f);
            entry_write(f, world_entry(f, linears[f], level), (uint64_t)DEVICE | P);
            assert_int_equal(walk(linears[f], 0), ERR_RANGE);
        }
        paging.cr3 = DEVICE;
        assert_int_equal(walk(linears[f], 0), ERR_RANGE);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_paging_an_address_is_itself, setup),
        cmocka_unit_test_setup(every_format_finds_its_page, setup),
        cmocka_unit_test_setup(pae_has_its_top_table_on_any_32_bytes, setup),
        cmocka_unit_test_setup(large_pages_leave_the_lower_bits, setup),
        cmocka_unit_test_setup(pse36_reaches_above_4_gib_as_far_as_the_processor_does, setup),
        cmocka_unit_test_setup(reserved_bits_fault_at_every_level, setup),
        cmocka_unit_test_setup(rights_are_those_of_all_levels_together, setup),
        cmocka_unit_test_setup(cpl_1_and_2_are_supervisors, setup),
        cmocka_unit_test_setup(what_is_used_is_marked_as_the_processor_does, setup),
        cmocka_unit_test_setup(an_entry_that_changes_meanwhile_is_not_believed, setup),
        cmocka_unit_test_setup(an_entry_of_two_levels_is_marked_in_two_turns, setup),
        cmocka_unit_test_setup(an_address_that_is_not_canonical_is_no_page_fault, setup),
        cmocka_unit_test_setup(tables_outside_of_ram_are_told, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
