/* The engine from a client's end of a connection (net/engine.h, net/conn.h). */
#define _GNU_SOURCE
#include "bench.h"
#include "check.h"
#include "net/clock.h"
#include "wire/writer.h"

#include <openssl/err.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

TEST(engine_answers_each_kind_of_request) {
    static const uint8_t codes[][2] = {{RSEC_ACCESS_REQUEST, RSEC_ACCESS_ACCEPT},
                                       {RSEC_ACCOUNTING_REQUEST, RSEC_ACCOUNTING_RESPONSE},
                                       {RSEC_STATUS_SERVER, RSEC_ACCESS_ACCEPT},
                                       {RSEC_COA_REQUEST, RSEC_COA_ACK},
                                       {RSEC_DISCONNECT_REQUEST, RSEC_DISCONNECT_ACK}};
    bench *at = bench_start(bench_defaults());
    client peer;
    CHECK(client_open(&peer, at->ctx, at->host.port));
    for (uint8_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        uint8_t asked[RSEC_PACKET_MAX];
        CHECK(client_send(&peer, asked, bench_request(at, codes[i][0], i, asked)));
        bench_receive(at, &peer, asked, codes[i][1]);
    }
    client_close(&peer);
    bench_stop(at);
}

TEST(pkt_1_packets_across_records_and_several_in_one) {
    bench *at = bench_start(bench_defaults());
    client peer;
    uint8_t asked[3][RSEC_PACKET_MAX], packed[3 * RSEC_PACKET_MAX];
    size_t len = 0;
    CHECK(client_open(&peer, at->ctx, at->host.port));
    for (uint8_t i = 0; i < 3; i++) {
        size_t one = bench_request(at, RSEC_ACCESS_REQUEST, i, asked[i]);
        memcpy(packed + len, asked[i], one);
        len += one;
    }
    for (size_t off = 0; off < len; off++) { /* one octet in each record */
        CHECK(client_send(&peer, packed + off, 1));
    }
    for (uint8_t i = 0; i < 3; i++) {
        bench_receive(at, &peer, asked[i], RSEC_ACCESS_ACCEPT);
    }
    CHECK(client_send(&peer, packed, len - 7)); /* two and a bit in one record */
    CHECK(client_send(&peer, packed + len - 7, 7));
    for (uint8_t i = 0; i < 3; i++) {
        bench_receive(at, &peer, asked[i], RSEC_ACCESS_ACCEPT);
    }
    client_close(&peer);
    bench_stop(at);
}

/* What was accepted is answered, then comes close_notify: after octets that must close a connection. */
static void check_closes(const void *octets, size_t len, rsec_event_reason reason, const char *words) {
    bench *at = bench_start(bench_defaults());
    client peer;
    uint8_t asked[RSEC_PACKET_MAX];
    char text[RSEC_EVENT_TEXT];
    CHECK(client_open(&peer, at->ctx, at->host.port));
    CHECK(client_send(&peer, asked, bench_request(at, RSEC_ACCESS_REQUEST, 1, asked)));
    CHECK(client_send(&peer, octets, len));
    bench_receive(at, &peer, asked, RSEC_ACCESS_ACCEPT);
    CHECK(client_sees_close_notify(&peer));
    CHECK(host_wait_event(&at->host, reason, 1, text));
    CHECK_HAS(text, words);
    client_close(&peer);
    bench_stop(at);
}

TEST(pkt_2_bad_length_closes_after_what_was_accepted) {
    check_closes("\1\2\0\23", 4, RSEC_EVENT_MALFORMED, "Length field 19");
    check_closes("\1\2\20\1", 4, RSEC_EVENT_MALFORMED, "Length field 4097");
}

TEST(pkt_3_bad_attribute_closes_after_what_was_accepted) {
    check_closes("\1\2\0\26AAAAAAAAAAAAAAAA\6\1", 22, RSEC_EVENT_MALFORMED,
                 "Access-Request id 2: attribute length below 2, attribute 6 at octet 20 of 22");
    check_closes("\1\2\0\26AAAAAAAAAAAAAAAA\6\3", 22, RSEC_EVENT_MALFORMED,
                 "attribute runs past the end of the packet");
}

TEST(pkt_4_bad_authenticator_closes_after_what_was_accepted) {
    check_closes("\4\2\0\24AAAAAAAAAAAAAAAA", 20, RSEC_EVENT_BAD_AUTHENTICATOR,
                 "Request Authenticator does not verify");
    check_closes("\14\2\0\24AAAAAAAAAAAAAAAA", 20, RSEC_EVENT_BAD_AUTHENTICATOR,
                 "Message-Authenticator is required and missing"); /* PKT-14 */
}

TEST(pkt_7_response_and_unknown_codes_leave_the_connection_open) {
    bench *at = bench_start(bench_defaults());
    client peer;
    uint8_t asked[RSEC_PACKET_MAX];
    CHECK(client_open(&peer, at->ctx, at->host.port));
    CHECK(client_send(&peer, "\2\1\0\24AAAAAAAAAAAAAAAA", 20));   /* Access-Accept */
    CHECK(client_send(&peer, "\372\1\0\24AAAAAAAAAAAAAAAA", 20)); /* 250 */
    CHECK(client_send(&peer, asked, bench_request(at, RSEC_ACCESS_REQUEST, 1, asked)));
    bench_receive(at, &peer, asked, RSEC_ACCESS_ACCEPT);
    CHECK(host_wait_event(&at->host, RSEC_EVENT_RESPONSE_CODE, 1, NULL));
    CHECK(host_wait_event(&at->host, RSEC_EVENT_UNKNOWN_CODE, 1, NULL));
    client_close(&peer);
    bench_stop(at);
}

TEST(pkt_5_unknown_host_is_closed_before_its_handshake) {
    host_options options = host_defaults();
    options.secret = NULL;
    bench *at = bench_start(&options);
    client peer;
    CHECK(!client_open(&peer, at->ctx, at->host.port));
    CHECK(host_wait_event(&at->host, RSEC_EVENT_REFUSED_UNKNOWN_HOST, 1, NULL));
    CHECK_INT(host_counter(&at->host, "handshakes_completed"), 0);
    bench_stop(at);
}

TEST(pkt_12_duplicate_runs_once_and_another_authenticator_supersedes) {
    bench *at = bench_start(bench_defaults());
    client peer;
    uint8_t first[RSEC_PACKET_MAX], second[RSEC_PACKET_MAX];
    CHECK(client_open(&peer, at->ctx, at->host.port));
    host_hold(&at->host, true);
    size_t len = bench_request(at, RSEC_ACCESS_REQUEST, 9, first);
    CHECK(client_send(&peer, first, len));
    CHECK(client_send(&peer, first, len));
    len = client_request(at->digest, "radsec", RSEC_ACCESS_REQUEST, 9, 77, true, NULL, second);
    CHECK(client_send(&peer, second, len));
    CHECK(host_wait_counter(&at->host, "requests_in_flight", 2));
    CHECK_INT(host_counter(&at->host, "duplicates"), 1);
    host_hold(&at->host, false);
    bench_receive(at, &peer, second, RSEC_ACCESS_ACCEPT); /* one reply, to the request that counts */
    CHECK(host_wait_counter(&at->host, "superseded", 1));
    CHECK(client_send(&peer, first, bench_request(at, RSEC_STATUS_SERVER, 10, first)));
    bench_receive(at, &peer, first, RSEC_ACCESS_ACCEPT);
    client_close(&peer);
    bench_stop(at);
}

TEST(pkt_14_status_server_is_answered_while_every_slot_is_taken) {
    host_options options = host_defaults();
    options.settings.max_in_flight = 2;
    options.settings.max_in_flight_total = 2;
    bench *at = bench_start(&options);
    client peer;
    uint8_t asked[5][RSEC_PACKET_MAX], status[RSEC_PACKET_MAX];
    CHECK(client_open(&peer, at->ctx, at->host.port));
    host_hold(&at->host, true);
    for (uint8_t i = 0; i < 5; i++) {
        CHECK(client_send(&peer, asked[i], bench_request(at, RSEC_ACCESS_REQUEST, i, asked[i])));
    }
    CHECK(client_send(&peer, status, bench_request(at, RSEC_STATUS_SERVER, 200, status)));
    bench_receive(at, &peer, status, RSEC_ACCESS_ACCEPT);
    CHECK_INT(host_counter(&at->host, "requests_in_flight"), 2);
    CHECK_INT(host_counter(&at->host, "requests_waiting"), 3);
    host_hold(&at->host, false);
    for (uint8_t i = 0; i < 5; i++) {
        bench_receive(at, &peer, asked[i], RSEC_ACCESS_ACCEPT);
    }
    client_close(&peer);
    bench_stop(at);
}

/* Six Status-Server in one record, so that replies are packed, and `last` behind them. */
static void check_packed_replies_arrive(const void *last, size_t last_len, bool closes_itself) {
    enum { NUM = 6 };
    bench *at = bench_start(bench_defaults());
    client peer;
    uint8_t asked[NUM][RSEC_PACKET_MAX], packed[NUM * 128 + 64];
    size_t len = 0;
    CHECK(client_open(&peer, at->ctx, at->host.port));
    for (uint8_t i = 0; i < NUM; i++) {
        size_t one = bench_request(at, RSEC_STATUS_SERVER, i, asked[i]);
        memcpy(packed + len, asked[i], one);
        len += one;
    }
    memcpy(packed + len, last, last_len);
    client_cork(&peer, true); /* the close_notify comes with them */
    CHECK(client_send(&peer, packed, len + last_len));
    if (closes_itself) {
        (void)SSL_shutdown(peer.ssl);
    }
    client_cork(&peer, false);
    for (uint8_t i = 0; i < NUM; i++) {
        bench_receive(at, &peer, asked[i], RSEC_ACCESS_ACCEPT);
    }
    CHECK(client_sees_close_notify(&peer));
    client_close(&peer);
    bench_stop(at);
}

TEST(packed_replies_go_out_before_a_close_that_must_be) {
    check_packed_replies_arrive("\1\2\0\23", 4, false); /* PKT-2 */
}

TEST(packed_replies_take_as_many_records_as_they_need) {
    enum { NUM = 20 };
    host_options options = host_defaults();
    options.reply_octets = 3900;
    bench *at = bench_start(&options);
    client peer;
    uint8_t asked[NUM][RSEC_PACKET_MAX], packed[NUM * 128], reply[RSEC_PACKET_MAX];
    size_t len = 0;
    CHECK(client_open(&peer, at->ctx, at->host.port));
    for (uint8_t i = 0; i < NUM; i++) {
        size_t one = bench_request(at, RSEC_ACCESS_REQUEST, i, asked[i]);
        memcpy(packed + len, asked[i], one);
        len += one;
    }
    host_hold(&at->host, true); /* all of them are answered in one turn */
    CHECK(client_send(&peer, packed, len));
    CHECK(host_wait_counter(&at->host, "requests_in_flight", NUM));
    host_hold(&at->host, false);
    for (uint8_t i = 0; i < NUM; i++) {
        CHECK(client_receive(&peer, reply, &len));
        CHECK(reply[1] < NUM && client_reply_is_good(at->digest, "radsec", asked[reply[1]], rsec_view_of(reply, len)));
    }
    client_close(&peer);
    bench_stop(at);
}

TEST(tls_11_packed_replies_go_out_after_the_peers_close_notify) {
    check_packed_replies_arrive("", 0, true);
}

/* A client asks a lot, says goodbye and is gone: the first replies are answered with a reset, in the middle of writing the
 * rest. How many replies there are decides where in the loop the connection dies. */
TEST(pkt_13_connection_that_dies_while_its_replies_are_written) {
    enum { LEAST = 58, MOST = 74 };
    host_options options = host_defaults();
    options.reply_octets = 3900;
    bench *at = bench_start(&options);
    client witness;
    uint8_t asked[RSEC_PACKET_MAX];
    CHECK(client_open(&witness, at->ctx, at->host.port));
    for (unsigned num = LEAST; num <= MOST; num++) {
        client peer;
        CHECK(client_open(&peer, at->ctx, at->host.port));
        host_hold(&at->host, true);
        for (uint8_t i = 0; i < num; i++) {
            CHECK(client_send(&peer, asked, bench_request(at, RSEC_ACCESS_REQUEST, i, asked)));
        }
        CHECK(host_wait_counter(&at->host, "requests_in_flight", num));
        client_close(&peer);
        CHECK(host_wait_counter(&at->host, "closed", num - LEAST + 1));
        host_hold(&at->host, false);
        /* The others on the same thread are none the worse for it. */
        CHECK(client_send(&witness, asked, bench_request(at, RSEC_ACCESS_REQUEST, (uint8_t)num, asked)));
        bench_receive(at, &witness, asked, RSEC_ACCESS_ACCEPT);
    }
    CHECK_INT(host_counter(&at->host, "connections_open"), 1);
    CHECK(host_stop(&at->host, RSEC_NS_PER_S));
    CHECK(client_sees_close_notify(&witness)); /* the server still knows of it */
    client_close(&witness);
    bench_stop(at);
}

TEST(pkt_13_queued_access_requests_die_with_their_connection_and_accounting_runs) {
    host_options options = host_defaults();
    options.settings.max_in_flight = 1;
    bench *at = bench_start(&options);
    client peer;
    uint8_t asked[RSEC_PACKET_MAX];
    CHECK(client_open(&peer, at->ctx, at->host.port));
    host_hold(&at->host, true);
    for (uint8_t i = 0; i < 6; i++) {
        uint8_t code = i % 2 == 0 ? RSEC_ACCESS_REQUEST : RSEC_ACCOUNTING_REQUEST;
        CHECK(client_send(&peer, asked, bench_request(at, code, i, asked)));
    }
    CHECK(host_wait_counter(&at->host, "requests_waiting", 5));
    client_reset(&peer);
    CHECK(host_wait_counter(&at->host, "requests_dropped", 2));
    host_hold(&at->host, false);
    CHECK(host_wait_counter(&at->host, "replies_discarded", 4));
    CHECK_INT(host_counter(&at->host, "requests_to_python"), 4);
    bench_stop(at);
}

TEST(new_secret_counts_from_the_next_packet_on) {
    bench *at = bench_start(bench_defaults());
    client peer;
    uint8_t asked[RSEC_PACKET_MAX], reply[RSEC_PACKET_MAX];
    size_t len;
    CHECK(client_open(&peer, at->ctx, at->host.port));
    CHECK(client_send(&peer, asked, bench_request(at, RSEC_ACCESS_REQUEST, 1, asked)));
    bench_receive(at, &peer, asked, RSEC_ACCESS_ACCEPT);
    host_set_secret(&at->host, "another");
    len = client_request(at->digest, "another", RSEC_ACCESS_REQUEST, 2, 5, true, NULL, asked);
    CHECK(client_send(&peer, asked, len));
    CHECK(client_receive(&peer, reply, &len));
    CHECK(client_reply_is_good(at->digest, "another", asked, rsec_view_of(reply, len)));
    CHECK(client_send(&peer, asked, bench_request(at, RSEC_ACCESS_REQUEST, 3, asked))); /* the old one does not */
    CHECK(client_sees_close_notify(&peer));
    client_close(&peer);
    bench_stop(at);
}

TEST(secret_is_asked_for_once_more_before_a_peer_is_closed) {
    bench *at = bench_start(bench_defaults());
    client peer;
    uint8_t asked[RSEC_PACKET_MAX], reply[RSEC_PACKET_MAX];
    size_t len;
    CHECK(client_open(&peer, at->ctx, at->host.port));
    for (uint8_t turn = 0; turn < 4; turn++) {
        const char *secret = turn % 2 == 0 ? "another" : "radsec";
        host_change_secret(&at->host, secret); /* nobody tells the engine */
        for (uint8_t i = 0; i < 3; i++) {
            len = client_request(at->digest, secret, RSEC_ACCOUNTING_REQUEST, i, turn, i % 2 == 0, NULL, asked);
            CHECK(client_send(&peer, asked, len));
            CHECK(client_receive(&peer, reply, &len));
            CHECK(client_reply_is_good(at->digest, secret, asked, rsec_view_of(reply, len)));
        }
    }
    CHECK_INT(host_counter(&at->host, "bad_authenticator"), 0);
    len = client_request(at->digest, "neither", RSEC_ACCOUNTING_REQUEST, 9, 9, true, NULL, asked);
    CHECK(client_send(&peer, asked, len));
    CHECK(client_sees_close_notify(&peer));
    CHECK_INT(host_counter(&at->host, "bad_authenticator"), 1);
    client_close(&peer);
    bench_stop(at);
}

TEST(packets_behind_one_in_doubt_wait_for_the_new_secret) {
    enum { NUM = 5 };
    bench *at = bench_start(bench_defaults());
    client peer;
    uint8_t asked[NUM][RSEC_PACKET_MAX], reply[RSEC_PACKET_MAX];
    size_t len;
    CHECK(client_open(&peer, at->ctx, at->host.port));
    host_change_secret(&at->host, "another");
    client_cork(&peer, true);
    for (uint8_t i = 0; i < NUM; i++) {
        len = client_request(at->digest, "another", RSEC_ACCESS_REQUEST, i, i, true, NULL, asked[i]);
        CHECK(client_send(&peer, asked[i], len));
    }
    client_cork(&peer, false);
    for (uint8_t i = 0; i < NUM; i++) {
        CHECK(client_receive(&peer, reply, &len));
        CHECK(client_reply_is_good(at->digest, "another", asked[i], rsec_view_of(reply, len)));
    }
    client_close(&peer);
    bench_stop(at);
}

TEST(host_that_is_gone_is_closed_after_what_was_accepted) {
    bench *at = bench_start(bench_defaults());
    client peer;
    uint8_t asked[RSEC_PACKET_MAX];
    CHECK(client_open(&peer, at->ctx, at->host.port));
    host_hold(&at->host, true);
    CHECK(client_send(&peer, asked, bench_request(at, RSEC_ACCESS_REQUEST, 1, asked)));
    CHECK(host_wait_counter(&at->host, "requests_in_flight", 1));
    host_set_secret(&at->host, NULL);
    CHECK(host_wait_event(&at->host, RSEC_EVENT_HOST_GONE, 1, NULL));
    host_hold(&at->host, false);
    bench_receive(at, &peer, asked, RSEC_ACCESS_ACCEPT);
    CHECK(client_sees_close_notify(&peer));
    client_close(&peer);
    bench_stop(at);
}

TEST(stop_lets_requests_in_flight_finish) {
    bench *at = bench_start(bench_defaults());
    client peer;
    uint8_t asked[RSEC_PACKET_MAX];
    CHECK(client_open(&peer, at->ctx, at->host.port));
    host_hold(&at->host, true);
    CHECK(client_send(&peer, asked, bench_request(at, RSEC_ACCESS_REQUEST, 1, asked)));
    CHECK(host_wait_counter(&at->host, "requests_in_flight", 1));
    rsec_engine_stop(at->host.engine, 20 * RSEC_NS_PER_S);
    host_hold(&at->host, false);
    bench_receive(at, &peer, asked, RSEC_ACCESS_ACCEPT);
    CHECK(client_sees_close_notify(&peer));
    client_close(&peer);
    bench_stop(at);
}

TEST(stop_gives_up_what_is_still_held_when_the_grace_is_over) {
    bench *at = bench_start(bench_defaults());
    client peer;
    uint8_t asked[RSEC_PACKET_MAX];
    CHECK(client_open(&peer, at->ctx, at->host.port));
    host_hold(&at->host, true);
    CHECK(client_send(&peer, asked, bench_request(at, RSEC_ACCESS_REQUEST, 1, asked)));
    CHECK(host_wait_counter(&at->host, "requests_in_flight", 1));
    int64_t start_ns = rsec_now_ns();
    CHECK(host_stop(&at->host, RSEC_NS_PER_S / 20));
    CHECK(rsec_now_ns() - start_ns < 5 * RSEC_NS_PER_S);
    CHECK(client_sees_close_notify(&peer));
    client_close(&peer);
    bench_stop(at);
}

TEST(lim_5_peer_that_does_not_read_is_bounded_and_gets_everything_in_the_end) {
    enum { NUM = 250, BOUND = 150 };
    host_options options = host_defaults();
    options.reply_octets = 3900;
    options.settings.max_output = 65536;
    options.send_octets = 32768;
    bench *at = bench_start(&options);
    client peer, witness;
    uint8_t asked[RSEC_PACKET_MAX], reply[RSEC_PACKET_MAX];
    bool seen[NUM] = {false};
    size_t len;
    CHECK(client_open(&witness, at->ctx, at->host.port));
    CHECK(client_connect(&peer, at->host.port, 8192) && client_handshake(&peer, at->ctx));
    host_hold(&at->host, true);
    for (unsigned i = 0; i < NUM; i++) {
        CHECK(client_send(&peer, asked, bench_request(at, RSEC_ACCESS_REQUEST, (uint8_t)i, asked)));
    }
    CHECK(host_wait_counter(&at->host, "requests_in_flight", NUM));
    host_hold(&at->host, false);
    /* What comes after them on another connection is answered: by then they were written, as far as they are. */
    CHECK(client_send(&witness, asked, bench_request(at, RSEC_ACCESS_REQUEST, 0, asked)));
    bench_receive(at, &witness, asked, RSEC_ACCESS_ACCEPT);
    /* A megabyte of replies is there, the sockets and max_output hold a quarter of it: the rest keeps its slots. */
    CHECK(host_counter(&at->host, "replies_sent") < BOUND);
    CHECK(host_counter(&at->host, "requests_in_flight") > NUM - BOUND);
    for (unsigned i = 0; i < NUM; i++) {
        CHECK(client_receive(&peer, reply, &len));
        CHECK(reply[1] < NUM && !seen[reply[1]]);
        seen[reply[1]] = true;
    }
    CHECK_INT(host_counter(&at->host, "replies_sent"), NUM + 1);
    client_close(&peer);
    client_close(&witness);
    bench_stop(at);
}

TEST(lim_4_read_ahead_is_bounded_and_nothing_accepted_is_dropped) {
    enum { NUM = 400 };
    static const char filler[] =
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
        "8901234567890123456789012345678901234567890123456789012345678901234567890123456789";
    static const uint8_t codes[] = {RSEC_ACCESS_REQUEST, RSEC_COA_REQUEST};
    host_options options = host_defaults();
    options.settings.max_in_flight = 1;
    bench *at = bench_start(&options);
    client peer;
    uint8_t asked[RSEC_PACKET_MAX], reply[RSEC_PACKET_MAX];
    size_t len = 0, answered = 0;
    CHECK(client_open(&peer, at->ctx, at->host.port));
    host_hold(&at->host, true);
    for (unsigned i = 0; i < NUM; i++) {
        len = client_request(at->digest, "radsec", codes[i % 2], (uint8_t)(i / 2), i, true, filler, asked);
        CHECK(client_send(&peer, asked, len)); /* 90 kB, which the sockets' buffers hold */
    }
    CHECK(host_wait_counter(&at->host, "reads_paused", 1));
    CHECK(host_counter(&at->host, "requests_waiting") * len < 65536 + RSEC_PACKET_MAX);
    CHECK(host_counter(&at->host, "packets_received") < NUM);
    host_hold(&at->host, false);
    for (; answered < NUM && client_receive(&peer, reply, &len); answered++) {
    }
    CHECK_INT(answered, NUM);
    client_close(&peer);
    bench_stop(at);
}

TEST(raw_mode_hands_everything_up_unverified) {
    host_options options = host_defaults();
    options.policy.raw = true;
    bench *at = bench_start(&options);
    client peer;
    uint8_t reply[RSEC_PACKET_MAX];
    size_t len;
    CHECK(client_open(&peer, at->ctx, at->host.port));
    CHECK(client_send(&peer, "\4\2\0\24AAAAAAAAAAAAAAAA", 20)); /* an authenticator that would not verify */
    CHECK(client_receive(&peer, reply, &len));
    CHECK_INT(reply[0], RSEC_ACCOUNTING_RESPONSE);
    CHECK_OCTETS(reply + 4, 16, "AAAAAAAAAAAAAAAA", 16); /* sent as it was given */
    CHECK(client_send(&peer, "\4\2\0\23", 4));           /* PKT-2 holds here too */
    CHECK(client_sees_close_notify(&peer));
    client_close(&peer);
    bench_stop(at);
}

TEST(engine_that_never_started_is_freed) {
    host_options options = host_defaults();
    bench *at = bench_start(&options);
    rsec_engine *idle;
    CHECK_INT(rsec_engine_new(&options.settings, &options.policy, at->host.tls, &idle), RSEC_OK);
    rsec_engine_free(idle);
    rsec_engine_free(NULL);
    bench_stop(at);
}
