# SPDX-License-Identifier: Apache-2.0
# The files of arch/x86 that also build for the host: what reads firmware's tables, and what models a guest's machine.
HOST_X86 := $(notdir $(wildcard $(addprefix arch/x86/,acpi*.c alu.c cpuid_policy.c decode.c defences.c emulate.c guest_[!r]*.c guest_registers.c \
                                                     msr_policy.c multiboot.c pc_ports.c pv_clock.c vioapic.c vlapic*.c vpit.c vrtc.c)))
