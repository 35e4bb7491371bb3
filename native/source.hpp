// What the kernels are given, and what they give back: plain structures that all instruction sets share.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace softreg {

enum class Element : int { u8, i8, f16, bf16, f32, f64 };

// X in whatever type and strides it lies; strides in bytes. `rows` picks rows, in its order; null for all.
struct Source {
    const unsigned char *data;
    std::ptrdiff_t row_stride, column_stride;
    Element element;
    const std::int64_t *rows;
    std::size_t n, d;

    const unsigned char *row(std::size_t i) const {
        return data + row_stride * static_cast<std::ptrdiff_t>(rows == nullptr ? static_cast<std::int64_t>(i) : rows[i]);
    }
};

// Labels and weights of the rows of a Source; `rows` as there.
struct Labels {
    const std::int32_t *labels;
    const double *weights;  // null for ones
    const std::int64_t *rows;

    std::size_t at(std::size_t i) const { return rows == nullptr ? i : static_cast<std::size_t>(rows[i]); }
};

// What rows add to the running sums, each weighted.
struct BlockSums {
    double loss = 0.0;
    double correct = 0.0;
};

// What minibatch steps are told besides the data.
struct Step {
    double rate, mean_weight, l2;
    const double *scale, *shift;  // (d,) each
    bool shifted;                 // whether any shift is not 0
    bool intercept;  // whether b moves
    double momentum;
    double *velocity, *bias_velocity;  // (K, d) and (K,), carried on; null without momentum
};

// Running figures over minibatches, weighted sums; the penalty's is of l2/2 ‖W‖² before each step.
struct SgdSums {
    double loss = 0.0;
    double correct = 0.0;
    double weight = 0.0;
    double penalty = 0.0;
};

}  // namespace softreg
