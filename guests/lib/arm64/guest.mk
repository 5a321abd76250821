# SPDX-License-Identifier: Apache-2.0
# The bare-metal guests for arm64. x18 belongs to their interrupt vector.
GUEST_OUT          := $(BUILD)/guests
GUEST_SUFFIX       := Image
NEWLIB             := $(BUILD)/newlib
NEWLIB_TARGET      := aarch64-none-elf
GUEST_ARCH_CFLAGS  := -march=armv8-a -mstrict-align -mno-outline-atomics -ffixed-x18
GUEST_ARCH_LDFLAGS := -march=armv8-a
