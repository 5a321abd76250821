# SPDX-License-Identifier: Apache-2.0
# The bare-metal guests for x86-64.
GUEST_OUT          := $(BUILD)/guests-x86
GUEST_SUFFIX       := bin
NEWLIB             := $(BUILD)/newlib-x86
NEWLIB_TARGET      := x86_64-none-elf
GUEST_ARCH_CFLAGS  := -march=x86-64 -fcf-protection=none
GUEST_ARCH_LDFLAGS := -march=x86-64
# newlib calls the system by names without an underscore here.
GUEST_ARCH_LDFLAGS += $(foreach call,sbrk write read close lseek fstat isatty getpid kill,-Wl,--defsym,$(call)=_$(call))
