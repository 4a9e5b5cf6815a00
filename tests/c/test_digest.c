/* MD5 and HMAC-MD5 (crypto/digest.h); the published digests are in tests/vectors/digests.txt. */
#include "check.h"
#include "crypto/digest.h"

#include <string.h>

TEST(digest_hmac_forgets_the_key_before) {
    rsec_md *md;
    rsec_digest *kept, *fresh;
    uint8_t key[300], a[16], b[16];
    memset(key, 'k', sizeof key);
    rsec_view parts[] = {rsec_view_of("what do ya want ", 16), rsec_view_of("for nothing?", 12)};
    CHECK_INT(rsec_md_new(&md), RSEC_OK);
    CHECK_INT(rsec_digest_new(md, &kept), RSEC_OK);
    /* Keys of changing lengths, empty and beyond what is kept, and each twice in a row. */
    static const size_t lens[] = {1, 0, 1, 64, 65, 0, 256, 257, 256, 300, 257, 1, 2, 255, 256, 0, 1};
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        for (int twice = 0; twice < 2; twice++) {
            CHECK_INT(rsec_digest_new(md, &fresh), RSEC_OK);
            CHECK_INT(rsec_digest_hmac_md5(kept, rsec_view_of(key, lens[i]), parts, 2, a), RSEC_OK);
            CHECK_INT(rsec_digest_hmac_md5(fresh, rsec_view_of(key, lens[i]), parts, 2, b), RSEC_OK);
            rsec_digest_free(fresh);
            CHECK_OCTETS(a, 16, b, 16);
        }
    }
    /* The same length, other octets. */
    CHECK_INT(rsec_digest_hmac_md5(kept, rsec_view_of("aaaa", 4), parts, 2, a), RSEC_OK);
    CHECK_INT(rsec_digest_hmac_md5(kept, rsec_view_of("aaab", 4), parts, 2, b), RSEC_OK);
    CHECK(memcmp(a, b, 16) != 0);
    rsec_digest_free(kept);
    rsec_md_free(md);
}

TEST(digest_parts_are_one_message) {
    rsec_md *md;
    rsec_digest *digest;
    uint8_t whole[16], cut[16];
    CHECK_INT(rsec_md_new(&md), RSEC_OK);
    CHECK_INT(rsec_digest_new(md, &digest), RSEC_OK);
    static const char text[] = "The quick brown fox jumps over the lazy dog, and over sixty-four octets too.";
    enum { LEN = sizeof text - 1 };
    rsec_view one = rsec_view_of(text, LEN), key = rsec_view_of("secret", 6);
    for (size_t at = 0; at <= LEN; at++) {
        rsec_view parts[] = {rsec_view_of(text, at), rsec_view_of(NULL, 0), rsec_view_of(text + at, LEN - at)};
        CHECK_INT(rsec_digest_md5(digest, &one, 1, whole), RSEC_OK);
        CHECK_INT(rsec_digest_md5(digest, parts, 3, cut), RSEC_OK);
        CHECK_OCTETS(cut, 16, whole, 16);
        CHECK_INT(rsec_digest_hmac_md5(digest, key, &one, 1, whole), RSEC_OK);
        CHECK_INT(rsec_digest_hmac_md5(digest, key, parts, 3, cut), RSEC_OK);
        CHECK_OCTETS(cut, 16, whole, 16);
    }
    rsec_digest_free(digest);
    rsec_md_free(md);
}

TEST(pkt_10_comparison_sees_every_bit) {
    uint8_t a[16] = {0}, b[16] = {0};
    CHECK(rsec_digest_is_equal(a, b));
    for (unsigned bit = 0; bit < 128; bit++) {
        b[bit / 8] = (uint8_t)(1U << bit % 8);
        CHECK(!rsec_digest_is_equal(a, b));
        b[bit / 8] = 0;
    }
}

TEST(digest_free_takes_null) {
    rsec_digest_free(NULL);
    rsec_md_free(NULL);
}
