// SPDX-License-Identifier: Apache-2.0
// The matrix product and its check. Elements are small integers, so every double is exact and the
// check need not allow for rounding: R. Freivalds, "Probabilistic machines can use less running
// time", 1977: A*(B*r) = (A*B)*r, the left side in integer registers only.
#include "matmul.h"

#define N 64

static double a[N][N], b[N][N], product[N][N];
static int64_t ia[N][N], ib[N][N];

static uint64_t next_random(uint64_t *state) {
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return *state >> 33;
}

static int64_t small(uint64_t *state) { return (int64_t)(next_random(state) % 255) - 127; }

static void fill(uint64_t *state) {
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            a[i][j] = (double)(ia[i][j] = small(state));
            b[i][j] = (double)(ib[i][j] = small(state));
        }
    }
}

// Four elements of a row at a time stay in registers: few stores, and many live registers.
static void multiply(void) {
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j += 4) {
            double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
            for (int k = 0; k < N; k++) {
                double x = a[i][k];
                s0 += x * b[k][j];
                s1 += x * b[k][j + 1];
                s2 += x * b[k][j + 2];
                s3 += x * b[k][j + 3];
            }
            product[i][j] = s0;
            product[i][j + 1] = s1;
            product[i][j + 2] = s2;
            product[i][j + 3] = s3;
        }
    }
}

static bool check(uint64_t *state) {
    int64_t r[N], br[N];
    for (int i = 0; i < N; i++) r[i] = small(state);
    for (int i = 0; i < N; i++) {
        br[i] = 0;
        for (int j = 0; j < N; j++) br[i] += ib[i][j] * r[j];
    }
    bool right = true;
    for (int i = 0; i < N; i++) {
        int64_t expected = 0, got = 0;
        for (int j = 0; j < N; j++) {
            expected += ia[i][j] * br[j];
            got += (int64_t)product[i][j] * r[j];
        }
        right &= expected == got;
    }
    return right;
}

bool matmul_round(uint64_t seed, uint64_t *checksum) {
    uint64_t state = seed;
    fill(&state);
    multiply();
    *checksum = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) *checksum = *checksum * 31 + (uint64_t)(int64_t)product[i][j];
    return check(&state);
}
