// SPDX-License-Identifier: Apache-2.0
// In the order of the processor: fetch, decode, addresses and rights of all operands, then their contents, then registers.
#include "arch/x86/emulate.h"

#include "arch/x86/control_regs.h"

enum { REGISTER_CX = 1, REGISTER_DX = 2 };

// What the machine says of the access that trapped.
struct trap {
    gpa_t gpa;
    bool write;
};

// One emulation on its way.
struct job {
    const struct guest_state_view *view;
    const struct emulate_ops *ops;
    void *context;
    struct emulate_result *result;
    const struct trap *trap; // NULL: none, a port was accessed
};

// Where an operand lies. `first` is less than its size when it goes on in another page: at gpa[1], if this is not a device.
struct place {
    gpa_t gpa[2];
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
    int status = j->ops->memory.read(j->context, gpa, r->bytes + r->count, size);
    if (status != OK) { return status == ERR_BUSY ? EMULATE_RETRY : unknown(j, "code outside of RAM"); }
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
    if (status != DECODE_OK) { return unknown(j, "an instruction that is not emulated"); }
    return j->ops->must_yield(j->context) ? EMULATE_RETRY : EMULATE_DONE;
}

enum emulate_outcome emulate_decode(const struct guest_state_view *view, const struct emulate_ops *ops, void *context,
                                    struct decoded *out, struct emulate_result *result) {
    const struct job j = {view, ops, context, result, NULL};

    return decode(&j, out);
}

// ---- operands in memory ----------------------------------------------------------------------------------------------
// The processor has walked to where it trapped already. An operand needs no second walk if it is the only one, at the same
// place of its page, and asks for no right that was not asked for then.
static bool is_what_trapped(const struct job *j, const struct decoded *d, uint64_t linear) {
    return j->trap != NULL && d->memory_count == 1 && ((linear ^ j->trap->gpa) & PAGE_MASK) == 0 &&
           (j->trap->write || !d->memory[0].write);
}

static unsigned pieces(const struct place *p, unsigned size) { return p->first < size ? 2 : 1; }

static enum emulate_outcome locate(const struct job *j, const struct decoded *d, unsigned which, struct place *out) {
    const struct decoded_memory *m = &d->memory[which];
    const uint64_t linear = decode_address(d, which, j->view->gpr, j->view->rip, segment_base(j->view, m->segment));

    out->first = (unsigned)MIN(d->source_size, PAGE_SIZE - (linear & PAGE_MASK));
    out->device = is_what_trapped(j, d, linear);
    if (out->device) {
        out->gpa[0] = j->trap->gpa;
        return EMULATE_DONE;
    }
    for (unsigned i = 0; i < pieces(out, d->source_size); i++) {
        enum emulate_outcome outcome =
            translate(j, m->segment, truncate(j->view, linear + i * out->first), m->write ? PF_WRITE : 0, &out->gpa[i]);
        if (outcome != EMULATE_DONE) { return outcome; }
        out->device |= j->trap != NULL && (out->gpa[i] ^ j->trap->gpa) < PAGE_SIZE;
    }
    return EMULATE_DONE;
}

static int access_ram(const struct job *j, const struct place *p, unsigned size, bool write, uint64_t *value) {
    const struct guest_memory_ops *ops = &j->ops->memory;
    uint8_t *bytes = (uint8_t *)value;
    int status = OK;

    for (unsigned i = 0; i < pieces(p, size) && status == OK; i++) {
        const unsigned part = i == 0 ? p->first : size - p->first;
        status = write ? ops->write(j->context, p->gpa[i], bytes, part) : ops->read(j->context, p->gpa[i], bytes, part);
        bytes += part;
    }
    return status;
}

static enum emulate_outcome outcome_of(const struct job *j, int status) {
    if (status == OK) { return EMULATE_DONE; }
    return status == ERR_BUSY ? EMULATE_RETRY : unknown(j, "an access that the device refuses");
}

static enum emulate_outcome access(const struct job *j, const struct place *p, unsigned size, bool write,
                                   uint64_t *value) {
    int status = p->device ? ERR_RANGE : access_ram(j, p, size, write, value);

    if (status == ERR_RANGE) { // a string may go from one device to another
        if (p->first < size) { return unknown(j, "an access to a device over the border of a page"); }
        status = j->ops->mmio(j->context, p->gpa[0], size, write, value);
    }
    return outcome_of(j, status);
}

static enum emulate_outcome access_port(const struct job *j, const struct decoded *d, bool write, uint64_t *value) {
    const uint16_t port = (uint16_t)j->view->gpr[REGISTER_DX];

    return outcome_of(j, j->ops->port(j->context, port, d->operand_size, write, value));
}

// ---- registers -------------------------------------------------------------------------------------------------------
static bool is_port_string(const struct decoded *d) { return d->operation == OP_INS || d->operation == OP_OUTS; }

static bool is_string(const struct decoded *d) { return d->operation >= OP_MOVS && d->operation <= OP_OUTS; }

static bool is_last(const struct guest_state_view *view, const struct decoded *d) {
    return !d->repeat || (view->gpr[REGISTER_CX] & decode_mask(d->address_size)) == 0;
}

// rSI, rDI or rCX of a string operation, in the address size of the instruction.
static void add_to_register(const struct guest_state_view *view, const struct decoded *d, uint8_t reg, int n) {
    const struct decoded as_address = {.reg = reg, .operand_size = d->address_size};

    decode_register_write(&as_address, view->gpr, view->gpr[reg] + (uint64_t)n);
}

static void step_string(const struct guest_state_view *view, const struct decoded *d) {
    const int step = (view->rflags & RFLAGS_DF) != 0 ? -d->operand_size : d->operand_size;

    for (unsigned i = 0; i < d->memory_count; i++) { add_to_register(view, d, d->memory[i].base, step); }
    if (d->repeat) { add_to_register(view, d, REGISTER_CX, -1); }
}

// To the next instruction: RIP is as wide as the mode has it.
static enum emulate_outcome advance(struct guest_state_view *view, const struct decoded *d) {
    view->rip = truncate(view, view->rip + d->length);
    view->rflags &= ~RFLAGS_RF;
    return EMULATE_DONE;
}

// ---- the whole -------------------------------------------------------------------------------------------------------
static enum emulate_outcome execute(const struct job *j, struct guest_state_view *view, const struct decoded *d,
                                    const struct place *places) {
    uint64_t value = 0, other = d->other == DECODE_IMMEDIATE ? (uint64_t)d->immediate : 0;
    enum emulate_outcome outcome = EMULATE_DONE;

    if (d->other == DECODE_REGISTER) { other = decode_register_read(d, view->gpr); }
    if (d->operation == OP_INS) { outcome = access_port(j, d, false, &other); }
    for (unsigned i = 0; i < d->memory_count && outcome == EMULATE_DONE; i++) {
        if (d->memory[i].read) { outcome = access(j, &places[i], d->source_size, false, &value); }
    }
    if (outcome != EMULATE_DONE) { return outcome; }
    struct decode_alu alu = {d->memory_first ? value : other, d->memory_first ? other : value, view->rflags};
    decode_alu(d, &alu);
    for (unsigned i = 0; i < d->memory_count && outcome == EMULATE_DONE; i++) {
        if (d->memory[i].write) { outcome = access(j, &places[i], d->source_size, true, &alu.destination); }
    }
    if (d->operation == OP_OUTS) { outcome = access_port(j, d, true, &alu.destination); }
    if (outcome != EMULATE_DONE) { return outcome; }
    view->rflags = alu.rflags;
    if (d->writes_register) { decode_register_write(d, view->gpr, d->memory_first ? alu.source : alu.destination); }
    if (is_string(d)) { step_string(view, d); }
    return is_last(view, d) ? advance(view, d) : EMULATE_DONE;
}

static enum emulate_outcome emulate(const struct job *j, struct guest_state_view *view) {
    struct decoded d;
    struct place places[2];
    bool trapped = j->trap == NULL;
    enum emulate_outcome outcome = decode(j, &d);

    if (outcome != EMULATE_DONE) { return outcome; }
    if (is_port_string(&d) != trapped) { return EMULATE_RETRY; } // another instruction than the one that trapped
    if (d.repeat && is_last(view, &d)) { return advance(view, &d); }
    for (unsigned i = 0; i < d.memory_count; i++) {
        outcome = locate(j, &d, i, &places[i]);
        if (outcome != EMULATE_DONE) { return outcome; }
        trapped |= places[i].device;
    }
    return trapped && !j->ops->must_yield(j->context) ? execute(j, view, &d, places) : EMULATE_RETRY;
}

enum emulate_outcome emulate_mmio(struct guest_state_view *view, const struct emulate_ops *ops, void *context,
                                  gpa_t gpa, bool write, struct emulate_result *result) {
    const struct trap trap = {gpa, write};

    return emulate(&(struct job){view, ops, context, result, &trap}, view);
}

enum emulate_outcome emulate_port_string(struct guest_state_view *view, const struct emulate_ops *ops, void *context,
                                         struct emulate_result *result) {
    return emulate(&(struct job){view, ops, context, result, NULL}, view);
}
