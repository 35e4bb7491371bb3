// Softmax and cross-entropy of a block of logits, fused and in place, on vectors of rows.

#pragma once

#include "pack.hpp"
#include "simd.hpp"
#include "source.hpp"

namespace softreg::SOFTREG_ISA {
namespace {

// Logits z[k * ld + i] of rows begin + i < end become the weighted residuals; up to the next whole vector of rows is
// written, so ld is at least that.
//
//     p = softmax(z_i)      loss_i = logsumexp(z_i) − z_i[y_i]      z_i ← w_i (p − onehot(y_i))
//
// The maximum is split off, so nothing overflows; the entry that has it contributes exactly 1 to the sum and is kept
// apart, so that a small loss (log1p of the others' mass) and the residual beside it (−mass / (1 + mass)) keep their
// relative accuracy where 1 − p would lose every digit (Blanchard, Higham & Higham 2021, section 4). nan in a row, an
// infinite maximum, or −inf throughout make that row's loss and residuals nan; a row of weight 0 counts as absent.
template <typename T, int N>
inline void softmax_xent_strip(T *z, std::size_t ld, const Labels &labels, std::size_t begin, std::size_t end, std::size_t K,
                               BlockSums &sums) {
    using V = Vector<T>;
    using I = Mask<T>;
    using Integer = std::conditional_t<std::is_same_v<T, float>, std::int32_t, std::int64_t>;
    constexpr std::size_t width = N * lanes<T>;
    Integer y_lanes[width] = {};
    T w_lanes[width] = {};
    for (std::size_t lane = 0, m = smaller(width, end - begin); lane < m; ++lane) {
        const std::size_t at = labels.at(begin + lane);
        y_lanes[lane] = static_cast<Integer>(labels.labels[at]);
        w_lanes[lane] = labels.weights == nullptr ? T{1} : static_cast<T>(labels.weights[at]);
    }
    I y[N], top[N];
    V w[N], peak[N], at_label[N], others[N], factor[N], residual_on_top[N];
    std::memcpy(&y, y_lanes, sizeof y);
    std::memcpy(&w, w_lanes, sizeof w);
    for (int v = 0; v < N; ++v) {
        peak[v] = at_label[v] = load<T>(z + static_cast<std::size_t>(v) * lanes<T>);
        top[v] = I{};
    }
    for (std::size_t k = 1; k < K; ++k) {
        const I here = I{} + static_cast<Integer>(k);
        SOFTREG_UNROLL
        for (int v = 0; v < N; ++v) {
            const V zk = load<T>(z + k * ld + static_cast<std::size_t>(v) * lanes<T>);
            const I above = zk > peak[v];
            peak[v] = above ? zk : peak[v];
            top[v] = above ? here : top[v];
            at_label[v] = y[v] == here ? zk : at_label[v];
        }
    }
    for (int v = 0; v < N; ++v) others[v] = peak[v] - peak[v];  // 0, or nan where the maximum is nan or infinite
    for (std::size_t k = 0; k < K; ++k) {
        const I here = I{} + static_cast<Integer>(k);
        SOFTREG_UNROLL
        for (int v = 0; v < N; ++v) {
            T *zk = z + k * ld + static_cast<std::size_t>(v) * lanes<T>;
            const V e = exp_nonpositive<T>(load<T>(zk) - peak[v]);
            others[v] += top[v] == here ? V{} : e;
            store<T>(zk, e);
        }
    }
    for (int v = 0; v < N; ++v) {
        factor[v] = w[v] / (others[v] + T(1));
        residual_on_top[v] = -(others[v] * factor[v]);
    }
    for (std::size_t k = 0; k < K; ++k) {
        const I here = I{} + static_cast<Integer>(k);
        SOFTREG_UNROLL
        for (int v = 0; v < N; ++v) {
            T *zk = z + k * ld + static_cast<std::size_t>(v) * lanes<T>;
            const V p = load<T>(zk) * factor[v];
            const V r = y[v] == here ? (y[v] == top[v] ? residual_on_top[v] : p - w[v]) : p;
            store<T>(zk, w[v] == V{} ? V{} : r);
        }
    }
    for (int v = 0; v < N; ++v) {
        const V loss = w[v] == V{} ? V{} : w[v] * (log1p_nonnegative<T>(others[v]) + (peak[v] - at_label[v]));
        const V hits = ((y[v] == top[v]) & (loss == loss)) ? w[v] : V{};
        T loss_lanes[lanes<T>], hit_lanes[lanes<T>];
        std::memcpy(loss_lanes, &loss, sizeof loss);
        std::memcpy(hit_lanes, &hits, sizeof hits);
        for (std::size_t lane = 0; lane < lanes<T>; ++lane) {
            sums.loss += static_cast<double>(loss_lanes[lane]);
            sums.correct += static_cast<double>(hit_lanes[lane]);
        }
    }
}

// Strips of several vectors: with many classes a class's logits lie far from the next one's, and what is fetched for one
// vector serves its neighbours.
template <typename T>
BlockSums softmax_xent(T *z, std::size_t ld, const Labels &labels, std::size_t begin, std::size_t end, std::size_t K) {
    constexpr std::size_t strip = 4 * lanes<T>;
    BlockSums sums;
    std::size_t i = begin;
    for (; i + strip <= end; i += strip) softmax_xent_strip<T, 4>(z + (i - begin), ld, labels, i, end, K, sums);
    for (; i < end; i += lanes<T>) softmax_xent_strip<T, 1>(z + (i - begin), ld, labels, i, end, K, sums);
    return sums;
}

// Logits z[k * ld + i] of n rows become their probabilities; up to the next whole vector of rows is written. Rows for which
// there are none, as above, become nan.
template <typename T>
void softmax(T *z, std::size_t ld, std::size_t n, std::size_t K) {
    using V = Vector<T>;
    for (std::size_t i = 0; i < n; i += lanes<T>) {
        T *column = z + i;
        V peak = load<T>(column);
        for (std::size_t k = 1; k < K; ++k) {
            const V zk = load<T>(column + k * ld);
            peak = zk > peak ? zk : peak;
        }
        V total = peak - peak;  // 0, or nan where the maximum is nan or infinite
        for (std::size_t k = 0; k < K; ++k) {
            const V e = exp_nonpositive<T>(load<T>(column + k * ld) - peak);
            total += e;
            store<T>(column + k * ld, e);
        }
        const V factor = T(1) / total;
        for (std::size_t k = 0; k < K; ++k) store<T>(column + k * ld, load<T>(column + k * ld) * factor);
    }
}

// Logits z[k * ld + i] of n rows become the logarithms of their probabilities; up to the next whole vector of rows is
// written. The entry that has the maximum is kept out of the sum, as in softmax_xent: log p = −1.9e-22 is not 0.
template <typename T>
void log_softmax(T *z, std::size_t ld, std::size_t n, std::size_t K) {
    using V = Vector<T>;
    using I = Mask<T>;
    using Integer = std::conditional_t<std::is_same_v<T, float>, std::int32_t, std::int64_t>;
    for (std::size_t i = 0; i < n; i += lanes<T>) {
        T *column = z + i;
        V peak = load<T>(column);
        I top{};
        for (std::size_t k = 1; k < K; ++k) {
            const V zk = load<T>(column + k * ld);
            const I above = zk > peak;
            peak = above ? zk : peak;
            top = above ? I{} + static_cast<Integer>(k) : top;
        }
        V others = peak - peak;  // 0, or nan where the maximum is nan or infinite
        for (std::size_t k = 0; k < K; ++k) {
            const V e = exp_nonpositive<T>(load<T>(column + k * ld) - peak);
            others += top == I{} + static_cast<Integer>(k) ? V{} : e;
        }
        const V log_total = log1p_nonnegative<T>(others);
        for (std::size_t k = 0; k < K; ++k)
            store<T>(column + k * ld, (load<T>(column + k * ld) - peak) - log_total);
    }
}

// The `count` largest of each row's entries z[k * ld + i], i < n, the largest first and of equal ones the first: their
// classes into classes[i * count …] and themselves into values. Entries are finite, and count is at most K.
template <typename T>
void largest(const T *z, std::size_t ld, std::size_t n, std::size_t K, std::size_t count, std::int64_t *classes, T *values) {
    using V = Vector<T>;
    for (std::size_t i = 0; i < n; i += lanes<T>) {
        const std::size_t width = smaller(lanes<T>, n - i);
        T least_lanes[lanes<T>] = {};  // of those held, for each row
        V least{};
        for (std::size_t k = 0; k < K; ++k) {
            T entries[lanes<T>];
            std::memcpy(entries, z + k * ld + i, width * sizeof(T));
            if (k >= count) {
                V zk{};
                std::memcpy(&zk, entries, sizeof zk);
                const auto above = zk > least;
                typename std::remove_const<decltype(above)>::type mask = above;
                bool any = false;
                for (std::size_t lane = 0; lane < width; ++lane) any = any || mask[static_cast<int>(lane)] != 0;
                if (!any) continue;
            }
            for (std::size_t lane = 0; lane < width; ++lane) {
                std::int64_t *its_classes = classes + (i + lane) * count;
                T *its_values = values + (i + lane) * count;
                std::size_t at = smaller(k, count);
                if (k >= count && !(entries[lane] > least_lanes[lane])) continue;
                if (at == count) --at;
                for (; at > 0 && entries[lane] > its_values[at - 1]; --at) {
                    its_values[at] = its_values[at - 1];
                    its_classes[at] = its_classes[at - 1];
                }
                its_values[at] = entries[lane];
                its_classes[at] = static_cast<std::int64_t>(k);
                least_lanes[lane] = its_values[count - 1];
            }
            if (k + 1 >= count) std::memcpy(&least, least_lanes, sizeof least);
        }
    }
}

// A change u of the logits becomes that of the weighted residuals: t = w (diag(p) − p pᵀ) u. Up to the next whole vector of
// rows is read and written.
template <typename T>
void softmax_change(const T *p, T *u, std::size_t ld, const Labels &labels, std::size_t begin, std::size_t end, std::size_t K) {
    using V = Vector<T>;
    for (std::size_t i = begin; i < end; i += lanes<T>) {
        const std::size_t at = i - begin;
        T w_lanes[lanes<T>] = {};
        for (std::size_t lane = 0, m = smaller(lanes<T>, end - i); lane < m; ++lane)
            w_lanes[lane] = labels.weights == nullptr ? T{1} : static_cast<T>(labels.weights[labels.at(i + lane)]);
        V w;
        std::memcpy(&w, w_lanes, sizeof w);
        const auto absent = w == V{};
        V mean{};
        for (std::size_t k = 0; k < K; ++k) mean += load<T>(p + k * ld + at) * load<T>(u + k * ld + at);
        for (std::size_t k = 0; k < K; ++k) {
            const V t = w * load<T>(p + k * ld + at) * (load<T>(u + k * ld + at) - mean);
            store<T>(u + k * ld + at, absent ? V{} : t);
        }
    }
}

}  // namespace
}  // namespace softreg::SOFTREG_ISA
