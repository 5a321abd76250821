// SPDX-License-Identifier: Apache-2.0
// memcpy, memmove and memset: eight bytes at a time by string instructions, the rest singly (SDM volume 1, 7.3.9).

    .text
    .globl memcpy, memmove, memset

memmove:                                // RDI: to, RSI: from, RDX: bytes; returns RDI
    mov     %rdi, %rax
    sub     %rsi, %rax
    cmp     %rdx, %rax
    jb      backward                    // `to` lies inside of what is copied
memcpy:
    mov     %rdi, %rax
    mov     %rdx, %rcx
    shr     $3, %rcx
    rep movsq
    mov     %edx, %ecx
    and     $7, %ecx
    rep movsb
    ret

backward:
    mov     %rdi, %rax
    mov     %rdx, %rcx
    lea     -1(%rdi, %rdx), %rdi
    lea     -1(%rsi, %rdx), %rsi
    std
    rep movsb
    cld
    ret

memset:                                 // RDI: to, ESI: byte, RDX: bytes; returns RDI
    mov     %rdi, %r8
    movzbl  %sil, %eax
    mov     $0x0101010101010101, %rcx
    imul    %rcx, %rax
    mov     %rdx, %rcx
    shr     $3, %rcx
    rep stosq
    mov     %edx, %ecx
    and     $7, %ecx
    rep stosb
    mov     %r8, %rax
    ret

    .section .note.GNU-stack, "", @progbits
