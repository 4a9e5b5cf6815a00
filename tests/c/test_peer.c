/* Who is on the other end: text of socket addresses, references (net/peer.h). */
#define _GNU_SOURCE
#include "check.h"
#include "net/counters.h"
#include "net/peer.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static struct sockaddr_in6 ipv6(const char *text, uint16_t port, uint32_t scope) {
    struct sockaddr_in6 addr = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_scope_id = scope};
    CHECK_INT(inet_pton(AF_INET6, text, &addr.sin6_addr), 1);
    return addr;
}

static void check_ipv6(const char *in, uint32_t scope, const char *out) {
    struct sockaddr_in6 addr = ipv6(in, 2083, scope);
    char text[RSEC_ADDRESS_TEXT];
    uint16_t port;
    rsec_peer_address_text((const struct sockaddr *)&addr, sizeof addr, text, &port);
    CHECK_TEXT(text, out);
    CHECK_INT(port, 2083);
}

TEST(peer_address_ipv4) {
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(65535), .sin_addr.s_addr = htonl(0xc0000201)};
    char text[RSEC_ADDRESS_TEXT];
    uint16_t port;
    rsec_peer_address_text((const struct sockaddr *)&addr, sizeof addr, text, &port);
    CHECK_TEXT(text, "192.0.2.1");
    CHECK_INT(port, 65535);
}

TEST(peer_address_ipv6) {
    check_ipv6("2001:db8::1", 0, "2001:db8::1");
    check_ipv6("::1", 0, "::1");
}

TEST(peer_address_ipv4_mapped_reads_as_ipv4) {
    check_ipv6("::ffff:192.0.2.1", 0, "192.0.2.1");
    check_ipv6("::ffff:192.0.2.1", 3, "192.0.2.1");
    check_ipv6("64:ff9b::c000:201", 0, "64:ff9b::c000:201");
}

TEST(peer_address_link_local_holds_its_scope) {
    char name[IF_NAMESIZE], expected[RSEC_ADDRESS_TEXT];
    unsigned loopback = if_nametoindex("lo");
    CHECK(loopback != 0 && if_indextoname(loopback, name) != NULL);
    (void)snprintf(expected, sizeof expected, "fe80::1%%%s", name);
    check_ipv6("fe80::1", loopback, expected);
    check_ipv6("fe80::1", 4000000000U, "fe80::1%4000000000"); /* an interface that is gone by now */
    check_ipv6("fe80:1111:2222:3333:4444:5555:6666:7777", 4000000000U,
               "fe80:1111:2222:3333:4444:5555:6666:7777%4000000000");
}

TEST(peer_address_of_another_family_or_cut_short_is_empty) {
    struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "/x"};
    char text[RSEC_ADDRESS_TEXT] = "before";
    uint16_t port = 1;
    rsec_peer_address_text((const struct sockaddr *)&local, sizeof local, text, &port);
    CHECK_TEXT(text, "");
    CHECK_INT(port, 0);
    struct sockaddr_in6 addr = ipv6("2001:db8::1", 5, 0);
    rsec_peer_address_text((const struct sockaddr *)&addr, sizeof(struct sockaddr_in), text, &port);
    CHECK_TEXT(text, "");
    CHECK_INT(port, 0);
}

TEST(peer_is_counted_and_lets_go_of_its_secret) {
    struct sockaddr_in6 addr = ipv6("2001:db8::1", 5, 0);
    const struct sockaddr *any = (const struct sockaddr *)&addr;
    int64_t before = rsec_live_objects().peers;
    rsec_peer *peer = rsec_peer_new(any, sizeof addr, any, sizeof addr);
    CHECK(peer != NULL);
    CHECK_TEXT(peer->address, "2001:db8::1");
    CHECK_TEXT(peer->local_address, "2001:db8::1");
    CHECK_INT(peer->port, 5);
    CHECK_INT(rsec_live_objects().peers, before + 1);
    peer->admitted = rsec_secret_new(rsec_view_of("s", 1));
    CHECK(rsec_peer_ref(peer) == peer);
    rsec_peer_unref(peer);
    CHECK_INT(rsec_live_objects().peers, before + 1);
    rsec_peer_unref(peer);
    CHECK_INT(rsec_live_objects().peers, before);
    rsec_peer_unref(NULL);
    CHECK(rsec_peer_ref(NULL) == NULL);
}
