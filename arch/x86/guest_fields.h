// SPDX-License-Identifier: Apache-2.0
// The registers of a guest that are in its VMCB or VMCS: FIELD(name, number if it is an MSR, in struct vmcb, in the VMCS).
// The VMCS has no field (0) for what VMX leaves in the processor. Included wherever a column becomes a table.

// What VMX does not switch comes first: VMX_SWITCHED.
FIELD(STAR, MSR_STAR, star, 0)
FIELD(LSTAR, MSR_LSTAR, lstar, 0)
FIELD(CSTAR, MSR_CSTAR, cstar, 0)
FIELD(SFMASK, MSR_SFMASK, sfmask, 0)
FIELD(KERNEL_GS_BASE, MSR_KERNEL_GS_BASE, kernel_gs_base, 0)
FIELD(EFER, MSR_EFER, efer, VMCS_GUEST_EFER)
FIELD(PAT, MSR_PAT, pat, VMCS_GUEST_PAT)
FIELD(SYSENTER_CS, MSR_SYSENTER_CS, sysenter_cs, VMCS_GUEST_SYSENTER_CS)
FIELD(SYSENTER_ESP, MSR_SYSENTER_ESP, sysenter_esp, VMCS_GUEST_SYSENTER_ESP)
FIELD(SYSENTER_EIP, MSR_SYSENTER_EIP, sysenter_eip, VMCS_GUEST_SYSENTER_EIP)
// In the order of enum decode_segment.
FIELD(ES_BASE, 0, segments[SEGMENT_ES].base, VMCS_SEGMENT(BASE, SEGMENT_ES))
FIELD(CS_BASE, 0, segments[SEGMENT_CS].base, VMCS_SEGMENT(BASE, SEGMENT_CS))
FIELD(SS_BASE, 0, segments[SEGMENT_SS].base, VMCS_SEGMENT(BASE, SEGMENT_SS))
FIELD(DS_BASE, 0, segments[SEGMENT_DS].base, VMCS_SEGMENT(BASE, SEGMENT_DS))
FIELD(FS_BASE, MSR_FS_BASE, segments[SEGMENT_FS].base, VMCS_SEGMENT(BASE, SEGMENT_FS))
FIELD(GS_BASE, MSR_GS_BASE, segments[SEGMENT_GS].base, VMCS_SEGMENT(BASE, SEGMENT_GS))
FIELD(CR0, 0, cr0, VMCS_GUEST_CR0)
FIELD(CR2, 0, cr2, 0)
FIELD(CR3, 0, cr3, VMCS_GUEST_CR3)
FIELD(CR4, 0, cr4, VMCS_GUEST_CR4)
FIELD(DR6, 0, dr6, 0)
// The guest's TSC is the machine's plus this; bits 1:0; bits 15:0, as guest_registers.h has them.
FIELD(TSC_OFFSET, 0, tsc_offset, VMCS_TSC_OFFSET)
FIELD(CPL, 0, cpl, VMCS_SEGMENT(RIGHTS, SEGMENT_SS))
FIELD(CODE, 0, segments[SEGMENT_CS].attributes, VMCS_SEGMENT(RIGHTS, SEGMENT_CS))
// For the log: CR0 as the processor has it, segments, what the last exit was, what it interrupted, what comes next.
FIELD(USED_CR0, 0, cr0, VMCS_GUEST_CR0)
FIELD(CS, 0, segments[SEGMENT_CS].selector, VMCS_SEGMENT(SELECTOR, SEGMENT_CS))
FIELD(SS, 0, segments[SEGMENT_SS].selector, VMCS_SEGMENT(SELECTOR, SEGMENT_SS))
FIELD(GDT, 0, gdtr.base, VMCS_GUEST_GDTR_BASE)
FIELD(IDT, 0, idtr.base, VMCS_GUEST_IDTR_BASE)
FIELD(EXIT, 0, exit_code, VMCS_EXIT_REASON)
FIELD(INFO1, 0, exit_info1, VMCS_QUALIFICATION)
FIELD(INFO2, 0, exit_info2, VMCS_GUEST_PHYSICAL_ADDRESS)
FIELD(INTERRUPTED, 0, exit_event, VMCS_VECTORING_EVENT)
FIELD(EVENT, 0, event, VMCS_ENTRY_EVENT)
FIELD(SHADOW, 0, shadow, VMCS_INTERRUPTIBILITY)

#undef FIELD
