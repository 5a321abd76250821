# SPDX-License-Identifier: Apache-2.0
# The files of arch/arm64 that also build for the host: what models a guest's machine, and the tables.
HOST_ARM64 := pagetable.c stage2.c
