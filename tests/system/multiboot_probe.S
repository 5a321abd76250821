// SPDX-License-Identifier: Apache-2.0
// A Multiboot2 kernel that says on COM1 how it was entered, for tests of the UEFI loader (test_uefi.py), all in hex:
//
//     eax 36d76289 ebx 00012000 base 00200000 eflags 00000002 cr0 00000011 cr4 00000000 efer 00000000
//     bss 00000000 module 0001beef     all words of the bss, all bytes of the module added up
//     info 68000000...                 the whole information, byte by byte
//     end
//
// It runs wherever it is put: ebp is where that is. WANTED: a header tag that no loader knows; LOAD: another place.

#ifndef LOAD
#define LOAD 0x200000
#endif
#define HEADER_MAGIC 0xe85250d6
#define HEADER_LENGTH (header_end - header)
#define COM1 0x3f8
#define COM1_LINE_STATUS (COM1 + 5)
#define TRANSMIT_EMPTY 0x20
#define TAG_MODULE 3
#define MSR_EFER 0xc0000080
#define LINKED(symbol) (LOAD + symbol - image)
#define HERE(symbol) symbol - image(%ebp)

    // A label and eax.
    .macro say text
    call    2f
    .asciz  "\text"
2:  pop     %esi
    call    put_text
    call    put_word
    .endm

    .code32
    .text
    .globl  image
image:
    .fill   4096, 1, 0x90               // the header may be anywhere in the first 32 KiB
header:
    .long   HEADER_MAGIC, 0, HEADER_LENGTH, -(HEADER_MAGIC + HEADER_LENGTH)
    .short  2, 0                        // addresses
    .long   24, LINKED(header), LINKED(image), LINKED(image_end), LINKED(bss_end)
    .short  3, 0                        // entry
    .long   12, LINKED(entry), 0
#ifdef WANTED
    .short  WANTED, 0
    .long   8
#endif
    .short  0, 0
    .long   8
header_end:

entry:
    lea     8(%ebx), %esp               // the one word we know to be writable: the information's reserved one
    call    1f
1:  pop     %ebp
    sub     $(1b - image), %ebp
    movl    $0, 4(%ebx)
    xor     %ecx, %ecx                  // before anything is written there
    lea     HERE(image_end), %esi
    lea     HERE(bss_end), %edi
1:  add     (%esi), %ecx
    add     $4, %esi
    cmp     %edi, %esi
    jb      1b
    lea     HERE(bss_end), %esp
    pushf

    push    %ecx
    say     "eax "
    mov     %ebx, %eax
    say     " ebx "
    mov     %ebp, %eax
    say     " base "
    mov     4(%esp), %eax
    say     " eflags "
    mov     %cr0, %eax
    say     " cr0 "
    mov     %cr4, %eax
    say     " cr4 "
    mov     $MSR_EFER, %ecx
    rdmsr
    say     " efer "
    pop     %eax
    say     "\nbss "

    lea     8(%ebx), %esi               // tags, each at a multiple of 8; the loader promised that there is a module
1:  cmpl    $TAG_MODULE, (%esi)
    je      2f
    mov     4(%esi), %eax
    lea     7(%esi, %eax), %esi
    and     $~7, %esi
    jmp     1b
2:  mov     12(%esi), %edi
    mov     8(%esi), %esi
    xor     %edx, %edx
    xor     %eax, %eax
1:  lodsb
    add     %eax, %edx
    cmp     %edi, %esi
    jb      1b
    mov     %edx, %eax
    say     " module "

    lea     HERE(info_text), %esi
    call    put_text
    mov     %ebx, %esi
    mov     (%ebx), %edi
    add     %ebx, %edi
1:  lodsb
    call    put_byte
    cmp     %edi, %esi
    jb      1b
    lea     HERE(end_text), %esi
    call    put_text
1:  hlt
    jmp     1b

put_text:                               // esi; keeps eax
    push    %eax
1:  lodsb
    test    %al, %al
    jz      2f
    call    put
    jmp     1b
2:  pop     %eax
    ret

put_word:                               // eax
    mov     $4, %ecx
1:  rol     $8, %eax
    call    put_byte
    loop    1b
    ret

put_byte:                               // al; keeps eax
    push    %eax
    ror     $4, %al
    call    put_digit
    mov     (%esp), %eax
    call    put_digit
    pop     %eax
    ret

put_digit:
    and     $15, %al
    cmp     $10, %al
    sbb     $0x69, %al                  // 0 to 9, a to f
    das
    or      $0x20, %al

put:                                    // al
    push    %edx
    push    %eax
    mov     $COM1_LINE_STATUS, %edx
1:  in      %dx, %al
    test    $TRANSMIT_EMPTY, %al
    jz      1b
    pop     %eax
    mov     $COM1, %edx
    out     %al, %dx
    pop     %edx
    ret

info_text:
    .asciz  "\ninfo "
end_text:
    .asciz  "\nend\n"

    .balign 16
image_end:
    .set    bss_end, image_end + 8192
    .section .note.GNU-stack, "", @progbits
