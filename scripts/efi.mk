# SPDX-License-Identifier: Apache-2.0
# The UEFI loader for both architectures: build/efi/BOOTX64.EFI and BOOTAA64.EFI, from tools/efi and Debian's gnu-efi:
# the installed one for x86-64, the one that setup downloaded for AArch64.

EFI_OUT := $(BUILD)/efi
EFI_LOADERS := $(EFI_OUT)/BOOTX64.EFI $(EFI_OUT)/BOOTAA64.EFI
EFI_LOADER  := $(EFI_OUT)/$(if $(filter arm64,$(ARCH)),BOOTAA64.EFI,BOOTX64.EFI)

EFI_COMMON_SRCS := $(addprefix tools/efi/,main.c copy.c memory.c) kernel/format.c kernel/string.c

EFI_NAME_x86_64   := BOOTX64.EFI
EFI_CROSS_x86_64  := x86_64-linux-gnu-
EFI_ROOT_x86_64   :=
EFI_CFLAGS_x86_64 := -mno-red-zone -mgeneral-regs-only -DGNU_EFI_USE_MS_ABI
EFI_SRCS_x86_64   := $(addprefix tools/efi/,x86_64.c x86_64_enter.S multiboot2.c)

EFI_NAME_aarch64   := BOOTAA64.EFI
EFI_CROSS_aarch64  := aarch64-linux-gnu-
EFI_ROOT_aarch64   := $(EFI_OUT)/gnu-efi-arm64
EFI_CFLAGS_aarch64 := -mgeneral-regs-only -mstrict-align -mno-outline-atomics
EFI_SRCS_aarch64   := $(addprefix tools/efi/,aarch64.c aarch64_enter.S)
EFI_FDT_aarch64    := fdt.c fdt_ro.c fdt_rw.c fdt_strerror.c fdt_wip.c

EFI_CFLAGS := -std=c17 -Os -ffreestanding -fno-common -fno-stack-protector -fpic -fshort-wchar -fvisibility=hidden \
              -fno-asynchronous-unwind-tables $(REPRODUCIBLE) -I. $(LIBFDT_INCLUDE)
# Or its loops become calls of itself.
$(EFI_OUT)/x86_64/tools/efi/copy.o $(EFI_OUT)/aarch64/tools/efi/copy.o: EFI_ONLY := -fno-tree-loop-distribute-patterns

.PHONY: efi-loader
efi-loader: $(EFI_LOADERS)

# objcopy makes PE out of ELF, unless crt0 brings a PE header of its own (AArch64 up to Debian 12): then the bytes do.
# crt0 calls efi_main, and from 3.0.18 on _entry, which libefi has: we do without that.
define efi_variant
EFI_OBJS_$(1) := $$(addprefix $(EFI_OUT)/$(1)/,$$(addsuffix .o,$$(basename $(EFI_COMMON_SRCS) $(EFI_SRCS_$(1))))) \
                 $(addprefix $(EFI_OUT)/$(1)/libfdt/,$(EFI_FDT_$(1):.c=.o))
EFI_ALL_CFLAGS_$(1) := $(EFI_CFLAGS) $(EFI_CFLAGS_$(1)) -isystem $(EFI_ROOT_$(1))/usr/include/efi \
                       -isystem $(EFI_ROOT_$(1))/usr/include/efi/$(1)

$$(call remember,$(EFI_OUT)/$(1)/flags,$$(EFI_ALL_CFLAGS_$(1)) $(WARNINGS) $(LIBFDT_CFLAGS))

# The firmware's tree may be of any version, so nothing about it is assumed.
$(EFI_OUT)/$(1)/libfdt/%.o: $(LIBFDT_SRC)/%.c $(EFI_OUT)/$(1)/flags | setup
	@mkdir -p $$(@D)
	$(Q)$(EFI_CROSS_$(1))gcc $$(EFI_ALL_CFLAGS_$(1)) $(filter-out -DFDT_ASSUME_MASK=%,$(LIBFDT_CFLAGS)) -MMD -MP -c -o $$@ $$<

$(EFI_OUT)/$(1)/%.o: %.c $(EFI_OUT)/$(1)/flags $(EFI_UNPACKED_$(1)) | setup
	@mkdir -p $$(@D)
	$$(call say,CC efi,$$<)
	$(Q)$(EFI_CROSS_$(1))gcc $$(EFI_ALL_CFLAGS_$(1)) $(WARNINGS) $$(EFI_ONLY) -MMD -MP -c -o $$@ $$<

$(EFI_OUT)/$(1)/%.o: %.S $(EFI_OUT)/$(1)/flags | setup
	@mkdir -p $$(@D)
	$$(call say,AS efi,$$<)
	$(Q)$(EFI_CROSS_$(1))gcc $$(EFI_ALL_CFLAGS_$(1)) -MMD -MP -c -o $$@ $$<

$(EFI_OUT)/$(EFI_NAME_$(1)): $$(EFI_OBJS_$(1)) $(EFI_UNPACKED_$(1))
	$$(call say,LD efi,$$@)
	$(Q)$(EFI_CROSS_$(1))ld -nostdlib -shared -Bsymbolic -znocombreloc -znoexecstack --no-undefined --no-warn-rwx-segments \
	  --build-id=none --defsym=EFI_SUBSYSTEM=10 --defsym=_entry=efi_main \
	  -T $(EFI_ROOT_$(1))/usr/lib/elf_$(1)_efi.lds -o $$(@:.EFI=.so) $(EFI_ROOT_$(1))/usr/lib/crt0-efi-$(1).o \
	  $$(EFI_OBJS_$(1)) $(EFI_ROOT_$(1))/usr/lib/libgnuefi.a
	$(Q)if $(EFI_CROSS_$(1))objdump -h $$(@:.EFI=.so) | grep -qw '\.reloc'; then to='--target efi-app-$(1) --subsystem=10'; \
	  else to='-O binary'; fi; \
	  $(EFI_CROSS_$(1))objcopy -j .text -j .sdata -j .data -j .rodata -j .dynamic -j .dynsym -j .dynstr -j '.rel*' \
	    -j '.rela*' -j .reloc $$$$to $$(@:.EFI=.so) $$@

-include $$(EFI_OBJS_$(1):.o=.d)
endef

EFI_UNPACKED_aarch64 := $(EFI_ROOT_aarch64)/unpacked
$(BUILD)/setup.stamp: | setup ;
$(EFI_UNPACKED_aarch64): $(BUILD)/setup.stamp
	@rm -rf $(@D)
	$(Q)dpkg-deb -x $(BUILD)/packages/gnu-efi_*_arm64.deb $(@D)
	@touch $@

$(foreach v,x86_64 aarch64,$(eval $(call efi_variant,$(v))))
