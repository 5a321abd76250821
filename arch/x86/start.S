// SPDX-License-Identifier: Apache-2.0
// From a multiboot loader, or from INIT-SIPI, to C.
//
// Entry of the boot core: Multiboot 0.6.96, 3.2, and Multiboot2 2.0, 3.3: 32-bit protected mode, flat segments, paging off,
// interrupts off, EAX the loader's magic number, EBX the physical address of its information. The UEFI loader comes the
// same way. The image lies at any multiple of 4 KiB below 4 GiB; EBP holds where. Nothing here may be called or stored
// by an absolute address before paging is on.

#include "arch/x86/entry_offsets.h"
#include "arch/x86/layout.h"
#include "arch/x86/regs.h"

    .globl layout_base, layout_image_max, layout_boot_stack
    .set layout_base, HYP_BASE
    .set layout_image_max, HYP_IMAGE_MAX
    .set layout_boot_stack, BOOT_STACK_SIZE

#define PAGE 4096
#define PTE_TABLE (PTE_PRESENT | PTE_WRITE)
#define PTE_LEAF (PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY)
#define PHYSICAL(symbol) (symbol - HYP_BASE + IMAGE_LOAD)
#define OFFSET(symbol) (symbol - HYP_BASE)
#define PTE_SIZE 8
#define BLOCK_SHIFT 21
#define SELECTOR_CODE32 0x18 // the trampoline's alone

#define MULTIBOOT1_HEADER 0x1badb002
#define MULTIBOOT1_FLAGS 0x00010003 // modules at pages, memory map, addresses in the header
#define MULTIBOOT2_HEADER 0xe85250d6
#define MULTIBOOT2_ADDRESS 2
#define MULTIBOOT2_ENTRY 3
#define MULTIBOOT2_RELOCATABLE 10
#define LOAD_HIGHEST (0xffffffff - HYP_IMAGE_MAX)
#define LOAD_ALIGNMENT 0x200000

#define UART_DATA 0x3f8
#define UART_STATUS 0x3fd
#define UART_THRE 0x20

    // The headers are data: an address in them may look like any instruction, also like one that scripts/check_image.py
    // finds in no code of ours.
    .section .head, "ax"
    .globl image_start
    .type   image_start, @object
    .type   multiboot2, @object
image_start:
    .long   MULTIBOOT1_HEADER, MULTIBOOT1_FLAGS, -(MULTIBOOT1_HEADER + MULTIBOOT1_FLAGS)
    .long   PHYSICAL(image_start), PHYSICAL(image_start), PHYSICAL(load_end), PHYSICAL(image_end), PHYSICAL(boot_entry)

    .balign 8
multiboot2:
    .long   MULTIBOOT2_HEADER, 0, multiboot2_end - multiboot2
    .long   -(MULTIBOOT2_HEADER + (multiboot2_end - multiboot2))
    .short  MULTIBOOT2_ADDRESS, 0
    .long   24, PHYSICAL(multiboot2), PHYSICAL(image_start), PHYSICAL(load_end), PHYSICAL(image_end)
    .short  MULTIBOOT2_ENTRY, 0
    .long   12, PHYSICAL(boot_entry), 0
    .short  MULTIBOOT2_RELOCATABLE, 0
    .long   24, LOAD_ALIGNMENT, LOAD_HIGHEST, LOAD_ALIGNMENT, 1
    .short  0, 0
    .long   8
multiboot2_end:

    .code32
    // Entry `index` of `table` points at the table `next`; all registers but `index`.
    .macro link_table table, index, next
    lea     PTE_TABLE(\next), %eax
    mov     %eax, (\index * 8)(\table)
    .endm

    // EAX: the root of the identity map. Changes EAX, ECX, EDX.
    .macro paging_on
    mov     %eax, %cr3
    mov     $(CR4_PAE | CR4_MCE), %eax
    mov     %eax, %cr4
    mov     $MSR_EFER, %ecx
    rdmsr
    or      $(EFER_LME | EFER_NXE), %eax
    wrmsr
    mov     $(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE), %eax
    mov     %eax, %cr0
    .endm

boot_entry:
    cli
    cld
    mov     (%ebx), %edx                // the word that the call overwrites for a moment
    lea     4(%ebx), %esp
    mov     %eax, %esi
    call    1f
1:  pop     %ebp
    mov     %edx, (%ebx)
    sub     $OFFSET(1b), %ebp

    lea     OFFSET(bss_start)(%ebp), %edi
    mov     $OFFSET(image_end), %ecx
    sub     $OFFSET(bss_start), %ecx
    shr     $2, %ecx
    xor     %eax, %eax
    rep stosl
    lea     OFFSET(boot_stack_top)(%ebp), %esp
    push    %ebx
    push    %esi

    mov     $CPUID_EXT_MAX, %eax
    cpuid
    cmp     $CPUID_EXT_FEATURES, %eax
    jb      unfit
    mov     $CPUID_EXT_FEATURES, %eax
    cpuid
    and     $(CPUID_EXT_EDX_LM | CPUID_EXT_EDX_NX), %edx
    cmp     $(CPUID_EXT_EDX_LM | CPUID_EXT_EDX_NX), %edx
    jne     unfit

    // The hypervisor's tables: root, level 1, 2 and 3 of what contains HYP_BASE.
    lea     OFFSET(boot_tables)(%ebp), %edi
    lea     PAGE(%edi), %esi
    link_table %edi, 511, %esi
    lea     PAGE(%esi), %ecx
    link_table %esi, 510, %ecx
    lea     PAGE(%ecx), %edi
    link_table %ecx, 0, %edi
    xor     %ecx, %ecx                  // the code, from image_start on
    lea     PTE_LEAF(%ebp), %ebx
    xor     %esi, %esi
    mov     $OFFSET(text_pages_end), %edx
    call    map_pages
    mov     $PTE_NX_HIGH, %esi          // constants
    mov     $OFFSET(rodata_end), %edx
    call    map_pages
    or      $PTE_WRITE, %ebx            // data
    mov     $OFFSET(data_end), %edx
    call    map_pages
    add     $PAGE, %ecx                 // the guard page
    add     $PTE_SIZE, %edi
    mov     $OFFSET(boot_stack_top), %edx
    call    map_pages

    // The identity map, while paging goes on: the block that has the image, and the first one, for other cores to start in.
    lea     OFFSET(early_tables)(%ebp), %edi
    lea     PAGE(%edi), %esi
    link_table %edi, 0, %esi
    lea     OFFSET(boot_tables + PAGE)(%ebp), %ecx
    link_table %edi, 511, %ecx
    lea     PAGE(%esi), %ecx
    link_table %esi, 0, %ecx
    movl    $(PTE_LEAF | PTE_WRITE | PTE_BLOCK), (%ecx)
    mov     %ebp, %edx
    shr     $30, %edx
    jz      2f
    add     $PAGE, %ecx
    lea     PTE_TABLE(%ecx), %eax
    mov     %eax, (%esi, %edx, 8)
2:  mov     %ebp, %edx
    shr     $BLOCK_SHIFT, %edx
    mov     %edx, %eax
    shl     $BLOCK_SHIFT, %eax
    or      $(PTE_LEAF | PTE_WRITE | PTE_BLOCK), %eax
    and     $511, %edx
    mov     %eax, (%ecx, %edx, 8)

    lea     OFFSET(early_tables)(%ebp), %eax
    lea     OFFSET(gdt_boot)(%ebp), %ecx
    push    %ecx
    pushw   $(gdt_boot_end - gdt_boot - 1)
    lgdt    (%esp)
    add     $6, %esp
    lea     OFFSET(boot_long)(%ebp), %edx
    push    $SELECTOR_CODE
    push    %edx
    paging_on
    lret

unfit:
    lea     OFFSET(unfit_text)(%ebp), %esi
1:  mov     $UART_STATUS, %dx
    in      %dx, %al
    test    $UART_THRE, %al
    jz      1b
    lodsb
    test    %al, %al
    jz      2f
    mov     $UART_DATA, %dx
    out     %al, %dx
    jmp     1b
2:  hlt
    jmp     2b

    // Fills entries of the level 3 table, the next at (%edi), for the image from ECX to EDX: EBX: the lower half of the
    // first page's, less ECX; ESI: the upper half. Moves EDI and ECX on, changes EAX.
map_pages:
    lea     (%ebx, %ecx), %eax
    mov     %eax, (%edi)
    mov     %esi, 4(%edi)
    add     $PTE_SIZE, %edi
    add     $PAGE, %ecx
    cmp     %edx, %ecx
    jb      map_pages
    ret

    .code64
boot_long:
    mov     $SELECTOR_DATA, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    xor     %eax, %eax
    mov     %eax, %fs
    mov     %eax, %gs
    mov     $boot_high, %rax
    jmp     *%rax

boot_high:                              // at the linked address
    mov     %ebp, %ebp
    mov     (%rsp), %esi                // the stack is still where it is physically
    mov     4(%rsp), %edi
    lea     OFFSET(boot_tables)(%rbp), %rax
    mov     %rax, %cr3                  // the identity map is gone, and the segments' table until the core has its own
    mov     $HYP_BASE, %rax
    sub     %rbp, %rax
    mov     %rax, image_offset(%rip)
    lea     boot_stack_top(%rip), %rsp
    lea     boot_cpu(%rip), %rax
    mov     %rsp, CPU_STACK_TOP(%rax)
    xchg    %edi, %esi                  // information, magic -> x86_start(magic, information)
    call    x86_start

    // ---- other cores: copied to a page below 1 MiB, which is also where CS points; here it is not executed ----------
    .section .rodata
    .code16
    .globl trampoline, trampoline_end
trampoline:
    jmp     1f
    .org    trampoline + TRAMPOLINE_CR3
    .quad   0, 0, 0, 0
1:  cli
    mov     %cs, %ax
    mov     %ax, %ds
    movzwl  %ax, %ebx
    shl     $4, %ebx                    // where this page is
    lea     (tramp_gdt - trampoline)(%ebx), %eax
    mov     %eax, tramp_gdt_pointer - trampoline + 2
    lgdtl   tramp_gdt_pointer - trampoline
    lea     (tramp_32 - trampoline)(%ebx), %eax
    mov     %eax, tramp_far - trampoline
    mov     $CR0_PE, %eax
    mov     %eax, %cr0
    ljmpl   *(tramp_far - trampoline)

    .code32
tramp_32:
    mov     $SELECTOR_DATA, %eax
    mov     %eax, %ds
    mov     %eax, %ss
    lea     PAGE(%ebx), %esp
    lea     (tramp_64 - trampoline)(%ebx), %eax
    pushl   $SELECTOR_CODE
    push    %eax
    mov     TRAMPOLINE_CR3(%ebx), %eax
    paging_on
    lret

    .code64
tramp_64:
    mov     %ebx, %ebx
    mov     TRAMPOLINE_CPU(%rbx), %rdi
    mov     TRAMPOLINE_ENTRY(%rbx), %rax
    movq    $1, TRAMPOLINE_TAKEN(%rbx)
    jmp     *%rax

    .balign 8
tramp_gdt:
    .quad   0, DESCRIPTOR_CODE64, DESCRIPTOR_DATA, DESCRIPTOR_CODE32
tramp_gdt_pointer:
    .short  tramp_gdt_pointer - tramp_gdt - 1
    .long   0
tramp_far:
    .long   0
    .short  SELECTOR_CODE32
trampoline_end:

    .text
    .globl secondary_entry
secondary_entry:                        // RDI: the core's struct cpu
    lea     boot_tables(%rip), %rax
    sub     image_offset(%rip), %rax
    mov     %rax, %cr3
    mov     CPU_STACK_TOP(%rdi), %rsp
    call    x86_secondary

    .section .rodata
gdt_boot:
    .quad   0, DESCRIPTOR_CODE64, DESCRIPTOR_DATA
gdt_boot_end:
unfit_text:
    .asciz  "takt: this processor has no 64-bit mode with execute-disable; take another one (QEMU: -cpu max)\r\n"

    .section .note.GNU-stack, "", @progbits
