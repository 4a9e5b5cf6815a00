#include "net/timer.h"

#include <stdlib.h>

void rsec_timers_init(rsec_timers *timers) {
    *timers = (rsec_timers){NULL, 0, 0};
}

void rsec_timers_clear(rsec_timers *timers) {
    free(timers->heap);
    rsec_timers_init(timers);
}

rsec_status rsec_timers_reserve(rsec_timers *timers, size_t num) {
    if (num <= timers->cap) {
        return RSEC_OK;
    }
    size_t cap = timers->cap == 0 ? 64 : timers->cap;
    while (cap < num) {
        cap *= 2;
    }
    rsec_timer **heap = realloc(timers->heap, cap * sizeof *heap);
    if (heap == NULL) {
        return RSEC_NO_MEMORY;
    }
    timers->heap = heap;
    timers->cap = cap;
    return RSEC_OK;
}

static void put(rsec_timers *timers, size_t i, rsec_timer *timer) {
    timers->heap[i] = timer;
    timer->place = i + 1;
}

static void sift_up(rsec_timers *timers, size_t i) {
    rsec_timer *timer = timers->heap[i];
    while (i > 0 && timers->heap[(i - 1) / 2]->at_ns > timer->at_ns) {
        put(timers, i, timers->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put(timers, i, timer);
}

static void sift_down(rsec_timers *timers, size_t i) {
    rsec_timer *timer = timers->heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= timers->num) {
            break;
        }
        if (child + 1 < timers->num && timers->heap[child + 1]->at_ns < timers->heap[child]->at_ns) {
            child++;
        }
        if (timers->heap[child]->at_ns >= timer->at_ns) {
            break;
        }
        put(timers, i, timers->heap[child]);
        i = child;
    }
    put(timers, i, timer);
}

void rsec_timers_set(rsec_timers *timers, rsec_timer *timer, int64_t at_ns, void *owner) {
    timer->at_ns = at_ns;
    timer->owner = owner;
    if (timer->place == 0) {
        put(timers, timers->num++, timer);
    }
    size_t i = timer->place - 1;
    sift_up(timers, i);
    sift_down(timers, timer->place - 1);
}

void rsec_timers_unset(rsec_timers *timers, rsec_timer *timer) {
    if (timer->place == 0) {
        return;
    }
    size_t i = timer->place - 1;
    timer->place = 0;
    rsec_timer *last = timers->heap[--timers->num];
    if (last != timer) {
        put(timers, i, last);
        sift_up(timers, i);
        sift_down(timers, last->place - 1);
    }
}

rsec_timer *rsec_timers_first(const rsec_timers *timers) {
    return timers->num > 0 ? timers->heap[0] : NULL;
}
