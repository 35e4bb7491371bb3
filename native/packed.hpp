// The parts of a pass over dense X for many classes: rows are packed once, and multiplied a slice of the classes at a time.

#pragma once

#include "pack.hpp"
#include "tiles.hpp"

namespace softreg::SOFTREG_ISA {
namespace {

// Rows [begin, end) widened into packed (≥ end − begin, dp), with zero rows up to the next whole tile.
template <typename T>
void pack(const Source &X, std::size_t begin, std::size_t end, T *packed) {
    const std::size_t dp = padded<T>(X.d), m = end - begin;
    for (std::size_t i = 0; i < m; ++i) pack_row<T>(X, begin + i, dp, packed + i * dp);
    fill(packed + m * dp, (round_up(m, tile_rows) - m) * dp, T{0});
}

// Rows and classes whose products are made while both are in the second cache.
constexpr std::size_t near_rows = 128 / tile_rows * tile_rows, near_classes = 240;

template <typename Each>
inline void near_blocks(std::size_t m, std::size_t K, Each each) {
    for (std::size_t k = 0; k < K; k += near_classes)
        for (std::size_t i = 0; i < m; i += near_rows) each(i, smaller(i + near_rows, m), k, smaller(near_classes, K - k));
}

// Logits z[k * ld + i] of m packed rows; up to the next whole tile of rows is written. A tile of classes stays in the
// nearest cache while the rows go by.
template <typename T>
void forward_packed(const T *packed, std::size_t m, std::size_t dp, const T *W, const T *bias, std::size_t K, T *z,
                    std::size_t ld) {
    near_blocks(m, K, [&](std::size_t begin, std::size_t end, std::size_t first, std::size_t classes) {
        class_tiles(classes, tile_classes, [&](std::size_t k, int count) {
            k += first;
            for (std::size_t i = begin; i < end; i += tile_rows)
                forward_rows<T, tile_classes, tile_rows>(count, packed + i * dp, dp, W + k * dp, bias + k, z + k * ld + i, ld);
        });
    });
}

// Products of z with m packed rows, added to gradient (K, dp).
template <typename T>
void backward_packed(const T *packed, std::size_t m, std::size_t dp, const T *z, std::size_t ld, std::size_t K, T *gradient) {
    near_blocks(m, K, [&](std::size_t begin, std::size_t end, std::size_t first, std::size_t classes) {
        class_tiles(classes, tile_backward, [&](std::size_t k, int count) {
            k += first;
            backward_classes<T, tile_backward>(count, packed + begin * dp, dp, z + k * ld + begin, ld, end - begin, gradient + k * dp);
        });
    });
}

}  // namespace
}  // namespace softreg::SOFTREG_ISA
