// The border to Python: check what comes in, release the GIL, call a kernel. No arithmetic here.
//
// Every array argument is noconvert: a converted output would be filled and thrown away, and a converted input is a
// copy nobody asked for. Inputs are read-only views, so that memory-mapped and frozen arrays pass.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "table.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace softreg {
#if defined(SOFTREG_X86)
namespace avx512 { const Table &table(); }
namespace avx2 { const Table &table(); }
#endif
namespace baseline { const Table &table(); }
}  // namespace softreg

namespace {

using softreg::BlockSums;
using softreg::Element;
using softreg::Labels;
using softreg::Source;
using softreg::Table;

// ---- which instruction set ------------------------------------------------------------------------------------------

// What this processor has, the best first.
std::vector<const Table *> supported() {
    std::vector<const Table *> tables;
#if defined(SOFTREG_X86)
    __builtin_cpu_init();
    // F16C is not asked for: it came a generation before AVX2, and not every compiler knows its name here.
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        tables.push_back(&softreg::avx512::table());
    if (avx2) tables.push_back(&softreg::avx2::table());
#endif
    tables.push_back(&softreg::baseline::table());
    return tables;
}

const Table *chosen = supported().front();

template <typename T>
const softreg::Kernels<T> &kernels() {
    if constexpr (std::is_same_v<T, float>)
        return chosen->single;
    else
        return chosen->twice;
}

// ---- arguments ------------------------------------------------------------------------------------------------------

template <typename T>
using Out1 = nb::ndarray<T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <typename T>
using Out2 = nb::ndarray<T, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <typename T>
using In1 = nb::ndarray<const T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu, nb::ro>;
template <typename T>
using In2 = nb::ndarray<const T, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu, nb::ro>;
// Class by class: rows of memory that may lie further apart than they are long.
template <typename T>
using ByClass = nb::ndarray<T, nb::numpy, nb::ndim<2>, nb::device::cpu>;
template <typename T>
using ByClassIn = nb::ndarray<const T, nb::numpy, nb::ndim<2>, nb::device::cpu, nb::ro>;
using Features = nb::ndarray<nb::numpy, nb::ndim<2>, nb::device::cpu, nb::ro>;
using Rows = std::optional<In1<std::int64_t>>;
using Weights = std::optional<In1<double>>;
using Bytes = Out1<unsigned char>;

void check(bool holds, const char *otherwise) {
    if (!holds) throw nb::value_error(otherwise);
}

template <typename Array>
std::size_t leading(const Array &z) {
    check(z.shape(1) <= 1 || z.stride(1) == 1, "logits and residuals lie along the rows, class by class");
    check(z.shape(0) <= 1 || z.stride(0) >= static_cast<std::int64_t>(z.shape(1)), "logits and residuals overlap");
    return static_cast<std::size_t>(z.stride(0));
}

const std::int64_t *pointer(const Rows &rows) { return rows ? rows->data() : nullptr; }

// X as the kernels of T take it; bfloat16 comes as uint16, which is how NumPy's dtypes cross this border.
template <typename T>
Source source(const Features &X, const Rows &rows, std::size_t begin, std::size_t end) {
    const nb::dlpack::dtype type = X.dtype();
    const auto is = [&](nb::dlpack::dtype_code code, int bits) {
        return type.code == static_cast<std::uint8_t>(code) && type.bits == bits && type.lanes == 1;
    };
    Element element{};
    if (is(nb::dlpack::dtype_code::Float, 64))
        element = Element::f64;
    else if (is(nb::dlpack::dtype_code::Float, 32))
        element = Element::f32;
    else if (is(nb::dlpack::dtype_code::Float, 16))
        element = Element::f16;
    else if (is(nb::dlpack::dtype_code::UInt, 16))
        element = Element::bf16;
    else if (is(nb::dlpack::dtype_code::UInt, 8))
        element = Element::u8;
    else if (is(nb::dlpack::dtype_code::Int, 8))
        element = Element::i8;
    else
        throw nb::type_error("X has a type that the kernels do not read");
    check(element != Element::f64 || std::is_same_v<T, double>, "float64 features need float64 weights");
    const std::ptrdiff_t size = type.bits / 8;
    const std::size_t n = rows ? rows->shape(0) : X.shape(0);
    check(begin <= end && end <= n, "begin and end are outside the rows");
    if (rows)
        for (std::size_t i = begin; i < end; ++i)
            check(rows->data()[i] >= 0 && static_cast<std::size_t>(rows->data()[i]) < X.shape(0), "a row is outside X");
    return {static_cast<const unsigned char *>(X.data()), X.stride(0) * size, X.stride(1) * size, element,
            pointer(rows), end, X.shape(1)};
}

Labels labelling(const In1<std::int32_t> &labels, const Weights &weights, const Rows &rows, std::size_t begin,
                 std::size_t end, std::size_t n, std::size_t K) {
    check(labels.shape(0) == n && (!weights || weights->shape(0) == n), "labels and weights are not as many as the rows");
    const Labels all{labels.data(), weights ? weights->data() : nullptr, pointer(rows)};
    for (std::size_t i = begin; i < end; ++i)  // a label outside would be a read outside
        check(all.labels[all.at(i)] >= 0 && static_cast<std::size_t>(all.labels[all.at(i)]) < K, "a label is outside the classes");
    return all;
}

template <typename T>
void check_sizes(std::size_t d, std::size_t K, std::size_t held, const Bytes &scratch, const Out2<double> &sums,
                 const Out1<double> &bias_sums) {
    check(K > 0, "there are no classes");
    check(scratch.shape(0) >= kernels<T>().scratch(d, held), "scratch is too small");
    check(sums.shape(0) == K && sums.shape(1) == d && bias_sums.shape(0) == K, "sums have another shape");
}

// ---- kernels --------------------------------------------------------------------------------------------------------

template <typename T>
std::pair<double, double> fused(Features X, Rows rows, In1<std::int32_t> labels, Weights weights, std::size_t begin,
                                std::size_t end, In2<T> W, In1<T> bias, Bytes scratch, Out2<double> sums,
                                Out1<double> bias_sums) {
    const Source from = source<T>(X, rows, begin, end);
    const std::size_t K = bias.shape(0);
    check_sizes<T>(from.d, K, K, scratch, sums, bias_sums);
    check(W.shape(0) == K && W.shape(1) == kernels<T>().padded(from.d), "W has another shape");
    const Labels all = labelling(labels, weights, rows, begin, end, X.shape(0), K);
    nb::gil_scoped_release nogil;
    const BlockSums total = kernels<T>().fused(from, all, begin, end, W.data(), bias.data(), K, scratch.data(),
                                               sums.data(), bias_sums.data());
    return {total.loss, total.correct};
}

template <typename T>
void forward(Features X, Rows rows, std::size_t begin, std::size_t end, In2<T> W, In1<T> bias, Bytes scratch,
             ByClass<T> z) {
    const Source from = source<T>(X, rows, begin, end);
    const std::size_t K = bias.shape(0);
    check(K > 0 && scratch.shape(0) >= kernels<T>().scratch(from.d, K), "scratch is too small");
    check(W.shape(0) == K && W.shape(1) == kernels<T>().padded(from.d), "W has another shape");
    check(z.shape(0) == K && z.shape(1) >= end - begin, "z has another shape");
    const std::size_t ld = leading(z);
    nb::gil_scoped_release nogil;
    kernels<T>().forward(from, begin, end, W.data(), bias.data(), K, scratch.data(), z.data(), ld);
}

template <typename T>
std::pair<double, double> softmax_xent(ByClass<T> logits, In1<std::int32_t> labels, Weights weights, Rows rows,
                                       std::size_t begin, std::size_t end) {
    const std::size_t K = logits.shape(0), ld = leading(logits);
    check(begin <= end, "begin is after end");
    check((end - begin + 15) / 16 * 16 <= logits.shape(1), "logits need a column for each row, up to a multiple of 16");
    check(K > 0 || begin == end, "there are no classes");
    check(end <= (rows ? rows->shape(0) : labels.shape(0)), "end is outside the rows");
    if (rows)
        for (std::size_t i = begin; i < end; ++i)
            check(rows->data()[i] >= 0 && static_cast<std::size_t>(rows->data()[i]) < labels.shape(0), "a row is outside");
    const Labels all = labelling(labels, weights, rows, begin, end, labels.shape(0), K);
    nb::gil_scoped_release nogil;
    const BlockSums total = kernels<T>().softmax_xent(logits.data(), ld, all, begin, end, K);
    return {total.loss, total.correct};
}

// One of the kernels that work on columns of logits in place.
template <typename T, auto kernel>
void on_columns(ByClass<T> logits, std::size_t n) {
    const std::size_t K = logits.shape(0), ld = leading(logits);
    check((n + 15) / 16 * 16 <= logits.shape(1), "logits need a column for each row, up to a multiple of 16");
    check(K > 0 || n == 0, "there are no classes");
    nb::gil_scoped_release nogil;
    (kernels<T>().*kernel)(logits.data(), ld, n, K);
}

template <typename T>
void largest(ByClassIn<T> logits, Out2<std::int64_t> classes, Out2<T> values) {
    const std::size_t K = logits.shape(0), n = classes.shape(0), count = classes.shape(1), ld = leading(logits);
    check(n <= logits.shape(1), "logits need a column for each row");
    check(count > 0 && count <= K, "there are not as many classes");
    check(values.shape(0) == n && values.shape(1) == count, "values have another shape than classes");
    nb::gil_scoped_release nogil;
    kernels<T>().largest(logits.data(), ld, n, K, count, classes.data(), values.data());
}

// probs and change lie alike: a column for each row, up to a multiple of 16.
template <typename T>
void softmax_change(ByClassIn<T> probs, ByClass<T> change, Weights weights, Rows rows, std::size_t begin, std::size_t end) {
    const std::size_t K = probs.shape(0), ld = leading(change);
    check(change.shape(0) == K && change.shape(1) == probs.shape(1), "the change has another shape than the probabilities");
    check(K <= 1 || leading(probs) == ld, "the change lies otherwise than the probabilities");
    check(begin <= end && (end - begin + 15) / 16 * 16 <= probs.shape(1), "a column is missing for a row, up to a multiple of 16");
    check(!rows || end <= rows->shape(0), "end is outside the rows");
    if (weights)
        for (std::size_t i = begin; i < end; ++i) {
            const std::int64_t at = rows ? rows->data()[i] : static_cast<std::int64_t>(i);
            check(at >= 0 && static_cast<std::size_t>(at) < weights->shape(0), "a row is outside the weights");
        }
    const Labels weighing{nullptr, weights ? weights->data() : nullptr, pointer(rows)};
    nb::gil_scoped_release nogil;
    kernels<T>().softmax_change(probs.data(), change.data(), ld, weighing, begin, end, K);
}

template <typename T>
void curvature(Features X, Rows rows, Weights weights, std::size_t begin, std::size_t end, ByClassIn<T> probs, In2<T> V,
               In1<T> bias, Bytes scratch, Out2<double> sums, Out1<double> bias_sums) {
    const Source from = source<T>(X, rows, begin, end);
    const std::size_t K = probs.shape(0), all = bias.shape(0);
    check(K > 0 && all % K == 0, "directions are not a multiple of the classes");
    check(probs.shape(1) == end - begin, "probabilities are not as many as the rows");
    check_sizes<T>(from.d, all, all + K, scratch, sums, bias_sums);
    check(V.shape(0) == all && V.shape(1) == kernels<T>().padded(from.d), "V has another shape");
    check(!weights || weights->shape(0) == X.shape(0), "weights are not as many as the rows");
    const std::size_t ld = leading(probs);
    const Labels weighing{nullptr, weights ? weights->data() : nullptr, pointer(rows)};
    nb::gil_scoped_release nogil;
    kernels<T>().curvature(from, weighing, begin, end, probs.data(), ld, V.data(), bias.data(), all / K, K,
                           scratch.data(), sums.data(), bias_sums.data());
}

template <typename T>
std::size_t whole_tiles(std::size_t m) {
    const std::size_t tile = kernels<T>().tile_rows;
    return (m + tile - 1) / tile * tile;
}

template <typename T>
void pack(Features X, Rows rows, std::size_t begin, std::size_t end, Out2<T> packed) {
    const Source from = source<T>(X, rows, begin, end);
    check(packed.shape(1) == kernels<T>().padded(from.d), "packed rows have another length");
    check(packed.shape(0) >= whole_tiles<T>(end - begin), "there is no room for whole tiles of rows");
    nb::gil_scoped_release nogil;
    kernels<T>().pack(from, begin, end, packed.data());
}

template <typename T>
void forward_packed(In2<T> packed, std::size_t m, In2<T> W, In1<T> bias, ByClass<T> z) {
    const std::size_t K = bias.shape(0), dp = packed.shape(1), ld = leading(z);
    check(K > 0 && W.shape(0) == K && W.shape(1) == dp && z.shape(0) == K, "W, the biases and z disagree");
    check(dp == kernels<T>().padded(dp), "packed rows are no whole vectors");
    check(packed.shape(0) >= whole_tiles<T>(m) && z.shape(1) >= whole_tiles<T>(m), "there is no room for whole tiles of rows");
    nb::gil_scoped_release nogil;
    kernels<T>().forward_packed(packed.data(), m, dp, W.data(), bias.data(), K, z.data(), ld);
}

template <typename T>
void backward_packed(In2<T> packed, std::size_t m, ByClassIn<T> z, Out2<T> gradient) {
    const std::size_t K = z.shape(0), dp = packed.shape(1), ld = leading(z);
    check(K > 0 && gradient.shape(0) == K && gradient.shape(1) == dp, "the gradient has another shape");
    check(dp == kernels<T>().padded(dp), "packed rows are no whole vectors");
    check(packed.shape(0) >= m && z.shape(1) >= m, "rows are missing");
    nb::gil_scoped_release nogil;
    kernels<T>().backward_packed(packed.data(), m, dp, z.data(), ld, K, gradient.data());
}

// Returns sums of losses, hits, weights and penalties; W, b and the velocities, where there are any, are stepped in
// place, folded and bias are scratch.
template <typename T>
std::tuple<double, double, double, double> sgd(Features X, Rows rows, In1<std::int32_t> labels, Weights weights,
                                               std::size_t batch, double rate, double mean_weight, double l2,
                                               In1<double> scale, In1<double> shift, Bytes scratch, Out2<T> folded,
                                               Out1<T> bias, Out2<double> W, Out1<double> b, Out1<double> bias_sums,
                                               double momentum, std::optional<Out2<double>> velocity,
                                               std::optional<Out1<double>> bias_velocity, bool intercept) {
    const std::size_t n = rows ? rows->shape(0) : X.shape(0);
    const Source from = source<T>(X, rows, 0, n);
    const std::size_t K = b.shape(0);
    check_sizes<T>(from.d, K, K, scratch, W, bias_sums);
    check(folded.shape(0) == K && folded.shape(1) == kernels<T>().padded(from.d) && bias.shape(0) == K, "folded weights have another shape");
    check(scale.shape(0) == from.d && shift.shape(0) == from.d, "scale and shift are not as many as the features");
    check(batch > 0 && batch <= kernels<T>().longest_batch, "a batch is too long for one gradient in T");
    check(velocity.has_value() == bias_velocity.has_value(), "only one of the two velocities is given");
    check(!velocity || (velocity->shape(0) == K && velocity->shape(1) == from.d && bias_velocity->shape(0) == K),
          "velocities have another shape");
    const Labels all = labelling(labels, weights, rows, 0, n, X.shape(0), K);
    bool shifted = false;
    for (std::size_t j = 0; j < from.d; ++j) shifted = shifted || shift.data()[j] != 0.0;
    nb::gil_scoped_release nogil;
    const softreg::Step step{rate, mean_weight, l2, scale.data(), shift.data(), shifted, intercept, momentum,
                             velocity ? velocity->data() : nullptr, bias_velocity ? bias_velocity->data() : nullptr};
    const softreg::SgdSums sums = kernels<T>().sgd(from, all, batch, step, K, scratch.data(), folded.data(), bias.data(),
                                                   W.data(), b.data(), bias_sums.data());
    return {sums.loss, sums.correct, sums.weight, sums.penalty};
}

template <typename T>
void bind(nb::module_ &m) {
    m.def("sgd", &sgd<T>, "X"_a.noconvert(), "rows"_a.noconvert().none(), "labels"_a.noconvert(),
          "weights"_a.noconvert().none(), "batch"_a, "rate"_a, "mean_weight"_a, "l2"_a, "scale"_a.noconvert(),
          "shift"_a.noconvert(), "scratch"_a.noconvert(), "folded"_a.noconvert(), "bias"_a.noconvert(), "W"_a.noconvert(),
          "b"_a.noconvert(), "bias_sums"_a.noconvert(), "momentum"_a = 0.0, "velocity"_a.noconvert().none() = nb::none(),
          "bias_velocity"_a.noconvert().none() = nb::none(), "intercept"_a = true);
    m.def("fused", &fused<T>, "X"_a.noconvert(), "rows"_a.noconvert().none(), "labels"_a.noconvert(),
          "weights"_a.noconvert().none(), "begin"_a, "end"_a, "W"_a.noconvert(), "bias"_a.noconvert(),
          "scratch"_a.noconvert(), "sums"_a.noconvert(), "bias_sums"_a.noconvert());
    m.def("forward", &forward<T>, "X"_a.noconvert(), "rows"_a.noconvert().none(), "begin"_a, "end"_a, "W"_a.noconvert(),
          "bias"_a.noconvert(), "scratch"_a.noconvert(), "z"_a.noconvert());
    m.def("pack", &pack<T>, "X"_a.noconvert(), "rows"_a.noconvert().none(), "begin"_a, "end"_a, "packed"_a.noconvert());
    m.def("forward_packed", &forward_packed<T>, "packed"_a.noconvert(), "m"_a, "W"_a.noconvert(), "bias"_a.noconvert(),
          "z"_a.noconvert());
    m.def("backward_packed", &backward_packed<T>, "packed"_a.noconvert(), "m"_a, "z"_a.noconvert(),
          "gradient"_a.noconvert());
    m.def("softmax", &on_columns<T, &softreg::Kernels<T>::softmax>, "logits"_a.noconvert(), "n"_a);
    m.def("log_softmax", &on_columns<T, &softreg::Kernels<T>::log_softmax>, "logits"_a.noconvert(), "n"_a);
    m.def("largest", &largest<T>, "logits"_a.noconvert(), "classes"_a.noconvert(), "values"_a.noconvert());
    m.def("softmax_change", &softmax_change<T>, "probs"_a.noconvert(), "change"_a.noconvert(),
          "weights"_a.noconvert().none(), "rows"_a.noconvert().none(), "begin"_a, "end"_a);
    m.def("curvature", &curvature<T>, "X"_a.noconvert(), "rows"_a.noconvert().none(), "weights"_a.noconvert().none(),
          "begin"_a, "end"_a, "probs"_a.noconvert(), "V"_a.noconvert(), "bias"_a.noconvert(), "scratch"_a.noconvert(),
          "sums"_a.noconvert(), "bias_sums"_a.noconvert());
    m.def("softmax_xent", &softmax_xent<T>, "logits"_a.noconvert(), "labels"_a.noconvert(),
          "weights"_a.noconvert().none() = nb::none(), "rows"_a.noconvert().none() = nb::none(), "begin"_a, "end"_a);
}

}  // namespace

NB_MODULE(_native, m) {
    m.doc() = "Native kernels; softreg.kernels is the door.";
    bind<float>(m);
    bind<double>(m);
    m.def("scratch_bytes", [](bool single, std::size_t d, std::size_t K) {
        return single ? kernels<float>().scratch(d, K) : kernels<double>().scratch(d, K);
    }, "single"_a, "d"_a, "K"_a);
    m.def("padded", [](bool single, std::size_t d) { return single ? kernels<float>().padded(d) : kernels<double>().padded(d); },
          "single"_a, "d"_a);
    m.def("tile_rows", [] { return kernels<float>().tile_rows; });
    m.def("longest_batch", [] { return kernels<float>().longest_batch; });
    m.def("multiply_add", [](bool single, std::size_t rounds) {
        nb::gil_scoped_release nogil;
        float f = 0.0f;
        double d = 0.0;
        return single ? kernels<float>().multiply_add(rounds, &f) : kernels<double>().multiply_add(rounds, &d);
    }, "single"_a, "rounds"_a);
    m.def("instruction_sets", [] {
        std::vector<std::string> names;
        for (const Table *table : supported()) names.emplace_back(table->name);
        return names;
    });
    m.def("instruction_set", [] { return std::string(chosen->name); });
    m.def("choose", [](const std::string &name) {
        for (const Table *table : supported())
            if (name == table->name) {
                chosen = table;
                return;
            }
        throw nb::value_error("this processor does not have that instruction set");
    }, "name"_a);
}
