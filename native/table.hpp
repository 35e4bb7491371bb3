// The kernels of one instruction set as a table of functions; the border picks a table by what the processor has.

#pragma once

#include "source.hpp"

namespace softreg {

template <typename T>
struct Kernels {
    // Bytes of scratch memory that a pass needs.
    std::size_t (*scratch)(std::size_t d, std::size_t K);
    // Length of a row of W: d, padded with zeros.
    std::size_t (*padded)(std::size_t d);
    // Rows whose gradient may be gathered in T.
    std::size_t longest_batch;

    BlockSums (*fused)(const Source &X, const Labels &labels, std::size_t begin, std::size_t end, const T *W,
                       const T *bias, std::size_t K, void *scratch, double *sums, double *bias_sums);
    void (*forward)(const Source &X, std::size_t begin, std::size_t end, const T *W, const T *bias, std::size_t K,
                    void *scratch, T *z, std::size_t ld);
    BlockSums (*softmax_xent)(T *z, std::size_t ld, const Labels &labels, std::size_t begin, std::size_t end,
                              std::size_t K);
    void (*softmax)(T *z, std::size_t ld, std::size_t n, std::size_t K);
    void (*log_softmax)(T *z, std::size_t ld, std::size_t n, std::size_t K);
    void (*largest)(const T *z, std::size_t ld, std::size_t n, std::size_t K, std::size_t count, std::int64_t *classes,
                    T *values);
    void (*softmax_change)(const T *p, T *u, std::size_t ld, const Labels &labels, std::size_t begin, std::size_t end,
                           std::size_t K);
    void (*curvature)(const Source &X, const Labels &labels, std::size_t begin, std::size_t end, const T *probs,
                      std::size_t ld, const T *V, const T *bias, std::size_t vectors, std::size_t K, void *scratch,
                      double *sums, double *bias_sums);
    // Rows that packed rows and logits are a multiple of.
    std::size_t tile_rows;
    void (*pack)(const Source &X, std::size_t begin, std::size_t end, T *packed);
    void (*forward_packed)(const T *packed, std::size_t m, std::size_t dp, const T *W, const T *bias, std::size_t K, T *z,
                           std::size_t ld);
    void (*backward_packed)(const T *packed, std::size_t m, std::size_t dp, const T *z, std::size_t ld, std::size_t K,
                            T *gradient);
    SgdSums (*sgd)(const Source &X, const Labels &labels, std::size_t batch, const Step &step, std::size_t K,
                   void *scratch, T *folded, T *bias, double *W, double *b, double *bias_sums);
    // For benchmarks: see dense.hpp.
    double (*multiply_add)(std::size_t rounds, T *result);
};

struct Table {
    const char *name;
    Kernels<float> single;
    Kernels<double> twice;
};

}  // namespace softreg
