// One instruction set's table. CMake compiles this file once for each, with its flags and SOFTREG_ISA naming it.

#include "dense.hpp"
#include "packed.hpp"
#include "table.hpp"

#define SOFTREG_TEXT_(x) #x
#define SOFTREG_TEXT(x) SOFTREG_TEXT_(x)

namespace softreg::SOFTREG_ISA {
namespace {

template <typename T>
constexpr Kernels<T> kernels() {
    return {
        [](std::size_t d, std::size_t K) { return Scratch<T>::bytes(padded<T>(d), K); },
        [](std::size_t d) { return padded<T>(d); },
        flush_rows,
        fused<T>,
        forward<T>,
        softmax_xent<T>,
        softmax<T>,
        log_softmax<T>,
        largest<T>,
        softmax_change<T>,
        curvature<T>,
        tile_rows,
        pack<T>,
        forward_packed<T>,
        backward_packed<T>,
        sgd<T>,
        multiply_add<T>,
    };
}

}  // namespace

const Table &table() {
    static constexpr Table kept{SOFTREG_TEXT(SOFTREG_ISA), kernels<float>(), kernels<double>()};
    return kept;
}

}  // namespace softreg::SOFTREG_ISA
