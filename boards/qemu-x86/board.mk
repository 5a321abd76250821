# SPDX-License-Identifier: Apache-2.0
# Build settings of the board qemu-x86: QEMU's `q35` machine with AMD's SVM. What QEMU is started with: machine.toml.
ARCH          := x86
CROSS         := x86_64-linux-gnu-
TARGET_TRIPLE := x86_64-linux-gnu
BOARD_CFLAGS  := -m64 -march=x86-64 -mgeneral-regs-only -mno-red-zone -mcmodel=kernel -fcf-protection=none -falign-functions=4
LINKER_SCRIPT := linker/x86.ld
# What Clang needs today, in pages: what has been won is not lost again.
IMAGE_MOST    := 147456
# With every part (scripts/parts.mk).
IMAGE_MOST_ALL := 262144
DRIVERS       := ns16550 registry_pc v16550 virtio_console virtio_queue
