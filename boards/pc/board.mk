# SPDX-License-Identifier: Apache-2.0
# A PC with UEFI, of either make: the hypervisor of qemu-x86, on a USB stick.
include boards/qemu-x86/board.mk
# `make image` makes the stick's image, `make run` boots it.
BOOT ?= usb
