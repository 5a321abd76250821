// SPDX-License-Identifier: Apache-2.0
#include "control.h"

#include "interrupts.h"

#include <string.h>

#define CONTROL_INTERRUPT (CALL_TIMER_INTERRUPT + TAKT_HC_TIMER_SLOTS) // behind those of guests/lib/timer.c
#define NAME_ROOM         24

static uint64_t ticket;
static volatile uint64_t told; // how often the interrupt came

static void on_decided(uint32_t interrupt, uint64_t stamp) {
    (void)interrupt, (void)stamp;
    told = told + 1;
}

bool control_init(void) {
    if (!takt_present() || (int64_t)hypercall(TAKT_HC_CONTROL_LIST, 0, 0, 0).x[0] != TAKT_HC_OK) return false;
    irq_handle(CONTROL_INTERRUPT, on_decided);
    irq_enable(CONTROL_INTERRUPT);
    return true;
}

int control_vm(const char *name) {
    for (int vm = 0;; vm++) {
        struct call_result told_name = hypercall(TAKT_HC_CONTROL_LIST, (uint64_t)vm, 1, 0);
        if ((int64_t)told_name.x[0] != TAKT_HC_OK) return -1;
        if (strncmp((const char *)&told_name.x[1], name, NAME_ROOM) == 0) return vm;
    }
}

unsigned control_state(unsigned vm) { return (unsigned)hypercall(TAKT_HC_CONTROL_LIST, vm, 0, 0).x[1]; }

static int64_t ask(uint64_t operation, unsigned vm, unsigned vcpu, uint64_t b, uint64_t c) {
    uint64_t what = operation | (uint64_t)vm << 8 | (uint64_t)vcpu << 16 | (uint64_t)CONTROL_INTERRUPT << 24;
    struct call_result answer = hypercall(TAKT_HC_CONTROL, what, b, c);
    if ((int64_t)answer.x[0] == TAKT_HC_OK) ticket = answer.x[1];
    return (int64_t)answer.x[0];
}

int64_t control_reserve(unsigned vm, unsigned vcpu, uint32_t budget_us, uint32_t deadline_us, uint32_t period_us) {
    return ask(TAKT_CONTROL_RESERVE, vm, vcpu, budget_us | (uint64_t)deadline_us << 32, period_us);
}

int64_t control_move(unsigned vm, unsigned vcpu, unsigned core) { return ask(TAKT_CONTROL_MOVE, vm, vcpu, core, 0); }

int64_t control_of_vm(unsigned operation, unsigned vm) { return ask(operation, vm, 0, 0, 0); }

// The interrupt comes after the result is there.
struct control_outcome control_wait(void) {
    struct call_result page;
    while ((int64_t)(page = hypercall(TAKT_HC_CONTROL_RESULT, ticket, 0, 0)).x[0] == TAKT_HC_BUSY) take_interrupt();
    struct control_outcome end = {(int64_t)page.x[0], page.x[1], .core = page.x[2], .latency_ns = page.x[3]};
    if (end.status != TAKT_HC_OK) return end;
    page = hypercall(TAKT_HC_CONTROL_RESULT, ticket, 1, 0);
    end.at_ns = page.x[1];
    end.demand_ns = page.x[2];
    end.excess_ns = page.x[3];
    page = hypercall(TAKT_HC_CONTROL_RESULT, ticket, 2, 0);
    end.largest_budget_us = page.x[1];
    end.smallest_period_us = page.x[2];
    return end;
}
