// Rows of X in whatever type and strides they lie, widened to the arithmetic type T as they are packed: d values, and
// zeros up to dp, which is d rounded up to whole cache lines.

#pragma once

#include "simd.hpp"
#include "source.hpp"

namespace softreg::SOFTREG_ISA {
namespace {

constexpr std::size_t cache_line = 64, prefetch_bytes = 6400;

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

template <typename T, typename S>
inline void widen_run(const unsigned char *__restrict from, std::size_t d, T *__restrict to) {
    const S *__restrict values = reinterpret_cast<const S *>(from);  // one byte each: aligned anywhere
    for (std::size_t j = 0; j < d; ++j) to[j] = static_cast<T>(values[j]);
}

// Left to itself the compiler widens bytes by way of two other types.
template <typename T>
inline void widen_bytes(const unsigned char *__restrict from, std::size_t d, T *__restrict to) {
    std::size_t j = 0;
    if constexpr (std::is_same_v<T, float>) {
#if defined(__AVX512F__)
        for (; j + 16 <= d; j += 16) {
            const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i *>(from + j));
            _mm512_storeu_ps(to + j, _mm512_maskz_cvtepi32_ps(0xffff, _mm512_maskz_cvtepu8_epi32(0xffff, bytes)));
        }
#elif defined(__AVX2__)
        for (; j + 8 <= d; j += 8) {
            const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i *>(from + j));
            _mm256_storeu_ps(to + j, _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)));
        }
#endif
    }
    for (; j < d; ++j) to[j] = static_cast<T>(from[j]);
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

template <typename T>
inline void widen_halves(const unsigned char *from, std::size_t d, T *to) {
    std::size_t j = 0;
    if constexpr (std::is_same_v<T, float>) {
#if defined(__AVX512F__)
        for (; j + 16 <= d; j += 16)
            _mm512_storeu_ps(to + j, _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from + 2 * j))));
#elif defined(__F16C__)
        for (; j + 8 <= d; j += 8)
            _mm256_storeu_ps(to + j, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i *>(from + 2 * j))));
#endif
    }
    for (; j < d; ++j) {
        std::uint16_t bits;
        std::memcpy(&bits, from + 2 * j, sizeof bits);
        to[j] = static_cast<T>(widen_half(bits));
    }
}

template <typename T>
inline void widen_brains(const unsigned char *from, std::size_t d, T *to) {
    for (std::size_t j = 0; j < d; ++j) {
        std::uint16_t bits;
        std::memcpy(&bits, from + 2 * j, sizeof bits);
        to[j] = static_cast<T>(widen_brain(bits));
    }
}

// Through memcpy: floats in a file may lie at any address.
template <typename T>
inline void widen_floats(const unsigned char *from, std::size_t d, T *to) {
    for (std::size_t j = 0; j < d; ++j) {
        float value;
        std::memcpy(&value, from + sizeof value * j, sizeof value);
        to[j] = static_cast<T>(value);
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
        switch (X.element) {
            case Element::u8: widen_bytes<T>(from, X.d, to); break;
            case Element::i8: widen_run<T, signed char>(from, X.d, to); break;
            case Element::f16: widen_halves<T>(from, X.d, to); break;
            case Element::bf16: widen_brains<T>(from, X.d, to); break;
            case Element::f32: widen_floats<T>(from, X.d, to); break;
            default:
                // float64 never goes to float: the border refuses it.
                if constexpr (std::is_same_v<T, double>) std::memcpy(to, from, X.d * sizeof(T));
                break;
        }
    } else {
        for (std::size_t j = 0; j < X.d; ++j)
            to[j] = widen_one<T>(from + X.column_stride * static_cast<std::ptrdiff_t>(j), X.element);
    }
    fill(to + X.d, dp - X.d, T{0});
}

}  // namespace
}  // namespace softreg::SOFTREG_ISA
