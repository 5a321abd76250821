// SPDX-License-Identifier: Apache-2.0
// What the emulated machines are tried with where no hypervisor is wanted: a flat image with the headers of Multiboot 1
// and 2. On COM1 it says which of them started it and the first line of its module, echoes what is typed, and switches
// the machine off at the key q. Multiboot 0.6.96, 3.1 to 3.3; Multiboot2 2.0, 3.1 to 3.6; powering off: PM1a control of
// QEMU's q35, and Bochs' port for the word Shutdown.

#define MULTIBOOT1_HEADER 0x1badb002
#define MULTIBOOT1_LOADED 0x2badb002
#define MULTIBOOT1_ALIGN_MODULES 0x1
#define MULTIBOOT1_ADDRESSES 0x10000
#define MULTIBOOT1_FLAGS (MULTIBOOT1_ALIGN_MODULES | MULTIBOOT1_ADDRESSES)
#define INFO1_MODS_ADDR 24

#define MULTIBOOT2_HEADER 0xe85250d6
#define MULTIBOOT2_LOADED 0x36d76289
#define TAG_END 0
#define TAG_ADDRESS 2
#define TAG_ENTRY 3
#define INFO2_TAGS 8
#define INFO2_MODULE 3
#define INFO2_MODULE_START 8

#define COM1 0x3f8
#define COM1_LCR (COM1 + 3)
#define COM1_LSR (COM1 + 5)
#define LCR_8N1 0x03
#define LSR_RECEIVED 0x01
#define LSR_MAY_SEND 0x20

#define PM1A_CONTROL 0x604
#define SLEEP_ENABLE 0x2000
#define BOCHS_SHUTDOWN 0x8900

    .code32
    .text
    .balign 8
multiboot1:
    .long MULTIBOOT1_HEADER, MULTIBOOT1_FLAGS, -(MULTIBOOT1_HEADER + MULTIBOOT1_FLAGS)
    .long multiboot1, multiboot1, data_end, bss_end, _start

    .balign 8
multiboot2:
    .long MULTIBOOT2_HEADER, 0, multiboot2_end - multiboot2, -(MULTIBOOT2_HEADER + multiboot2_end - multiboot2)
    .short TAG_ADDRESS, 0
    .long 24, multiboot2, multiboot1, data_end, bss_end
    .short TAG_ENTRY, 0
    .long 12, _start
    .balign 8
    .short TAG_END, 0
    .long 8
multiboot2_end:

    .globl _start
_start:
    mov $stack_end, %esp
    mov %eax, %ecx
    mov $COM1_LCR, %dx
    mov $LCR_8N1, %al
    outb %al, %dx
    cmp $MULTIBOOT2_LOADED, %ecx
    je from_multiboot2

    mov $said_multiboot1, %esi
    call print_line
    mov INFO1_MODS_ADDR(%ebx), %esi
    mov (%esi), %esi
    jmp say_module

from_multiboot2:
    mov $said_multiboot2, %esi
    call print_line
    add $INFO2_TAGS, %ebx
next_tag:
    cmpl $INFO2_MODULE, (%ebx)
    je module_tag
    mov 4(%ebx), %eax
    lea 7(%ebx, %eax), %ebx
    and $~7, %ebx
    jmp next_tag
module_tag:
    mov INFO2_MODULE_START(%ebx), %esi

say_module:
    call print_line
echo:
    mov $COM1_LSR, %dx
    inb %dx, %al
    test $LSR_RECEIVED, %al
    jz echo
    mov $COM1, %dx
    inb %dx, %al
    cmp $'q', %al
    je power_off
    call print
    jmp echo

power_off:
    mov $PM1A_CONTROL, %dx
    mov $SLEEP_ENABLE, %ax
    outw %ax, %dx
    mov $BOCHS_SHUTDOWN, %dx
    mov $shutdown, %esi
    mov $8, %ecx
    rep outsb
halt:
    hlt
    jmp halt

// Prints the line at ESI, its end included.
print_line:
    lodsb
    call print
    cmp $'\n', %al
    jne print_line
    ret

// Prints AL and keeps it.
print:
    mov %al, %ah
    mov $COM1_LSR, %dx
1:
    inb %dx, %al
    test $LSR_MAY_SEND, %al
    jz 1b
    mov %ah, %al
    mov $COM1, %dx
    outb %al, %dx
    ret

said_multiboot1:
    .ascii "multiboot 1 ok\n"
said_multiboot2:
    .ascii "multiboot 2 ok\n"
shutdown:
    .ascii "Shutdown"
data_end:

    .bss
    .skip 256
stack_end:
bss_end:
