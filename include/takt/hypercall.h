// SPDX-License-Identifier: Apache-2.0
// The hypercalls that a Takt guest may make: the whole contract, for C and for assembly.
//
// Calling convention on arm64: SMCCC 1.2 (Arm DEN0028), instruction `HVC #0` at EL1, AArch64 only.
// x0 holds the function id, x1.. the arguments. Results come back in x0..x3; x4..x17 and everything
// from x18 up are preserved.
//
// On x86-64: instruction VMMCALL on CPUs of AMD and Hygon, VMCALL on all others, as CPUID leaf 0 names
// the vendor; at privilege level 0, else an invalid-opcode exception. What is called x0 to x3 below are
// the registers that instructions number 0 to 3: RAX, RCX, RDX, RBX, for arguments as for results; wN
// is the lower half of xN, and the upper half of such a result is 0. All other registers, and the
// flags, are preserved.
//
// Fast calls: none of them blocks, the caller may hold interrupts masked. A guest's time in a
// hypercall is its own budget.
//
// Two groups of function ids:
//   * the standard queries of the vendor specific hypervisor service (owner 6, 32-bit ids). They
//     are answered by every hypervisor, so a guest first compares the UID;
//   * Takt's own calls, 64-bit ids from TAKT_HC_BASE. On anything but Takt they answer
//     TAKT_HC_NOT_SUPPORTED, or, where there is no hypervisor that follows SMCCC, an undefined
//     instruction: ask for the UID first. On x86-64 ask CPUID: where leaf 1 sets ECX bit 31 (there is a
//     hypervisor), leaf TAKT_CPUID answers the signature "TaktTaktTakt" in EBX, ECX and EDX, and in
//     EAX the last leaf of this range.
//
// Results in x0 are signed 64-bit: 0 is success, negative an error of the list below. An id in
// owner 6 that is not listed here answers TAKT_HC_NOT_SUPPORTED and changes nothing. Argument
// bits that a contract does not use are ignored only where it says so; otherwise a value outside
// the stated range answers TAKT_HC_INVALID and changes nothing.
//
// Time: counter values are ticks of the generic timer, CNTFRQ_EL0 per second. "The guest's virtual
// clock" is what the guest reads in CNTVCT_EL0. On x86-64 they are ticks of the time stamp counter;
// the guest's virtual clock is what RDTSC gives it, the physical counter the machine's own.
#ifndef TAKT_HYPERCALL_H
#define TAKT_HYPERCALL_H

// Version of this contract. The major number changes when an existing call changes its meaning,
// the minor one when a call, a slot or a statistic is added.
// 1.1: TIMER_REPORT, four timer slots. 1.2: CONTROL and the two calls that belong to it.
#define TAKT_HC_VERSION_MAJOR     1
#define TAKT_HC_VERSION_MINOR     2

// ---- standard queries (SMCCC 1.2, section 6.2; 32-bit ids) -------------------------------------

// Number of calls. x0: at least 1.
#define SMCCC_VENDOR_HYP_COUNT    0x8600FF00

// UID. w0..w3: the identity b9a783c1-ad1e-4e34-9ed4-864a756346a2, four bytes in each register,
// least significant byte first, as SMCCC lays it out.
#define SMCCC_VENDOR_HYP_UID      0x8600FF01
#define TAKT_HC_UID_0             0xC183A7B9
#define TAKT_HC_UID_1             0x344E1EAD
#define TAKT_HC_UID_2             0x4A86D49E
#define TAKT_HC_UID_3             0xA2466375

// Revision. w0: TAKT_HC_VERSION_MAJOR, w1: TAKT_HC_VERSION_MINOR.
#define SMCCC_VENDOR_HYP_REVISION 0x8600FF03

// The CPUID leaf of the signature, on x86-64: each register holds the four characters "Takt".
#define TAKT_CPUID                0x40000100
#define TAKT_CPUID_SIGNATURE      0x746B6154

// ---- errors ------------------------------------------------------------------------------------

#define TAKT_HC_OK                0
#define TAKT_HC_NOT_SUPPORTED     (-1) // no such call here (the value that SMCCC prescribes)
#define TAKT_HC_INVALID           (-3) // an argument is out of range (SMCCC's INVALID_PARAMETER)
#define TAKT_HC_DENIED            (-4) // the system description does not allow this VM this call
#define TAKT_HC_BUSY              (-5) // not now: something is under way

// ---- Takt's calls ------------------------------------------------------------------------------

#define TAKT_HC_BASE              0xC6000000

// VERSION ()
//   x0: major << 16 | minor of the contract that the hypervisor implements.
#define TAKT_HC_VERSION           (TAKT_HC_BASE + 0x01)

// TIMER_SET (x1: slot, x2: expiry, x3: intid)
//   Arms the calling VCPU's one-shot timer in `slot`, which must be below TAKT_HC_TIMER_SLOTS; its
//   slots are timers apart. At `expiry`, an absolute value of the guest's virtual clock, the interrupt
//   `intid` is made pending for this VCPU, once, edge-triggered, whatever the VCPU is doing, and a
//   VCPU that waits is woken, as of the expiry. On arm64 `intid` 0 stands for TAKT_HC_TIMER_INTID; otherwise it is a PPI, 16..31, that
//   no device of this VM uses. On x86-64 it is a vector, 32..255, of the VCPU's local APIC: there 0
//   stands for nothing, and those of exceptions are refused like everything else.
//   Arming an armed slot replaces its expiry and interrupt; the earlier one will not come any more.
//   Never early. An expiry in the past, or nearer than the least distance that the system
//   description sets between two expiries, is moved later to that distance. It holds for all slots of
//   the VCPU together: of two that are due nearer to each other the second waits for it, and its
//   report tells; two that are due at the same time come together.
//   x0: 0, TAKT_HC_INVALID (slot or intid). x1: the expiry that was armed.
//   Powering the VCPU off cancels all of them. A hypervisor built without the part `timers` answers
//   TAKT_HC_NOT_SUPPORTED to this call and the next two.
#define TAKT_HC_TIMER_SET         (TAKT_HC_BASE + 0x10)

// TIMER_CANCEL (x1: slot)
//   Disarms the slot. An interrupt that is already pending stays pending.
//   x0: 0, TAKT_HC_INVALID (slot). x1: 1 if the slot was armed, else 0.
#define TAKT_HC_TIMER_CANCEL      (TAKT_HC_BASE + 0x11)

// TIMER_REPORT (x1: slot)
//   What has become of the slot's timer: for a guest that wakes, by whatever, and wants to know how
//   much of its sleep is left, and for one whose slots share an interrupt.
//   x0: 0, TAKT_HC_INVALID (slot). x1: the expiry that is armed, 0 if none is: the sleep that is left
//   is x1 - now. x2: the expiry of the slot's last interrupt, 0 if there was none since the VCPU was
//   started; a slot has no two at the same time. x3: how much later than x2 that interrupt was made
//   pending, in ticks. Asking changes nothing.
#define TAKT_HC_TIMER_REPORT      (TAKT_HC_BASE + 0x12)

#define TAKT_HC_TIMER_SLOTS       4
#define TAKT_HC_TIMER_INTID       20

// STATS (x1: index)
//   One number of the hypervisor's account. "Core" is the one that the calling VCPU runs on at the
//   moment of the call, "VCPU" and "VM" are the caller's.
//   x0: 0, TAKT_HC_INVALID (no such index), TAKT_HC_DENIED. x1: the value, unsigned.
//   Figures of the core or of the boot tell a guest about its neighbours; they are denied unless
//   the VM is described as one that may see them.
#define TAKT_HC_STATS             (TAKT_HC_BASE + 0x20)

#define TAKT_STAT_COUNT           0  // number of indices, this one included; never denied
#define TAKT_STAT_MASKED_MAX      1  // core: longest section with interrupts masked, ticks
#define TAKT_STAT_TIMER_EXPIRIES  2  // core: expiries of the hypervisor's timer
#define TAKT_STAT_TIMER_LATE_MIN  3  // core: ticks from compare value to timer interrupt: least,
#define TAKT_STAT_TIMER_LATE_MEAN 4  // core: mean,
#define TAKT_STAT_TIMER_LATE_MAX  5  // core: and greatest
#define TAKT_STAT_SWITCHES        6  // core: context switches
#define TAKT_STAT_EXITS           7  // VCPU: exits to the hypervisor, for whatever reason
#define TAKT_STAT_TIME_USED       8  // VCPU: time charged to it, ticks
#define TAKT_STAT_MISSES          9  // VCPU: periods in which it wanted its budget and missed it
#define TAKT_STAT_BOOT_HASH       10 // boot: ticks spent on hashing the system image,
#define TAKT_STAT_BOOT_COPY       11 // boot: on copying this VM's files to its memory,
#define TAKT_STAT_BOOT_SCRUB      12 // boot: on clearing this VM's memory
#define TAKT_STATS                13

// MARK (x1: value)
//   A point in time that guest and hypervisor agree on. `value` (any 64 bits) goes into the trace
//   beside the calling VCPU, when tracing is on.
//   x0: 0. x1: the physical counter (CNTPCT) at the call: ticks since the machine's reset, where
//   the machine starts the counter at reset. x2: the guest's virtual clock at the same instant.
#define TAKT_HC_MARK              (TAKT_HC_BASE + 0x21)

// 0x22 .. 0x24: takt/control.h.

#endif
