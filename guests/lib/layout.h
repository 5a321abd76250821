// SPDX-License-Identifier: Apache-2.0
// Sizes that assembly and C of the guest library share, on every architecture.
#ifndef GUEST_LAYOUT_H
#define GUEST_LAYOUT_H

#define VCPUS_MAX          8
#define STACK_SIZE         0x4000 // of each VCPU, for its program
#define HANDLER_STACK_SIZE 0x1000 // of each VCPU, for its exceptions

#endif
