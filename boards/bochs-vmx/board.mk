# SPDX-License-Identifier: Apache-2.0
# The same hypervisor as for QEMU's PC: it finds out at run time which virtualisation the processor has.
include boards/qemu-x86/board.mk
