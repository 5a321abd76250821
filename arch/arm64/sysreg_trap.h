// SPDX-License-Identifier: Apache-2.0
// System registers that a guest does not reach directly: which ones trap, and what a trapped access does. What is not
// virtualised does not exist for the guest: its ID registers say so and its registers are undefined.
#ifndef ARM64_SYSREG_TRAP_H
#define ARM64_SYSREG_TRAP_H

#include "kernel/types.h"

struct vcpu;

// HCR_EL2 while a guest runs, WFI untrapped (HCR_TWI is added for VCPUs that share their core). Bits of extensions that
// a core lacks are RES0 there. Not set, on purpose:
//   TSW          set/way maintenance runs natively, on the core where the VCPU is; VM makes an invalidate a clean too,
//                and what an impossible set or way does (maybe UNDEFINED) happens at EL1, not here
//   API, APK, ATA, EnSCXT, FIEN, NV...  pointer authentication, MTE, SCXTNUM, RAS records: not switched, so they trap
//   FWB, TGE, E2H, TWE, TVM            not used
#define HCR_GUEST                                                                       \
    (BIT(0)    /* VM: stage 2 */                                                        \
     | BIT(2)  /* PTW: no stage 1 table walk reads device memory */                     \
     | BIT(3)  /* FMO */                                                                \
     | BIT(4)  /* IMO */                                                                \
     | BIT(5)  /* AMO */                                                                \
     | BIT(9)  /* FB: local TLB maintenance is broadcast: two VCPUs may share a core */ \
     | BIT(10) /* BSU: barriers are at least inner shareable */                         \
     | BIT(16) /* TID1: REVIDR, AIDR, SMIDR */                                          \
     | BIT(18) /* TID3: ID registers */                                                 \
     | BIT(19) /* TSC: SMC */                                                           \
     | BIT(20) /* TIDCP: implementation defined registers */                            \
     | BIT(21) /* TACR: ACTLR_EL1 */                                                    \
     | BIT(31) /* RW: EL1 is AArch64 */                                                 \
     | BIT(35) /* TLOR: limited ordering regions */                                     \
     | BIT(36) /* TERR: RAS error records */                                            \
     | BIT(37) /* TEA: synchronous external aborts come here */                         \
     | BIT(58) /* TID5: GMID */)

// Sets the other trap controls of the calling core. Each core, once.
void sysreg_trap_init(void);

// What a guest reads from the feature ID register S3_0_C0_C<crm>_<op2>, crm 1 to 7: the host's, less what is not
// virtualised; those that are not known read as zero, as DDI 0487 (D19.1) has it.
uint64_t id_register(unsigned crm, unsigned op2);

// A trapped MSR, MRS or SYS of the current VCPU, `iss` as in ESR_EL2; the PC is left alone. False: it is undefined for
// the guest (said in the log, once for each register and VM). Handler context.
bool sysreg_access(struct vcpu *vcpu, uint32_t iss);

#endif
