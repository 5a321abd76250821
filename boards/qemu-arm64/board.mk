# SPDX-License-Identifier: Apache-2.0
# Build settings of the board qemu-arm64: QEMU's `virt` machine. What QEMU is started with stands in machine.toml.
ARCH          := arm64
CROSS         := aarch64-linux-gnu-
TARGET_TRIPLE := aarch64-linux-gnu
# The image is far below 1 MiB, so one instruction reaches any of its addresses (tiny).
BOARD_CFLAGS  := -march=armv8-a -mgeneral-regs-only -mstrict-align -mno-outline-atomics -mcmodel=tiny -falign-functions=4
LINKER_SCRIPT := linker/arm64.ld
# 33 pages, which Clang needs: what has been won is not lost again. The bound of `make bench` is 32.
IMAGE_MOST    := 135168
# With every part (scripts/parts.mk).
IMAGE_MOST_ALL := 262144
DRIVERS       := pl011 registry virtio_console virtio_queue vpl011
