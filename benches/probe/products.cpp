// Matrix products of OpenBLAS (f32) and oneDNN (u8 x i8 -> i32, weights packed ahead) in the shape of the probe's.
//
// A line `fp32 2 0.4` or `int8 2 0.4` (what, threads, seconds) on standard input is answered by the best and the
// median rate in GFLOP/s, a multiply-add counted as two.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <omp.h>
#include <string>
#include <vector>

#include <cblas.h>
#include <dnnl.hpp>

extern "C" void openblas_set_num_threads(int);
extern "C" char *openblas_get_corename(void);

using namespace dnnl;

static const long M = 512, N = 4096, K = 4096;

static double now() {
    using namespace std::chrono;
    return duration<double>(steady_clock::now().time_since_epoch()).count();
}

static void measure(double time, const std::function<void()> &pass) {
    std::vector<double> rates;
    pass();
    double end = now() + time;
    while (rates.size() < 3 || now() < end) {
        double start = now();
        pass();
        rates.push_back(2.0 * M * N * K / (now() - start) / 1e9);
    }
    std::sort(rates.begin(), rates.end());
    printf("%f %f\n", rates.back(), rates[rates.size() / 2]);
    fflush(stdout);
}

struct Floats {
    std::vector<float> a = std::vector<float>(M * K), b = std::vector<float>(K * N), c = std::vector<float>(M * N);
    Floats() {
        for (size_t i = 0; i < a.size(); i++) a[i] = (i * 7 % 13) * 0.1f - 0.6f;
        for (size_t i = 0; i < b.size(); i++) b[i] = (i * 5 % 11) * 0.1f - 0.5f;
    }
    void run() {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, M, N, K, 1, a.data(), K, b.data(), N, 0, c.data(), N);
    }
};

struct Integers {
    engine cpu{engine::kind::cpu, 0};
    stream queue{cpu};
    matmul product;
    memory a, b, c;
    std::string name;
    Integers() {
        using tag = memory::format_tag;
        using type = memory::data_type;
        memory::desc left({M, K}, type::u8, tag::ab), right({K, N}, type::s8, tag::any), to({M, N}, type::s32, tag::ab);
        matmul::primitive_desc chosen(matmul::desc(left, right, to), cpu);
        product = matmul(chosen);
        name = chosen.impl_info_str();
        a = memory(left, cpu), b = memory(chosen.weights_desc(), cpu), c = memory(to, cpu);
        auto fill = [](memory &into) {
            auto *bytes = static_cast<unsigned char *>(into.get_data_handle());
            for (size_t i = 0; i < into.get_desc().get_size(); i++) bytes[i] = (i * 2654435761u >> 8) & 0x7f;
        };
        fill(a), fill(b);
    }
    void run() {
        product.execute(queue, {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}});
        queue.wait();
    }
};

int main() {
    Floats floats;
    int prepared = 0;
    Integers *integers = nullptr;
    char what[16];
    int threads;
    double time;
    while (scanf("%15s %d %lf", what, &threads, &time) == 3) {
        if (!strcmp(what, "fp32")) {
            openblas_set_num_threads(threads);
            measure(time, [&] { floats.run(); });
        } else if (!strcmp(what, "int8")) {
            omp_set_num_threads(threads);
            // oneDNN chooses its blocks for a count of threads when a product is made.
            if (prepared != threads) delete integers, integers = new Integers(), prepared = threads;
            measure(time, [&] { integers->run(); });
        } else if (!strcmp(what, "names")) {
            printf("%s %s\n", openblas_get_corename(), Integers().name.c_str());
            fflush(stdout);
        } else {
            return 2;
        }
    }
    return 0;
}
