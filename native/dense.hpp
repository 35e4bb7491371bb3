// Passes over dense X for few classes: logits, residuals and gradient of a block of rows while it is in cache.
//
// A block of rows is packed, widened to the arithmetic type T, into rows of d values padded with zeros to whole vectors
// (dp in all). The two products run on register tiles:
//
//   forward    z[k, i]  = Σ_j x[i, j] w[k, j] + bias[k]     rows × classes in registers, along the features
//   backward   g[k, j] += Σ_i r[k, i] x[i, j]               features × classes in registers, along the rows
//
// Logits and residuals lie class by class, z[k * ld + i], so that the softmax between runs on vectors of rows. Gradients
// add up in T over at most flush_rows rows, and in double beyond.

#pragma once

#include "simd.hpp"
#include "source.hpp"

namespace softreg::SOFTREG_ISA {
namespace {

constexpr int tile_rows = registers == 32 ? 4 : 3, tile_classes = registers == 32 ? 5 : 4;    // forward
constexpr int tile_vectors = 2, tile_backward = registers == 32 ? 12 : 5;                     // backward
constexpr std::size_t block_rows = 64, flush_rows = 2048, prefetch_bytes = 6400;
constexpr std::size_t cache_line = 64;

// Not std::min and its like: a template of the standard library is compiled into every instruction set under one name,
// and the linker keeps any of them.
constexpr std::size_t smaller(std::size_t a, std::size_t b) { return b < a ? b : a; }
constexpr std::size_t larger(std::size_t a, std::size_t b) { return b > a ? b : a; }
constexpr std::size_t round_up(std::size_t n, std::size_t unit) { return (n + unit - 1) / unit * unit; }

template <typename T>
inline void fill(T *p, std::size_t n, T value) {
    for (std::size_t i = 0; i < n; ++i) p[i] = value;
}

template <typename T>
constexpr std::size_t padded(std::size_t d) {
    return round_up(d, cache_line / sizeof(T));
}

// ---- packing --------------------------------------------------------------------------------------------------------

template <typename T, typename S>
inline void widen_run(const unsigned char *__restrict from, std::size_t d, T *__restrict to) {
    const S *__restrict values = reinterpret_cast<const S *>(from);  // one byte each: aligned anywhere
    for (std::size_t j = 0; j < d; ++j) to[j] = static_cast<T>(values[j]);
}

// By its bits: not every compiler has the type. The exponent's bias differs by 112, and multiplying puts the leading
// bit of a subnormal in its place too; only inf and nan need the largest exponent put in.
inline float widen_half(std::uint16_t bits) {
    const std::uint32_t magnitude = static_cast<std::uint32_t>(bits & 0x7fffu) << 13;
    float value;
    std::memcpy(&value, &magnitude, sizeof value);
    value *= 0x1p112f;
    std::uint32_t word;
    std::memcpy(&word, &value, sizeof word);
    if ((bits & 0x7c00u) == 0x7c00u) word |= 0x7f800000u;
    word |= static_cast<std::uint32_t>(bits & 0x8000u) << 16;
    std::memcpy(&value, &word, sizeof value);
    return value;
}

inline float widen_brain(std::uint16_t bits) {
    const std::uint32_t word = static_cast<std::uint32_t>(bits) << 16;
    float value;
    std::memcpy(&value, &word, sizeof value);
    return value;
}

inline void widen_halves(const unsigned char *from, std::size_t d, float *to) {
    std::size_t j = 0;
#if defined(__AVX512F__)
    for (; j + 16 <= d; j += 16)
        _mm512_storeu_ps(to + j, _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from + 2 * j))));
#elif defined(__F16C__)
    for (; j + 8 <= d; j += 8)
        _mm256_storeu_ps(to + j, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i *>(from + 2 * j))));
#endif
    for (; j < d; ++j) {
        std::uint16_t bits;
        std::memcpy(&bits, from + 2 * j, sizeof bits);
        to[j] = widen_half(bits);
    }
}

inline void widen_brains(const unsigned char *from, std::size_t d, float *to) {
    for (std::size_t j = 0; j < d; ++j) {
        std::uint16_t bits;
        std::memcpy(&bits, from + 2 * j, sizeof bits);
        to[j] = widen_brain(bits);
    }
}

template <typename T>
inline T widen_one(const unsigned char *from, Element element) {
    switch (element) {
        case Element::u8: return static_cast<T>(*from);
        case Element::i8: return static_cast<T>(static_cast<signed char>(*from));
        case Element::f16: {
            std::uint16_t bits;
            std::memcpy(&bits, from, sizeof bits);
            return static_cast<T>(widen_half(bits));
        }
        case Element::bf16: {
            std::uint16_t bits;
            std::memcpy(&bits, from, sizeof bits);
            return static_cast<T>(widen_brain(bits));
        }
        case Element::f32: {
            float value;
            std::memcpy(&value, from, sizeof value);
            return static_cast<T>(value);
        }
        default: {
            double value;
            std::memcpy(&value, from, sizeof value);
            return static_cast<T>(value);
        }
    }
}

constexpr std::size_t element_size(Element element) {
    switch (element) {
        case Element::u8:
        case Element::i8: return 1;
        case Element::f16:
        case Element::bf16: return 2;
        case Element::f32: return 4;
        default: return 8;
    }
}

// One row of X, and zeros up to dp.
template <typename T>
inline void pack_row(const Source &X, std::size_t i, std::size_t dp, T *to) {
    const unsigned char *from = X.row(i);
    const std::size_t size = element_size(X.element);
    if (X.column_stride == static_cast<std::ptrdiff_t>(size)) {
        // The hardware does not see far enough ahead while the other half of its work is on stores; and never across
        // rows that are picked by index.
        const std::size_t bytes = X.d * size, ahead = larger(1, prefetch_bytes / larger(bytes, 1));
        const unsigned char *next = X.row(smaller(i + ahead, X.n - 1));
        for (std::size_t j = 0; j < bytes; j += cache_line) __builtin_prefetch(next + j, 0, 2);
        if constexpr (std::is_same_v<T, float>) {
            switch (X.element) {
                case Element::u8: widen_run<T, unsigned char>(from, X.d, to); break;
                case Element::i8: widen_run<T, signed char>(from, X.d, to); break;
                case Element::f16: widen_halves(from, X.d, to); break;
                case Element::bf16: widen_brains(from, X.d, to); break;
                default: std::memcpy(to, from, X.d * sizeof(T)); break;
            }
        } else {
            std::memcpy(to, from, X.d * sizeof(T));
        }
    } else {
        for (std::size_t j = 0; j < X.d; ++j)
            to[j] = widen_one<T>(from + X.column_stride * static_cast<std::ptrdiff_t>(j), X.element);
    }
    fill(to + X.d, dp - X.d, T{0});
}

// ---- the two products -----------------------------------------------------------------------------------------------

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
    for (int k = 0; k < K; ++k)
        SOFTREG_UNROLL
    for (int r = 0; r < R; ++r) z[static_cast<std::size_t>(k) * ld + static_cast<std::size_t>(r)] = sum<T>(acc[k][r]) + bias[k];
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

// ---- the softmax between them ---------------------------------------------------------------------------------------

// Logits z[k * ld + i] of rows begin + i < end become the weighted residuals; up to the next whole vector of rows is
// written, so ld is at least that.
//
//     p = softmax(z_i)      loss_i = logsumexp(z_i) − z_i[y_i]      z_i ← w_i (p − onehot(y_i))
//
// The maximum is split off, so nothing overflows; the entry that has it contributes exactly 1 to the sum and is kept
// apart, so that a small loss (log1p of the others' mass) and the residual beside it (−mass / (1 + mass)) keep their
// relative accuracy where 1 − p would lose every digit (Blanchard, Higham & Higham 2021, section 4). nan in a row, an
// infinite maximum, or −inf throughout make that row's loss and residuals nan; a row of weight 0 counts as absent.
template <typename T>
BlockSums softmax_xent(T *z, std::size_t ld, const Labels &labels, std::size_t begin, std::size_t end, std::size_t K) {
    using V = Vector<T>;
    using I = Mask<T>;
    using Integer = std::conditional_t<std::is_same_v<T, float>, std::int32_t, std::int64_t>;
    BlockSums sums;
    for (std::size_t i = begin; i < end; i += lanes<T>) {
        T *column = z + (i - begin);
        Integer y_lanes[lanes<T>] = {};
        T w_lanes[lanes<T>] = {};
        for (std::size_t lane = 0, m = smaller(lanes<T>, end - i); lane < m; ++lane) {
            const std::size_t at = labels.at(i + lane);
            y_lanes[lane] = static_cast<Integer>(labels.labels[at]);
            w_lanes[lane] = labels.weights == nullptr ? T{1} : static_cast<T>(labels.weights[at]);
        }
        I y;
        V w;
        std::memcpy(&y, y_lanes, sizeof y);
        std::memcpy(&w, w_lanes, sizeof w);
        V peak = load<T>(column), at_label = peak;
        I top{};
        for (std::size_t k = 1; k < K; ++k) {
            const V zk = load<T>(column + k * ld);
            const I here = I{} + static_cast<Integer>(k);
            const I above = zk > peak;
            peak = above ? zk : peak;
            top = above ? here : top;
            at_label = y == here ? zk : at_label;
        }
        V others = peak - peak;  // 0, or nan where the maximum is nan or infinite
        for (std::size_t k = 0; k < K; ++k) {
            const I here = I{} + static_cast<Integer>(k);
            const V e = exp_nonpositive<T>(load<T>(column + k * ld) - peak);
            others += top == here ? V{} : e;
            store<T>(column + k * ld, e);
        }
        const V total = others + T(1);
        const V factor = w / total;
        const I absent = w == V{};
        const I label_on_top = y == top;
        const V residual_on_top = -(others * factor);
        for (std::size_t k = 0; k < K; ++k) {
            const I here = I{} + static_cast<Integer>(k);
            const V p = load<T>(column + k * ld) * factor;
            const V r = y == here ? (label_on_top ? residual_on_top : p - w) : p;
            store<T>(column + k * ld, absent ? V{} : r);
        }
        V loss = w * (log1p_nonnegative<T>(others) + (peak - at_label));
        loss = absent ? V{} : loss;
        const I right = label_on_top & (loss == loss);
        const V hits = right ? w : V{};
        T loss_lanes[lanes<T>], hit_lanes[lanes<T>];
        std::memcpy(loss_lanes, &loss, sizeof loss);
        std::memcpy(hit_lanes, &hits, sizeof hits);
        for (std::size_t lane = 0; lane < lanes<T>; ++lane) {
            sums.loss += static_cast<double>(loss_lanes[lane]);
            sums.correct += static_cast<double>(hit_lanes[lane]);
        }
    }
    return sums;
}

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

template <typename T>
inline void forward_block(const Source &X, std::size_t begin, std::size_t m, const T *W, const T *bias, std::size_t K,
                          std::size_t dp, Scratch<T> &scratch) {
    for (std::size_t i = 0; i < m; i += tile_rows) {
        T *x = scratch.packed + i * dp;
        for (std::size_t r = 0; r < tile_rows; ++r) {
            if (i + r < m)
                pack_row<T>(X, begin + i + r, dp, x + r * dp);
            else
                fill(x + r * dp, dp, T{0});
        }
        class_tiles(K, tile_classes, [&](std::size_t k, int count) {
            forward_rows<T, tile_classes, tile_rows>(count, x, dp, W + k * dp, bias + k, scratch.z + k * Scratch<T>::ld + i,
                                                     Scratch<T>::ld);
        });
    }
}

template <typename T>
inline void backward_block(const T *residuals, std::size_t ld, std::size_t m, std::size_t K, std::size_t dp,
                           Scratch<T> &scratch) {
    class_tiles(K, tile_backward, [&](std::size_t k, int count) {
        backward_classes<T, tile_backward>(count, scratch.packed, dp, residuals + k * ld, ld, m, scratch.gradient + k * dp);
    });
}

template <typename T>
inline void add_residuals(const T *residuals, std::size_t ld, std::size_t m, std::size_t K, double *bias_sums) {
    for (std::size_t k = 0; k < K; ++k) {
        T part{0};
        for (std::size_t i = 0; i < m; ++i) part += residuals[k * ld + i];
        bias_sums[k] += static_cast<double>(part);
    }
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
        forward_block<T>(X, i, m, W, bias, K, dp, scratch);
        const BlockSums block = softmax_xent<T>(scratch.z, Scratch<T>::ld, labels, i, i + m, K);
        total.loss += block.loss;
        total.correct += block.correct;
        backward_block<T>(scratch.z, Scratch<T>::ld, m, K, dp, scratch);
        add_residuals<T>(scratch.z, Scratch<T>::ld, m, K, bias_sums);
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
        forward_block<T>(X, i, m, W, bias, K, dp, scratch);
        for (std::size_t k = 0; k < K; ++k) std::memcpy(z + k * ld + (i - begin), scratch.z + k * Scratch<T>::ld, m * sizeof(T));
    }
}

// Residuals r[k * ld + i] of row begin + i < end, times X, added to sums (K, d) and bias_sums (K,).
template <typename T>
void backward(const Source &X, std::size_t begin, std::size_t end, const T *r, std::size_t ld, std::size_t K, void *memory,
              double *sums, double *bias_sums) {
    const std::size_t dp = padded<T>(X.d);
    Scratch<T> scratch(memory, dp, K);
    fill(scratch.gradient, K * dp, T{0});
    std::size_t waiting = 0;
    for (std::size_t i = begin; i < end; i += block_rows) {
        const std::size_t m = smaller(block_rows, end - i);
        for (std::size_t row = 0; row < m; ++row) pack_row<T>(X, i + row, dp, scratch.packed + row * dp);
        backward_block<T>(r + (i - begin), ld, m, K, dp, scratch);
        add_residuals<T>(r + (i - begin), ld, m, K, bias_sums);
        if (waiting += m; waiting + block_rows > flush_rows) {
            flush<T>(scratch, X.d, dp, K, sums);
            waiting = 0;
        }
    }
    if (waiting > 0) flush<T>(scratch, X.d, dp, K, sums);
}

// Minibatch steps over the rows of X in their order, batch rows at a time:
//
//     (W, b) ← (W, b) − rate · w_B / (batch · w̄) ∇f_B       f_B = mean loss of the batch + l2/2 ‖W‖²
//
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
            forward_block<T>(X, i, m, folded, bias, K, dp, scratch);
            const BlockSums block = softmax_xent<T>(scratch.z, Scratch<T>::ld, labels, i, i + m, K);
            here.loss += block.loss;
            here.correct += block.correct;
            backward_block<T>(scratch.z, Scratch<T>::ld, m, K, dp, scratch);
            add_residuals<T>(scratch.z, Scratch<T>::ld, m, K, bias_sums);
        }
        double weight = static_cast<double>(end - begin);
        if (labels.weights != nullptr) {
            weight = 0.0;
            for (std::size_t i = begin; i < end; ++i) weight += labels.weights[labels.at(i)];
        }
        const double share = step.rate / (static_cast<double>(batch) * step.mean_weight), pull = share * weight * step.l2;
        for (std::size_t k = 0; k < K; ++k) {
            for (std::size_t j = 0; j < d; ++j) {
                const double g = step.scale[j] * static_cast<double>(scratch.gradient[k * dp + j]) + step.shift[j] * bias_sums[k];
                W[k * d + j] -= share * g + pull * W[k * d + j];
            }
            b[k] -= share * bias_sums[k];
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
