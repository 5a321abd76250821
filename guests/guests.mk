# SPDX-License-Identifier: Apache-2.0
# The guests, included by the Makefile. Bare metal, compiled as the hypervisor is: build/guests/NAME.Image, and NAME.elf
# with its symbols. Linux, assembled from Debian's packages: build/guests/linux/{Image-cloud,Image-rt,initramfs.cpio.gz}.

GUEST_NAMES := rtprobe matmul hostile
GUEST_OUT   := $(BUILD)/guests
LINUX_GUEST := $(GUEST_OUT)/linux/assembled
GUESTS      := $(GUEST_NAMES:%=$(GUEST_OUT)/%.Image) $(LINUX_GUEST)

NEWLIB     := $(BUILD)/newlib
NEWLIB_LIB := $(NEWLIB)/aarch64-none-elf/lib/libc.a

# No libgcc: Debian's is compiled for Linux and may use x18, which belongs to the guests' interrupt
# vector. Code that would need it (long double, outlined atomics) fails to link.
# Floating point stays out of everything but the files named *_fp.c, so that an interrupt handler
# never touches it. NEON and FP instructions in newlib and in assembly are not affected.
GUEST_CFLAGS := -std=c17 -D_DEFAULT_SOURCE -O2 -g -ffreestanding -fno-common -fno-stack-protector -fno-pic -fno-pie -march=armv8-a \
                -mstrict-align -mno-outline-atomics -ffixed-x18 -ffunction-sections -fdata-sections \
                -fno-asynchronous-unwind-tables $(REPRODUCIBLE) $(WARNINGS) -Iguests/lib -Iinclude \
                -isystem $(NEWLIB)/aarch64-none-elf/include
GUEST_LDFLAGS := $(LINK) -nostdlib -static -Wl,--gc-sections,--build-id=none,-z,noexecstack \
                 -Wl,-z,max-page-size=4096 -T guests/lib/guest.ld

guest_sources = $(wildcard guests/$(1)/*.c guests/$(1)/*.S)
guest_objects = $(addprefix $(GUEST_OUT)/obj/,$(addsuffix .o,$(basename $(patsubst guests/%,%,$(call guest_sources,$(1))))))

$(call remember,$(GUEST_OUT)/flags,$(CC) $(GUEST_CFLAGS) $(GUEST_LDFLAGS))

$(NEWLIB_LIB): scripts/newlib.sh | setup
	$(call say,NEWLIB,$(NEWLIB))
	$(Q)CROSS=$(CROSS) scripts/newlib.sh $(NEWLIB)
	@touch $@

$(GUEST_OUT)/obj/%_fp.o: guests/%_fp.c $(GUEST_OUT)/flags $(NEWLIB_LIB)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(GUEST_CFLAGS) -MMD -MP -c -o $@ $<

$(GUEST_OUT)/obj/%.o: guests/%.c $(GUEST_OUT)/flags $(NEWLIB_LIB)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(GUEST_CFLAGS) -mgeneral-regs-only -MMD -MP -c -o $@ $<

$(GUEST_OUT)/obj/%.o: guests/%.S $(GUEST_OUT)/flags
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CC) $(GUEST_CFLAGS) -MMD -MP -c -o $@ $<

define guest_rules
$$(call remember,$$(GUEST_OUT)/$(1).objects,$$(call guest_objects,lib) $$(call guest_objects,$(1)))

$$(GUEST_OUT)/$(1).elf: $$(call guest_objects,lib) $$(call guest_objects,$(1)) $$(GUEST_OUT)/$(1).objects guests/lib/guest.ld
	$$(call say,LD,$$@)
	$$(Q)$$(CC) -march=armv8-a $$(GUEST_LDFLAGS) -o $$@ $$(call guest_objects,lib) $$(call guest_objects,$(1)) $$(NEWLIB_LIB)

$$(GUEST_OUT)/$(1).Image: $$(GUEST_OUT)/$(1).elf
	$$(Q)$$(CROSS)objcopy -O binary $$< $$@
endef
$(foreach guest,$(GUEST_NAMES),$(eval $(call guest_rules,$(guest))))

# The packages come with setup; a new set of them counts as a change.
$(LINUX_GUEST): guests/linux/assemble.py guests/linux/init $(wildcard $(BUILD)/packages/*.deb) | setup
	$(call say,LINUX,$(@D))
	$(Q)$(PYTHON) guests/linux/assemble.py --packages $(BUILD)/packages --out $(@D)
	@touch $@

-include $(foreach guest,lib $(GUEST_NAMES),$(patsubst %.o,%.d,$(call guest_objects,$(guest))))
