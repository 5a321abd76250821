// SPDX-License-Identifier: Apache-2.0
// What an architecture supplies to kernel/. Resolved at link time, one architecture per image; arch_types.h, found by
// the include path, adds the context structures (struct arch_cpu, arch_vcpu, arch_vm) and the leaf inlines:
//   arch_this_cpu()        the core's struct cpu
//   arch_clock()           the counter, ticks
//   arch_irq_save/restore  mask interrupts, restore the mask
//   arch_interrupt_pending() an interrupt waits until this core unmasks them
//   arch_relax()           in a spin loop
//   arch_barrier_full()    orders earlier stores before later loads, all cores
//   arch_idle()            wait for an interrupt, interrupts open (thread context)
//   arch_in_handler()      handler context or boot, not the thread
#ifndef KERNEL_ARCH_H
#define KERNEL_ARCH_H

#include "kernel/cpu.h"
#include "kernel/types.h"
#include "kernel/vm.h"

struct board;
struct range;

// ---- boot -------------------------------------------------------------------------------------------------
// Finds what the architecture itself drives in the board's tree: interrupt controller, firmware conduit, timer. Boot
// core, once, after memory_init. Negative: the machine cannot be used; the log says why and what would help.
int arch_init(const struct board *board);
// The hardware identity of the calling core, as /cpus lists it.
uint64_t arch_hwid(void);

// ---- cores ------------------------------------------------------------------------------------------------
// Sets up traps, interrupt controller and one-shot timer of the calling core. Each core, once, interrupts masked.
void arch_cpu_init(struct cpu *cpu);
// Starts core `cpu` (firmware call); it will call cpu_main(cpu). ERR_UNSUPPORTED, ERR_NOT_FOUND.
int arch_cpu_start(struct cpu *cpu);
// Interrupts another core: it will run its `todo`. Any context.
void arch_ipi(struct cpu *target);
// The handler takes an interrupt that waits for this core, if one still does, as if it had been left and entered anew:
// its work is done, or noted in `todo`. Handler context, after arch_interrupt_pending().
void arch_interrupt_take(struct cpu *cpu);
// Leaves boot and enters what dispatch chose, on this core. Never returns.
void arch_enter(struct cpu *cpu) __attribute__((noreturn));
// The thread gives the core away: a handler runs and dispatches. Thread context.
void arch_thread_yield(void);
// Powers the machine off or resets it. Never return.
void arch_system_off(void) __attribute__((noreturn));
void arch_system_reset(void) __attribute__((noreturn));

// ---- time -------------------------------------------------------------------------------------------------
// Frequency of arch_clock(), Hz. Constant after boot.
uint64_t arch_clock_hz(void);
// Programs this core's one-shot timer to the absolute counter value `when`; UINT64_MAX stops it. A value in the past
// fires at once. Its interrupt calls cpu_timer_expired(); the next arm stops it from firing again.
void arch_timer_arm(uint64_t when);

// ---- VCPUs ------------------------------------------------------------------------------------------------
// Allocates nothing; makes the power-on state of `vcpu` (all registers, virtual interrupts and timers). It is off.
void arch_vcpu_reset(struct vcpu *vcpu);
// Sets where it starts, `arg` in the first argument register.
void arch_vcpu_set_entry(struct vcpu *vcpu, gpa_t entry, uint64_t arg);
// What the way out of the handler resumes: `vcpu`, or the thread with NULL.
void arch_resume_set(struct cpu *cpu, struct vcpu *vcpu);
// The guest's registers leave / enter the hardware of this core. Handler context.
void arch_vcpu_save(struct vcpu *vcpu);
void arch_vcpu_load(struct vcpu *vcpu);
// Parts `split` and `control`. A VCPU that is not loaded leaves this core for another: nothing of it stays in the hardware here, and what it
// stored or invalidated is seen there. It has come to this core from another: it may be loaded here. Own core.
#if TAKT_MOVES
void arch_vcpu_leave_core(struct vcpu *vcpu);
void arch_vcpu_enter_core(struct vcpu *vcpu);
#endif
// Stops / resumes what of a loaded VCPU would act by itself (its virtual timer, its interrupt interface) while
// something else runs on the core. pause is called whenever a VCPU stops being current, resume when it becomes so.
void arch_vcpu_pause(struct vcpu *vcpu);
void arch_vcpu_resume(struct vcpu *vcpu);
// Absolute counter value at which the paused VCPU's own virtual timer wants to interrupt it; UINT64_MAX: never.
uint64_t arch_vcpu_timer_deadline(const struct vcpu *vcpu);
// That moment came while it was paused: its timer interrupt becomes pending in its virtual interrupt controller.
// False: it was pending, or the guest is still at it, so that nothing changes.
bool arch_vcpu_timer_expire(struct vcpu *vcpu);
// An interrupt that would end a wait is pending for it. Its own core.
bool arch_vcpu_has_interrupt(struct vcpu *vcpu);
// Moves pending virtual interrupts of the current VCPU into hardware (TODO_INTERRUPTS).
void arch_vcpu_sync_interrupts(struct vcpu *vcpu);
// Whether WFI of this VCPU traps. Its own core.
void arch_vcpu_trap_wfi(struct vcpu *vcpu, bool trap);
// Makes interrupt `id` of this VCPU pending (edge). Any core. Interrupt numbers are the guest controller's own.
void arch_vcpu_inject(struct vcpu *vcpu, unsigned id);
// The level of input `id` of the VM's interrupt controller, one that all VCPUs share, changes. Any core, interrupts
// masked.
void arch_vm_set_line(struct vm *vm, unsigned id, bool level);
// May a hypercall timer use interrupt `id` of this VCPU: private, and of no device?
bool arch_vcpu_interrupt_free(const struct vcpu *vcpu, unsigned id);
// What the guest's virtual clock is behind arch_clock(), ticks.
uint64_t arch_vcpu_clock_offset(const struct vcpu *vcpu);

// ---- VMs --------------------------------------------------------------------------------------------------
// Builds the arch part: translation tables (empty), virtual interrupt controller and its MMIO regions, the
// architecture's fixed devices. Boot. ERR_NO_MEMORY, ERR_INVALID.
int arch_vm_init(struct vm *vm);
// Power-on state of everything arch-owned except VCPU registers. All VCPUs are off.
void arch_vm_reset(struct vm *vm);
// Maps guest-physical [gpa, gpa+size) to pa with the largest blocks that fit. ERR_NO_MEMORY leaves it unmapped.
// STAGE2_SHARED: memory of the hypervisor that the guest may read, and nothing else.
enum stage2_kind { STAGE2_RAM, STAGE2_DEVICE, STAGE2_SHARED };
int arch_vm_map(struct vm *vm, gpa_t gpa, paddr_t pa, uint64_t size, enum stage2_kind kind);
// Cleans what was written to [address, address + size), a window to guest memory, to the point of coherency: a guest
// with its caches off sees it, and fetches it, since arch_vm_reset emptied the instruction caches and nothing can fetch
// from a stopped VM's memory. Thread or handler context; a few instructions for each cache line.
void arch_cache_publish(const void *address, uint64_t size);
// Writes what is to lie at the description's dtb_gpa when the guest starts: its device tree, or what else tells it of its
// machine, and whatever of its first registers follows from that. Returns how many bytes, at most `size`; negative: it does
// not fit (logged). Thread context.
int arch_guest_describe(struct vm *vm, void *buffer, size_t size);
// Adds the architecture's nodes (interrupt controller, timer, PSCI, cpus' enable method, virtual console UART) to the
// guest's device tree. See kernel/guest_fdt.h; where guests have no such tree, nobody supplies this and the next one.
int arch_guest_fdt(void *fdt, struct vm *vm);
// Appends interrupt `id` to a node's `interrupts`. Negative: libfdt's error.
int arch_guest_fdt_interrupt(void *fdt, int node, unsigned id, bool edge);

// ---- assigned interrupts ----------------------------------------------------------------------------------
// The machine's level interrupt `irq` is the hypervisor's own and goes to `cpu` from now on. Boot.
void arch_irq_claim(unsigned irq, struct cpu *cpu);
// The machine's interrupt `irq` will be `vcpu`'s, under the same number, at most once in `distance` ticks (0: no
// bound). Off until switched on. VM creation. ERR_BUSY: it has an owner; ERR_RANGE, ERR_NO_MEMORY.
int arch_irq_assign(unsigned irq, struct vcpu *vcpu, bool edge, uint64_t distance);
// On: its VM starts; off: it has ended. Nothing is left pending or active. Thread context, the owner's core.
void arch_irq_switch(unsigned irq, bool on);

// ---- the machine ------------------------------------------------------------------------------------------
// The firmware's device tree at `pa`, mapped read-only for ever; NULL: there is none, or none of a sane size. Once, before
// memory_init.
const void *arch_map_fdt(paddr_t pa);
// What boot itself occupies: the hypervisor's image and, mapped, the device tree.
void arch_boot_ranges(struct range *image, struct range *fdt);
// Between addresses inside the hypervisor's image and physical ones.
paddr_t arch_image_pa(const void *address);
void *arch_image_va(paddr_t pa);
// For panic: every other core that is online calls panic_stop() when it next takes an interrupt.
void arch_stop_others(void);
// For panic: logs the machine's registers and how it came to the caller.
void arch_panic_dump(void);
// Stops this core for good, interrupts masked.
void arch_park(void) __attribute__((noreturn));
// 64 bits from the firmware's TRNG; ERR_UNSUPPORTED where there is none or no entropy now.
int arch_trng(uint64_t *value);

#endif
