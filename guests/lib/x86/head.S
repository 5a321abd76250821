// SPDX-License-Identifier: Apache-2.0
// Start of every bare-metal guest: Multiboot 1 header, long mode, stacks, then C; and the same for the other VCPUs.
//
// The image is linked for 1 MiB (guest.ld) and is a flat binary, which its header describes. A boot loader enters it in
// 32-bit protected mode without paging; EAX holds its magic number, EBX its information.

#include "machine.h"

    .section .head, "ax"
    .code32
    .globl image_start
image_start:
    // The guest's first instructions keep the time at which they ran.
    movl    %eax, %esi
    rdtsc
    jmp     boot_entry

    .balign 4
multiboot_header:
    .set    FLAGS, MULTIBOOT_MEMORY_INFO | MULTIBOOT_ADDRESSES
    .long   MULTIBOOT_HEADER_MAGIC, FLAGS, -(MULTIBOOT_HEADER_MAGIC + FLAGS)
    .long   multiboot_header            // where this header is loaded,
    .long   image_start, data_end       // what is loaded,
    .long   image_end                   // what is to be cleared behind it,
    .long   image_start                 // and the entry

    .text
boot_entry:
    cli
    cld
    movl    %eax, boot_clock
    movl    %edx, boot_clock + 4
    movl    $bss_start, %edi
    movl    $bss_end, %ecx
    subl    %edi, %ecx
    shrl    $2, %ecx
    xorl    %eax, %eax
    rep stosl

    // Identity map of 4 GiB by pages of 2 MiB. Code lies in the first 4 MiB; all else is not executable.
    movl    $(PTE_P | PTE_RW), %ecx
    leal    page_directories(%ecx), %eax
    movl    $4, %edx
    movl    $guest_pdpt, %edi
1:  movl    %eax, (%edi)
    addl    $4096, %eax
    addl    $8, %edi
    decl    %edx
    jnz     1b
    leal    guest_pdpt(%ecx), %eax
    movl    %eax, guest_table
    movl    $page_directories, %edi
    movl    $(PTE_P | PTE_RW | PTE_PS), %eax
    xorl    %edx, %edx
2:  cmpl    $DEVICES_FROM, %eax
    jb      3f
    orl     $(PTE_PCD | PTE_PWT), %eax
3:  movl    %eax, (%edi)
    movl    %edx, 4(%edi)
    addl    $8, %edi
    addl    $(1 << LARGE_PAGE_SHIFT), %eax
    cmpl    $(page_directories + 2 * 8), %edi
    jb      2b
    movl    $PTE_NX_HIGH, %edx
    cmpl    $(page_directories + 4 * 4096), %edi
    jb      2b

    movl    %esi, %ebp                  // magic, information: kept in EBP and EBX
    xorl    %esi, %esi                  // the boot VCPU
    jmp     long_mode

// An application processor comes here from the trampoline, in 32-bit mode as the boot VCPU did.
secondary_entry32:
    movl    $SELECTOR_DATA, %eax
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %ss
    movl    $1, %eax
    cpuid
    shrl    $24, %ebx                   // initial APIC ID
    xorl    %esi, %esi
4:  incl    %esi
    cmpl    $VCPUS_MAX, %esi
    jae     5f
    cmpl    %ebx, apic_ids(, %esi, 4)
    jne     4b
    jmp     long_mode
5:  hlt                                 // nobody that the machine described
    jmp     5b

// ESI: VCPU number.
long_mode:
    lgdt    gdt_pointer
    movl    $(CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT), %eax
    movl    %eax, %cr4
    movl    $guest_table, %eax
    movl    %eax, %cr3
    movl    $MSR_EFER, %ecx
    movl    $(EFER_LME | EFER_NXE), %eax
    xorl    %edx, %edx
    wrmsr
    movl    $(CR0_PE | CR0_MP | CR0_NE | CR0_WP | CR0_PG), %eax
    movl    %eax, %cr0
    ljmp    $SELECTOR_CODE, $entry64

    .code64
entry64:
    movl    $SELECTOR_DATA, %eax
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %ss
    xorl    %eax, %eax
    movl    %eax, %fs
    movl    %eax, %gs
    fninit
    // The program's stack, and the VCPU's task state with those of its handlers.
    leal    1(%rsi), %eax
    imull   $STACK_SIZE, %eax, %ecx
    leaq    stacks(%rcx), %rsp
    imull   $TSS_SIZE, %esi, %ecx
    leaq    task_states(%rcx), %rdi
    imull   $(2 * HANDLER_STACK_SIZE), %eax, %ecx
    leaq    handler_stacks(%rcx), %rdx
    movq    %rdx, TSS_IST2(%rdi)
    subq    $HANDLER_STACK_SIZE, %rdx
    movq    %rdx, TSS_IST1(%rdi)
    movl    %esi, %ecx
    shll    $TSS_SHIFT, %ecx
    // Each start makes the descriptor anew: LTR marks it busy and takes only one that is not.
    movl    %edi, %eax
    shll    $16, %eax
    orl     $(TSS_SIZE - 1), %eax
    movl    %eax, gdt + SELECTOR_TSS(%rcx)
    movl    %edi, %eax
    shrl    $16, %eax
    movzbl  %al, %edx
    andl    $0xff00, %eax
    shll    $16, %eax
    leal    0x8900(%rax, %rdx), %eax    // present, available 64-bit TSS
    movl    %eax, gdt + SELECTOR_TSS + 4(%rcx)
    movq    $0, gdt + SELECTOR_TSS + 8(%rcx)
    addl    $SELECTOR_TSS, %ecx
    ltr     %cx
    lidt    idt_pointer
    testl   %esi, %esi
    jnz     6f
    movl    %ebp, %edi
    movl    %ebx, %esi
    call    guest_start
6:  movl    %esi, %edi
    call    secondary_start
    ud2

// Copied to TRAMPOLINE. SIPI enters it in real mode, with CS at the page.
    .globl  trampoline_start, trampoline_end
    .code16
trampoline_start:
    cli
    movw    %cs, %ax
    movw    %ax, %ds
    lgdtl   trampoline_gdt - trampoline_start
    movl    %cr0, %eax
    andl    $~(CR0_CD | CR0_NW), %eax
    orl     $CR0_PE, %eax
    movl    %eax, %cr0
    ljmpl   $SELECTOR_CODE32, $secondary_entry32
    .balign 4
trampoline_gdt:
    .word   gdt_end - gdt - 1
    .long   gdt
trampoline_end:
    .code64

    .data
    .balign 16
gdt:
    .quad   0
    .quad   0x00af9b000000ffff          // code, 64 bits
    .quad   0x00cf93000000ffff          // data
    .quad   0x00cf9b000000ffff          // code, 32 bits, for the trampoline
    .space  VCPUS_MAX << TSS_SHIFT
gdt_end:
gdt_pointer:
    .word   gdt_end - gdt - 1
    .quad   gdt
    .globl  boot_clock, apic_ids
    .balign 8
boot_clock:
    .quad   0
apic_ids:
    .fill   VCPUS_MAX, 4, -1

    .bss
    .balign 16
task_states:
    .space  VCPUS_MAX * TSS_SIZE
    .balign 4096
    .globl  guest_table, guest_pdpt
guest_table:
    .space  4096
guest_pdpt:
    .space  4096
page_directories:
    .space  4 * 4096

    .section .stacks, "aw", %nobits
    .balign 4096
    .globl  handler_stacks, stacks
handler_stacks:
    .space  VCPUS_MAX * 2 * HANDLER_STACK_SIZE
stacks:
    .space  VCPUS_MAX * STACK_SIZE
