// SPDX-License-Identifier: Apache-2.0
// What a guest's instruction becomes when it is emulated: fetched, checked, done to a device, or refused for a reason.
#include "tests/unit/emulate_world.h"

enum { AX, CX, DX, BX, SP, BP, SI, DI };

// The guest's address space: code and data in RAM, read-only and the kernel's pages, the devices.
#define CODE      0xffffffff81000000
#define MMIO      0xffffffffff5fd000
#define MMIO2     0xffffffffff5fe000
#define DATA      0x7f0000001000
#define DATA_NEXT 0x7f0000002000
#define MISSING   0x7f0000003000
#define READONLY  0x7f0000004000
#define KERNELS   0x7f0000005000

enum { CODE_PAGE = 0x1000, CODE_PAGE2 = 0x5000, DATA_PAGE = 0x3000, DATA_PAGE2 = 0x7000, KERNELS_PAGE = 0x8000 };

static uint64_t gpr[DECODE_REGISTERS];
static struct guest_state_view view;
static struct emulate_result result;
// A port says what it was asked for, and no more than four times.
static struct {
    unsigned accesses;
    uint16_t port[4];
    unsigned size[4];
    bool write[4];
    uint64_t value[4], answer;
    int status;
} ports;

static int port_access(void *context, uint16_t port, unsigned size, bool write, uint64_t *value) {
    unsigned i = ports.accesses++;

    assert_ptr_equal(context, &world);
    assert_true(i < ARRAY_SIZE(ports.port));
    ports.port[i] = port;
    ports.size[i] = size;
    ports.write[i] = write;
    if (!write) { *value = ports.answer; }
    ports.value[i] = *value;
    return ports.status;
}

// Which of its questions is answered with yes, counted from 1.
static struct {
    unsigned asked, yes;
} yielding;

static bool must_yield(void *context) {
    assert_ptr_equal(context, &world);
    return ++yielding.asked == yielding.yes;
}

static int read_or_yield(void *context, gpa_t gpa, void *out, size_t size) {
    return must_yield(context) ? ERR_BUSY : ram_read(context, gpa, out, size);
}

static const struct emulate_ops ops = {
    {read_or_yield, ram_write, ram_exchange}, device_access, port_access, must_yield};

static int setup(void **state) {
    static const uint64_t data = P | RW | US | A | D;

    (void)state;
    world_reset();
    memset(&ports, 0, sizeof(ports));
    memset(&yielding, 0, sizeof(yielding));
    world_map(LEVELS4, CODE, CODE_PAGE | P | US | A);
    world_map(LEVELS4, CODE + PAGE_SIZE, CODE_PAGE2 | P | US | A);
    world_map(LEVELS4, MMIO, DEVICE | data);
    world_map(LEVELS4, MMIO2, DEVICE2 | data);
    world_map(LEVELS4, DATA, DATA_PAGE | data);
    world_map(LEVELS4, DATA_NEXT, DATA_PAGE2 | data);
    world_map(LEVELS4, READONLY, DATA_PAGE | P | US | A);
    world_map(LEVELS4, KERNELS, KERNELS_PAGE | P | RW | A | D);
    for (unsigned i = 0; i < DECODE_REGISTERS; i++) { gpr[i] = 0x1111111111111111u * i; }
    gpr[BX] = MMIO;
    view = (struct guest_state_view){
        .gpr = gpr, .rip = CODE, .rflags = 2, .mode = DECODE_64, .paging = world_paging(LEVELS4)};
    for (unsigned i = 0; i < GUEST_SEGMENTS; i++) { view.segment_base[i] = i < SEGMENT_FS ? 0xbad0000 : i << 4; }
    memset(&result, 0xee, sizeof(result));
    return 0;
}

static unsigned digit(char c) { return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10); }

static unsigned put(gpa_t gpa, const char *hex) {
    unsigned count = (unsigned)strlen(hex) / 2;

    for (unsigned i = 0; i < count; i++) {
        world.ram[gpa + i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    }
    return count;
}

static enum emulate_outcome emulate_at(const char *hex, gpa_t gpa, bool write) {
    put(CODE_PAGE + (view.rip & PAGE_MASK), hex);
    world.reads = 0;
    world.writes = 0;
    world.accesses = 0;
    return emulate_mmio(&view, &ops, &world, gpa, write, &result);
}

// Nothing but memory may have changed.
static enum emulate_outcome emulate_in_vain(const char *hex, gpa_t gpa, bool write) {
    uint64_t before[DECODE_REGISTERS];
    const struct guest_state_view view_before = view;

    memcpy(before, gpr, sizeof(gpr));
    enum emulate_outcome outcome = emulate_at(hex, gpa, write);
    assert_memory_equal(before, gpr, sizeof(gpr));
    assert_memory_equal(&view_before, &view, sizeof(view));
    return outcome;
}

static void faults(const char *hex, gpa_t gpa, bool write, unsigned vector, uint32_t error) {
    assert_int_equal(emulate_in_vain(hex, gpa, write), EMULATE_FAULT);
    assert_int_equal(result.vector, vector);
    assert_int_equal(result.error, error);
    assert_int_equal(world.accesses, 0);
}

static void unknown(const char *hex, gpa_t gpa, bool write, const char *why) {
    assert_int_equal(emulate_in_vain(hex, gpa, write), EMULATE_UNKNOWN);
    assert_non_null(strstr(result.reason, why));
}

static void device_saw(unsigned i, gpa_t gpa, unsigned size, bool write, uint64_t value) {
    assert_true(i < world.accesses);
    assert_int_equal(world.access[i].gpa, gpa);
    assert_int_equal(world.access[i].size, size);
    assert_int_equal(world.access[i].write, write);
    assert_int_equal(world.access[i].value, value);
}

static uint64_t ram64(gpa_t gpa) {
    uint64_t value;

    memcpy(&value, world.ram + gpa, sizeof(value));
    return value;
}

static void set_ram64(gpa_t gpa, uint64_t value) { memcpy(world.ram + gpa, &value, sizeof(value)); }

// ---- fetch and length ------------------------------------------------------------------------------------------------
static enum emulate_outcome length_here(enum decode_operation expected, unsigned *length) {
    struct decoded d;
    enum emulate_outcome outcome = emulate_decode(&view, &ops, &world, &d, &result);

    if (outcome == EMULATE_DONE) {
        assert_int_equal(d.operation, expected);
        *length = d.length;
    }
    return outcome;
}

static enum emulate_outcome length_of(const char *hex, enum decode_operation expected, unsigned *length) {
    *length = 99;
    put(CODE_PAGE + (view.rip & PAGE_MASK), hex);
    return length_here(expected, length);
}

static void the_length_is_that_of_what_was_intercepted(void **state) {
    unsigned length;

    (void)state;
    assert_int_equal(length_of("0fa2", OP_CPUID, &length), EMULATE_DONE);
    assert_int_equal(length, 2);
    assert_int_equal(length_of("660f30", OP_WRMSR, &length), EMULATE_DONE);
    assert_int_equal(length, 3);
    assert_int_equal(length_of("f4", OP_HLT, &length), EMULATE_DONE);
    assert_int_equal(length, 1);
    assert_int_equal(length_of("0f0b", OP_CPUID, &length), EMULATE_UNKNOWN);
    assert_int_equal(length, 99);
    assert_int_equal(result.count, 15);
    assert_memory_equal(result.bytes, "\x0f\x0b", 2);
    assert_int_equal(length_of("f0f4", OP_HLT, &length), EMULATE_UNKNOWN);
}

static void code_goes_on_in_another_page_only_where_it_must(void **state) {
    unsigned length;

    (void)state;
    view.rip = CODE + 0xffe;
    assert_int_equal(length_of("0fa2", OP_CPUID, &length), EMULATE_DONE);
    assert_int_equal(result.count, 2);
    world.ram[CODE_PAGE2] = 0xa2;
    view.rip = CODE + 0xfff;
    assert_int_equal(length_of("0f", OP_CPUID, &length), EMULATE_DONE);
    assert_int_equal(length, 2);
    assert_int_equal(result.count, 15);
    world_map(LEVELS4, CODE + PAGE_SIZE, 0);
    assert_int_equal(length_of("0f", OP_CPUID, &length), EMULATE_FAULT);
    assert_int_equal(result.vector, EXCEPTION_PF);
    assert_int_equal(result.error, PF_FETCH);
    assert_int_equal(result.address, CODE + 0x1000);
    assert_int_equal(length_of("f4", OP_HLT, &length), EMULATE_DONE);
    assert_int_equal(length, 1);
    assert_int_equal(result.count, 1);
}

static void code_that_is_not_there_is_told(void **state) {
    unsigned length;

    (void)state;
    view.rip = DATA;
    world_map(LEVELS4, DATA, DATA_PAGE | P | RW | US | A | XD);
    assert_int_equal(length_here(OP_HLT, &length), EMULATE_FAULT);
    assert_int_equal(result.error, PF_PRESENT | PF_FETCH);
    assert_int_equal(result.address, DATA);
    view.rip = 0x800000000000;
    assert_int_equal(length_here(OP_HLT, &length), EMULATE_FAULT);
    assert_int_equal(result.vector, EXCEPTION_GP);
    assert_int_equal(result.error, 0);
    view.rip = MMIO;
    assert_int_equal(length_here(OP_HLT, &length), EMULATE_UNKNOWN);
    assert_non_null(strstr(result.reason, "code outside of RAM"));
    assert_int_equal(result.count, 0);
    view.rip = CODE;
    view.paging.cr3 = DEVICE;
    assert_int_equal(length_here(OP_HLT, &length), EMULATE_UNKNOWN);
    assert_non_null(strstr(result.reason, "page table"));
    view.paging.cr3 = CR3;
    world_map(LEVELS4, CODE, CODE_PAGE | P | US);
    world.exchange_status = ERR_BUSY;
    assert_int_equal(length_here(OP_HLT, &length), EMULATE_RETRY);
}

static void an_instruction_that_is_none_is_refused(void **state) {
    (void)state;
    unknown("666666666666666666666666666666", DEVICE, false, "not emulated");
    unknown("66666666666666666666666666668903", DEVICE, true, "not emulated");
    unknown("f08903", DEVICE, true, "not emulated");
}

static void real_mode_and_protected_mode_add_the_segment(void **state) {
    unsigned length = 0;

    (void)state;
    view.paging.cr0 = 0;
    view.mode = DECODE_16;
    view.segment_base[SEGMENT_CS] = 0xfffff000;
    view.rip = 0x2000; // wraps at 4 GiB
    put(CODE_PAGE, "66f4");
    assert_int_equal(length_here(OP_HLT, &length), EMULATE_DONE);
    assert_int_equal(length, 2);
    view.segment_base[SEGMENT_CS] = 0;
    view.segment_base[SEGMENT_ES] = DEVICE + 0x100;
    gpr[DI] = 0x8;
    gpr[AX] = 0x12345678;
    view.rip = CODE_PAGE;
    assert_int_equal(emulate_at("26668905", DEVICE + 0x108, true), EMULATE_DONE); // mov %eax,%es:(%di)
    device_saw(0, DEVICE + 0x108, 4, true, 0x12345678);
    view.mode = DECODE_32;
    assert_int_equal(emulate_at("26678905", DEVICE + 0x108, true), EMULATE_DONE);
    assert_int_equal(view.rip, CODE_PAGE + 8);
    view.rip = CODE_PAGE;
    assert_int_equal(emulate_at("26668907", DEVICE + 0x108, true), EMULATE_DONE); // mov %ax,%es:(%edi)
    device_saw(0, DEVICE + 0x108, 2, true, 0x5678);
}

// ---- one operand -----------------------------------------------------------------------------------------------------
static void a_store_gives_the_device_its_value(void **state) {
    (void)state;
    gpr[AX] = 0x1122334455667788;
    assert_int_equal(emulate_at("898380000000", DEVICE + 0x80, true), EMULATE_DONE); // mov %eax,0x80(%rbx)
    assert_int_equal(world.accesses, 1);
    device_saw(0, DEVICE + 0x80, 4, true, 0x55667788);
    assert_int_equal(view.rip, CODE + 6);
    assert_int_equal(world.reads, formats[LEVELS4].levels + 1); // the code; the data was the processor's to walk
    view.rip = CODE;
    assert_int_equal(emulate_at("c783b0000000feffffff", DEVICE + 0xb0, true), EMULATE_DONE); // movl $-2,0xb0(%rbx)
    device_saw(0, DEVICE + 0xb0, 4, true, 0xfffffffe);
    assert_int_equal(view.rip, CODE + 10);
    view.rip = CODE;
    assert_int_equal(emulate_at("48c70300000080", DEVICE, true), EMULATE_DONE); // movq $-0x80000000,(%rbx)
    device_saw(0, DEVICE, 8, true, 0xffffffff80000000);
    view.rip = CODE;
    assert_int_equal(emulate_at("8823", DEVICE, true), EMULATE_DONE); // mov %ah,(%rbx)
    device_saw(0, DEVICE, 1, true, 0x77);
    view.rip = CODE;
    view.segment_base[SEGMENT_GS] = MMIO + 2;
    assert_int_equal(emulate_at("6566890425f00f0000", DEVICE + 0xff2, true), EMULATE_DONE); // mov %ax,%gs:0xff0
    device_saw(0, DEVICE + 0xff2, 2, true, 0x7788);
    view.rip = CODE;
    view.segment_base[SEGMENT_FS] = MMIO + 4;
    assert_int_equal(emulate_at("6466890425f00f0000", DEVICE + 0xff4, true), EMULATE_DONE); // mov %ax,%fs:0xff0
    view.rip = CODE;
    assert_int_equal(emulate_at("a3d05fffffffffffff", DEVICE, true), EMULATE_FAULT); // movabs %eax, elsewhere
}

static void a_load_takes_what_the_device_says_as_wide_as_it_is(void **state) {
    static const struct {
        const char *code;
        unsigned size;
        uint64_t value;
    } examples[] = {
        {"8b03", 4, 0x88998a9b},
        {"488b03", 8, 0x8899aabb88998a9b},
        {"668b03", 2, 0xaaaaaaaaaaaa8a9b},
        {"8a03", 1, 0xaaaaaaaaaaaaaa9b},
        {"8a23", 1, 0xaaaaaaaaaaaa9baa},
        {"0fb603", 1, 0x9b},
        {"0fb703", 2, 0x8a9b},
        {"0fbe03", 1, 0xffffff9b},
        {"480fbf03", 2, 0xffffffffffff8a9b},
        {"486303", 4, 0xffffffff88998a9b},
    };

    (void)state;
    world.device_value = 0x8899aabb88998a9b;
    for (unsigned i = 0; i < ARRAY_SIZE(examples); i++) {
        gpr[AX] = 0xaaaaaaaaaaaaaaaa;
        view.rip = CODE;
        assert_int_equal(emulate_at(examples[i].code, DEVICE, false), EMULATE_DONE);
        assert_int_equal(gpr[AX], examples[i].value);
        assert_int_equal(world.accesses, 1);
        device_saw(0, DEVICE, examples[i].size, false, world.device_value);
        assert_int_equal(view.rflags, 2);
    }
}

static void an_update_reads_then_writes(void **state) {
    (void)state;
    world.device_value = 0xff00000001;
    gpr[AX] = 0xffffffff;
    assert_int_equal(emulate_at("f00103", DEVICE, true), EMULATE_DONE); // lock add %eax,(%rbx)
    assert_int_equal(world.accesses, 2);
    device_saw(0, DEVICE, 4, false, world.device_value);
    device_saw(1, DEVICE, 4, true, 0);
    assert_int_equal(view.rflags, 0x57); // CF PF AF ZF
    view.rip = CODE;
    assert_int_equal(emulate_at("8703", DEVICE, true), EMULATE_DONE); // xchg %eax,(%rbx)
    device_saw(1, DEVICE, 4, true, 0xffffffff);
    assert_int_equal(gpr[AX], 1);
    view.rip = CODE;
    assert_int_equal(emulate_at("833b01", DEVICE, false), EMULATE_DONE); // cmpl $1,(%rbx)
    assert_int_equal(world.accesses, 1);
    assert_true((view.rflags & RFLAGS_ZF) != 0);
    view.rip = CODE;
    assert_int_equal(emulate_at("f0ff03", DEVICE, true), EMULATE_DONE); // lock incl (%rbx)
    device_saw(1, DEVICE, 4, true, 2);
    view.rip = CODE;
    world.device_value = 8;
    assert_int_equal(emulate_at("0fba2303", DEVICE, false), EMULATE_DONE); // btl $3,(%rbx)
    assert_int_equal(world.accesses, 1);
    assert_true((view.rflags & 1) != 0);
}

// The processor may say of an instruction that reads and writes that it read; then its right to write is looked up.
static void a_right_that_was_not_asked_for_is_looked_up(void **state) {
    (void)state;
    assert_int_equal(emulate_at("0103", DEVICE, false), EMULATE_DONE);
    assert_int_equal(world.accesses, 2);
    assert_int_equal(world.reads, 2 * formats[LEVELS4].levels + 1);
    view.rip = CODE;
    world_map(LEVELS4, MMIO, (uint64_t)DEVICE | P | US | A);
    faults("0103", DEVICE, false, EXCEPTION_PF, PF_PRESENT | PF_WRITE);
    assert_int_equal(result.address, MMIO);
    faults("8903", DEVICE, false, EXCEPTION_PF, PF_PRESENT | PF_WRITE);
    view.paging.cpl = 3;
    faults("8903", DEVICE, false, EXCEPTION_PF, PF_PRESENT | PF_WRITE | PF_USER);
    assert_int_equal(emulate_at("8b03", DEVICE, false), EMULATE_DONE);
}

static void another_instruction_than_the_one_that_trapped_is_left_to_the_processor(void **state) {
    (void)state;
    gpr[BX] = DATA;
    assert_int_equal(emulate_in_vain("8b4304", DEVICE, false), EMULATE_RETRY);
    assert_int_equal(emulate_in_vain("f4", DEVICE, false), EMULATE_RETRY);
    gpr[SI] = DATA;
    gpr[DI] = DATA + 8;
    assert_int_equal(emulate_in_vain("a5", DEVICE, false), EMULATE_RETRY);
    assert_int_equal(world.accesses + world.writes, 0);
    gpr[BX] = MISSING;
    faults("8b4304", DEVICE, false, EXCEPTION_PF, 0);
    assert_int_equal(result.address, MISSING + 4);
    gpr[BX] = 0x800000000000;
    faults("8b4304", DEVICE, false, EXCEPTION_GP, 0);
    gpr[BP] = gpr[BX];
    faults("8b4504", DEVICE, false, EXCEPTION_SS, 0);
    gpr[BX] = MMIO2;
    assert_int_equal(emulate_in_vain("8b4304", DEVICE, false), EMULATE_RETRY); // the processor says which
}

static void an_access_over_the_border_of_a_device_is_refused(void **state) {
    (void)state;
    unknown("898bfd0f0000", DEVICE + 0xffd, true, "border");
    unknown("8b8bfd0f0000", DEVICE2, false, "border");
    gpr[BX] = DATA_NEXT + PAGE_SIZE;
    world_map(LEVELS4, gpr[BX], DEVICE | P | RW | A | D);
    unknown("8b4bff", DEVICE, false, "border"); // from RAM into the device
    assert_int_equal(world.accesses, 0);
    assert_int_equal(emulate_at("8b4b03", DEVICE + 3, false), EMULATE_DONE); // alignment is the device's to judge
    device_saw(0, DEVICE + 3, 4, false, 0);
}

static void what_cannot_be_emulated_is_refused_with_its_bytes(void **state) {
    (void)state;
    unknown("0f1103", DEVICE, true, "not emulated");   // movups
    unknown("f00fc10b", DEVICE, true, "not emulated"); // lock xadd
    unknown("c5f97e03", DEVICE, true, "not emulated"); // vmovd
    unknown("0f0103", DEVICE, true, "not emulated");   // sgdt
    assert_int_equal(result.count, 15);
    assert_memory_equal(result.bytes, "\x0f\x01\x03", 3);
}

static void a_device_may_be_busy_or_refuse(void **state) {
    (void)state;
    world.device_status[0] = ERR_BUSY;
    assert_int_equal(emulate_in_vain("8b03", DEVICE, false), EMULATE_RETRY);
    assert_int_equal(emulate_in_vain("8903", DEVICE, true), EMULATE_RETRY);
    world.device_status[0] = OK;
    world.device_status[1] = ERR_BUSY;
    assert_int_equal(emulate_in_vain("0103", DEVICE, true), EMULATE_RETRY);
    world.device_status[1] = ERR_INVALID;
    unknown("0103", DEVICE, true, "refuses");
    world.device_status[0] = ERR_DENIED;
    unknown("8b03", DEVICE, false, "refuses");
    assert_int_equal(world.accesses, 1);
}

// ---- strings ---------------------------------------------------------------------------------------------------------
static void a_move_goes_between_memory_and_device(void **state) {
    (void)state;
    world.device_value = 0x1122334455667788;
    gpr[SI] = MMIO + 0x10;
    gpr[DI] = DATA;
    set_ram64(DATA_PAGE, UINT64_MAX);
    assert_int_equal(emulate_at("a5", DEVICE + 0x10, false), EMULATE_DONE);
    assert_int_equal(world.accesses, 1);
    device_saw(0, DEVICE + 0x10, 4, false, world.device_value);
    assert_int_equal(ram64(DATA_PAGE), 0xffffffff55667788);
    assert_int_equal(gpr[SI], MMIO + 0x14);
    assert_int_equal(gpr[DI], DATA + 4);
    assert_int_equal(view.rip, CODE + 1);
    gpr[SI] = DATA;
    gpr[DI] = MMIO + 8;
    view.rip = CODE;
    view.rflags |= RFLAGS_DF;
    assert_int_equal(emulate_at("66a5", DEVICE + 8, true), EMULATE_DONE);
    device_saw(0, DEVICE + 8, 2, true, 0x7788);
    assert_int_equal(gpr[SI], DATA - 2);
    assert_int_equal(gpr[DI], MMIO + 6);
    gpr[SI] = MMIO;
    gpr[DI] = MMIO2;
    view.rip = CODE;
    assert_int_equal(emulate_at("48a5", DEVICE, false), EMULATE_DONE); // from one to the other
    assert_int_equal(world.accesses, 2);
    device_saw(1, DEVICE2, 8, true, world.device_value);
}

static void memory_over_a_border_is_two_pages(void **state) {
    (void)state;
    world.device_value = 0x1122334455667788;
    gpr[SI] = MMIO;
    gpr[DI] = DATA_NEXT - 3;
    assert_int_equal(emulate_at("48a5", DEVICE, false), EMULATE_DONE);
    assert_int_equal(ram64(DATA_PAGE + PAGE_SIZE - 8) >> 40, 0x667788);
    assert_int_equal(ram64(DATA_PAGE2), 0x1122334455);
    view.rip = CODE;
    gpr[SI] = DATA_NEXT - 3;
    gpr[DI] = MMIO;
    assert_int_equal(emulate_at("48a5", DEVICE, true), EMULATE_DONE);
    device_saw(0, DEVICE, 8, true, world.device_value);
    view.rip = CODE;
    gpr[SI] = MMIO;
    gpr[DI] = MISSING - 3;
    faults("48a5", DEVICE, false, EXCEPTION_PF, PF_WRITE);
    assert_int_equal(result.address, MISSING);
}

static void addresses_of_32_bits_wrap_within_an_operand(void **state) {
    (void)state;
    world_reset();
    world_map(PAE, 0, DATA_PAGE2 | P | RW | A | D);
    world_map(PAE, 0x1000, DEVICE | P | RW | A | D);
    world_map(PAE, 0x2000, CODE_PAGE | P | A);
    world_map(PAE, 0xfffff000, DATA_PAGE | P | RW | A | D);
    view.paging = world_paging(PAE);
    view.mode = DECODE_32;
    memset(view.segment_base, 0, sizeof(view.segment_base));
    view.rip = 0x2000;
    world.device_value = 0x11223344;
    gpr[SI] = 0x1000;
    gpr[DI] = 0xfffffffe;
    assert_int_equal(emulate_at("a5", DEVICE, false), EMULATE_DONE);
    assert_int_equal(ram64(DATA_PAGE + PAGE_SIZE - 8) >> 48, 0x3344);
    assert_int_equal(ram64(DATA_PAGE2), 0x1122);
    assert_int_equal(gpr[DI], 2);
}

// Before anything is read that a device might not give again.
static void the_memory_operand_is_checked_first(void **state) {
    (void)state;
    gpr[SI] = MMIO;
    gpr[DI] = READONLY;
    faults("a5", DEVICE, false, EXCEPTION_PF, PF_PRESENT | PF_WRITE);
    assert_int_equal(result.address, READONLY);
    gpr[DI] = KERNELS;
    assert_int_equal(emulate_at("a5", DEVICE, false), EMULATE_DONE);
    view.rip = CODE;
    view.paging.cpl = 3;
    gpr[SI] = KERNELS;
    gpr[DI] = MMIO;
    faults("a5", DEVICE, true, EXCEPTION_PF, PF_PRESENT | PF_USER);
    assert_int_equal(result.address, KERNELS);
}

static void what_is_written_is_marked_dirty(void **state) {
    const gpa_t entry = world_entry(LEVELS4, DATA, 1);

    (void)state;
    gpr[SI] = MMIO;
    gpr[DI] = DATA;
    entry_write(LEVELS4, entry, DATA_PAGE | P | RW);
    assert_int_equal(emulate_at("a4", DEVICE, false), EMULATE_DONE);
    assert_int_equal(entry_read(LEVELS4, entry), DATA_PAGE | P | RW | A | D);
    entry_write(LEVELS4, entry, DATA_PAGE | P | RW);
    view.rip = CODE;
    world.exchange_status = ERR_BUSY;
    assert_int_equal(emulate_in_vain("a4", DEVICE, false), EMULATE_RETRY);
    assert_int_equal(world.accesses, 0);
}

static void a_repeated_operation_is_done_element_by_element(void **state) {
    (void)state;
    gpr[CX] = 3;
    gpr[DI] = MMIO;
    gpr[AX] = 0x55;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(view.rip, CODE);
        assert_int_equal(emulate_at("f3aa", DEVICE + i, true), EMULATE_DONE);
        device_saw(0, DEVICE + i, 1, true, 0x55);
        assert_int_equal(gpr[CX], 2 - i);
        assert_int_equal(gpr[DI], MMIO + i + 1);
    }
    assert_int_equal(view.rip, CODE + 2);
    view.rip = CODE;
    assert_int_equal(emulate_at("f3aa", DEVICE, true), EMULATE_DONE); // CX is 0 by now
    assert_int_equal(world.accesses, 0);
    assert_int_equal(view.rip, CODE + 2);
}

static void counts_and_pointers_have_the_address_size(void **state) {
    (void)state;
    world_map(LEVELS4, 0xfffff000, (uint64_t)DEVICE | P | RW | A | D);
    gpr[CX] = 0xaaaaaaaa00000001;
    gpr[DI] = 0xbbbbbbbbffffffff;
    assert_int_equal(emulate_at("f367aa", DEVICE + 0xfff, true), EMULATE_DONE);
    assert_int_equal(view.rip, CODE + 3);
    assert_int_equal(gpr[CX], 0);
    assert_int_equal(gpr[DI], 0);
    view.rip = CODE_PAGE;
    view.mode = DECODE_16;
    view.paging.cr0 = 0;
    view.segment_base[SEGMENT_CS] = 0;
    view.segment_base[SEGMENT_ES] = DEVICE;
    gpr[CX] = 0x10002;
    gpr[DI] = 0x1ffff;
    view.segment_base[SEGMENT_ES] = DEVICE - 0xf000;
    assert_int_equal(emulate_at("f3aa", DEVICE + 0xfff, true), EMULATE_DONE);
    assert_int_equal(view.rip, CODE_PAGE);
    assert_int_equal(gpr[CX], 0x10001);
    assert_int_equal(gpr[DI], 0x10000);
}

static void completion_clears_the_resume_flag(void **state) {
    (void)state;
    view.rflags = RFLAGS_RF | 2;
    assert_int_equal(emulate_at("8b03", DEVICE, false), EMULATE_DONE);
    assert_int_equal(view.rflags, 2);
}

// ---- INS and OUTS ----------------------------------------------------------------------------------------------------
static enum emulate_outcome string_at(const char *hex) {
    put(CODE_PAGE + (view.rip & PAGE_MASK), hex);
    return emulate_port_string(&view, &ops, &world, &result);
}

static void output_goes_from_memory_to_the_port_by_element(void **state) {
    (void)state;
    set_ram64(DATA_PAGE, 0x4433221188776655);
    gpr[SI] = DATA;
    gpr[CX] = 2;
    gpr[DX] = 0xffff1234;                              // the port is 16 bits of it
    assert_int_equal(string_at("f36f"), EMULATE_DONE); // rep outsd
    assert_int_equal(view.rip, CODE);
    assert_int_equal(string_at("f36f"), EMULATE_DONE);
    assert_int_equal(view.rip, CODE + 2);
    assert_int_equal(ports.accesses, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(ports.port[i], 0x1234);
        assert_int_equal(ports.size[i], 4);
        assert_true(ports.write[i]);
    }
    assert_int_equal((uint32_t)ports.value[0], 0x88776655);
    assert_int_equal((uint32_t)ports.value[1], 0x44332211);
    assert_int_equal(gpr[SI], DATA + 8);
    assert_int_equal(gpr[CX], 0);
    view.rip = CODE;
    assert_int_equal(string_at("f36f"), EMULATE_DONE); // none left
    assert_int_equal(ports.accesses, 2);
    assert_int_equal(view.rip, CODE + 2);
}

static void input_goes_to_memory_also_over_a_border(void **state) {
    (void)state;
    ports.answer = 0xbbaa;
    gpr[DI] = DATA + PAGE_SIZE - 1;
    gpr[DX] = 0x1f0;
    assert_int_equal(string_at("666d"), EMULATE_DONE); // insw
    assert_int_equal(world.ram[DATA_PAGE + PAGE_SIZE - 1], 0xaa);
    assert_int_equal(world.ram[DATA_PAGE2], 0xbb);
    assert_int_equal(gpr[DI], DATA + PAGE_SIZE + 1);
    view.rflags |= RFLAGS_DF;
    assert_int_equal(string_at("6d"), EMULATE_DONE); // insd, at the next instruction
    assert_int_equal(gpr[DI], DATA + PAGE_SIZE - 3);
}

static void what_memory_does_not_allow_reaches_no_port(void **state) {
    (void)state;
    gpr[DI] = READONLY;
    gpr[SI] = KERNELS;
    view.paging.cpl = 3;
    assert_int_equal(string_at("6c"), EMULATE_FAULT); // insb
    assert_int_equal(result.vector, EXCEPTION_PF);
    assert_int_equal(result.error, PF_PRESENT | PF_WRITE | PF_USER);
    assert_int_equal(string_at("6e"), EMULATE_FAULT); // outsb
    assert_int_equal(result.error, PF_PRESENT | PF_USER);
    assert_int_equal(ports.accesses, 0);
    gpr[SI] = MMIO + PAGE_SIZE - 1;
    view.paging.cpl = 0;
    world_map(LEVELS4, MMIO + PAGE_SIZE, DEVICE2 | P | A);
    assert_int_equal(string_at("6f"), EMULATE_UNKNOWN); // outsd, half of it in another device
    assert_int_equal(ports.accesses + world.accesses, 0);
    assert_int_equal(view.rip, CODE);
}

static void a_string_may_go_between_a_device_and_a_port(void **state) {
    (void)state;
    world.device_value = 0x5a;
    gpr[SI] = MMIO + 3;
    assert_int_equal(string_at("6e"), EMULATE_DONE); // outsb
    device_saw(0, DEVICE + 3, 1, false, 0x5a);
    assert_int_equal((uint8_t)ports.value[0], 0x5a);
    ports.answer = 0xa5;
    gpr[DI] = MMIO + 4;
    assert_int_equal(string_at("6c"), EMULATE_DONE); // insb
    device_saw(1, DEVICE + 4, 1, true, 0xa5);
}

// A program that may not use ports gains none by changing what trapped.
static void a_device_that_trapped_is_no_way_to_a_port(void **state) {
    (void)state;
    gpr[SI] = MMIO;
    gpr[DI] = MMIO;
    assert_int_equal(emulate_in_vain("6e", DEVICE, false), EMULATE_RETRY);
    assert_int_equal(emulate_in_vain("6c", DEVICE, true), EMULATE_RETRY);
    assert_int_equal(ports.accesses + world.accesses, 0);
}

static void a_busy_port_is_asked_again(void **state) {
    (void)state;
    ports.status = ERR_BUSY;
    gpr[SI] = DATA;
    assert_int_equal(string_at("6e"), EMULATE_RETRY);
    assert_int_equal(gpr[SI], DATA);
    assert_int_equal(view.rip, CODE);
    assert_int_equal(string_at("90"), EMULATE_UNKNOWN); // a NOP by now
    ports.status = OK;
    assert_int_equal(string_at("8b03"), EMULATE_RETRY); // another instruction: the processor does it
    assert_int_equal(ports.accesses, 1);
}

// At each entry of four tables for code and memory of two pages each, each piece of them, when the instruction is decoded,
// and before the first effect.
static void what_waits_ends_an_attempt_that_had_no_effect(void **state) {
    enum { QUESTIONS = 4 * (4 + 1) + 2 };

    (void)state;
    for (unsigned yes = 1; yes <= QUESTIONS; yes++) {
        yielding.asked = 0;
        yielding.yes = yes;
        view.rip = CODE + PAGE_SIZE - 1;
        gpr[SI] = DATA + PAGE_SIZE - 1;
        world.ram[CODE_PAGE + PAGE_SIZE - 1] = 0x66;
        world.ram[CODE_PAGE2] = 0x6f; // outsw
        assert_int_equal(emulate_port_string(&view, &ops, &world, &result), EMULATE_RETRY);
        assert_int_equal(yielding.asked, yes);
        assert_int_equal(gpr[SI], DATA + PAGE_SIZE - 1);
        assert_int_equal(view.rip, CODE + PAGE_SIZE - 1);
        assert_int_equal(ports.accesses + world.accesses, 0);
    }
    yielding.asked = yielding.yes = 0;
    assert_int_equal(emulate_port_string(&view, &ops, &world, &result), EMULATE_DONE);
    assert_int_equal(ports.accesses, 1);
    assert_int_equal(yielding.asked, QUESTIONS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_length_is_that_of_what_was_intercepted, setup),
        cmocka_unit_test_setup(code_goes_on_in_another_page_only_where_it_must, setup),
        cmocka_unit_test_setup(code_that_is_not_there_is_told, setup),
        cmocka_unit_test_setup(an_instruction_that_is_none_is_refused, setup),
        cmocka_unit_test_setup(real_mode_and_protected_mode_add_the_segment, setup),
        cmocka_unit_test_setup(a_store_gives_the_device_its_value, setup),
        cmocka_unit_test_setup(a_load_takes_what_the_device_says_as_wide_as_it_is, setup),
        cmocka_unit_test_setup(an_update_reads_then_writes, setup),
        cmocka_unit_test_setup(a_right_that_was_not_asked_for_is_looked_up, setup),
        cmocka_unit_test_setup(another_instruction_than_the_one_that_trapped_is_left_to_the_processor, setup),
        cmocka_unit_test_setup(an_access_over_the_border_of_a_device_is_refused, setup),
        cmocka_unit_test_setup(what_cannot_be_emulated_is_refused_with_its_bytes, setup),
        cmocka_unit_test_setup(a_device_may_be_busy_or_refuse, setup),
        cmocka_unit_test_setup(a_move_goes_between_memory_and_device, setup),
        cmocka_unit_test_setup(memory_over_a_border_is_two_pages, setup),
        cmocka_unit_test_setup(addresses_of_32_bits_wrap_within_an_operand, setup),
        cmocka_unit_test_setup(the_memory_operand_is_checked_first, setup),
        cmocka_unit_test_setup(what_is_written_is_marked_dirty, setup),
        cmocka_unit_test_setup(a_repeated_operation_is_done_element_by_element, setup),
        cmocka_unit_test_setup(counts_and_pointers_have_the_address_size, setup),
        cmocka_unit_test_setup(completion_clears_the_resume_flag, setup),
        cmocka_unit_test_setup(output_goes_from_memory_to_the_port_by_element, setup),
        cmocka_unit_test_setup(input_goes_to_memory_also_over_a_border, setup),
        cmocka_unit_test_setup(what_memory_does_not_allow_reaches_no_port, setup),
        cmocka_unit_test_setup(a_string_may_go_between_a_device_and_a_port, setup),
        cmocka_unit_test_setup(a_device_that_trapped_is_no_way_to_a_port, setup),
        cmocka_unit_test_setup(a_busy_port_is_asked_again, setup),
        cmocka_unit_test_setup(what_waits_ends_an_attempt_that_had_no_effect, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
