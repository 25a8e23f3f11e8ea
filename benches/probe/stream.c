/* Loops in the form of STREAM (McCalpin): doubles in static arrays, OpenMP, compiled with -O3 -march=native.
 *
 * A line `triad 2 0.2` (read, copy or triad; threads; seconds) on standard input is answered by the best and the
 * median rate in GB/s. Bytes are counted as STREAM counts them. With -DHUGE the arrays ask for huge pages, which
 * STREAM does not. */
#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LENGTH (16u << 20) /* 128 MiB an array */
#define PASSES 4096

static double a[LENGTH] __attribute__((aligned(2 << 20)));
static double b[LENGTH] __attribute__((aligned(2 << 20)));
static double c[LENGTH] __attribute__((aligned(2 << 20)));
static volatile uint64_t sink;

static int compare(const void *left, const void *right) {
    double difference = *(const double *)left - *(const double *)right;
    return (difference > 0) - (difference < 0);
}

/* STREAM has no read; this is the sum that a compiler vectorises without permission to reorder floats. */
static void read_pass(void) {
    const uint64_t *words = (const uint64_t *)a;
    uint64_t sum = 0;
#pragma omp parallel for reduction(+ : sum)
    for (long i = 0; i < LENGTH; i++) sum += words[i];
    sink = sum;
}

static void copy_pass(void) {
#pragma omp parallel for
    for (long i = 0; i < LENGTH; i++) c[i] = a[i];
}

static void triad_pass(void) {
#pragma omp parallel for
    for (long i = 0; i < LENGTH; i++) a[i] = b[i] + 3.0 * c[i];
}

static void measure(void (*pass)(void), double bytes, double time) {
    static double rates[PASSES];
    int count = 0;
    pass();
    double end = omp_get_wtime() + time;
    while (count < 3 || (omp_get_wtime() < end && count < PASSES)) {
        double start = omp_get_wtime();
        pass();
        rates[count++] = bytes / (omp_get_wtime() - start) / 1e9;
    }
    qsort(rates, count, sizeof *rates, compare);
    printf("%f %f\n", rates[count - 1], rates[count / 2]);
    fflush(stdout);
}

int main(void) {
#ifdef HUGE
    madvise(a, sizeof a, MADV_HUGEPAGE);
    madvise(b, sizeof b, MADV_HUGEPAGE);
    madvise(c, sizeof c, MADV_HUGEPAGE);
#endif
#pragma omp parallel for
    for (long i = 0; i < LENGTH; i++) a[i] = 1.0, b[i] = 2.0, c[i] = 0.0;
    char what[16];
    int threads;
    double time;
    while (scanf("%15s %d %lf", what, &threads, &time) == 3) {
        omp_set_num_threads(threads);
        if (!strcmp(what, "read")) measure(read_pass, sizeof a, time);
        else if (!strcmp(what, "copy")) measure(copy_pass, 2.0 * sizeof a, time);
        else if (!strcmp(what, "triad")) measure(triad_pass, 3.0 * sizeof a, time);
        else return 2;
    }
    return 0;
}
