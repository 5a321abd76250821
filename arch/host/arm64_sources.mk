# SPDX-License-Identifier: Apache-2.0
# The files of arch/arm64 that also build for the host: what models a guest's machine, and the tables.
HOST_ARM64 := stage2.c vgic.c vgic_lr.c vgic_regs.c vgic_sync.c vgic_v2.c vgic_v3.c
HOST_ARM64 += inject.c mmio_trap.c sysreg_trap.c id_registers.c irq_assign.c psci.c guest_calls.c guest_time.c ptimer.c guest_fdt.c guest_place.c gic_ppis.c
