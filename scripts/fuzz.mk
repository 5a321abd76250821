# SPDX-License-Identifier: Apache-2.0
# libFuzzer targets: tests/fuzz/fuzz_NAME.c -> build/fuzz/fuzz_NAME (sanitizers) and build/cov/fuzz_NAME (line coverage).

FUZZ_SRCS  := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_NAMES := $(notdir $(FUZZ_SRCS:.c=))

.PHONY: fuzzers
fuzzers: $(addprefix $(BUILD)/fuzz/,$(FUZZ_NAMES)) $(addprefix $(BUILD)/cov/,$(FUZZ_NAMES))

define fuzz_variant
$(addprefix $(BUILD)/$(1)/,$(FUZZ_NAMES)): $(BUILD)/$(1)/%: $(BUILD)/$(1)/obj/tests/fuzz/%.o $(BUILD)/$(1)/libtakt.a
	$$(call say,LD $(1),$$@)
	$(Q)clang $(VARIANT_FLAGS_$(1)) -fsanitize=fuzzer -o $$@ $$^
-include $(addprefix $(BUILD)/$(1)/obj/,$(FUZZ_SRCS:.c=.d))
endef
$(foreach v,fuzz cov,$(eval $(call fuzz_variant,$(v))))

fuzz: fuzzers
	$(Q)$(PYTHON) scripts/fuzz.py --build $(BUILD) --seconds $(or $(SECONDS),600)
