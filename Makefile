# SPDX-License-Identifier: Apache-2.0
# The one front door. Everything that is built lies below build/; `make help` lists the commands.

BOARD    ?= qemu-arm64
COMPILER ?= gcc
BUILD    := build

ifeq ($(wildcard boards/$(BOARD)/board.mk),)
$(error BOARD=$(BOARD) is not a board; the boards are: $(patsubst boards/%/board.mk,%,$(wildcard boards/*/board.mk)))
endif
ifeq ($(filter $(COMPILER),gcc clang),)
$(error COMPILER=$(COMPILER) is not known; say COMPILER=gcc or COMPILER=clang)
endif

SYSTEM ?= boards/$(BOARD)/default.dts
ifneq ($(words $(SYSTEM)),1)
$(error SYSTEM=$(SYSTEM) has blanks in its path, which make cannot handle; give it a path without)
endif

ifeq ($(suffix $(SYSTEM)),.csv)
ifneq ($(filter run image trace report,$(MAKECMDGOALS)),)
$(error SYSTEM=$(SYSTEM) is a table of reservations, which 'make plan' and 'make check' take; give the path of a system description (.dts))
endif
endif
ifneq ($(filter trace report,$(MAKECMDGOALS)),)
ifeq ($(wildcard boards/$(BOARD)/report.dts),)
$(error traces and reports are made on $(patsubst boards/%/report.dts,%,$(wildcard boards/*/report.dts)), not on BOARD=$(BOARD); what another machine traced is read from its console, see docs/tracing.md)
endif
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

ifeq ($(V),1)
Q    :=
say   = @:
else
Q    := @
say   = @printf '  %-8s %s\n' '$(1)' '$(2)'
endif
# The system's own interpreter: the packages of setup are installed for that one.
PYTHON := PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3

include boards/$(BOARD)/board.mk
include scripts/common.mk
include scripts/hypervisor.mk
include scripts/host.mk
include scripts/fuzz.mk
include scripts/efi.mk
-include guests/guests.mk

.PHONY: help setup all hypervisor guests image check plan run trace report test bench sim experiments experiment-placement experiment-sleep experiment-attack lint format fuzz clean distclean FORCE

help:
	@printf '%s\n' \
	  'make run                    build and start the default system (HEADLESS=1: check it and end)' \
	  'make run SYSTEM=my.dts      the same with your own system description' \
	  'make test                   every test: units, sanitizers, fuzzers, lint, emulators (ONLY=unit,mutants,fuzz,lint,system; of one board: BOARD=...)' \
	  'make bench                  the latency and size table, with its bounds' \
	  'make sim ARGS="..."         play made-up systems on the real scheduler, millions of them on demand (docs/simulation.md)' \
	  'make experiments            the three below, and one page of what they gave: build/experiments/experiments.html (docs/experiments.md)' \
	  'make experiment-placement   who goes to which core, and what share of random sets finds room' \
	  'make experiment-sleep       how late is a sleeping guest, on Takt and on Xen (K=LEG SAMPLES=N; docs/experiments.md)' \
	  'make experiment-attack      does a reservation hold beside neighbours that do their worst' \
	  'make check SYSTEM=my.dts    say every mistake of a system description, without starting it' \
	  'make plan SYSTEM=my.dts     the same, and a page with what every VCPU is promised and who runs when; also of a table, my.csv' \
	  'make image SYSTEM=my.dts    pack a system into one bootable .itb; BOARD=pc: an image for a USB stick that a PC starts from' \
	  'make trace SYSTEM=my.dts    run it SECONDS=1 of its own time and show who ran when (JSON, SVG, CTF: docs/tracing.md)' \
	  'make report                 run a system and write one page: what was promised, what was seen (build/$(BOARD)/report.html)' \
	  'make efi-loader             the UEFI loader for both architectures, build/efi/BOOT*.EFI (docs/boot.md)' \
	  'make lint                   format, clang-tidy, cppcheck, and the rules of the house' \
	  'make format                 write every C file as the format wants it' \
	  'make fuzz                   long fuzzing (SECONDS=600 for each target)' \
	  'make mutants                do the tests notice small mistakes in sched/ and timer/ (COUNT=60 SEED=1 FILES=timer/*.c)' \
	  'make setup                  install what the other commands need (they call it themselves)' \
	  'make all                    compile everything, run nothing' \
	  'make clean | distclean      remove what was built | and what was downloaded' \
	  '' \
	  'BOARD=$(BOARD)  COMPILER=$(COMPILER)  SYSTEM=$(SYSTEM)  V=1 shows the commands' \
  'Boards: $(patsubst boards/%/board.mk,%,$(wildcard boards/*/board.mk))' \
	  'For run, check and plan, of which boards/$(BOARD)/machine.toml has the defaults: CORES CPU MEMORY BOOT, and GIC on arm64'

# Every rule that compiles or runs something asks for this first; when all is there it costs a few milliseconds.
setup:
	@scripts/setup.sh --build $(BUILD)

all: hypervisor host-programs units guests efi-loader

guests: $(GUESTS)

# needs_file FILE,WHAT: before anything is done with it.
needs_file = @test -f '$(1)' || { echo "make: SYSTEM=$(1) is no file; give the path of a $(2)" >&2; exit 1; }

# ---- one system image ------------------------------------------------------------------------------------------------
SYSTEM_NAME := $(basename $(notdir $(SYSTEM)))
ITB         := $(OUT)/$(SYSTEM_NAME).itb
SYSTEM_ITB  := $(OUT)/$(SYSTEM_NAME).system.itb
MACHINE_ARGS := --board $(BOARD) $(if $(CORES),--cores $(CORES)) $(if $(CPU),--cpu $(CPU)) $(if $(GIC),--gic $(GIC)) \
                $(if $(MEMORY),--memory $(MEMORY))

# A board whose BOOT is usb has the stick's image, the others have the .itb alone.
image: $(ITB) $(if $(filter usb,$(BOOT)),$(EFI_LOADER))
	$(Q)$(if $(filter usb,$(BOOT)),$(PYTHON) scripts/disk.py --boot usb --hypervisor $(HYPERVISOR_IMAGE) --loader $(EFI_LOADER) --out $(ITB:.itb=.usb.img) $(ITB),:)

# Packed anew each time: what a description names (kernels, initrds) is not known to make.
$(ITB): $(HYPERVISOR_IMAGE) guests FORCE | setup
	$(call needs_file,$(SYSTEM),system description (.dts))
	$(call say,PACK,$@)
	$(Q)$(PYTHON) scripts/mkimage.py --board $(BOARD) --arch $(ARCH) --hypervisor $(HYPERVISOR_IMAGE) --out $@ $(SYSTEM)

# Of what can be packed: the checker says what is missing, with all the rest. `plan` also writes it down and draws it.
CHECK_ITB := $(OUT)/$(SYSTEM_NAME).check.itb
PLAN_JSON := $(OUT)/$(SYSTEM_NAME).plan.json
check_it   = $(BUILD)/host/takt-plan $(1)
plan_it    = $(BUILD)/host/takt-plan --json $(PLAN_JSON) $(1); status=$$?; \
  test $$status -gt 1 || $(PYTHON) scripts/plan.py $(PLAN_JSON) $(PLAN_JSON:.json=.html) || status=2; (exit $$status)

ifeq ($(suffix $(SYSTEM)),.csv)
check plan: $(BUILD)/host/takt-plan | setup
	$(call needs_file,$(SYSTEM),table of reservations (.csv) or a system description (.dts))
	@mkdir -p $(OUT)
	$(Q)$(call $@_it,--csv $(SYSTEM) $(if $(CORES),--cores $(CORES)) $(PLAN_OPTIONS))
else
check plan: guests $(BUILD)/host/takt-plan | setup
	$(call needs_file,$(SYSTEM),system description (.dts))
	@rm -f $(CHECK_ITB:.itb=.system.itb)
	$(Q)$(PYTHON) scripts/run.py --dump-dtb $(OUT)/board.dtb $(MACHINE_ARGS)
	$(Q)packed=yes; $(PYTHON) scripts/mkimage.py --board $(BOARD) --arch $(ARCH) --partial --out $(CHECK_ITB) $(SYSTEM) || packed=no; \
	  test -f $(CHECK_ITB:.itb=.system.itb) && { $(call $@_it,$(CHECK_ITB:.itb=.system.itb) $(OUT)/board.dtb); } && test $$packed = yes
endif

# Who sits before it hears of mistakes before the machine takes the terminal.
run: $(if $(filter-out 0,$(HEADLESS)),,check) $(ITB) $(if $(filter uefi usb,$(BOOT)),$(EFI_LOADER))
	$(Q)$(PYTHON) scripts/run.py $(MACHINE_ARGS) $(if $(BOOT),--boot $(BOOT)) $(if $(filter-out 0,$(HEADLESS)),--headless --facts $(SYSTEM:.dts=.facts.toml)) \
	  $(if $(TIMEOUT),--timeout $(TIMEOUT)) --hypervisor $(HYPERVISOR_IMAGE) $(ITB)

# Emulated, in virtual time: each run of a system gives the same trace.
TRACE_ARGS = $(MACHINE_ARGS) $(if $(SECONDS),--seconds $(SECONDS)) --hypervisor $(HYPERVISOR_IMAGE)
trace: hypervisor guests | setup
	$(call needs_file,$(SYSTEM),system description (.dts))
	$(Q)$(PYTHON) scripts/trace_system.py $(TRACE_ARGS) --check --out $(OUT)/$(SYSTEM_NAME) $(SYSTEM)

# A small system of its own, unless SYSTEM says another: then NAME.report.html. It lives on one core, and has no other: several
# emulated cores take turns, and time in which one waits for the others looks like time that the hypervisor lost.
REPORT_SYSTEM = $(if $(filter file,$(origin SYSTEM)),boards/$(BOARD)/report.dts,$(SYSTEM))
REPORT_CORES  = $(if $(filter file,$(origin SYSTEM)),$(if $(CORES),,--cores 1))
report: hypervisor guests | setup
	$(call needs_file,$(REPORT_SYSTEM),system description (.dts))
	$(Q)$(PYTHON) scripts/report_system.py $(TRACE_ARGS) $(REPORT_CORES) $(if $(filter qemu-arm64,$(BOARD)),--experiments $(BUILD)/experiments) --out $(OUT)/$(basename $(notdir $(REPORT_SYSTEM))) $(REPORT_SYSTEM)

# ---- tests and measurements ------------------------------------------------------------------------------------------
# Every board, unless one is named.
test: setup
	+@$(PYTHON) scripts/test.py --build $(BUILD) $(if $(filter-out file,$(origin BOARD)),--board $(BOARD)) $(if $(ONLY),--only $(ONLY)) $(if $(K),-k '$(K)')

bench: hypervisor guests | setup
	+$(Q)$(MAKE) hypervisor PARTS=
	$(Q)$(PYTHON) scripts/bench.py --build $(BUILD) --board $(BOARD) --hypervisor $(HYPERVISOR_IMAGE) --least $(OUT_ALL)-least/takt.Image \
	  --compiler '$(shell $(CC) --version | head -n 1)' $(if $(K),-k '$(K)') $(if $(filter-out 0,$(RECORD)),--record)

sim: $(BUILD)/host/takt-sim
	$(Q)$< $(ARGS)

# The page has what any of them gave. SETS: in how many random systems misses are counted; what other SAMPLES give lies apart.
SETS ?= 1000000
EXPERIMENTS      := $(BUILD)/experiments$(if $(SAMPLES),/samples-$(SAMPLES))
experiments_page  = $(PYTHON) scripts/experiments_page.py --out $(EXPERIMENTS) $(if $(wildcard $(HYPERVISOR_IMAGE)),--hypervisor $(HYPERVISOR_IMAGE))

experiment-placement: $(BUILD)/host/takt-sim
	$(Q)status=0; $(PYTHON) scripts/experiment_placement.py --simulator $< --board boards/$(BOARD)/board.dts --campaign $(SETS) --out $(EXPERIMENTS) $(ARGS) || status=$$?; \
	  test $$status -gt 1 || $(experiments_page) || test $$? -lt 2 || status=2; exit $$status

# Xen's guests and the reservations are written for one board. Said before anything is built for another.
ifneq ($(filter experiments experiment-sleep experiment-attack,$(MAKECMDGOALS)),)
ifneq ($(BOARD),qemu-arm64)
$(error these experiments run on qemu-arm64 alone; leave BOARD=$(BOARD) out)
endif
endif

experiment-sleep experiment-attack: experiment-%: hypervisor guests | setup
	$(Q)status=0; $(PYTHON) scripts/experiments.py $* --build $(BUILD) --out $(EXPERIMENTS) --hypervisor $(HYPERVISOR_IMAGE) $(if $(K),-k '$(K)') $(if $(SAMPLES),--samples $(SAMPLES)) \
	  $(if $(filter-out 0,$(AGAIN)),--again) $(if $(PATIENCE),--patience $(PATIENCE)) $(if $(JOBS),--jobs $(JOBS)) || status=$$?; \
	  test $$status -gt 1 || $(experiments_page) || test $$? -lt 2 || status=2; exit $$status

# One after the other, also after one that complains; the status is the worst.
experiments:
	+$(Q)worst=0; for name in placement sleep attack; do $(MAKE) experiment-$$name || worst=1; done; exit $$worst

lint: setup
	+@scripts/lint.sh --build $(BUILD)

format: setup
	@git ls-files '*.c' '*.h' | xargs -r clang-format-19 -i

# What scripts/lint.sh compiles with.
print-%:
	@printf '%s\n' '$($*)'

# ---- clean -----------------------------------------------------------------------------------------------------------
DOWNLOADS := apt packages libfdt-src setup.stamp

clean:
	@if [ -d $(BUILD) ]; then find $(BUILD) -mindepth 1 -maxdepth 1 $(foreach d,$(DOWNLOADS),! -name $(d)) -exec rm -rf {} +; fi

distclean:
	@rm -rf $(BUILD)
