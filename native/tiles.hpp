// The two products of a pass, on tiles that fit the registers:
//
//   forward    z[k, i]  = Σ_j x[i, j] w[k, j] + bias[k]     rows × classes in registers, along the features
//   backward   g[k, j] += Σ_i r[k, i] x[i, j]               features × classes in registers, along the rows
//
// Logits z and residuals r lie class by class, z[k * ld + i].

#pragma once

#include "simd.hpp"

namespace softreg::SOFTREG_ISA {
namespace {

constexpr int tile_rows = registers == 32 ? 4 : 3, tile_classes = registers == 32 ? 5 : 4;    // forward
constexpr int tile_vectors = 2, tile_backward = registers == 32 ? 12 : 5;                     // backward

template <typename T, int K, int R>
inline void forward_tile(const T *x, std::size_t dp, const T *W, const T *bias, T *z, std::size_t ld) {
    using V = Vector<T>;
    V acc[K][R];
    SOFTREG_UNROLL
    for (int k = 0; k < K; ++k)
        SOFTREG_UNROLL
    for (int r = 0; r < R; ++r) acc[k][r] = V{};
    for (std::size_t j = 0; j < dp; j += lanes<T>) {
        V xs[R];
        SOFTREG_UNROLL
        for (int r = 0; r < R; ++r) xs[r] = load<T>(x + static_cast<std::size_t>(r) * dp + j);
        SOFTREG_UNROLL
        for (int k = 0; k < K; ++k) {
            const V w = load<T>(W + static_cast<std::size_t>(k) * dp + j);
            SOFTREG_UNROLL
            for (int r = 0; r < R; ++r) acc[k][r] += xs[r] * w;
        }
    }
    SOFTREG_UNROLL
    for (int k = 0; k < K; ++k) sums<T, R>(acc[k], bias[k], z + static_cast<std::size_t>(k) * ld);
}

template <typename T, int K, int R>
inline void forward_rows(int k, const T *x, std::size_t dp, const T *W, const T *bias, T *z, std::size_t ld) {
    if constexpr (K > 1) {
        if (k < K) return forward_rows<T, K - 1, R>(k, x, dp, W, bias, z, ld);
    }
    forward_tile<T, K, R>(x, dp, W, bias, z, ld);
}

template <typename T, int K, int F>
inline void backward_tile(const T *x, std::size_t dp, const T *r, std::size_t ld, std::size_t n, T *g) {
    using V = Vector<T>;
    V acc[K][F];
    SOFTREG_UNROLL
    for (int k = 0; k < K; ++k)
        SOFTREG_UNROLL
    for (int f = 0; f < F; ++f) acc[k][f] = load<T>(g + static_cast<std::size_t>(k) * dp + static_cast<std::size_t>(f) * lanes<T>);
    for (std::size_t i = 0; i < n; ++i) {
        V xs[F];
        SOFTREG_UNROLL
        for (int f = 0; f < F; ++f) xs[f] = load<T>(x + i * dp + static_cast<std::size_t>(f) * lanes<T>);
        SOFTREG_UNROLL
        for (int k = 0; k < K; ++k) {
            const V residual = broadcast<T>(r[static_cast<std::size_t>(k) * ld + i]);
            SOFTREG_UNROLL
            for (int f = 0; f < F; ++f) acc[k][f] += xs[f] * residual;
        }
    }
    SOFTREG_UNROLL
    for (int k = 0; k < K; ++k)
        SOFTREG_UNROLL
    for (int f = 0; f < F; ++f) store<T>(g + static_cast<std::size_t>(k) * dp + static_cast<std::size_t>(f) * lanes<T>, acc[k][f]);
}

template <typename T, int K>
inline void backward_classes(int k, const T *x, std::size_t dp, const T *r, std::size_t ld, std::size_t n, T *g) {
    if constexpr (K > 1) {
        if (k < K) return backward_classes<T, K - 1>(k, x, dp, r, ld, n, g);
    }
    constexpr std::size_t step = tile_vectors * lanes<T>;
    std::size_t j = 0;
    for (; j + step <= dp; j += step) backward_tile<T, K, tile_vectors>(x + j, dp, r, ld, n, g + j);
    for (; j < dp; j += lanes<T>) backward_tile<T, K, 1>(x + j, dp, r, ld, n, g + j);
}

// Classes in as few tiles as `most` allows, as even as they go.
template <typename Each>
inline void class_tiles(std::size_t K, int most, Each each) {
    const std::size_t tiles = (K + static_cast<std::size_t>(most) - 1) / static_cast<std::size_t>(most);
    for (std::size_t t = 0; t < tiles; ++t) {
        const std::size_t from = K * t / tiles, to = K * (t + 1) / tiles;
        each(from, static_cast<int>(to - from));
    }
}

}  // namespace
}  // namespace softreg::SOFTREG_ISA
