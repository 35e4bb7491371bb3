// The border to Python: check what comes in, release the GIL, call a kernel. No arithmetic here.
//
// Every array argument is noconvert: a converted output would be filled and thrown away, and a converted input is a
// copy nobody asked for. Inputs are read-only views, so that memory-mapped and frozen arrays pass.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>

#include <optional>
#include <utility>

#include "softmax_xent.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

template <typename T>
using Block = nb::ndarray<T, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Labels = nb::ndarray<const std::int32_t, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu, nb::ro>;
using Weights = nb::ndarray<const double, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu, nb::ro>;

template <typename T>
std::pair<double, double> softmax_xent(Block<T> logits, Labels labels, std::optional<Weights> weights) {
    const std::size_t n = logits.shape(0), k = logits.shape(1);
    if (labels.shape(0) != n || (weights && weights->shape(0) != n))
        throw nb::value_error("logits, labels and weights disagree on the number of rows");
    if (n > 0 && k == 0) throw nb::value_error("logits have no columns");
    for (std::size_t i = 0; i < n; ++i)  // a label outside would be a write outside
        if (labels.data()[i] < 0 || static_cast<std::size_t>(labels.data()[i]) >= k)
            throw nb::value_error("a label is outside the columns of logits");

    nb::gil_scoped_release nogil;
    const softreg::BlockSums sums =
        softreg::softmax_xent(logits.data(), labels.data(), weights ? weights->data() : nullptr, n, k);
    return {sums.loss, sums.correct};
}

}  // namespace

NB_MODULE(_native, m) {
    m.doc() = "Native kernels; softreg.kernels is the door.";
    m.def("softmax_xent", &softmax_xent<float>, "logits"_a.noconvert(), "labels"_a.noconvert(),
          "weights"_a.noconvert() = nb::none());
    m.def("softmax_xent", &softmax_xent<double>, "logits"_a.noconvert(), "labels"_a.noconvert(),
          "weights"_a.noconvert() = nb::none());
}
