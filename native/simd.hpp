// Vectors of one instruction set, and the few functions of them that the kernels need.
//
// This header is compiled once for each instruction set, with SOFTREG_ISA naming it. Everything is in that set's own
// namespace and of internal linkage, so that no code of a wider set can be linked into a narrower one's.
// GCC's and Clang's vector extensions: one source for SSE2, AVX2, AVX-512 and NEON.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__AVX512F__) || defined(__F16C__)
#include <immintrin.h>
#endif

#ifndef SOFTREG_ISA
#error "SOFTREG_ISA names the namespace of the instruction set"
#endif

#define SOFTREG_UNROLL _Pragma("GCC unroll 32")

namespace softreg::SOFTREG_ISA {
namespace {

#if defined(__AVX512F__)
constexpr std::size_t vector_bytes = 64;
constexpr int registers = 32;
#elif defined(__AVX2__)
constexpr std::size_t vector_bytes = 32;
constexpr int registers = 16;
#elif defined(__aarch64__)
constexpr std::size_t vector_bytes = 16;
constexpr int registers = 32;
#else
constexpr std::size_t vector_bytes = 16;
constexpr int registers = 16;
#endif

template <typename T>
constexpr std::size_t lanes = vector_bytes / sizeof(T);

// Loads and stores through these need the alignment of an element only.
template <typename T>
struct VectorOf;
template <>
struct VectorOf<float> {
    typedef float type __attribute__((vector_size(vector_bytes), aligned(4), may_alias));
    typedef std::int32_t mask __attribute__((vector_size(vector_bytes), aligned(4), may_alias));
};
template <>
struct VectorOf<double> {
    typedef double type __attribute__((vector_size(vector_bytes), aligned(8), may_alias));
    typedef std::int64_t mask __attribute__((vector_size(vector_bytes), aligned(8), may_alias));
};
template <typename T>
using Vector = typename VectorOf<T>::type;
template <typename T>
using Mask = typename VectorOf<T>::mask;  // also integers as wide as T

template <typename T>
inline Vector<T> load(const T *p) {
    return *reinterpret_cast<const Vector<T> *>(p);
}
template <typename T>
inline void store(T *p, Vector<T> v) {
    *reinterpret_cast<Vector<T> *>(p) = v;
}
template <typename T>
inline Vector<T> broadcast(T x) {
    return x - Vector<T>{};
}

// What is left of a vector when its halves are added until 16 bytes remain.
template <typename T, std::size_t Bytes = vector_bytes>
inline auto fold(const void *p) {
    typedef T half __attribute__((vector_size(Bytes / 2), may_alias));
    if constexpr (Bytes == 16) {
        typedef T whole __attribute__((vector_size(16), may_alias));
        whole result;
        std::memcpy(&result, p, sizeof result);
        return result;
    } else {
        half parts[2];
        std::memcpy(&parts, p, sizeof parts);
        const half total = parts[0] + parts[1];
        return fold<T, Bytes / 2>(&total);
    }
}

// Sum of the lanes, by halves.
template <typename T>
inline T sum(Vector<T> v) {
    const auto parts = fold<T>(&v);
    if constexpr (sizeof(T) == 4) return (parts[0] + parts[2]) + (parts[1] + parts[3]);
    return parts[0] + parts[1];
}

// Sums of the lanes of R vectors, each plus `more`, into to[0 … R): the same additions as `sum`, several at a time.
template <typename T, int R>
inline void sums(const Vector<T> *v, T more, T *to) {
    if constexpr (R == 4 && sizeof(T) == 4) {
        const auto f0 = fold<T>(v), f1 = fold<T>(v + 1), f2 = fold<T>(v + 2), f3 = fold<T>(v + 3);
        const auto a = __builtin_shufflevector(f0, f1, 0, 4, 1, 5) + __builtin_shufflevector(f0, f1, 2, 6, 3, 7);
        const auto b = __builtin_shufflevector(f2, f3, 0, 4, 1, 5) + __builtin_shufflevector(f2, f3, 2, 6, 3, 7);
        const auto total = (__builtin_shufflevector(a, b, 0, 1, 4, 5) + __builtin_shufflevector(a, b, 2, 3, 6, 7)) + more;
        std::memcpy(to, &total, sizeof total);
    } else {
        for (int r = 0; r < R; ++r) to[r] = sum<T>(v[r]) + more;
    }
}

// exp(x) for x ≤ 0 and nan, to about one unit in the last place; exactly 0 where it underflows.
//
// x = n ln 2 + r with |r| ≤ ln(2)/2, n ln 2 subtracted in two parts of which the first is exact; then the Taylor series
// of exp(r), whose first term left out is below half a unit: |r|^8/8! < 2^-27 for float, |r|^14/14! < 2^-57 for double.
template <typename T>
inline Vector<T> exp_nonpositive(Vector<T> x) {
    using V = Vector<T>;
    using I = Mask<T>;
    constexpr bool single = std::is_same_v<T, float>;
    constexpr T log2e = T(1.44269504088896340736);
    constexpr T ln2_high = single ? T(0x1.62e4p-1) : T(0x1.62e42fefa38p-1);
    constexpr T ln2_low = single ? T(0x1.7f7d1cf79abcap-20) : T(0x1.ef35793c7673p-45);
    constexpr T rounder = single ? T(0x1.8p23) : T(0x1.8p52);  // adding it rounds to an integer in the low bits
    constexpr T lowest = single ? T(-104) : T(-746);
    constexpr int bias = single ? 127 : 1023, mantissa = single ? 23 : 52;

    const V clamped = x < lowest ? broadcast<T>(lowest) : x;
    const V shifted = clamped * log2e + rounder;
    const V n = shifted - rounder;
    const V r = (clamped - n * ln2_high) - n * ln2_low;

    constexpr int degree = single ? 7 : 13;
    constexpr double inverse_factorial[] = {1.0,         1.0,          1.0 / 2,       1.0 / 6,        1.0 / 24,
                                            1.0 / 120,   1.0 / 720,    1.0 / 5040,    1.0 / 40320,    1.0 / 362880,
                                            1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800.0};
    V p = broadcast<T>(T(inverse_factorial[degree]));
    SOFTREG_UNROLL
    for (int i = degree - 1; i >= 0; --i) p = p * r + T(inverse_factorial[i]);

    // 2^n in two factors: n reaches below the exponents of normal numbers.
    I bits;
    std::memcpy(&bits, &shifted, sizeof bits);
    I rounder_bits;
    const V rounders = broadcast<T>(rounder);
    std::memcpy(&rounder_bits, &rounders, sizeof rounder_bits);
    const I whole = bits - rounder_bits, half = whole >> 1;
    const I first = (half + bias) << mantissa, second = (whole - half + bias) << mantissa;
    V one, two;
    std::memcpy(&one, &first, sizeof one);
    std::memcpy(&two, &second, sizeof two);
    const V result = (p * one) * two;
    return x < lowest ? V{} : result;
}

// log(1 + x) for x ≥ 0, inf and nan, to a few units in the last place, also where x is tiny.
//
// u = 1 + x = 2^e m with m in [√½, √2); log u = e ln 2 + 2 artanh(s), s = (m − 1)/(m + 1), by its series in s²; what was
// rounded away in 1 + x comes back as (x − (u − 1))/u (the first-order term).
template <typename T>
inline Vector<T> log1p_nonnegative(Vector<T> x) {
    using V = Vector<T>;
    using I = Mask<T>;
    constexpr bool single = std::is_same_v<T, float>;
    constexpr int mantissa = single ? 23 : 52;
    constexpr T ln2_high = single ? T(0x1.62e4p-1) : T(0x1.62e42fefa38p-1);
    constexpr T ln2_low = single ? T(0x1.7f7d1cf79abcap-20) : T(0x1.ef35793c7673p-45);
    using Bits = std::conditional_t<single, std::int32_t, std::int64_t>;
    constexpr Bits sqrt_half = single ? Bits(0x3f3504f3) : Bits(0x3fe6a09e667f3bcd);

    const V u = x + T(1);
    I bits;
    std::memcpy(&bits, &u, sizeof bits);
    const I e = (bits - sqrt_half) >> mantissa;
    bits -= e << mantissa;
    V m;
    std::memcpy(&m, &bits, sizeof m);

    const V s = (m - T(1)) / (m + T(1));  // |s| < 0.172
    const V q = s * s;
    constexpr int terms = single ? 5 : 11;  // 2 s^(2·terms+1)/(2·terms+1) is below half a unit
    V series = broadcast<T>(T(2.0 / (2 * terms - 1)));
    SOFTREG_UNROLL
    for (int i = terms - 2; i >= 0; --i) series = series * q + T(2.0 / (2 * i + 1));

    V exponent{};
    exponent = __builtin_convertvector(e, V);
    const V lost = (x - (u - T(1))) / u;
    const V result = exponent * ln2_high + (s * series + (exponent * ln2_low + lost));
    const V largest = broadcast<T>(single ? T(3.4028234e38) : T(1.7976931348623157e308));
    return x <= largest ? result : x;  // inf and nan are themselves
}

}  // namespace
}  // namespace softreg::SOFTREG_ISA
