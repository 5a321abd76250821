// SPDX-License-Identifier: Apache-2.0
// The vectors are those of FIPS 180-4's examples (NIST CSRC) and of the million a's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/sha256.h"

static void digest_is(const uint8_t digest[SHA256_SIZE], const char *hex) {
    char text[2 * SHA256_SIZE + 1];

    for (unsigned i = 0; i < SHA256_SIZE; i++) { snprintf(text + 2 * i, 3, "%02x", digest[i]); }
    assert_string_equal(text, hex);
}

static const struct {
    const char *message, *digest;
} vectors[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrs"
     "mnopqrstnopqrstu",
     "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
};

static void known_messages(void **state) {
    uint8_t digest[SHA256_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        sha256(vectors[i].message, strlen(vectors[i].message), digest);
        digest_is(digest, vectors[i].digest);
    }
}

static void a_million_times_a(void **state) {
    struct sha256 h;
    uint8_t digest[SHA256_SIZE];
    char piece[1000];

    (void)state;
    memset(piece, 'a', sizeof(piece));
    sha256_init(&h);
    for (int i = 0; i < 1000; i++) { sha256_update(&h, piece, sizeof(piece)); }
    sha256_final(&h, digest);
    digest_is(digest, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// Every length around the padding's corners, every cut into two updates, every alignment.
static void cuts_and_alignment_do_not_matter(void **state) {
    uint8_t data[8 + 200], whole[SHA256_SIZE], cut[SHA256_SIZE];

    (void)state;
    for (size_t size = 0; size <= 200; size++) {
        for (size_t i = 0; i < sizeof(data); i++) { data[i] = (uint8_t)(i * 7); }
        sha256(data, size, whole);
        for (size_t first = 0; first <= size; first++) {
            struct sha256 h;
            size_t shift = first % 4;
            memmove(data + shift, data, size);
            sha256_init(&h);
            sha256_update(&h, data + shift, first);
            sha256_update(&h, data + shift + first, size - first);
            sha256_final(&h, cut);
            memmove(data, data + shift, size);
            assert_memory_equal(whole, cut, sizeof(whole));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_messages),
        cmocka_unit_test(a_million_times_a),
        cmocka_unit_test(cuts_and_alignment_do_not_matter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
