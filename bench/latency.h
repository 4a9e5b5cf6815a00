/* latency: a histogram of durations with a relative error below 0.8 %, from a nanosecond to minutes. Fixed memory:
 * recording a value in the middle of a measurement costs a few instructions and never an allocation. */
#ifndef BENCH_LATENCY_H
#define BENCH_LATENCY_H

#include <stdint.h>

enum {
    LATENCY_STEPS_LOG2 = 7,                                                /* 128 steps to each power of two */
    LATENCY_BUCKETS = (40 - LATENCY_STEPS_LOG2 + 1) << LATENCY_STEPS_LOG2, /* up to 2^40 ns, 18 minutes */
};

typedef struct {
    uint64_t total;
    int64_t max_ns;
    uint32_t counts[LATENCY_BUCKETS];
} latency;

void latency_record(latency *lat, int64_t ns);

/* The duration that the fraction `q` of all values does not exceed; 0 when there are none. */
int64_t latency_quantile_ns(const latency *lat, double q);

#endif
