/* MD5 and HMAC-MD5 (crypto/digest.h); the published digests are in tests/vectors/digests.txt. */
#include "check.h"
#include "crypto/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

TEST(digest_hmac_forgets_the_key_before) {
    rsec_digest *kept, *fresh;
    uint8_t key[300], a[16], b[16];
    memset(key, 'k', sizeof key);
    rsec_view parts[] = {rsec_view_of("what do ya want ", 16), rsec_view_of("for nothing?", 12)};
    CHECK_INT(rsec_digest_new(&kept), RSEC_OK);
    /* Keys of changing lengths, empty and beyond what is kept, and each twice in a row. */
    static const size_t lens[] = {1, 0, 1, 64, 65, 0, 256, 257, 256, 300, 257, 1, 2, 255, 256, 0, 1};
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        for (int twice = 0; twice < 2; twice++) {
            CHECK_INT(rsec_digest_new(&fresh), RSEC_OK);
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
}

/* Cut everywhere, so that parts are longer and shorter than what is gathered of them; EVP has the whole message. */
TEST(digest_parts_are_one_message) {
    enum { LEN = 1300 };
    rsec_digest *digest;
    uint8_t text[LEN], whole[16], keyed[16], cut[16];
    CHECK_INT(rsec_digest_new(&digest), RSEC_OK);
    for (size_t i = 0; i < LEN; i++) {
        text[i] = (uint8_t)(i * 7 + i / 256);
    }
    CHECK(EVP_Digest(text, LEN, whole, NULL, EVP_md5(), NULL) == 1);
    CHECK(HMAC(EVP_md5(), "secret", 6, text, LEN, keyed, NULL) != NULL);
    rsec_view key = rsec_view_of("secret", 6);
    for (size_t at = 0; at <= LEN; at++) {
        size_t then = at + (LEN - at) / 3;
        rsec_view parts[] = {rsec_view_of(text, at), rsec_view_of(NULL, 0), rsec_view_of(text + at, then - at),
                             rsec_view_of(text + then, LEN - then)};
        CHECK_INT(rsec_digest_md5(digest, parts, 4, cut), RSEC_OK);
        CHECK_OCTETS(cut, 16, whole, 16);
        CHECK_INT(rsec_digest_hmac_md5(digest, key, parts, 4, cut), RSEC_OK);
        CHECK_OCTETS(cut, 16, keyed, 16);
    }
    rsec_digest_free(digest);
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
}
