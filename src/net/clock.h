/* The clock that deadlines are on: CLOCK_MONOTONIC, in nanoseconds. */
#ifndef RSEC_NET_CLOCK_H
#define RSEC_NET_CLOCK_H

#include <stdint.h>
#include <time.h>

enum { RSEC_NS_PER_MS = 1000000 };
#define RSEC_NS_PER_S INT64_C(1000000000)

static inline int64_t rsec_now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (int64_t)now.tv_sec * RSEC_NS_PER_S + now.tv_nsec;
}

#endif
