// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/pv_clock.h"

#define NS_PER_S     1000000000ull
#define PV_ENABLED   1u
#define CLOCK_STABLE 1u // PVCLOCK_TSC_STABLE_BIT
#define PREEMPTED    1u // KVM_VCPU_PREEMPTED

// Each begins or goes on with a version: odd while the rest changes.
struct wall_clock {
    uint32_t version, sec, nsec;
};

struct time_info { // pvclock_vcpu_time_info
    uint32_t version, pad0;
    uint64_t tsc_timestamp, system_time;
    uint32_t tsc_to_system_mul;
    int8_t tsc_shift;
    uint8_t flags, pad[2];
};

struct steal_time { // kvm_steal_time
    uint64_t steal;
    uint32_t version, flags;
    uint8_t preempted, u8_pad[3];
    uint32_t pad[11];
};

_Static_assert(sizeof(struct wall_clock) == 12 && sizeof(struct time_info) == 32 && sizeof(struct steal_time) == 64,
               "KVM's ABI");

static const struct page {
    uint8_t size, align;
    bool enables; // by bit 0; the wall clock is written each time it is asked for
} pages[PV_PAGES] = {
    [PV_WALL] = {sizeof(struct wall_clock), 4, false},
    [PV_CLOCK] = {sizeof(struct time_info), 4, true},
    [PV_STEAL] = {sizeof(struct steal_time), 64, true},
    [PV_EOI] = {sizeof(uint32_t), 4, true},
};

// ---- life -------------------------------------------------------------------------------------------------

// The largest multiplier of 32 bits, rounded down, so that the clock is never ahead. Shifting the divisor left or the quotient,
// never the rate right: that would lose bits.
int pv_config_init(struct pv_config *config, uint64_t tsc_hz) {
    int shift = 0;

    if (tsc_hz < PV_TSC_HZ_MIN || tsc_hz > PV_TSC_HZ_MAX) { return ERR_RANGE; }
    while (tsc_hz << shift <= NS_PER_S) { shift++; }
    uint64_t rate = tsc_hz << shift, mul = (NS_PER_S << 32) / rate, rest = (NS_PER_S << 32) % rate;
    while (mul < BIT(31)) {
        shift--;
        rest *= 2;
        mul = mul * 2 + rest / rate;
        rest %= rate;
    }
    *config = (struct pv_config){(uint32_t)mul, (int8_t)shift};
    return OK;
}

void pv_init(struct pv_vcpu *pv, const struct pv_config *config, const struct pv_ops *ops, void *context) {
    *pv = (struct pv_vcpu){.config = config, .ops = ops, .context = context};
}

void pv_reset(struct pv_vcpu *pv) {
    for (unsigned i = 0; i < PV_PAGES; i++) { pv->msr[i] = 0; }
    pv->eoi_offered = false;
}

// ---- records ----------------------------------------------------------------------------------------------

// The version odd, everything else, the version even. The wall clock's time is 0: nobody knows it.
static int publish(struct pv_vcpu *pv, enum pv_page page, gpa_t gpa) {
    const struct pv_config *config = pv->config;
    union {
        struct time_info time;
        struct steal_time steal;
        unsigned char bytes[sizeof(struct steal_time)];
    } record = {.steal = {.steal = page == PV_STEAL ? pv->stolen_ns : 0}};
    size_t at = page == PV_STEAL ? offsetof(struct steal_time, version) : 0, after = at + sizeof(pv->version);
    uint32_t changing = pv->version + 1;
    int status = pv->ops->write(pv->context, gpa + at, &changing, sizeof(changing));

    if (page == PV_CLOCK) {
        record.time = (struct time_info){.tsc_timestamp = pv->tsc_adjust,
                                         .tsc_to_system_mul = config->mul,
                                         .tsc_shift = config->shift,
                                         .flags = CLOCK_STABLE};
    }
    pv->version += 2;
    if (status == OK && at != 0) { status = pv->ops->write(pv->context, gpa, record.bytes, at); }
    if (status == OK) {
        status = pv->ops->write(pv->context, gpa + after, record.bytes + after, pages[page].size - after);
    }
    return status == OK ? pv->ops->write(pv->context, gpa + at, &pv->version, sizeof(pv->version)) : status;
}

static int write_eoi(const struct pv_vcpu *pv, gpa_t gpa, uint32_t word) {
    return pv->ops->write(pv->context, gpa, &word, sizeof(word));
}

// ---- MSRs -------------------------------------------------------------------------------------------------

// 0: not registered. Such a record at guest address 0 nobody has.
static gpa_t registered(const struct pv_vcpu *pv, enum pv_page page) {
    return (pv->msr[page] & PV_ENABLED) != 0 ? pv->msr[page] & ~(gpa_t)PV_ENABLED : 0;
}

int pv_register(struct pv_vcpu *pv, enum pv_page page, uint64_t value) {
    const struct page *row = &pages[page];
    bool disables = row->enables && (value & PV_ENABLED) == 0; // whatever the rest says
    gpa_t gpa = row->enables ? value & ~(gpa_t)PV_ENABLED : value;

    if (!disables) {
        if (gpa % row->align != 0 || row->size > PAGE_SIZE - gpa % PAGE_SIZE) { return ERR_DENIED; }
        if ((page == PV_EOI ? write_eoi(pv, gpa, 0) : publish(pv, page, gpa)) != OK) { return ERR_DENIED; }
    }
    pv->eoi_offered = pv->eoi_offered && page != PV_EOI;
    pv->msr[page] = value;
    return OK;
}

// ---- what the owner reports -------------------------------------------------------------------------------

void pv_tsc_moved(struct pv_vcpu *pv, uint64_t tsc_adjust) {
    gpa_t gpa = registered(pv, PV_CLOCK);

    pv->tsc_adjust = tsc_adjust;
    if (gpa != 0 && publish(pv, PV_CLOCK, gpa) != OK) { pv->msr[PV_CLOCK] = 0; }
}

void pv_steal(struct pv_vcpu *pv, uint64_t stolen_ns, bool preempted) {
    const uint8_t byte = PREEMPTED;
    gpa_t gpa = registered(pv, PV_STEAL);
    int status = OK;

    pv->stolen_ns = stolen_ns;
    if (gpa != 0 && preempted) {
        status = pv->ops->write(pv->context, gpa + offsetof(struct steal_time, preempted), &byte, sizeof(byte));
    } else if (gpa != 0) {
        status = publish(pv, PV_STEAL, gpa);
    }
    if (status != OK) { pv->msr[PV_STEAL] = 0; }
}

bool pv_eoi_ended(struct pv_vcpu *pv) {
    uint32_t word = 0;

    if (!pv->eoi_offered) { return false; }
    if (pv->ops->read(pv->context, registered(pv, PV_EOI), &word, sizeof(word)) != OK) {
        pv->msr[PV_EOI] = 0; // the guest ends it at its local APIC
        pv->eoi_offered = false;
        return false;
    }
    pv->eoi_offered = (word & PV_ENABLED) != 0;
    return !pv->eoi_offered;
}

void pv_eoi_offer(struct pv_vcpu *pv, bool may) {
    gpa_t gpa = registered(pv, PV_EOI);

    if (gpa == 0 || may == pv->eoi_offered) { return; }
    pv->eoi_offered = may && write_eoi(pv, gpa, PV_ENABLED) == OK;
    if (!may) { (void)write_eoi(pv, gpa, 0); }
}

// ---- hypercalls -------------------------------------------------------------------------------------------

enum { KVM_HC_VAPIC_POLL_IRQ = 1, KVM_HC_KICK_CPU = 5, KVM_HC_SEND_IPI = 10, KVM_EINVAL = 22, KVM_ENOSYS = 1000 };

// Into `call`: two bitmaps of a word each, that begin at APIC ID `least`.
static void choose_targets(const uint64_t bitmap[2], uint64_t least, unsigned word, unsigned vcpus,
                           struct pv_call *call) {
    for (unsigned i = 0; i < vcpus; i++) {
        uint64_t bit = i - least;
        if (i < least || bit >= (uint64_t)word * 2 || (bitmap[bit / word] >> bit % word & 1) == 0) { continue; }
        call->set |= 1u << i;
        call->result++;
    }
}

static void send_ipi(const uint64_t arguments[4], unsigned word, unsigned vcpus, struct pv_call *call) {
    uint64_t icr = arguments[3];
    uint8_t mode = icr >> APIC_ICR_MODE_SHIFT & APIC_ICR_MODE_MASK;

    if ((icr & (APIC_ICR_LOGICAL | APIC_ICR_SHORTHAND_MASK << APIC_ICR_SHORTHAND_SHIFT)) != 0 ||
        (mode != APIC_MODE_FIXED && mode != APIC_MODE_NMI)) {
        call->result = -KVM_EINVAL;
        return;
    }
    call->action = PV_SEND;
    call->message = (struct vlapic_message){.vector = icr & APIC_VECTOR_MASK, .mode = mode};
    choose_targets(arguments, arguments[2], word, vcpus, call);
}

void pv_hypercall(bool long_mode, uint64_t number, const uint64_t arguments[4], unsigned vcpus, struct pv_call *call) {
    uint64_t mask = long_mode ? UINT64_MAX : UINT32_MAX, cut[4];

    for (unsigned i = 0; i < ARRAY_SIZE(cut); i++) { cut[i] = arguments[i] & mask; }
    *call = (struct pv_call){.action = PV_ANSWER};
    switch (number & mask) {
    case KVM_HC_VAPIC_POLL_IRQ: break; // that it came is the point
    case KVM_HC_KICK_CPU:
        call->action = cut[1] < vcpus ? PV_WAKE : PV_ANSWER;
        call->set = cut[1] < vcpus ? 1u << cut[1] : 0;
        break;
    case KVM_HC_SEND_IPI: send_ipi(cut, long_mode ? 64 : 32, vcpus, call); break;
    default: call->result = -KVM_ENOSYS;
    }
}
