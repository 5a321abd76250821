// SPDX-License-Identifier: Apache-2.0
// What the hypervisor takes from one VCPU for another's sake, seen by the one that it is taken from: it reads the clock
// without pause, and a gap is what was taken, less what the other one ran itself. Both are on one core, VCPU 1 has a
// reservation, and the machine has an alarm (alarm.h), whose interrupt goes to VCPU 0.
#include "alarm.h"
#include "interrupts.h"
#include "rtprobe.h"

#define ROUNDS    500
#define RESERVED  1
#define WAKE_IPI  1
#define PAUSE_US  2000 // between two rounds: a whole new budget
#define WATCH_US  50   // after an interrupt: more than its least distance, after which it is unmasked
#define PERIOD_US 1000
#define TYPED_US  30000000 // after which too little was typed
#define KEYS      200
#define CROWD_US  2500000 // after which who only has to use its budget up has done so
#define GAP_NS    30      // a turn of the watching loop takes less, anything of the hypervisor more

static struct row *activation_row, *dispatch_row, *interrupt_row;
static volatile bool activations_over, interrupts_over;

// When a VCPU's vector was last reached, and when it last went to sleep.
static volatile struct visit {
    uint64_t came, left;
} visits[2];

static void on_timer(uint32_t interrupt, uint64_t stamp) {
    (void)interrupt;
    timer_off();
    visits[RESERVED].came = stamp;
}

static void on_alarm(uint32_t interrupt, uint64_t stamp) {
    (void)interrupt;
    alarm_clear();
    visits[0].came = stamp;
}

static void nap(void) {
    visits[vcpu_self()].left = clock_now();
    take_interrupt();
}

static void pause_reserved(void) {
    timer_set(clock_now() + us_to_ticks(PAUSE_US));
    nap();
}

// What passed between the two times outside of the other VCPU: till its vector, and from its wait.
static uint64_t outside_of(unsigned other, uint64_t from, uint64_t to) {
    volatile struct visit *visit = &visits[other];
    return visit->came > from ? visit->came - from + (to - visit->left) : to - from;
}

// ---- an activation of VCPU 1, watched by VCPU 0 --------------------------------------------------

static void watch_activations(void) {
    uint64_t gap = us_to_ticks(GAP_NS) / 1000, last = clock_now();
    while (!activations_over) {
        uint64_t now = clock_now();
        if (now - last > gap) {
            if (visits[RESERVED].came > last) {
                row_add(activation_row, outside_of(RESERVED, last, now));
                row_add(dispatch_row, now - visits[RESERVED].left);
            }
            now = clock_now();
        }
        last = now;
    }
}

// ---- an interrupt for VCPU 0, watched by VCPU 1 --------------------------------------------------

static uint64_t alarm_taken(void) {
    uint64_t gap = us_to_ticks(GAP_NS) / 1000, taken = 0, last = clock_now(), end = last + us_to_ticks(WATCH_US);
    alarm_ring();
    while (last < end) {
        uint64_t now = clock_now();
        if (now - last > gap) taken += outside_of(0, last, now);
        last = now;
    }
    return taken;
}

static void reserved_vcpu(void) {
    irq_enable(TIMER_INTERRUPT);
    for (unsigned i = 0; activation_row && i < ROUNDS; i++) pause_reserved();
    activations_over = true;
    for (unsigned i = 0; interrupt_row && i < ROUNDS; i++) {
        alarm_prepare(PAUSE_US + WATCH_US / 2);
        pause_reserved();
        row_add(interrupt_row, alarm_taken());
    }
    interrupts_over = true;
    for (;;) {
        ipi_send(0, WAKE_IPI);
        pause_reserved();
    }
}

static void measure(void) {
    irq_handle(TIMER_INTERRUPT, on_timer);
    if (vcpu_start(RESERVED, reserved_vcpu) != 0) {
        say("rtprobe: rows i, o and w need a second VCPU\n");
        return;
    }
    if (activation_row) watch_activations();
    while (!interrupts_over) nap();
}

static void measure_interrupts(const char *name) {
    if (!alarm_init(on_alarm)) return;
    interrupt_row = row_begin(name, "ns");
    measure();
}

void cost_of_interrupt(void) { measure_interrupts("cost_interrupt"); }

void cost_of_both(void) {
    activation_row = row_begin("cost_activation", "ns");
    dispatch_row = row_begin("cost_dispatch", "ns");
    cost_of_interrupt();
}

void cost_in_a_crowd(void) {
    sleep_until(clock_now() + us_to_ticks(CROWD_US));
    activation_row = row_begin("cost_activation_crowd", "ns");
    dispatch_row = row_begin("cost_dispatch_crowd", "ns");
    measure_interrupts("cost_interrupt_crowd");
}

// ---- mode=crowd: the others of that core ---------------------------------------------------------

// Each second VCPU uses its budget up and waits for the next one, the others for a timer. All that comes while the probe's
// budget would last, and with later deadlines than the probe's.
static void one_of_many(void) {
    if (vcpu_self() % 2 == 0) timer_set(clock_now() + us_to_ticks(arg_number("wake-us", 0)));
    while (vcpu_self() % 2 == 0) wait_for_interrupt();
    for (;;) spin_pause();
}

void crowd_run(void) {
    for (unsigned i = 1; i < vcpu_count(); i++) vcpu_start(i, one_of_many);
    one_of_many();
}

// ---- an interrupt of the console, watched by VCPU 0, whose budget is most of its period ----------

void cost_of_console(void) {
    struct row *row = row_begin("cost_console", "ns");
    uint64_t gap = us_to_ticks(GAP_NS) / 1000, release = clock_now(), end = release + us_to_ticks(TYPED_US);
    while (row->count < KEYS && release < end) {
        release += us_to_ticks(PERIOD_US);
        sleep_until(release);
        while (console_read() >= 0) continue;
        for (uint64_t last = clock_now(), until = release + us_to_ticks(PERIOD_US / 2); last < until;) {
            uint64_t now = clock_now();
            if (now - last > gap && row->count < KEYS) {
                row_add(row, now - last);
                now = clock_now();
            }
            last = now;
        }
    }
}
