// Passes over dense X for few classes: logits, residuals and gradient of a block of rows while it is in cache.
//
// A block of rows is packed (pack.hpp), multiplied (tiles.hpp), turned into residuals (softmax.hpp) and multiplied again.
// Logits and residuals lie class by class, z[k * ld + i], so that the softmax runs on vectors of rows. Gradients add up in
// T over at most flush_rows rows, and in double beyond.

#pragma once

#include "pack.hpp"
#include "softmax.hpp"
#include "tiles.hpp"

namespace softreg::SOFTREG_ISA {
namespace {

constexpr std::size_t block_rows = 64, flush_rows = 2048;

// ---- scratch memory -------------------------------------------------------------------------------------------------

// Scratch of one thread, laid out in memory that the caller gives.
template <typename T>
struct Scratch {
    static constexpr std::size_t rows = block_rows + tile_rows;
    static constexpr std::size_t ld = round_up(rows, cache_line / sizeof(T));

    T *packed, *z, *gradient;

    static std::size_t bytes(std::size_t dp, std::size_t K) {
        return sizeof(T) * (rows * dp + K * ld + K * dp) + cache_line;
    }

    Scratch(void *memory, std::size_t dp, std::size_t K) {
        const auto address = reinterpret_cast<std::uintptr_t>(memory);
        packed = reinterpret_cast<T *>(round_up(address, cache_line));
        z = packed + rows * dp;
        gradient = z + K * ld;
    }
};

// ---- passes ---------------------------------------------------------------------------------------------------------

// One tile of packed rows x times the classes of W, into their columns of z.
template <typename T>
inline void forward_rows_of(const T *x, const T *W, const T *bias, std::size_t K, std::size_t dp, T *z) {
    class_tiles(K, tile_classes, [&](std::size_t k, int count) {
        forward_rows<T, tile_classes, tile_rows>(count, x, dp, W + k * dp, bias + k, z + k * Scratch<T>::ld, Scratch<T>::ld);
    });
}

// Rows are packed and multiplied a tile at a time, while they are in the nearest cache.
template <typename T>
inline void forward_block(const Source &X, std::size_t begin, std::size_t m, const T *W, const T *bias, std::size_t K,
                          std::size_t dp, T *packed, T *z) {
    for (std::size_t i = 0; i < m; i += tile_rows) {
        T *x = packed + i * dp;
        for (std::size_t r = 0; r < tile_rows; ++r) {
            if (i + r < m)
                pack_row<T>(X, begin + i + r, dp, x + r * dp);
            else
                fill(x + r * dp, dp, T{0});
        }
        forward_rows_of<T>(x, W, bias, K, dp, z + i);
    }
}

template <typename T>
inline void backward_block(std::size_t m, std::size_t K, std::size_t dp, const T *packed, const T *z, T *gradient) {
    constexpr std::size_t ld = Scratch<T>::ld;
    class_tiles(K, tile_backward, [&](std::size_t k, int count) {
        backward_classes<T, tile_backward>(count, packed, dp, z + k * ld, ld, m, gradient + k * dp);
    });
}

// Sums over the block's rows.
template <typename T>
inline void add_rows(std::size_t m, std::size_t K, const T *z, double *sums) {
    for (std::size_t k = 0; k < K; ++k) {
        T part{0};
        for (std::size_t row = 0; row < m; ++row) part += z[k * Scratch<T>::ld + row];
        sums[k] += static_cast<double>(part);
    }
}

// Rows i to i + m: their loss and hits; their residuals' products with X go into the scratch's gradient, and their sums
// into bias_sums.
template <typename T>
inline BlockSums gather_block(const Source &X, const Labels &labels, std::size_t i, std::size_t m, const T *W, const T *bias,
                              std::size_t K, std::size_t dp, Scratch<T> &scratch, double *bias_sums) {
    forward_block<T>(X, i, m, W, bias, K, dp, scratch.packed, scratch.z);
    const BlockSums block = softmax_xent<T>(scratch.z, Scratch<T>::ld, labels, i, i + m, K);
    backward_block<T>(m, K, dp, scratch.packed, scratch.z, scratch.gradient);
    add_rows<T>(m, K, scratch.z, bias_sums);
    return block;
}

// The gradient gathered in T is added to `sums` (K, d) in double, and starts again from 0.
template <typename T>
inline void flush(Scratch<T> &scratch, std::size_t d, std::size_t dp, std::size_t K, double *sums) {
    for (std::size_t k = 0; k < K; ++k)
        for (std::size_t j = 0; j < d; ++j) sums[k * d + j] += static_cast<double>(scratch.gradient[k * dp + j]);
    fill(scratch.gradient, K * dp, T{0});
}

// Rows [begin, end): loss and hits, and their residuals' products with X added to sums (K, d) and bias_sums (K,).
template <typename T>
BlockSums fused(const Source &X, const Labels &labels, std::size_t begin, std::size_t end, const T *W, const T *bias,
                std::size_t K, void *memory, double *sums, double *bias_sums) {
    const std::size_t dp = padded<T>(X.d);
    Scratch<T> scratch(memory, dp, K);
    fill(scratch.gradient, K * dp, T{0});
    BlockSums total;
    std::size_t waiting = 0;
    for (std::size_t i = begin; i < end; i += block_rows) {
        const std::size_t m = smaller(block_rows, end - i);
        const BlockSums block = gather_block<T>(X, labels, i, m, W, bias, K, dp, scratch, bias_sums);
        total.loss += block.loss;
        total.correct += block.correct;
        if (waiting += m; waiting + block_rows > flush_rows) {
            flush<T>(scratch, X.d, dp, K, sums);
            waiting = 0;
        }
    }
    if (waiting > 0) flush<T>(scratch, X.d, dp, K, sums);
    return total;
}

// Logits of row begin + i < end into z[k * ld + i].
template <typename T>
void forward(const Source &X, std::size_t begin, std::size_t end, const T *W, const T *bias, std::size_t K, void *memory,
             T *z, std::size_t ld) {
    const std::size_t dp = padded<T>(X.d);
    Scratch<T> scratch(memory, dp, K);
    for (std::size_t i = begin; i < end; i += block_rows) {
        const std::size_t m = smaller(block_rows, end - i);
        forward_block<T>(X, i, m, W, bias, K, dp, scratch.packed, scratch.z);
        for (std::size_t k = 0; k < K; ++k) std::memcpy(z + k * ld + (i - begin), scratch.z + k * Scratch<T>::ld, m * sizeof(T));
    }
}

// Rows [begin, end): products of the loss's Hessian with `vectors` directions V (vectors · K, dp), `bias` (vectors · K,),
// added to sums (vectors · K, d) and bias_sums (vectors · K,):
//
//     u = V x + bias      t = w (diag(p) − p pᵀ) u      sums += t xᵀ
//
// probs[k * ld + i − begin] are the probabilities at which the Hessian is taken. Scratch is for (vectors + 1) · K classes.
template <typename T>
void curvature(const Source &X, const Labels &labels, std::size_t begin, std::size_t end, const T *probs, std::size_t ld,
               const T *V, const T *bias, std::size_t vectors, std::size_t K, void *memory, double *sums, double *bias_sums) {
    const std::size_t dp = padded<T>(X.d), all = vectors * K;
    Scratch<T> scratch(memory, dp, all + K);
    T *p = scratch.z, *u = p + K * Scratch<T>::ld;
    fill(scratch.gradient, all * dp, T{0});
    fill(p, K * Scratch<T>::ld, T{0});
    std::size_t waiting = 0;
    for (std::size_t i = begin; i < end; i += block_rows) {
        const std::size_t m = smaller(block_rows, end - i);
        for (std::size_t k = 0; k < K; ++k) std::memcpy(p + k * Scratch<T>::ld, probs + k * ld + (i - begin), m * sizeof(T));
        forward_block<T>(X, i, m, V, bias, all, dp, scratch.packed, u);
        for (std::size_t v = 0; v < vectors; ++v)
            softmax_change<T>(p, u + v * K * Scratch<T>::ld, Scratch<T>::ld, labels, i, i + m, K);
        backward_block<T>(m, all, dp, scratch.packed, u, scratch.gradient);
        add_rows<T>(m, all, u, bias_sums);
        if (waiting += m; waiting + block_rows > flush_rows) {
            flush<T>(scratch, X.d, dp, all, sums);
            waiting = 0;
        }
    }
    if (waiting > 0) flush<T>(scratch, X.d, dp, all, sums);
}

// Minibatch steps over the rows of X in their order, batch rows at a time:
//
//     (W, b) ← (W, b) − rate · w_B / (batch · w̄) ∇f_B       f_B = mean loss of the batch + l2/2 ‖W‖²
//
// or, with momentum, velocity ← momentum · velocity + w_B / (batch · w̄) ∇f_B and (W, b) ← (W, b) − rate · velocity.
// W (K, d) and b (K,) are the parameters in double; the products see them in T, as `folded` (K, dp) = scale · W and
// `bias` (K,) = b + W shift. A batch is no longer than flush_rows, so its gradient is gathered in T.
template <typename T>
SgdSums sgd(const Source &X, const Labels &labels, std::size_t batch, const Step &step, std::size_t K, void *memory,
            T *folded, T *bias, double *W, double *b, double *bias_sums) {
    const std::size_t d = X.d, dp = padded<T>(d);
    Scratch<T> scratch(memory, dp, K);
    SgdSums sums;
    for (std::size_t begin = 0; begin < X.n; begin += batch) {
        const std::size_t end = smaller(begin + batch, X.n);
        double squares = 0.0;
        for (std::size_t k = 0; k < K; ++k) {
            double moved = b[k];
            for (std::size_t j = 0; j < d; ++j) {
                folded[k * dp + j] = static_cast<T>(step.scale[j] * W[k * d + j]);
                if (step.shifted) moved += step.shift[j] * W[k * d + j];
                if (step.l2 > 0.0) squares += W[k * d + j] * W[k * d + j];
            }
            bias[k] = static_cast<T>(moved);
        }
        fill(scratch.gradient, K * dp, T{0});
        fill(bias_sums, K, 0.0);
        BlockSums here;
        for (std::size_t i = begin; i < end; i += block_rows) {
            const std::size_t m = smaller(block_rows, end - i);
            const BlockSums block = gather_block<T>(X, labels, i, m, folded, bias, K, dp, scratch, bias_sums);
            here.loss += block.loss;
            here.correct += block.correct;
        }
        double weight = static_cast<double>(end - begin);
        if (labels.weights != nullptr) {
            weight = 0.0;
            for (std::size_t i = begin; i < end; ++i) weight += labels.weights[labels.at(i)];
        }
        const bool rolling = step.velocity != nullptr;
        const double share = (rolling ? 1.0 : step.rate) / (static_cast<double>(batch) * step.mean_weight);
        const double pull = share * weight * step.l2;
        for (std::size_t k = 0; k < K && !rolling; ++k) {
            for (std::size_t j = 0; j < d; ++j) {
                const double g = step.scale[j] * static_cast<double>(scratch.gradient[k * dp + j]) + step.shift[j] * bias_sums[k];
                W[k * d + j] -= share * g + pull * W[k * d + j];
            }
            if (step.intercept) b[k] -= share * bias_sums[k];
        }
        for (std::size_t k = 0; k < K && rolling; ++k) {
            for (std::size_t j = 0; j < d; ++j) {
                const double g = step.scale[j] * static_cast<double>(scratch.gradient[k * dp + j]) + step.shift[j] * bias_sums[k];
                double &velocity = step.velocity[k * d + j];
                velocity = step.momentum * velocity + (share * g + pull * W[k * d + j]);
                W[k * d + j] -= step.rate * velocity;
            }
            step.bias_velocity[k] = step.momentum * step.bias_velocity[k] + share * bias_sums[k];
            if (step.intercept) b[k] -= step.rate * step.bias_velocity[k];
        }
        sums.loss += here.loss;
        sums.correct += here.correct;
        sums.weight += weight;
        sums.penalty += weight * step.l2 / 2 * squares;
    }
    return sums;
}

// As many multiply-adds as the registers take, `rounds` times over: what the arithmetic could do at best. Returns the
// operations, of which a multiply-add is two; `result` keeps them from being left out.
template <typename T>
double multiply_add(std::size_t rounds, T *result) {
    using V = Vector<T>;
    constexpr int chains = registers == 32 ? 24 : 12;
    V acc[chains];
    for (int i = 0; i < chains; ++i) acc[i] = broadcast<T>(*result);
    V factor = broadcast<T>(*result), term = factor;
    for (std::size_t round = 0; round < rounds; ++round) {
        SOFTREG_UNROLL
        for (int i = 0; i < chains; ++i) acc[i] = acc[i] * factor + term;
    }
    V total = acc[0];
    for (int i = 1; i < chains; ++i) total += acc[i];
    *result = sum<T>(total);
    return 2.0 * static_cast<double>(chains) * static_cast<double>(lanes<T>) * static_cast<double>(rounds);
}

}  // namespace
}  // namespace softreg::SOFTREG_ISA
