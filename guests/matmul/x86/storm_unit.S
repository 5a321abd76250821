// SPDX-License-Identifier: Apache-2.0
// void storm_units_...(const double *a, const double *b, double *sums, uint64_t count)
// `count` null hypercalls with 286 other instructions, floating point with few stores, after each: by AMD's instruction, by
// Intel's, and without the calls.

#include <takt/hypercall.h>

    .macro  storm_units name, call
    .globl  \name
\name:
    pushq   %rbx
    movq    %rdx, %r8
    movq    %rcx, %r9

1:  movl    $TAKT_HC_VERSION, %eax  // with those at the loop's end: 6
    \call
    .rept   40                      // 280
    movapd  (%rdi), %xmm0
    movapd  (%rsi), %xmm1
    mulpd   %xmm0, %xmm1
    addpd   %xmm1, %xmm2
    mulpd   16(%rsi), %xmm0
    addpd   %xmm0, %xmm3
    addpd   %xmm0, %xmm4
    .endr
    movapd  %xmm2, (%r8)
    movapd  %xmm3, 16(%r8)
    movapd  %xmm4, 32(%r8)
    subq    $1, %r9
    jnz     1b

    popq    %rbx
    ret
    .endm

    .text
    storm_units storm_units_vmmcall, vmmcall
    storm_units storm_units_vmcall, vmcall
    storm_units storm_units_alone,
