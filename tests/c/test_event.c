/* Events: names, escaping of what peers supply, the limit on log records (net/event.h, net/counters.h). */
#define _GNU_SOURCE
#include "check.h"
#include "net/clock.h"
#include "net/counters.h"
#include "net/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TEST(event_reasons_have_names_sentences_and_levels) {
    for (int a = 0; a < RSEC_EVENT_COUNT; a++) {
        const char *name = rsec_event_name((rsec_event_reason)a), *sentence = rsec_event_sentence((rsec_event_reason)a);
        CHECK(name != NULL && name[0] != '\0' && strspn(name, "abcdefghijklmnopqrstuvwxyz_") == strlen(name));
        CHECK(sentence != NULL && sentence[0] != '\0' && sentence[strlen(sentence) - 1] != '.');
        for (int b = 0; b < a; b++) {
            CHECK(strcmp(name, rsec_event_name((rsec_event_reason)b)) != 0);
            CHECK(strcmp(sentence, rsec_event_sentence((rsec_event_reason)b)) != 0);
        }
    }
    CHECK_INT(rsec_event_level(RSEC_EVENT_CONNECTED), RSEC_LEVEL_DEBUG);
    CHECK_INT(rsec_event_level(RSEC_EVENT_TRUNCATED), RSEC_LEVEL_INFO); /* TLS-11: logged, not an error */
    CHECK_INT(rsec_event_level(RSEC_EVENT_BAD_AUTHENTICATOR), RSEC_LEVEL_WARNING);
    CHECK_INT(rsec_event_level(RSEC_EVENT_ENGINE_FAILED), RSEC_LEVEL_ERROR);
    CHECK_TEXT(rsec_event_name(RSEC_EVENT_COUNT), "unknown");
    CHECK_TEXT(rsec_event_sentence(RSEC_EVENT_COUNT), "unknown event");
}

TEST(event_escape_leaves_printable_ascii_only) {
    uint8_t all[256];
    char text[1200];
    for (size_t i = 0; i < sizeof all; i++) {
        all[i] = (uint8_t)i;
    }
    size_t len = rsec_event_escape(all, sizeof all, text, sizeof text);
    CHECK_INT(len, strlen(text));
    for (size_t i = 0; i < len; i++) {
        CHECK(text[i] >= 0x20 && text[i] < 0x7f);
    }
    CHECK_HAS(text, "\\x00\\x01");
    CHECK_HAS(text, "\\x0a");        /* no line of its own */
    CHECK_HAS(text, "\\x1b");        /* no colours */
    CHECK_HAS(text, "[\\x5c]");      /* the escape character itself */
    CHECK_HAS(text, "}~\\x7f\\x80"); /* and nothing that depends on an encoding */
    CHECK_HAS(text, "\\xff");
}

TEST(event_escape_is_cut_to_fit_and_never_inside_an_escape) {
    char text[16];
    for (size_t cap = 1; cap <= sizeof text; cap++) {
        memset(text, '#', sizeof text);
        size_t len = rsec_event_escape("ab\ncd\n", 6, text, cap);
        CHECK(len < cap);
        CHECK_INT(text[len], 0);
        CHECK(cap == sizeof text || text[cap] == '#');
        CHECK(strncmp("ab\\x0acd\\x0a", text, len) == 0);
        CHECK(len != 3 && len != 4 && len != 5);
    }
    text[0] = '#';
    CHECK_INT(rsec_event_escape("x", 1, text, 0), 0);
    CHECK_INT(text[0], '#');
    CHECK_INT(rsec_event_escape(NULL, 0, text, 1), 0);
    CHECK_INT(text[0], 0);
}

TEST(event_limiter_passes_ten_a_second_and_says_how_many_it_held_back) {
    rsec_event_limiter *limiter = rsec_event_limiter_new();
    CHECK(limiter != NULL);
    int64_t now_ns = 5 * RSEC_NS_PER_S;
    uint32_t held_back;
    for (int i = 0; i < 25; i++) {
        bool passes = rsec_event_limiter_pass(limiter, RSEC_EVENT_RESET, "192.0.2.1", now_ns + i, &held_back);
        CHECK_INT(passes, i < RSEC_EVENT_BURST);
        CHECK_INT(held_back, 0);
    }
    /* Another reason, or another peer, is counted by itself. */
    CHECK(rsec_event_limiter_pass(limiter, RSEC_EVENT_TRUNCATED, "192.0.2.1", now_ns, &held_back));
    CHECK(rsec_event_limiter_pass(limiter, RSEC_EVENT_RESET, "192.0.2.2", now_ns, &held_back));
    CHECK_INT(held_back, 0);
    CHECK(!rsec_event_limiter_pass(limiter, RSEC_EVENT_RESET, "192.0.2.1", now_ns + RSEC_NS_PER_S - 1, &held_back));
    CHECK(rsec_event_limiter_pass(limiter, RSEC_EVENT_RESET, "192.0.2.1", now_ns + RSEC_NS_PER_S, &held_back));
    CHECK_INT(held_back, 16);
    CHECK(rsec_event_limiter_pass(limiter, RSEC_EVENT_RESET, "192.0.2.1", now_ns + RSEC_NS_PER_S, &held_back));
    CHECK_INT(held_back, 0);
    rsec_event_limiter_free(limiter);
    rsec_event_limiter_free(NULL);
}

TEST(event_limiter_survives_more_peers_than_it_has_room_for) {
    rsec_event_limiter *limiter = rsec_event_limiter_new();
    CHECK(limiter != NULL);
    uint32_t held_back;
    char address[RSEC_ADDRESS_TEXT];
    for (unsigned i = 0; i < 2000; i++) {
        (void)snprintf(address, sizeof address, "2001:db8::%x", i);
        CHECK(rsec_event_limiter_pass(limiter, RSEC_EVENT_RESET, address, i, &held_back));
    }
    /* The newest ones are remembered. */
    for (int i = 1; i < RSEC_EVENT_BURST; i++) {
        CHECK(rsec_event_limiter_pass(limiter, RSEC_EVENT_RESET, address, 2000, &held_back));
    }
    CHECK(!rsec_event_limiter_pass(limiter, RSEC_EVENT_RESET, address, 2000, &held_back));
    rsec_event_limiter_free(limiter);
}

static int find_counter(void *arg, const char *name, uint64_t value) {
    struct {
        const char *name;
        uint64_t value;
        int seen, stop_at;
    } *wanted = arg;
    wanted->seen++;
    if (strcmp(wanted->name, name) == 0) {
        wanted->value = value;
    }
    return wanted->seen == wanted->stop_at ? 42 : 0;
}

TEST(counters_are_visited_by_name) {
    rsec_counters *counters = calloc(1, sizeof *counters);
    CHECK(counters != NULL);
    rsec_count(&counters->duplicates, 3);
    rsec_count(&counters->requests_waiting, 2);
    rsec_count(&counters->requests_waiting, -2);
    rsec_count(&counters->events[RSEC_EVENT_MALFORMED], 7);
    struct {
        const char *name;
        uint64_t value;
        int seen, stop_at;
    } wanted = {"duplicates", 99, 0, -1};
    CHECK_INT(rsec_counters_visit(counters, find_counter, &wanted), 0);
    CHECK_INT(wanted.value, 3);
    int all = wanted.seen;
    wanted.name = "requests_waiting", wanted.seen = 0;
    CHECK_INT(rsec_counters_visit(counters, find_counter, &wanted), 0);
    CHECK_INT(wanted.value, 0);
    wanted.name = "malformed", wanted.seen = 0;
    CHECK_INT(rsec_counters_visit(counters, find_counter, &wanted), 0);
    CHECK_INT(wanted.value, 7);
    CHECK_INT(wanted.seen, all);
    for (int stop_at = 1; stop_at <= all; stop_at++) { /* among the counters and among the events */
        wanted.seen = 0, wanted.stop_at = stop_at;
        CHECK_INT(rsec_counters_visit(counters, find_counter, &wanted), 42);
        CHECK_INT(wanted.seen, stop_at);
    }
    free(counters);
}
