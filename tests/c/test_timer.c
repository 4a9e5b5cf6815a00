/* Deadlines in a heap (net/timer.h), against the plainest way to find the earliest one. */
#include "check.h"
#include "net/timer.h"

static uint32_t draw(uint32_t *state) {
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* The heap's order and the timers' places in it. */
static void check_heap(const rsec_timers *timers) {
    for (size_t i = 0; i < timers->num; i++) {
        CHECK_INT(timers->heap[i]->place, i + 1);
        CHECK(i == 0 || timers->heap[(i - 1) / 2]->at_ns <= timers->heap[i]->at_ns);
    }
}

TEST(timers_come_out_in_order) {
    enum { NUM = 200 };
    rsec_timers timers;
    rsec_timer all[NUM] = {{0, 0, NULL}};
    uint32_t state = 1;
    rsec_timers_init(&timers);
    CHECK(rsec_timers_first(&timers) == NULL);
    CHECK_INT(rsec_timers_reserve(&timers, NUM), RSEC_OK);
    for (size_t i = 0; i < NUM; i++) {
        rsec_timers_set(&timers, &all[i], draw(&state) % 50, &all[i]);
        check_heap(&timers);
    }
    int64_t before = 0;
    for (size_t left = NUM; left > 0; left--) {
        rsec_timer *first = rsec_timers_first(&timers);
        CHECK(first != NULL && first->owner == first);
        CHECK(first->at_ns >= before);
        CHECK_INT(timers.num, left);
        before = first->at_ns;
        rsec_timers_unset(&timers, first);
        CHECK_INT(first->place, 0);
        check_heap(&timers);
    }
    CHECK(rsec_timers_first(&timers) == NULL);
    rsec_timers_clear(&timers);
}

TEST(timers_set_moved_and_unset_at_random) {
    enum { NUM = 64, STEPS = 20000 };
    rsec_timers timers;
    rsec_timer all[NUM] = {{0, 0, NULL}};
    uint32_t state = 7;
    rsec_timers_init(&timers);
    CHECK_INT(rsec_timers_reserve(&timers, NUM), RSEC_OK);
    for (int step = 0; step < STEPS; step++) {
        rsec_timer *timer = &all[draw(&state) % NUM];
        if (draw(&state) % 3 == 0) {
            rsec_timers_unset(&timers, timer);
        } else {
            rsec_timers_set(&timers, timer, draw(&state) % 1000, NULL);
        }
        const rsec_timer *earliest = NULL;
        size_t num = 0;
        for (size_t i = 0; i < NUM; i++) {
            if (all[i].place != 0) {
                num++;
                earliest = earliest == NULL || all[i].at_ns < earliest->at_ns ? &all[i] : earliest;
            }
        }
        CHECK_INT(timers.num, num);
        const rsec_timer *first = rsec_timers_first(&timers);
        CHECK_INT(first == NULL, earliest == NULL);
        CHECK(first == NULL || first->at_ns == earliest->at_ns);
    }
    check_heap(&timers);
    rsec_timers_clear(&timers);
}

TEST(timers_keep_what_is_set_when_room_grows) {
    rsec_timers timers;
    rsec_timer one = {0, 0, NULL};
    rsec_timers_init(&timers);
    CHECK_INT(rsec_timers_reserve(&timers, 1), RSEC_OK);
    rsec_timers_set(&timers, &one, 5, &one);
    CHECK_INT(rsec_timers_reserve(&timers, 10000), RSEC_OK);
    CHECK(timers.cap >= 10000);
    CHECK(rsec_timers_first(&timers) == &one);
    CHECK_INT(rsec_timers_reserve(&timers, 3), RSEC_OK); /* never shrinks */
    CHECK(timers.cap >= 10000);
    rsec_timers_unset(&timers, &one);
    rsec_timers_unset(&timers, &one); /* unset already: nothing happens */
    rsec_timers_clear(&timers);
}
