#include "latency.h"

enum { STEPS = 1 << LATENCY_STEPS_LOG2 };

/* Values below STEPS have a bucket each; above, the top LATENCY_STEPS_LOG2 + 1 bits select it. */
static unsigned bucket_of(uint64_t ns) {
    if (ns < STEPS) {
        return (unsigned)ns;
    }
    unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - LATENCY_STEPS_LOG2;
    unsigned bucket = (shift << LATENCY_STEPS_LOG2) + (unsigned)(ns >> shift);
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

/* The largest value that falls into the bucket. */
static int64_t top_of(unsigned bucket) {
    if (bucket < STEPS) {
        return bucket;
    }
    unsigned shift = (bucket >> LATENCY_STEPS_LOG2) - 1;
    uint64_t lead = STEPS + (bucket & (STEPS - 1));
    return (int64_t)(((lead + 1) << shift) - 1);
}

void latency_record(latency *lat, int64_t ns) {
    ns = ns > 0 ? ns : 0;
    lat->counts[bucket_of((uint64_t)ns)]++;
    lat->total++;
    lat->max_ns = ns > lat->max_ns ? ns : lat->max_ns;
}

int64_t latency_quantile_ns(const latency *lat, double q) {
    uint64_t rank = (uint64_t)(q * (double)lat->total), seen = 0;
    rank = rank < 1 ? 1 : rank;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        seen += lat->counts[i];
        if (seen >= rank) {
            return top_of(i) < lat->max_ns ? top_of(i) : lat->max_ns;
        }
    }
    return lat->max_ns;
}
