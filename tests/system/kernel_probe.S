// SPDX-License-Identifier: Apache-2.0
// A guest in an ELF file of 32 bits, started by Multiboot 1 or, with -DPVH, by its PVH note. It says who started it, its
// command line, the first line of its initrd and whether .bss was cleared, and switches itself off. Multiboot 0.6.96, 3.1 to 3.3;
// Xen's public/elfnote.h and public/arch-x86/hvm/start_info.h; power off: the sleep control register of docs/writing-guests.md.

#define COM1 0x3f8
#define SLEEP_CONTROL 0x600
#define S5_ENABLE 0x34

#ifdef PVH
#define MAGIC_NOW cmpl $0x336ec578, (%ebx)
#define STARTED_BY "by PVH\n"
#define COMMAND 24
#define MODULES 16
#define MEMORY_MAP 40
    .section .note, "a", @note
    .long 4, 4, 18                      // XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long _start
#else
#define MAGIC_NOW cmp $0x2badb002, %eax
#define STARTED_BY "by Multiboot\n"
#define COMMAND 16
#define MODULES 24
#define MEMORY_MAP 48
    .text                               // within the first 8 KiB of the file
    .balign 4
    .long 0x1badb002, 3, -(0x1badb002 + 3)
#endif

    .code32
    .text
    .globl _start
_start:
    mov $stack_end, %esp
    MAGIC_NOW
    jne wrong
    cmpl $0, MEMORY_MAP(%ebx)
    je wrong
    cmpl $0, cleared
    jne wrong
    mov $started, %esi
    call print
    mov COMMAND(%ebx), %esi
    call print
    mov $end_of_line, %esi
    call print
    mov MODULES(%ebx), %esi
    mov (%esi), %esi
    call print
    jmp off
wrong:
    mov $not_as_it_should, %esi
    call print
off:
    mov $SLEEP_CONTROL, %dx
    mov $S5_ENABLE, %al
    outb %al, %dx
halt:
    hlt
    jmp halt

// The text at ESI, up to a zero.
print:
    mov $COM1, %dx
1:  lodsb
    test %al, %al
    jz 2f
    outb %al, %dx
    jmp 1b
2:  ret

    .data
started:
    .asciz STARTED_BY
end_of_line:
    .asciz "\n"
not_as_it_should:
    .asciz "not as it should be\n"

    .bss
cleared:
    .skip 64
    .skip 256
stack_end:
    .section .note.GNU-stack, "", @progbits
