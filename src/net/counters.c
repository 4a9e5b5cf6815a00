#include "net/counters.h"

#include <stdatomic.h>

int rsec_counters_visit(const rsec_counters *counters, int (*visit)(void *arg, const char *name, uint64_t value),
                        void *arg) {
    int rc = 0;
#define VISIT(name)                                                                                                    \
    if (rc == 0) {                                                                                                     \
        rc = visit(arg, #name, atomic_load_explicit(&counters->name, memory_order_relaxed));                           \
    }
    RSEC_COUNTERS(VISIT)
#undef VISIT
    for (int reason = 0; reason < RSEC_EVENT_COUNT && rc == 0; reason++) {
        rc = visit(arg, rsec_event_name((rsec_event_reason)reason),
                   atomic_load_explicit(&counters->events[reason], memory_order_relaxed));
    }
    return rc;
}

/* Process-wide on purpose: they answer "is anything left over", over all engines and interpreters. */
static atomic_int_fast64_t live[RSEC_LIVE_COUNT];

void rsec_live_note(rsec_live_kind kind, int step) {
    atomic_fetch_add_explicit(&live[kind], step, memory_order_relaxed);
}

rsec_live rsec_live_objects(void) {
    return (rsec_live){
        .conns = atomic_load_explicit(&live[RSEC_LIVE_CONN], memory_order_relaxed),
        .requests = atomic_load_explicit(&live[RSEC_LIVE_REQUEST], memory_order_relaxed),
        .peers = atomic_load_explicit(&live[RSEC_LIVE_PEER], memory_order_relaxed),
        .engines = atomic_load_explicit(&live[RSEC_LIVE_ENGINE], memory_order_relaxed),
    };
}
