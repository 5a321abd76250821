// SPDX-License-Identifier: Apache-2.0
// What the tests of console, monitor and report share: a UART that records, two VMs on two cores, and the job run by
// hand.
#ifndef TESTS_CONSOLE_FIXTURE_H
#define TESTS_CONSOLE_FIXTURE_H

#include "test_sched_support.h"

#include <stdlib.h>
#include <string.h>

#include "arch/host/host.h"
#include "kernel/console_state.h"
#include "kernel/cpu.h"
#include "kernel/log.h"
#include "kernel/monitor.h"
#include "kernel/sysdesc.h"
#include "kernel/vm.h"

#define MS 1000000ull // host clock: 1 GHz

enum { TERMINAL_MAX = 1 << 20, SLICES_MAX = 100000 };

static struct {
    char text[TERMINAL_MAX];
    size_t length;
    unsigned room; // of the transmit FIFO
    bool limited;  // the FIFO has room for `room` characters only
    const char *typed;
    bool rx_open;
    unsigned rx_opened;
} uart;

static void uart_put_now(char c) {
    assert_true(uart.length < TERMINAL_MAX - 1);
    uart.text[uart.length++] = c;
    uart.text[uart.length] = '\0';
}

static bool uart_put(char c) {
    if (uart.limited && uart.room == 0) { return false; }
    uart.room--;
    uart_put_now(c);
    return true;
}

static int uart_get(void) { return *uart.typed != '\0' ? (unsigned char)*uart.typed++ : -1; }

static void uart_rx_interrupt(bool on) {
    uart.rx_opened += on && !uart.rx_open;
    uart.rx_open = on;
}

static const struct uart_ops fake_uart = {
    .put_now = uart_put_now,
    .put = uart_put,
    .get = uart_get,
    .rx_interrupt = uart_rx_interrupt,
};

// VM "alpha": one reserved VCPU on core 0; "beta": two best-effort VCPUs, on cores 0 and 1.
static struct system_desc system_desc;
static struct cpu second_cpu;
static struct vm fake_vms[2];
static struct vcpu fake_vcpus[3];

static void describe(void) {
    struct vm_desc *alpha = &system_desc.vms[0], *beta = &system_desc.vms[1];

    memset(&system_desc, 0, sizeof(system_desc));
    system_desc.source = "test.dts";
    system_desc.overhead_ns = 1500;
    system_desc.irq_cost_ns = 750;
    system_desc.vm_count = 2;
    alpha->name = "alpha";
    alpha->vcpu_count = 1;
    alpha->vcpus[0] = (struct vcpu_desc){.reserved = true,
                                         .budget_us = 200,
                                         .period_us = 1000,
                                         .deadline_us = 500,
                                         .task = {201500, 500000, 1000000},
                                         .second = CORE_AUTO,
                                         .latency = 4300};
    beta->name = "beta";
    beta->vcpu_count = 2;
    beta->vcpus[0] = (struct vcpu_desc){.weight = 100, .second = CORE_AUTO};
    beta->vcpus[1] = (struct vcpu_desc){.weight = 100, .placed = 1, .second = CORE_AUTO};
    system_desc.cores[0].tasks[0] = (struct sched_task){200, 500, 1000};
    system_desc.cores[0].task_count = 1;
    system_desc.cores[0].member_count = 2;
    system_desc.cores[1].member_count = 1;
}

static void make_vms(void) {
    struct vcpu *vcpu = fake_vcpus;

    memset(fake_vms, 0, sizeof(fake_vms));
    memset(fake_vcpus, 0, sizeof(fake_vcpus));
    for (unsigned i = 0; i < 2; i++) {
        struct vm *vm = &fake_vms[i];
        vm->id = (uint8_t)i;
        vm->desc = &system_desc.vms[i];
        vm->name = vm->desc->name;
        vm->home = cpus[vm->desc->vcpus[0].placed];
        vm->memory_count = 1;
        vm->memory[0] = (struct vm_memory){0x40000000, 0x48000000, (i + 1) * (64ull << 20)};
        for (unsigned j = 0; j < vm->desc->vcpu_count; j++, vcpu++) {
            const struct vcpu_desc *desc = &vm->desc->vcpus[j];
            assert_int_equal(vcpu_init(vcpu, vm, j, desc, cpus[desc->placed]), OK);
            vm->vcpus[vm->vcpu_count++] = vcpu;
        }
        vms[i] = vm;
    }
    vm_count = 2;
}

// As boot does it, up to console_init.
static void boot(const char *focus) {
    host_reset();
    assert_int_equal(clock_rate_init(&clock_rate, HOST_CLOCK_HZ), CLOCK_OK);
    host_clock = 1000 * MS;
    memset(&uart, 0, sizeof(uart));
    uart.typed = "";
    console_uart = &fake_uart;
    memset(&console, 0, sizeof(console));
    memset(&second_cpu, 0, sizeof(second_cpu));
    second_cpu.id = 1;
    cpus[0] = host_cpu;
    cpus[1] = &second_cpu;
    cpu_count = 2;
    for (unsigned i = 0; i < 2; i++) {
        sched_core_init(&cpus[i]->sched, 2 * MS);
        timer_queue_init(&cpus[i]->timers);
        job_thread_init(cpus[i]);
    }
    describe();
    system_desc.console_focus = focus;
    assert_int_equal(console_init(&system_desc), OK);
    make_vms();
}

// Slices, without time passing, until the job wants to sleep.
static inline void run_console(void) {
    for (unsigned i = 0; i < SLICES_MAX; i++) {
        size_t before = uart.length;
        enum job_result result = console.job.run(&console.job);
        assert_true(uart.length - before <= 160); // a slice is bounded
        if (result == JOB_SLEEP) { return; }
        assert_int_equal(result, JOB_AGAIN);
    }
    fail_msg("the console job never rests");
}

// The same for `ms` milliseconds, whenever it wants to be called.
static inline void run_console_for(uint64_t ms) {
    uint64_t end = host_clock + ms * MS;

    run_console();
    while (console.job.wake_at <= end) {
        host_clock = MAX(host_clock, console.job.wake_at);
        run_console();
    }
    host_clock = end;
    run_console();
}

static inline void forget_output(void) {
    uart.length = 0;
    uart.text[0] = '\0';
}

static inline size_t say(unsigned vm, enum console_channel channel, const char *text) {
    return console_vm_write(&fake_vms[vm], channel, text, strlen(text));
}

// What is typed reaches the UART at once and its interrupt fires.
static inline void type(const char *text) {
    uart.typed = text;
    if (uart.rx_open) { console_uart_interrupt(); }
    run_console_for(50);
    assert_int_equal(*uart.typed, '\0');
}

#endif
