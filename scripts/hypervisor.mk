# SPDX-License-Identifier: Apache-2.0
# The hypervisor for one board: build/BOARD/takt.elf and takt.Image (COMPILER=clang: build/BOARD-clang).

include scripts/parts.mk

OUT_ALL := $(BUILD)/$(BOARD)$(if $(filter clang,$(COMPILER)),-clang)
OUT     := $(OUT_ALL)$(if $(ALL_PARTS),,-least)

HYPERVISOR_ELF   := $(OUT)/takt.elf
HYPERVISOR_IMAGE := $(OUT)/takt.Image

ifeq ($(COMPILER),clang)
CC     := clang --target=$(TARGET_TRIPLE)
LINK   := -fuse-ld=lld -Wl,-O2,-mllvm,-inline-threshold=25
LTO    := -flto
SMALLER_x86 := -fomit-frame-pointer -mstack-alignment=8
else
CC     := $(CROSS)gcc
LINK   :=
LTO    := -flto=auto -flto-partition=one
INLINE := --param=max-inline-insns-single=15
SMALL  := -fno-shrink-wrap
SMALLER_x86 := -fomit-frame-pointer -mpreferred-stack-boundary=3 -malign-data=abi -falign-functions=1 -falign-jumps=1 \
               -falign-loops=1 -falign-labels=1
SMALL_x86 := -fira-region=one -fno-caller-saves -fno-partial-inlining -fno-tree-pre -fno-move-loop-invariants \
             -fno-tree-dominator-opts --param=large-function-insns=300 --param=large-stack-frame=32 \
             --param=large-stack-frame-growth=100
QUICK_x86 := -fno-tree-pre -fno-partial-inlining -fno-caller-saves
endif
# Both inline less than they would: 9 and 3 KiB, for eight instructions where a VCPU waits on a shared core.
# Without SSE nothing needs a stack of 16 bytes' alignment; panic.c finds return addresses without frame pointers. What is
# small on x86-64 keeps values in few registers, and its locals where one byte addresses them: 1.3 KB;
# what is quick there does likewise, and each exit has four instructions less.

HYPERVISOR_DIRS := arch/$(ARCH) $(patsubst %/,%,$(wildcard arch/$(ARCH)/*/)) kernel sched timer iommu
HYPERVISOR_SRCS := $(filter-out $(LEFT_OUT),$(foreach d,$(HYPERVISOR_DIRS),$(wildcard $(d)/*.c))) \
                   $(foreach d,$(HYPERVISOR_DIRS),$(wildcard $(d)/*.S)) $(DRIVERS:%=drivers/%.c)
HYPERVISOR_OBJS := $(addprefix $(OUT)/obj/,$(addsuffix .o,$(basename $(HYPERVISOR_SRCS)))) \
                   $(addprefix $(OUT)/obj/libfdt/,$(LIBFDT_FILES:.c=.o))

FREESTANDING := -std=c17 -g -ffreestanding -fno-common -fno-stack-protector -fno-pic -fno-pie -ffunction-sections \
                -fdata-sections -fno-asynchronous-unwind-tables -fno-omit-frame-pointer $(BOARD_CFLAGS) \
                $(SMALLER_$(ARCH)) $(REPRODUCIBLE) $(LTO)
# Linked as one unit (LTO): the path from an interrupt to a guest crosses rooms, and calls between them would be a tenth
# of it.
# Small where it runs at boot, for the monitor or on an error; fast where a guest waits for it.
OPTIMISE := -Oz $(SMALL) $(SMALL_$(ARCH))
HOT      := sched/sched sched/server timer/% $(addprefix kernel/,dispatch format hypercall mmio sha256 stats vcpu) \
            $(addprefix arch/$(ARCH)/,gicv3 guest_calls irq mmio_trap switch trap vgic%) \
            $(addprefix arch/x86/,run exits vcpu interrupts host_apic svm/exits vmx/exits vlapic vlapic_timer)
$(addprefix $(OUT)/obj/,$(addsuffix .o,$(HOT))): OPTIMISE := -O2 $(INLINE) $(QUICK_$(ARCH))
# Apart, so that what it shares with the dispatcher is inlined there as if it were not.
$(OUT)/obj/sched/reclaim.o: OPTIMISE += -fno-lto

HYPERVISOR_CFLAGS := $(FREESTANDING) $(WARNINGS) $(PART_FLAGS) -I. -Iarch/$(ARCH) -Iinclude $(LIBFDT_INCLUDE)
HYPERVISOR_LDFLAGS := $(LINK) -nostdlib -static -Wl,--gc-sections,--build-id=none,-z,noexecstack,--fatal-warnings \
                      -Wl,-z,max-page-size=4096

$(call remember,$(OUT)/flags,$(CC) $(HYPERVISOR_CFLAGS) $(HYPERVISOR_LDFLAGS) $(OPTIMISE) $(HOT) $(INLINE) $(QUICK_$(ARCH)) $(LIBFDT_CFLAGS))

hypervisor: $(HYPERVISOR_IMAGE)

$(OUT)/obj/libfdt/%.o: $(LIBFDT_SRC)/%.c $(OUT)/flags | setup
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(FREESTANDING) $(OPTIMISE) $(LIBFDT_INCLUDE) $(LIBFDT_CFLAGS) -MMD -MP -c -o $@ $<

$(OUT)/obj/%.o: %.c $(OUT)/flags | setup
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(HYPERVISOR_CFLAGS) $(OPTIMISE) -MMD -MP -c -o $@ $<

$(OUT)/obj/%.o: %.S $(OUT)/flags | setup
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CC) $(HYPERVISOR_CFLAGS) $(OPTIMISE) -MMD -MP -c -o $@ $<

# The objects' list is remembered too: a removed source must not stay in the image.
$(call remember,$(OUT)/objects,$(HYPERVISOR_OBJS))

$(HYPERVISOR_ELF): $(HYPERVISOR_OBJS) $(OUT)/objects $(LINKER_SCRIPT) scripts/check_image.py
	$(call say,LD,$@)
	+$(Q)$(CC) $(FREESTANDING) -Os $(HYPERVISOR_LDFLAGS) -T $(LINKER_SCRIPT) -Wl,-Map=$(OUT)/takt.map -o $@ $(HYPERVISOR_OBJS)
	$(Q)$(PYTHON) scripts/check_image.py --arch $(ARCH) --cross $(CROSS) --most $(if $(strip $(PARTS)),$(IMAGE_MOST_ALL),$(IMAGE_MOST)) $@

$(HYPERVISOR_IMAGE): $(HYPERVISOR_ELF)
	$(Q)$(CROSS)objcopy -O binary $< $@

-include $(HYPERVISOR_OBJS:.o=.d)
