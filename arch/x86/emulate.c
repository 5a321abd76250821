// SPDX-License-Identifier: Apache-2.0
// In the order of the processor: fetch, decode, addresses and rights of all operands, then their contents, then registers.
#include "arch/x86/emulate.h"

#include "arch/x86/control_regs.h"

enum { REGISTER_AX = 0, REGISTER_CX = 1, REGISTER_DX = 2 };

// One emulation on its way.
struct job {
    const struct guest_state_view *view;
    const struct emulate_ops *ops;
    void *context;
    struct emulate_result *result;
};

// Where an operand lies. `first` is less than its size when it goes on in another page: at `next`, if this is not a device.
struct place {
    gpa_t gpa, next;
    unsigned first;
    bool device; // in the page that trapped
};

static enum emulate_outcome fault(const struct job *j, uint8_t vector, uint32_t error, uint64_t address) {
    j->result->vector = vector;
    j->result->error = error;
    j->result->address = address;
    return EMULATE_FAULT;
}

static enum emulate_outcome unknown(const struct job *j, const char *reason) {
    j->result->reason = reason;
    return EMULATE_UNKNOWN;
}

// In 64-bit mode only FS and GS have a base: SDM vol. 1, 3.4.2.1.
static uint64_t segment_base(const struct guest_state_view *view, unsigned segment) {
    const bool flat = view->mode == DECODE_64 && segment != SEGMENT_FS && segment != SEGMENT_GS;

    return flat ? 0 : view->segment_base[segment];
}

static uint64_t truncate(const struct guest_state_view *view, uint64_t linear) {
    return view->mode == DECODE_64 ? linear : (uint32_t)linear;
}

static enum emulate_outcome translate(const struct job *j, unsigned segment, uint64_t linear, unsigned access,
                                      gpa_t *gpa) {
    uint32_t error = 0;

    switch (guest_walk(&j->view->paging, &j->ops->memory, j->context, linear, access, gpa, &error)) {
    case OK: return EMULATE_DONE;
    case ERR_DENIED: return fault(j, EXCEPTION_PF, error, linear);
    case ERR_INVALID: return fault(j, segment == SEGMENT_SS ? EXCEPTION_SS : EXCEPTION_GP, 0, 0);
    case ERR_BUSY: return EMULATE_RETRY;
    default: return unknown(j, "a page table outside of RAM");
    }
}

// ---- code ------------------------------------------------------------------------------------------------------------
// Up to the end of the page or of the longest instruction.
static enum emulate_outcome fetch(const struct job *j) {
    struct emulate_result *r = j->result;
    const uint64_t linear = truncate(j->view, segment_base(j->view, SEGMENT_CS) + j->view->rip + r->count);
    const size_t size = MIN((size_t)DECODE_MAX_LENGTH - r->count, PAGE_SIZE - (linear & PAGE_MASK));
    gpa_t gpa = 0;
    enum emulate_outcome outcome = translate(j, SEGMENT_CS, linear, PF_FETCH, &gpa);

    if (outcome != EMULATE_DONE) { return outcome; }
    if (j->ops->memory.read(j->context, gpa, r->bytes + r->count, size) != OK) {
        return unknown(j, "code outside of RAM");
    }
    r->count = (uint8_t)(r->count + size);
    return EMULATE_DONE;
}

static enum emulate_outcome decode(const struct job *j, struct decoded *out) {
    int status;

    j->result->count = 0;
    do { // twice at most: the second time there are 15 bytes
        enum emulate_outcome outcome = fetch(j);
        if (outcome != EMULATE_DONE) { return outcome; }
        status = decode_instruction(j->result->bytes, j->result->count, j->view->mode, out);
    } while (status == DECODE_NEEDS_MORE);
    switch (status) {
    case DECODE_OK: return EMULATE_DONE;
    case DECODE_TOO_LONG: return fault(j, EXCEPTION_GP, 0, 0);
    case DECODE_BAD_LOCK: return fault(j, EXCEPTION_UD, 0, 0);
    default: return unknown(j, "an instruction that is not emulated");
    }
}

enum emulate_outcome emulate_decode(const struct guest_state_view *view, const struct emulate_ops *ops, void *context,
                                    struct decoded *out, struct emulate_result *result) {
    const struct job j = {view, ops, context, result};

    return decode(&j, out);
}

enum emulate_outcome emulate_length(const struct guest_state_view *view, const struct emulate_ops *ops, void *context,
                                    enum decode_operation expected, unsigned *length, struct emulate_result *result) {
    struct decoded d;
    enum emulate_outcome outcome = emulate_decode(view, ops, context, &d, result);

    if (outcome != EMULATE_DONE) { return outcome; }
    if (d.operation != expected) { return EMULATE_RETRY; }
    *length = d.length;
    return EMULATE_DONE;
}

void emulate_advance(struct guest_state_view *view, unsigned length) {
    view->rip = truncate(view, view->rip + length);
    view->rflags &= ~RFLAGS_RF;
}

// ---- operands in memory ----------------------------------------------------------------------------------------------
// The processor has walked to `gpa` already. An operand needs no second walk if it is the only one, at the same place of its
// page, and asks for no right that was not asked for then.
static bool is_what_trapped(const struct decoded *d, uint64_t linear, gpa_t gpa, bool write) {
    return d->memory_count == 1 && ((linear ^ gpa) & PAGE_MASK) == 0 && (write || !d->memory[0].write);
}

static enum emulate_outcome locate(const struct job *j, const struct decoded *d, unsigned which, gpa_t gpa, bool write,
                                   struct place *out) {
    const struct decoded_memory *m = &d->memory[which];
    const unsigned access = m->write ? PF_WRITE : 0;
    const uint64_t linear = decode_address(d, which, j->view->gpr, j->view->rip, segment_base(j->view, m->segment));
    enum emulate_outcome outcome;

    out->first = (unsigned)MIN(d->source_size, PAGE_SIZE - (linear & PAGE_MASK));
    if (is_what_trapped(d, linear, gpa, write)) {
        out->gpa = gpa;
        out->device = true;
        return EMULATE_DONE;
    }
    outcome = translate(j, m->segment, linear, access, &out->gpa);
    if (outcome == EMULATE_DONE && out->first < d->source_size) {
        outcome = translate(j, m->segment, truncate(j->view, linear + out->first), access, &out->next);
    }
    out->device = outcome == EMULATE_DONE &&
                  ((out->gpa ^ gpa) < PAGE_SIZE || (out->first < d->source_size && (out->next ^ gpa) < PAGE_SIZE));
    return outcome;
}

static int access_ram(const struct job *j, const struct place *p, unsigned size, bool write, uint64_t *value) {
    const struct guest_memory_ops *ops = &j->ops->memory;
    uint8_t *bytes = (uint8_t *)value;
    int status =
        write ? ops->write(j->context, p->gpa, bytes, p->first) : ops->read(j->context, p->gpa, bytes, p->first);

    if (status != OK || p->first == size) { return status; }
    bytes += p->first;
    size -= p->first;
    return write ? ops->write(j->context, p->next, bytes, size) : ops->read(j->context, p->next, bytes, size);
}

static enum emulate_outcome access(const struct job *j, const struct place *p, unsigned size, bool write,
                                   uint64_t *value) {
    int status = ERR_RANGE;

    if (!p->device) { status = access_ram(j, p, size, write, value); }
    if (status == ERR_RANGE) { // MOVS may go from one device to another
        if (p->first < size) { return unknown(j, "an access to a device over the border of a page"); }
        status = j->ops->mmio(j->context, p->gpa, size, write, value);
    }
    if (status == OK) { return EMULATE_DONE; }
    return status == ERR_BUSY ? EMULATE_RETRY : unknown(j, "an access that the device refuses");
}

// ---- registers -------------------------------------------------------------------------------------------------------
static bool is_port_string(const struct decoded *d) { return d->operation == OP_INS || d->operation == OP_OUTS; }

static bool is_string(const struct decoded *d) {
    return (d->operation >= OP_MOVS && d->operation <= OP_SCAS) || is_port_string(d);
}

static bool is_repeated(const struct decoded *d) { return is_string(d) && d->repeat != REPEAT_NONE; }

// A register in the address size of the instruction: rSI, rDI or rCX of a string operation.
static uint64_t address_register(const struct guest_state_view *view, const struct decoded *d, uint8_t reg) {
    const struct decoded as_address = {.reg = reg, .operand_size = d->address_size};

    return decode_register_read(&as_address, view->gpr);
}

static void add_to_address_register(const struct guest_state_view *view, const struct decoded *d, uint8_t reg, int n) {
    const struct decoded as_address = {.reg = reg, .operand_size = d->address_size};

    decode_register_write(&as_address, view->gpr, decode_register_read(&as_address, view->gpr) + (uint64_t)n);
}

// Steps the pointers of a string operation; true: there is another element. SDM vol. 2, REP.
static bool step_string(const struct guest_state_view *view, const struct decoded *d) {
    const int step = (view->rflags & RFLAGS_DF) != 0 ? -d->operand_size : d->operand_size;
    const bool equal = (view->rflags & RFLAGS_ZF) != 0;

    for (unsigned i = 0; i < d->memory_count; i++) { add_to_address_register(view, d, d->memory[i].base, step); }
    if (!is_repeated(d)) { return false; }
    add_to_address_register(view, d, REGISTER_CX, -1);
    if (address_register(view, d, REGISTER_CX) == 0) { return false; }
    return (d->operation != OP_CMPS && d->operation != OP_SCAS) || equal == (d->repeat == REPEAT_REPE);
}

static uint64_t other_operand(const struct guest_state_view *view, const struct decoded *d, uint64_t second) {
    switch ((enum decode_operand)d->other) {
    case DECODE_REGISTER: return decode_register_read(d, view->gpr);
    case DECODE_IMMEDIATE: return (uint64_t)d->immediate;
    case DECODE_MEMORY: return second;
    default: return 0;
    }
}

static void commit(struct guest_state_view *view, const struct decoded *d, const struct decode_alu *alu) {
    view->rflags = alu->rflags;
    if (d->writes_register) { decode_register_write(d, view->gpr, d->memory_first ? alu->source : alu->destination); }
    if (d->operation == OP_CMPXCHG && (alu->rflags & RFLAGS_ZF) == 0) {
        const struct decoded accumulator = {.reg = REGISTER_AX, .operand_size = d->operand_size};
        decode_register_write(&accumulator, view->gpr, alu->accumulator);
    }
    if (!is_string(d) || !step_string(view, d)) { emulate_advance(view, d->length); }
}

// ---- the whole -------------------------------------------------------------------------------------------------------
static enum emulate_outcome execute(const struct job *j, struct guest_state_view *view, const struct decoded *d,
                                    const struct place *places) {
    uint64_t values[2] = {0, 0}, other;
    struct decode_alu alu;
    enum emulate_outcome outcome;

    for (unsigned i = 0; i < d->memory_count; i++) {
        if (!d->memory[i].read) { continue; }
        outcome = access(j, &places[i], d->source_size, false, &values[i]);
        if (outcome != EMULATE_DONE) { return outcome; }
    }
    other = other_operand(view, d, values[1]);
    alu.destination = d->memory_first ? values[0] : other;
    alu.source = d->memory_first ? other : values[0];
    alu.accumulator = view->gpr[REGISTER_AX];
    alu.rflags = view->rflags;
    if (decode_alu(d, &alu) != DECODE_OK) { return unknown(j, "an instruction that is not emulated on a device"); }
    for (unsigned i = 0; i < d->memory_count; i++) {
        if (!d->memory[i].write) { continue; }
        outcome = access(j, &places[i], d->source_size, true, &alu.destination);
        if (outcome != EMULATE_DONE) { return outcome; }
    }
    commit(view, d, &alu);
    return EMULATE_DONE;
}

enum emulate_outcome emulate_mmio(struct guest_state_view *view, const struct emulate_ops *ops, void *context,
                                  gpa_t gpa, bool write, struct emulate_result *result) {
    const struct job j = {view, ops, context, result};
    struct decoded d;
    struct place places[2];
    bool device = false;
    enum emulate_outcome outcome = decode(&j, &d);

    if (outcome != EMULATE_DONE) { return outcome; }
    if (is_repeated(&d) && address_register(view, &d, REGISTER_CX) == 0) {
        emulate_advance(view, d.length);
        return EMULATE_DONE;
    }
    for (unsigned i = 0; i < d.memory_count; i++) {
        outcome = locate(&j, &d, i, gpa, write, &places[i]);
        if (outcome != EMULATE_DONE) { return outcome; }
        device |= places[i].device;
    }
    return device ? execute(&j, view, &d, places) : EMULATE_RETRY; // another instruction than the one that trapped
}

// ---- INS and OUTS ----------------------------------------------------------------------------------------------------
static enum emulate_outcome locate_ram(const struct job *j, const struct decoded *d, struct place *out) {
    const struct decoded_memory *m = &d->memory[0];
    const unsigned access = m->write ? PF_WRITE : 0;
    const uint64_t linear = decode_address(d, 0, j->view->gpr, j->view->rip, segment_base(j->view, m->segment));
    enum emulate_outcome outcome = translate(j, m->segment, linear, access, &out->gpa);

    out->device = false;
    out->first = (unsigned)MIN(d->operand_size, PAGE_SIZE - (linear & PAGE_MASK));
    if (outcome == EMULATE_DONE && out->first < d->operand_size) {
        outcome = translate(j, m->segment, truncate(j->view, linear + out->first), access, &out->next);
    }
    return outcome;
}

static enum emulate_outcome transfer(const struct job *j, const struct decoded *d, const struct place *place) {
    const bool out = d->operation == OP_OUTS;
    const uint16_t port = (uint16_t)j->view->gpr[REGISTER_DX];
    uint64_t value = 0;
    int status = out ? access_ram(j, place, d->operand_size, false, &value)
                     : j->ops->port(j->context, port, d->operand_size, false, &value);

    if (status == OK) {
        status = out ? j->ops->port(j->context, port, d->operand_size, true, &value)
                     : access_ram(j, place, d->operand_size, true, &value);
    }
    if (status == OK) { return EMULATE_DONE; }
    return status == ERR_BUSY ? EMULATE_RETRY : unknown(j, "string input or output outside of RAM");
}

enum emulate_outcome emulate_port_string(struct guest_state_view *view, const struct emulate_ops *ops, void *context,
                                         struct emulate_result *result) {
    const struct job j = {view, ops, context, result};
    struct decoded d;
    struct place place;
    enum emulate_outcome outcome = decode(&j, &d);

    if (outcome == EMULATE_DONE && !is_port_string(&d)) { return EMULATE_RETRY; }
    if (outcome != EMULATE_DONE) { return outcome; }
    if (is_repeated(&d) && address_register(view, &d, REGISTER_CX) == 0) {
        emulate_advance(view, d.length);
        return EMULATE_DONE;
    }
    outcome = locate_ram(&j, &d, &place);
    if (outcome == EMULATE_DONE) { outcome = transfer(&j, &d, &place); }
    if (outcome == EMULATE_DONE && !step_string(view, &d)) { emulate_advance(view, d.length); }
    return outcome;
}
