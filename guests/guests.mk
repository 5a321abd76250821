# SPDX-License-Identifier: Apache-2.0
# The guests of the board's architecture, included by the Makefile. Bare metal, compiled as the hypervisor is: a flat image
# and NAME.elf with its symbols; Linux, assembled from Debian's packages. For arm64: build/guests/NAME.Image and
# build/guests/linux; for x86: build/guests-x86/NAME.bin and build/guests-x86/linux.
#
# What differs is in guests/lib/$(ARCH)/guest.mk, and in folders of that name beside the files that all share.

GUEST_NAMES := rtprobe matmul hostile tickless controller

include guests/lib/$(ARCH)/guest.mk

LINUX_GUEST := $(GUEST_OUT)/linux/assembled
# The experiments' Linux guest (docs/experiments.md) is a kernel with this program alone.
PLAYER      := $(if $(filter arm64,$(ARCH)),$(GUEST_OUT)/linux/player.cpio.gz)
GUESTS      := $(GUEST_NAMES:%=$(GUEST_OUT)/%.$(GUEST_SUFFIX)) $(LINUX_GUEST) $(PLAYER)

NEWLIB_LIB := $(NEWLIB)/$(NEWLIB_TARGET)/lib/libc.a

# No libgcc: Debian's is compiled for Linux. Code that would need it (long double, outlined atomics) fails to link.
# Floating point stays out of everything but the files named *_fp.c, so that an interrupt handler never touches it.
# Vector and floating-point instructions in newlib and in assembly are not affected.
GUEST_CFLAGS := -std=c17 -D_DEFAULT_SOURCE -O2 -g -ffreestanding -fno-common -fno-stack-protector -fno-pic -fno-pie \
                $(GUEST_ARCH_CFLAGS) -ffunction-sections -fdata-sections \
                -fno-asynchronous-unwind-tables $(REPRODUCIBLE) $(WARNINGS) -Iguests/lib -Iguests/lib/$(ARCH) -Iinclude \
                -isystem $(NEWLIB)/$(NEWLIB_TARGET)/include
GUEST_LINKER_SCRIPT := guests/lib/$(ARCH)/guest.ld
GUEST_LDFLAGS := $(LINK) -nostdlib -static -Wl,--gc-sections,--build-id=none,-z,noexecstack \
                 -Wl,-z,max-page-size=4096 -T $(GUEST_LINKER_SCRIPT)

guest_sources = $(wildcard $(foreach folder,guests/$(1) guests/$(1)/$(ARCH),$(folder)/*.c $(folder)/*.S))
guest_objects = $(addprefix $(GUEST_OUT)/obj/,$(addsuffix .o,$(basename $(patsubst guests/%,%,$(call guest_sources,$(1))))))

$(call remember,$(GUEST_OUT)/flags,$(CC) $(GUEST_CFLAGS) $(GUEST_LDFLAGS))

$(NEWLIB_LIB): scripts/newlib.sh | setup
	$(call say,NEWLIB,$(NEWLIB))
	$(Q)CROSS=$(CROSS) scripts/newlib.sh $(NEWLIB_TARGET) $(NEWLIB)
	@touch $@

# A guest's own headers are found as those of the library are.
$(GUEST_OUT)/obj/%.o: GUEST_INCLUDE = $(addprefix -Iguests/$(firstword $(subst /, ,$*))/,. $(ARCH))

$(GUEST_OUT)/obj/%_fp.o: guests/%_fp.c $(GUEST_OUT)/flags $(NEWLIB_LIB)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(GUEST_CFLAGS) $(GUEST_INCLUDE) -MMD -MP -c -o $@ $<

$(GUEST_OUT)/obj/%.o: guests/%.c $(GUEST_OUT)/flags $(NEWLIB_LIB)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(GUEST_CFLAGS) $(GUEST_INCLUDE) -mgeneral-regs-only -MMD -MP -c -o $@ $<

$(GUEST_OUT)/obj/%.o: guests/%.S $(GUEST_OUT)/flags
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CC) $(GUEST_CFLAGS) -MMD -MP -c -o $@ $<

define guest_rules
$$(call remember,$$(GUEST_OUT)/$(1).objects,$$(call guest_objects,lib) $$(call guest_objects,$(1)))

$$(GUEST_OUT)/$(1).elf: $$(call guest_objects,lib) $$(call guest_objects,$(1)) $$(GUEST_OUT)/$(1).objects $$(GUEST_LINKER_SCRIPT)
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(GUEST_ARCH_LDFLAGS) $$(GUEST_LDFLAGS) -o $$@ $$(call guest_objects,lib) $$(call guest_objects,$(1)) $$(NEWLIB_LIB)

$$(GUEST_OUT)/$(1).$$(GUEST_SUFFIX): $$(GUEST_OUT)/$(1).elf
	$$(Q)$$(CROSS)objcopy -O binary $$< $$@
endef
$(foreach guest,$(GUEST_NAMES),$(eval $(call guest_rules,$(guest))))

# The packages come with setup; a new set of them counts as a change.
$(LINUX_GUEST): guests/linux/assemble.py guests/linux/init $(wildcard $(BUILD)/packages/*.deb) | setup
	$(call say,LINUX,$(@D))
	$(Q)$(PYTHON) guests/linux/assemble.py --arch $(ARCH) --packages $(BUILD)/packages --out $(@D)
	@touch $@

$(GUEST_OUT)/linux/player: guests/linux/player.c | setup
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CROSS)gcc -std=c17 -O2 $(REPRODUCIBLE) -Wall -Wextra -Werror -static -Wl,--build-id=none -o $@ $<

$(GUEST_OUT)/linux/player.cpio.gz: $(GUEST_OUT)/linux/player guests/linux/assemble.py
	$(Q)$(PYTHON) guests/linux/assemble.py --init $< --out $@
	@touch $@

-include $(foreach guest,lib $(GUEST_NAMES),$(patsubst %.o,%.d,$(call guest_objects,$(guest))))
