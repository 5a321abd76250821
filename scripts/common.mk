# SPDX-License-Identifier: Apache-2.0
# Flags and rules that the hypervisor and the host builds share.

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wundef -Wvla \
            -Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2 -Wimplicit-fallthrough -Wdate-time
REPRODUCIBLE := -ffile-prefix-map=$(CURDIR)/=

# libfdt is compiled from Debian's source package, which setup unpacks here, with the flags of whoever links it.
LIBFDT_SRC   := $(BUILD)/libfdt-src
LIBFDT_FILES := fdt.c fdt_addresses.c fdt_empty_tree.c fdt_overlay.c fdt_ro.c fdt_rw.c fdt_strerror.c fdt_sw.c fdt_wip.c
LIBFDT_INCLUDE := -isystem $(LIBFDT_SRC)
# It uses strnlen, which <string.h> declares for POSIX only; without a declaration its result would be cut to an int.
# FDT_ASSUME_LATEST: it sees only trees that tree_open() took, and those are of version 17.
LIBFDT_CFLAGS  := -D_POSIX_C_SOURCE=200809L -DFDT_ASSUME_MASK=2 -w

$(addprefix $(LIBFDT_SRC)/,$(LIBFDT_FILES)): | setup ;

# $(call remember,file,text): rewrites the file only when the text changed, so that objects that depend on it follow.
remember = $(shell mkdir -p $(dir $(1)) && { printf '%s\n' '$(2)' | cmp -s - $(1) || printf '%s\n' '$(2)' >$(1); })
