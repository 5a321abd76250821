// SPDX-License-Identifier: Apache-2.0
// What a bare-metal guest is built on, the same on every architecture: console, boot arguments, time, VCPUs, hypervisor
// calls, guarded calls. newlib serves strings and formatting; nothing here blocks unless it says so.
//
// cpu.h, of the architecture, adds as leaf functions:
//   clock_now()                        the virtual clock, without a barrier
//   irq_mask() irq_unmask()            interrupts of the calling VCPU
//   take_interrupt()                   called masked: waits for an interrupt and has it handled; masked again
//   wait_for_interrupt()               called unmasked: waits
//   spin_pause() barrier_full()        one turn of a spin loop; all memory accesses in order
//   mmio_read32() mmio_write32() mmio_write8()
//   vcpu_self()                        the number of the calling VCPU
//   timer_set(due) timer_off()         the calling VCPU's timer; its interrupt is TIMER_INTERRUPT, and does not come early
#ifndef GUEST_H
#define GUEST_H

#include "cpu.h"
#include "layout.h"
#include "trap.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// ---- the program -------------------------------------------------------------------------------

// Every guest defines this. It runs on the boot VCPU with interrupts masked; when it returns, the
// machine is switched off.
void guest_main(void);

// ---- console (the first UART, polled) -------------------------------------------------------------------

// Formatted by newlib's vsniprintf: integers and strings only, one line of at most 255 characters.
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);
void console_write(const char *text, size_t length);
// The next character typed, or -1. Costs one register read.
int console_read(void);

// ---- boot arguments: words separated by blanks in the kernel command line ----------------------

// True if the word `name` or `name=...` is there.
bool arg_has(const char *name);
// The value of `name=value`, copied to a buffer that the next call reuses; `otherwise` without it.
const char *arg_text(const char *name, const char *otherwise);
uint64_t arg_number(const char *name, uint64_t otherwise);

// ---- time --------------------------------------------------------------------------------------

extern uint64_t clock_hz;   // ticks of the virtual clock in a second
extern uint64_t boot_clock; // the virtual clock at the guest's first instruction

// Exact for any 64-bit number of ticks of a clock below 16 GHz.
uint64_t ticks_to_ns(uint64_t ticks);
uint64_t us_to_ticks(uint64_t us);

// ---- VCPUs -------------------------------------------------------------------------------------

// VCPUs that the machine describes, at most VCPUS_MAX.
unsigned vcpu_count(void);
// Starts VCPU `number`, 1..7, in `function` with interrupts masked and its interrupt controller
// ready; it is switched off when `function` returns. 0, or a negative number if it is on already or
// does not start.
int64_t vcpu_start(unsigned number, void (*function)(void));
bool vcpu_is_off(unsigned number);

// ---- the machine and the hypervisor ------------------------------------------------------------

// The end of this VM's memory, as the machine describes it.
uint64_t memory_end(void);
// The registers of virtio-mmio transport `index`, or 0 if there is none.
uintptr_t virtio_mmio(unsigned index);
_Noreturn void machine_off(void);

struct call_result {
    uint64_t x[4];
};

// By the convention of include/takt/hypercall.h. Without a hypervisor: an exception.
struct call_result hypercall(uint64_t function, uint64_t a, uint64_t b, uint64_t c);

// True on Takt.
bool takt_present(void);

// ---- guarded calls -----------------------------------------------------------------------------

// Calls function(argument) on this VCPU. An exception that it causes ends it: returns 1 and
// `context` (trap.h, of the architecture) says which. Returns 0 when the function came back. Not nested.
int guard(struct trap_context *context, void (*function)(void *), void *argument);

#endif
