// The kernels of one instruction set without Python: calls (call.hpp) come in on stdin, what they give goes out on stdout.
// So another processor's kernels are tested under an emulator, and this one's under a sanitiser.
//
// Arguments come in the order of native/bindings.cpp, which is where they are checked. To add a kernel: a function that
// reads its arguments by their place, and its name in `kernel`.

#include "call.hpp"
#include "table.hpp"

namespace softreg::SOFTREG_ISA { const Table &table(); }

namespace {

using namespace softreg;

template <typename T>
const Kernels<T> &kernels() {
    if constexpr (std::is_same_v<T, float>)
        return SOFTREG_ISA::table().single;
    else
        return SOFTREG_ISA::table().twice;
}

template <typename T>
void fused(Call &call) {
    const std::size_t begin = call.integer(4), end = call.integer(5);
    const BlockSums sums =
        kernels<T>().fused(call.source(0, 1, end), call.labels(2, 3, 1), begin, end, call.in<T>(6), call.in<T>(7),
                           call.length(7), call.own<unsigned char>(8), call.out<double>(9), call.out<double>(10));
    call.result(sums.loss);
    call.result(sums.correct);
}

template <typename T>
void forward(Call &call) {
    const std::size_t begin = call.integer(2), end = call.integer(3);
    kernels<T>().forward(call.source(0, 1, end), begin, end, call.in<T>(4), call.in<T>(5), call.length(5),
                         call.own<unsigned char>(6), call.out<T>(7), call.leading(7));
}

template <typename T>
void softmax_xent(Call &call) {
    const BlockSums sums = kernels<T>().softmax_xent(call.out<T>(0), call.leading(0), call.labels(1, 2, 3), call.integer(4),
                                                     call.integer(5), call.length(0));
    call.result(sums.loss);
    call.result(sums.correct);
}

template <typename T>
void softmax(Call &call) {
    kernels<T>().softmax(call.out<T>(0), call.leading(0), call.integer(1), call.length(0));
}

template <typename T>
void log_softmax(Call &call) {
    kernels<T>().log_softmax(call.out<T>(0), call.leading(0), call.integer(1), call.length(0));
}

template <typename T>
void largest(Call &call) {
    kernels<T>().largest(call.in<T>(0), call.leading(0), call.length(1), call.length(0), call.length(1, 1),
                         call.out<std::int64_t>(1), call.out<T>(2));
}

template <typename T>
void softmax_change(Call &call) {
    const Labels weighing{nullptr, call.in<double>(2), call.in<std::int64_t>(3)};
    kernels<T>().softmax_change(call.in<T>(0), call.out<T>(1), call.leading(1), weighing, call.integer(4), call.integer(5),
                                call.length(0));
}

template <typename T>
void curvature(Call &call) {
    const std::size_t begin = call.integer(3), end = call.integer(4), K = call.length(5);
    const Labels weighing{nullptr, call.in<double>(2), call.in<std::int64_t>(1)};
    kernels<T>().curvature(call.source(0, 1, end), weighing, begin, end, call.in<T>(5), call.leading(5), call.in<T>(6),
                           call.in<T>(7), call.length(7) / K, K, call.own<unsigned char>(8), call.out<double>(9),
                           call.out<double>(10));
}

template <typename T>
void pack(Call &call) {
    kernels<T>().pack(call.source(0, 1, call.integer(3)), call.integer(2), call.integer(3), call.out<T>(4));
}

template <typename T>
void forward_packed(Call &call) {
    kernels<T>().forward_packed(call.in<T>(0), call.integer(1), call.length(0, 1), call.in<T>(2), call.in<T>(3),
                                call.length(3), call.out<T>(4), call.leading(4));
}

template <typename T>
void backward_packed(Call &call) {
    kernels<T>().backward_packed(call.in<T>(0), call.integer(1), call.length(0, 1), call.in<T>(2), call.leading(2),
                                 call.length(2), call.out<T>(3));
}

template <typename T>
void sgd(Call &call) {
    const Source X = call.source(0, 1, call.length(call.given(1) ? 1 : 0));
    const double *scale = call.in<double>(8), *shift = call.in<double>(9);
    bool shifted = false;
    for (std::size_t j = 0; j < X.d; ++j) shifted = shifted || shift[j] != 0.0;
    double *velocity = call.given(17) ? call.out<double>(17) : nullptr;
    double *bias_velocity = call.given(18) ? call.out<double>(18) : nullptr;
    const Step step{call.real(5), call.real(6), call.real(7), scale, shift, shifted, call.integer(19) != 0, call.real(16),
                    velocity, bias_velocity};
    const SgdSums sums = kernels<T>().sgd(X, call.labels(2, 3, 1), call.integer(4), step, call.length(14),
                                          call.own<unsigned char>(10), call.own<T>(11), call.own<T>(12),
                                          call.out<double>(13), call.out<double>(14), call.own<double>(15));
    for (const double sum : {sums.loss, sums.correct, sums.weight, sums.penalty}) call.result(sum);
}

// What a caller asks before it makes its arrays: whether it is about float comes first.
template <typename About>
void sized(Call &call, About about) {
    call.integer(0) != 0 ? call.result(about(kernels<float>())) : call.result(about(kernels<double>()));
}

void padded(Call &call) {
    sized(call, [&](const auto &its) { return its.padded(call.integer(1)); });
}

void scratch_bytes(Call &call) {
    sized(call, [&](const auto &its) { return its.scratch(call.integer(1), call.integer(2)); });
}

void tile_rows(Call &call) { call.result(kernels<float>().tile_rows); }

void longest_batch(Call &call) { call.result(kernels<float>().longest_batch); }

using Kernel = void (*)(Call &);

template <typename T>
Kernel kernel(const std::string &name) {
    const std::pair<const char *, Kernel> known[] = {
        {"fused", fused<T>},
        {"forward", forward<T>},
        {"softmax_xent", softmax_xent<T>},
        {"softmax", softmax<T>},
        {"log_softmax", log_softmax<T>},
        {"largest", largest<T>},
        {"softmax_change", softmax_change<T>},
        {"curvature", curvature<T>},
        {"pack", pack<T>},
        {"forward_packed", forward_packed<T>},
        {"backward_packed", backward_packed<T>},
        {"tile_rows", tile_rows},
        {"sgd", sgd<T>},
        {"padded", padded},
        {"scratch_bytes", scratch_bytes},
        {"longest_batch", longest_batch},
    };
    for (const auto &[its, run] : known)
        if (name == its) return run;
    fail("there is no kernel " + name + ": add it to tests/native/driver.cpp");
}

}  // namespace

int main() {
    std::ios::sync_with_stdio(false);
    for (Call call; call.read(); call = {}) {
        (call.single() ? kernel<float> : kernel<double>)(call.name)(call);
        call.answer();
    }
}
