// SPDX-License-Identifier: Apache-2.0
// The image: a FIT as in U-Boot's doc/usage/fit, with the data inside. The outer one has the system part as its ramdisk;
// that is again a FIT, with the description, the board's data and the guests' files below /images. Each tree is walked
// once.
#include "kernel/sha256.h"
#include "kernel/sysdesc_check.h"

// What the walk is in, by depth: / is 1, /images 2, an image 3, its hash 4.
enum { DEPTH_ROOT = 1, DEPTH_IMAGES = 2, DEPTH_IMAGE = 3, DEPTH_HASH = 4 };

struct scan {
    struct sysdesc_check *c;
    bool in_images, in_hash;
    struct sysdesc_part *part; // that is being read
    bool is_sha256;            // the hash node that is being read
    const uint8_t *hash;
};

static void begin_image(struct scan *s, const struct tree *tree) {
    struct system_desc *sys = s->c->sys;

    if (sys->part_count == SYSDESC_PARTS) {
        // Told once: the walk goes on without parts.
        if (s->part != NULL) {
            sysdesc_mistake(s->c, NULL, sysdesc_remedy(s->c, "at most %u", (unsigned)SYSDESC_PARTS),
                            "holds too many images");
        }
        s->part = NULL;
        return;
    }
    s->part = &sys->parts[sys->part_count++];
    *s->part = (struct sysdesc_part){.name = tree->name, .type = ""};
}

static void image_property(struct sysdesc_part *part, const struct tree *tree) {
    if (tree_name_is(tree, "data")) {
        part->data = (struct blob){tree->data, tree->size};
    } else if (tree_name_is(tree, "type") && tree_text(tree) != NULL) {
        part->type = tree_text(tree);
    } else if (tree_name_is(tree, "takt,paths") && tree->size != 0 && tree->data[tree->size - 1] == '\0') {
        part->paths = tree->data;
        part->paths_size = tree->size;
    }
}

static void hash_property(struct scan *s, const struct tree *tree) {
    if (tree_name_is(tree, "algo")) {
        s->is_sha256 = tree_lists(tree->data, tree->size, "sha256");
    } else if (tree_name_is(tree, "value") && tree->size == SHA256_SIZE) {
        s->hash = tree->data;
    }
    if (s->is_sha256 && s->hash != NULL) { s->part->sha256 = s->hash; }
}

static void scan_node(struct scan *s, const struct tree *tree) {
    if (tree->depth == DEPTH_IMAGES) {
        s->in_images = tree_name_is(tree, "images");
    } else if (tree->depth == DEPTH_IMAGE && s->in_images) {
        begin_image(s, tree);
    } else if (tree->depth == DEPTH_HASH) {
        s->in_hash = s->in_images && s->part != NULL && tree_name_starts(tree, "hash");
        s->is_sha256 = false;
        s->hash = NULL;
    }
}

static void scan_property(struct scan *s, const struct tree *tree) {
    if (tree->depth == DEPTH_ROOT && tree_name_is(tree, "takt,source") && tree_text(tree) != NULL) {
        s->c->sys->source = tree_text(tree);
    } else if (tree->depth == DEPTH_IMAGE && s->in_images && s->part != NULL) {
        image_property(s->part, tree);
    } else if (tree->depth == DEPTH_HASH && s->in_hash) {
        hash_property(s, tree);
    }
}

// Lists the images of one FIT.
static bool scan_fit(struct sysdesc_check *c, const struct blob *fit) {
    struct scan s = {.c = c};
    struct tree tree;

    c->sys->part_count = 0;
    tree_open(&tree, fit->data, fit->size);
    while (tree_next(&tree) > TREE_END) {
        if (tree.event == TREE_NODE) {
            scan_node(&s, &tree);
        } else if (tree.event == TREE_PROPERTY) {
            scan_property(&s, &tree);
        }
    }
    if (tree.event != TREE_END) {
        sysdesc_mistake(c, NULL, "load it whole, at an address that is a multiple of 8; it is made by make image",
                        "is no system image, or truncated");
        return false;
    }
    return true;
}

static const struct sysdesc_part *ramdisk(const struct system_desc *sys) {
    for (unsigned i = 0; i < sys->part_count; i++) {
        if (strcmp(sys->parts[i].type, "ramdisk") == 0) { return &sys->parts[i]; }
    }
    return NULL;
}

bool sysdesc_fit(struct sysdesc_check *c, const void *image, uint64_t size) {
    struct blob fit = {image, size};

    if (!scan_fit(c, &fit)) { return false; }
    if (ramdisk(c->sys) != NULL) {
        fit = ramdisk(c->sys)->data;
        sysdesc_enter(c, "images");
        sysdesc_enter(c, ramdisk(c->sys)->name);
        if (!scan_fit(c, &fit)) { return false; }
        sysdesc_leave(c, 0);
    }
    return true;
}

const struct sysdesc_part *sysdesc_part(struct sysdesc_check *c, const char *name) {
    for (unsigned i = 0; i < c->sys->part_count; i++) {
        if (strcmp(c->sys->parts[i].name, name) == 0) { return &c->sys->parts[i]; }
    }
    sysdesc_mistake(c, NULL, "pack the image with scripts/mkimage.py", "has no image \"%s\"", name);
    return NULL;
}

const struct sysdesc_part *sysdesc_file(const struct sysdesc_check *c, const char *path) {
    for (unsigned i = 0; i < c->sys->part_count; i++) {
        const struct sysdesc_part *part = &c->sys->parts[i];
        if (part->paths != NULL && tree_lists(part->paths, part->paths_size, path)) { return part; }
    }
    return NULL;
}

bool sysdesc_part_verify(struct sysdesc_check *c, const struct sysdesc_part *part) {
    uint8_t digest[SHA256_SIZE];
    size_t length = c->path_length;
    bool good = false;

    sysdesc_enter(c, "images");
    sysdesc_enter(c, part->name);
    if (part->data.size == 0) {
        // An empty file has no data to hash; whoever names it is told.
        good = true;
    } else if (part->sha256 == NULL) {
        sysdesc_mistake(c, "hash", "pack the image again", "has no SHA-256");
    } else {
        sha256(part->data.data, part->data.size, digest);
        good = memcmp(digest, part->sha256, sizeof(digest)) == 0;
        if (!good) {
            sysdesc_mistake(c, "data", "it was damaged on its way: pack or load it again",
                            "%s does not match its SHA-256", part->paths != NULL ? (const char *)part->paths : "it");
        }
    }
    sysdesc_leave(c, length);
    return good;
}
