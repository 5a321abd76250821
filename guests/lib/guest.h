// SPDX-License-Identifier: Apache-2.0
// What a bare-metal guest is built on: console, boot arguments, time, VCPUs, firmware and hypervisor
// calls, guarded calls. newlib serves strings and formatting; nothing here blocks unless it says so.
#ifndef GUEST_H
#define GUEST_H

#include "cpu.h"
#include "layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// ---- the program -------------------------------------------------------------------------------

// Every guest defines this. It runs on the boot VCPU with interrupts masked; when it returns, the
// machine is switched off.
void guest_main(void);

// ---- console (PL011, polled) -------------------------------------------------------------------

// Formatted by newlib's vsniprintf: integers and strings only, one line of at most 255 characters.
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);
void console_write(const char *text, size_t length);
// The next character typed, or -1. Costs one MMIO read.
int console_read(void);

// ---- boot arguments: words separated by blanks in /chosen/bootargs --------------------------------

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

#define TIMER_VIRTUAL_INTID  27
#define TIMER_PHYSICAL_INTID 30

// The virtual timer of the calling VCPU: its interrupt is pending while enabled and due.
static inline void timer_set(uint64_t due) {
    __asm__ volatile("msr cntv_cval_el0, %0\n\tmsr cntv_ctl_el0, %1\n\tisb" ::"r"(due), "r"((uint64_t)1) : "memory");
}

static inline void timer_off(void) { SYSREG_WRITE(cntv_ctl_el0, 0); }

// ---- interrupts --------------------------------------------------------------------------------

// `stamp` is the virtual clock as the vector's first instruction read it. A handler is compiled
// without floating point and calls neither newlib nor say().
typedef void irq_handler(uint32_t intid, uint64_t stamp);

// Handlers of all VCPUs; set before the interrupt is enabled. NULL: acknowledged and dropped.
void irq_handle(uint32_t intid, irq_handler *handler);

// ---- VCPUs -------------------------------------------------------------------------------------

static inline unsigned vcpu_self(void) { return (unsigned)SYSREG_READ(tpidr_el1); }

// VCPUs that the device tree describes.
unsigned vcpu_count(void);
// Starts VCPU `number`, 1..7, in `function` with interrupts masked and its interrupt controller
// ready. Returns PSCI's result, 0 for success. It must not return from `function`.
int64_t vcpu_start(unsigned number, void (*function)(void));

// ---- firmware and hypervisor -------------------------------------------------------------------

struct smccc_result {
    uint64_t x[4];
};

struct smccc_result hvc_call(uint64_t function, uint64_t a, uint64_t b, uint64_t c);
struct smccc_result smc_call(uint64_t function, uint64_t a, uint64_t b, uint64_t c);

#define PSCI_VERSION      0x84000000
#define PSCI_CPU_SUSPEND  0xC4000001
#define PSCI_CPU_OFF      0x84000002
#define PSCI_CPU_ON       0xC4000003
#define PSCI_AFFINITY     0xC4000004
#define PSCI_SYSTEM_OFF   0x84000008
#define PSCI_SYSTEM_RESET 0x84000009

// PSCI through the conduit that the device tree names.
int64_t psci_call(uint64_t function, uint64_t a, uint64_t b, uint64_t c);
_Noreturn void machine_off(void);

// True on Takt, decided by the vendor hypervisor UID.
bool takt_present(void);

// ---- guarded calls -----------------------------------------------------------------------------

struct trap_context {
    uint64_t resume_sp;
    uint64_t resume_pc;
    uint64_t saved[20];
    uint64_t armed;
    // What ended the call.
    uint64_t esr;
    uint64_t far;
    uint64_t elr;
    bool serror;
};

// Calls function(argument) on this VCPU. An exception that it causes ends it: returns 1 and
// `context` says which. Returns 0 when the function came back. Not nested.
int guard(struct trap_context *context, void (*function)(void *), void *argument);

#define ESR_CLASS(esr) ((unsigned)((esr) >> 26) & 0x3f)

#endif
