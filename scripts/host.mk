# SPDX-License-Identifier: Apache-2.0
# The same sources for this machine: libtakt.a on the fake architecture arch/host, plain and under sanitizers; the host
# programs of tools/; the unit tests. Each variant has its own folder: build/host, build/asan, build/fuzz, build/cov.

HOST_COMPILER ?= gcc

-include arch/host/arm64_sources.mk arch/host/x86_sources.mk

# On the host there is a C library in place of kernel/string.c, and the fake architecture in that of kernel/space.c.
HOST_LIB_SRCS := $(filter-out kernel/string.c kernel/space.c drivers/ns16550.c drivers/registry_pc.c,$(wildcard $(addsuffix /*.c,sched timer kernel drivers iommu arch/host))) \
                 $(addprefix arch/arm64/,$(HOST_ARM64)) $(addprefix arch/x86/,$(HOST_X86)) tools/efi/multiboot2.c
UNIT_SRCS     := $(wildcard tests/unit/test_*.c tests/unit/*/test_*.c tests/proof/test_*.c)
UNIT_HELPERS  := $(wildcard tests/unit/helpers/*.c)
TOOL_SRCS     := $(wildcard tools/*.c)

HOST_INCLUDE := -Iarch/host -I. -Iinclude $(LIBFDT_INCLUDE)
HOST_CFLAGS  := -std=c17 -g $(foreach part,$(PART_NAMES),-DTAKT_$(call capitals,$(part))=1) -DTAKT_ADVICE=1 -DTAKT_MOVES=1 -fno-common -fno-omit-frame-pointer $(REPRODUCIBLE) $(HOST_INCLUDE)
SANITIZE     := -fsanitize=address,undefined -fno-sanitize-recover=all

HOST_CC_host := $(HOST_COMPILER)
HOST_CC_asan := $(HOST_COMPILER)
HOST_CC_fuzz := clang
HOST_CC_cov  := clang
VARIANT_FLAGS_host := -O2
VARIANT_FLAGS_asan := -O1 $(SANITIZE)
VARIANT_FLAGS_fuzz := -O1 $(SANITIZE) -fsanitize=fuzzer-no-link
VARIANT_FLAGS_cov  := -O1 -fsanitize=fuzzer-no-link -fprofile-instr-generate -fcoverage-mapping

define host_variant
$$(call remember,$(BUILD)/$(1)/flags,$(HOST_CC_$(1)) $(HOST_CFLAGS) $(WARNINGS) $(VARIANT_FLAGS_$(1)) $(LIBFDT_CFLAGS))

LIB_OBJS_$(1) := $(addprefix $(BUILD)/$(1)/obj/,$(HOST_LIB_SRCS:.c=.o)) \
                 $(addprefix $(BUILD)/$(1)/obj/libfdt/,$(LIBFDT_FILES:.c=.o))

$$(call remember,$(BUILD)/$(1)/objects,$$(LIB_OBJS_$(1)))

$(BUILD)/$(1)/obj/libfdt/%.o: $(LIBFDT_SRC)/%.c $(BUILD)/$(1)/flags | setup
	@mkdir -p $$(@D)
	$(Q)$(HOST_CC_$(1)) $(HOST_CFLAGS) $(VARIANT_FLAGS_$(1)) $(LIBFDT_CFLAGS) -MMD -MP -c -o $$@ $$<

$(BUILD)/$(1)/obj/%.o: %.c $(BUILD)/$(1)/flags | setup
	@mkdir -p $$(@D)
	$$(call say,CC $(1),$$<)
	$(Q)$(HOST_CC_$(1)) $(HOST_CFLAGS) $(WARNINGS) $(VARIANT_FLAGS_$(1)) -MMD -MP -c -o $$@ $$<

$(BUILD)/$(1)/libtakt.a: $$(LIB_OBJS_$(1)) $(BUILD)/$(1)/objects
	@rm -f $$@
	$(Q)ar rcs $$@ $$(LIB_OBJS_$(1))

-include $$(LIB_OBJS_$(1):.o=.d)
endef
$(foreach v,host asan fuzz cov,$(eval $(call host_variant,$(v))))

# ---- host programs ---------------------------------------------------------------------------------------------------
# tools/takt-NAME.c, and where a program has more than that file, tools/NAME/*.c. Each also under sanitizers, for its tests.
more_of_tool = $(wildcard tools/$(patsubst takt-%,%,$(1))/*.c)
TOOL_NAMES  := $(notdir $(TOOL_SRCS:.c=))
TOOLS       := $(addprefix $(BUILD)/host/,$(TOOL_NAMES))
.PHONY: host-programs
host-programs: $(TOOLS) $(addprefix $(BUILD)/asan/,$(TOOL_NAMES))

define host_tool
$(BUILD)/$(1)/$(2): $(patsubst %.c,$(BUILD)/$(1)/obj/%.o,tools/$(2).c $(call more_of_tool,$(2))) $(BUILD)/$(1)/libtakt.a
	$$(call say,LD $(1),$$@)
	$(Q)$(HOST_CC_$(1)) $(VARIANT_FLAGS_$(1)) -o $$@ $$^
-include $(patsubst %.c,$(BUILD)/$(1)/obj/%.d,tools/$(2).c $(call more_of_tool,$(2)))
endef
$(foreach v,host asan,$(foreach t,$(TOOL_NAMES),$(eval $(call host_tool,$(v),$(t)))))

# ---- unit tests ------------------------------------------------------------------------------------------------------
.PHONY: units
define unit_variant
UNITS_$(1)       := $(addprefix $(BUILD)/$(1)/,$(UNIT_SRCS:.c=))
UNIT_HELPERS_$(1) := $(addprefix $(BUILD)/$(1)/obj/,$(UNIT_HELPERS:.c=.o))

$$(UNITS_$(1)): $(BUILD)/$(1)/%: $(BUILD)/$(1)/obj/%.o $$(UNIT_HELPERS_$(1)) $(BUILD)/$(1)/libtakt.a
	@mkdir -p $$(@D)
	$$(call say,LD $(1),$$@)
	$(Q)$(HOST_CC_$(1)) $(VARIANT_FLAGS_$(1)) -o $$@ $$(filter-out %.a,$$^) $(BUILD)/$(1)/libtakt.a -lcmocka

units: $$(UNITS_$(1))
-include $(addprefix $(BUILD)/$(1)/obj/,$(UNIT_SRCS:.c=.d) $(UNIT_HELPERS:.c=.d))
endef
$(foreach v,host asan,$(eval $(call unit_variant,$(v))))

# Whether the unit tests notice small mistakes in sched/ and timer/; COUNT=60 SEED=2 takes a sample, FILES= other files.
.PHONY: mutants
mutants: $(UNITS_host) | setup
	$(Q)$(PYTHON) scripts/mutants.py --build $(BUILD) --cc $(HOST_CC_host) --cflags '$(HOST_CFLAGS)' \
	  $(if $(COUNT),--count $(COUNT)) $(if $(SEED),--seed $(SEED)) $(FILES)
