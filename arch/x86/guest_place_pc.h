// SPDX-License-Identifier: Apache-2.0
// The platform of PC guests: kernel/guest_platform.h, pc_platform.
#ifndef X86_GUEST_PLACE_PC_H
#define X86_GUEST_PLACE_PC_H

#include "arch/x86/guest_image.h"
#include "kernel/guest_platform.h"

// What the checker's type of an image is for guest_image_read().
enum guest_image_kind pc_image_kind(enum image_type type);

#endif
