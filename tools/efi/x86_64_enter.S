// SPDX-License-Identifier: Apache-2.0
// From long mode to the machine state of Multiboot2 (Specification 2.0, 3.3): protected mode without paging, flat
// segments, interrupts off. Runs wherever it is copied to below 4 GiB, where firmware maps memory at its own address.
// edi: entry of the kernel, esi: its information.

#define CODE64 0x08
#define CODE32 0x10
#define DATA32 0x18
#define CR0_PG (1 << 31)
#define MSR_EFER 0xc0000080
#define EFER_LME (1 << 8)
#define MULTIBOOT2_MAGIC 0x36d76289

    .section .text.enter, "ax"
    .globl enter_kernel, enter_kernel_end
    .hidden enter_kernel, enter_kernel_end
    .code64
enter_kernel:
    cli
    cld
    lea     gdt(%rip), %rax
    mov     %rax, gdt_pointer + 2(%rip)
    lgdt    gdt_pointer(%rip)
    lea     1f(%rip), %rax
    pushq   $CODE32
    push    %rax
    lretq

    .code32
1:  mov     $DATA32, %eax               // from here on there is no stack
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %fs
    mov     %eax, %gs
    mov     %eax, %ss
    mov     %cr0, %eax
    and     $~CR0_PG, %eax
    mov     %eax, %cr0
    mov     $MSR_EFER, %ecx
    rdmsr
    and     $~EFER_LME, %eax
    wrmsr
    xor     %eax, %eax                  // PAE and whatever else firmware liked
    mov     %eax, %cr4
    mov     $MULTIBOOT2_MAGIC, %eax
    mov     %esi, %ebx
    jmp     *%edi

    .balign 8
gdt:                                    // flat; accessed and dirty bits set, so that nothing writes them
    .quad   0
    .quad   0x00af9b000000ffff
    .quad   0x00cf9b000000ffff
    .quad   0x00cf93000000ffff
gdt_pointer:
    .word   gdt_pointer - gdt - 1
    .quad   0
enter_kernel_end:
    .section .note.GNU-stack, "", @progbits
