# SPDX-License-Identifier: Apache-2.0
# Parts that a hypervisor can be built without: `make hypervisor PARTS=` builds the least, into build/BOARD-least, and
# `PARTS="trace split"` that with two of them. For each its source files; what other files do for it stands below
# `#if TAKT_PART`, in capitals, as in TAKT_TRACE. On the host, and unless somebody asks, all are built.
#   analysis  the latency that admission promises, guests' task sets inside their reservations, what a refused VCPU could have
#   control   changes while it runs, from the monitor and from a VM: each through the same admission
#   reclaim   reservations that run longer while others sleep
#   split     VCPUs in two pieces on two cores, more ways to plan a whole set, placement by count
#   timers    timers for guests, by hypercall
#   trace     a record of every dispatch, wake-up, injection ...
# A file of several parts is left out where all of them are; TAKT_ADVICE and TAKT_MOVES say that one of them is there;
# two of them need analysis and another.
PART_analysis := sched/advice.c sched/latency.c sched/latency_reclaim.c sched/latency_split.c sched/supply.c kernel/promise.c kernel/report_test.c kernel/sysdesc_tasks.c
PART_control  := include/takt/control.h kernel/hand_over.c sched/advice.c sched/change.c kernel/control.c kernel/control_apply.c kernel/control_call.c kernel/control_plan.c kernel/monitor_control.c kernel/sysdesc_control.c
PART_reclaim  := kernel/sysdesc_reclaim.c sched/latency_reclaim.c sched/reclaim.c
PART_split    := kernel/hand_over.c kernel/pieces.c kernel/report_split.c kernel/sysdesc_split.c sched/split.c
PART_timers   := kernel/call_timer.c
PART_trace    := kernel/trace.c kernel/monitor_trace.c

PART_NAMES := analysis control reclaim split timers trace
PARTS      ?= $(PART_NAMES)
ifneq ($(filter-out $(PART_NAMES),$(PARTS)),)
$(error PARTS=$(PARTS): no such part as $(filter-out $(PART_NAMES),$(PARTS)); the parts are: $(PART_NAMES))
endif

capitals   = $(subst a,A,$(subst c,C,$(subst e,E,$(subst i,I,$(subst l,L,$(subst m,M,$(subst n,N,$(subst o,O,$(subst p,P,$(subst r,R,$(subst s,S,$(subst t,T,$(subst y,Y,$(1))))))))))))))
ALL_PARTS  := $(if $(filter-out $(PARTS),$(PART_NAMES)),,yes)
LEFT_OUT   := $(filter-out $(foreach part,$(PARTS),$(PART_$(part))),$(foreach part,$(PART_NAMES),$(PART_$(part))))
LEFT_OUT   += $(foreach part,reclaim split,$(if $(filter-out $(PARTS),analysis $(part)),sched/latency_$(part).c))
PART_FLAGS := $(foreach part,$(PART_NAMES),-DTAKT_$(call capitals,$(part))=$(if $(filter $(part),$(PARTS)),1,0)) \
              -DTAKT_ADVICE=$(if $(filter analysis control,$(PARTS)),1,0) -DTAKT_MOVES=$(if $(filter control split,$(PARTS)),1,0)
