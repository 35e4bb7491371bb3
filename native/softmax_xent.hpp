// Softmax and cross-entropy of a block of logits, fused and in place.
//
//     p = softmax(z_i)      loss_i = logsumexp(z_i) − z_i[y_i]      z_i ← w_i (p − onehot(y_i))
//
// The maximum is split off, so nothing overflows; the entry that has it contributes exactly 1 to the sum and is kept
// apart, so that a small loss (log1p of the others' mass) and the residual beside it (−mass / (1 + mass)) keep their
// relative accuracy where 1 − p would lose every digit (Blanchard, Higham & Higham 2021, section 4).
// nan in a row, an infinite maximum, or −inf throughout make that row's loss and residuals nan.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace softreg {

// What a block adds to the running sums, each weighted.
struct BlockSums {
    double loss = 0.0;
    double correct = 0.0;
};

// One row of k > 0 logits with its label y in [0, k); the result is unweighted.
template <typename T>
BlockSums softmax_xent_row(T *z, std::size_t k, std::size_t y, double weight) noexcept {
    std::size_t top = 0;
    for (std::size_t j = 1; j < k; ++j)
        if (z[j] > z[top]) top = j;

    const T peak = z[top];
    const double below = static_cast<double>(peak) - static_cast<double>(z[y]);  // 0 where the label has the maximum
    const T zero_if_finite = peak - peak;  // nan where the maximum is nan or infinite: it must not pass for 0

    double others = 0.0;
    for (std::size_t j = 0; j < k; ++j) {
        z[j] = std::exp(z[j] - peak);
        if (j != top) others += static_cast<double>(z[j]);
    }
    others += static_cast<double>(zero_if_finite);

    const double total = 1.0 + others;
    const T factor = static_cast<T>(weight / total);
    for (std::size_t j = 0; j < k; ++j) z[j] *= factor;
    z[y] = static_cast<T>(y == top ? -weight * others / total : static_cast<double>(z[y]) - weight);

    const double loss = std::log1p(others) + below;
    return {loss, y == top && !std::isnan(loss) ? 1.0 : 0.0};
}

// logits (n, k) in row order, overwritten; labels (n,); weights (n,) or null for ones.
template <typename T>
BlockSums softmax_xent(T *logits, const std::int32_t *labels, const double *weights, std::size_t n,
                       std::size_t k) noexcept {
    BlockSums sums;
    for (std::size_t i = 0; i < n; ++i) {
        const double w = weights == nullptr ? 1.0 : weights[i];
        if (w == 0.0) {  // as if the row were not there, whatever it holds
            std::fill_n(logits + i * k, k, T{0});
            continue;
        }
        const BlockSums row = softmax_xent_row(logits + i * k, k, static_cast<std::size_t>(labels[i]), w);
        sums.loss += w * row.loss;
        sums.correct += w * row.correct;
    }
    return sums;
}

}  // namespace softreg
