/* Shared secrets and sets of pins: counted, immutable, from any thread (crypto/secret.h, crypto/fingerprint.h). */
#include "check.h"
#include "crypto/fingerprint.h"
#include "crypto/secret.h"

#include <pthread.h>
#include <string.h>

TEST(secret_holds_a_copy) {
    uint8_t octets[] = {'r', 'a', 0, 's', 0xff};
    rsec_secret *secret = rsec_secret_new(rsec_view_of(octets, sizeof octets));
    CHECK(secret != NULL);
    octets[0] = 'x';
    rsec_view held = rsec_secret_octets(secret);
    CHECK_OCTETS(held.ptr, held.len, "ra\0s\xff", 5);
    CHECK(rsec_secret_is_equal(secret, rsec_view_of("ra\0s\xff", 5)));
    CHECK(!rsec_secret_is_equal(secret, rsec_view_of("ra\0s\xfe", 5)));
    CHECK(!rsec_secret_is_equal(secret, rsec_view_of("ra\0s", 4)));
    CHECK(!rsec_secret_is_equal(secret, rsec_view_of(NULL, 0)));
    rsec_secret_unref(secret);
}

TEST(secret_may_be_empty) {
    rsec_secret *secret = rsec_secret_new(rsec_view_of(NULL, 0));
    CHECK(secret != NULL);
    CHECK_INT(rsec_secret_octets(secret).len, 0);
    CHECK(rsec_secret_is_equal(secret, rsec_view_of(NULL, 0)));
    CHECK(!rsec_secret_is_equal(secret, rsec_view_of("x", 1)));
    rsec_secret_unref(secret);
}

TEST(secret_references) {
    CHECK(rsec_secret_ref(NULL) == NULL);
    rsec_secret_unref(NULL);
    rsec_secret *secret = rsec_secret_new(rsec_view_of("radsec", 6));
    CHECK(secret != NULL);
    CHECK(rsec_secret_ref(secret) == secret);
    rsec_secret_unref(secret);
    CHECK_OCTETS(rsec_secret_octets(secret).ptr, 6, "radsec", 6); /* the sanitizer would say so if it were gone */
    rsec_secret_unref(secret);
}

static void *take_and_drop(void *arg) {
    for (int i = 0; i < 20000; i++) {
        rsec_secret *mine = rsec_secret_ref(arg);
        bool is_whole = rsec_secret_is_equal(mine, rsec_view_of("radsec", 6));
        rsec_secret_unref(mine);
        if (!is_whole) {
            return arg;
        }
    }
    rsec_secret_unref(arg); /* the thread's own reference; whoever is last frees */
    return NULL;
}

TEST(secret_is_counted_across_threads) {
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    rsec_secret *secret = rsec_secret_new(rsec_view_of("radsec", 6));
    CHECK(secret != NULL);
    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(pthread_create(&threads[i], NULL, take_and_drop, rsec_secret_ref(secret)), 0);
    }
    rsec_secret_unref(secret);
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        CHECK_INT(pthread_join(threads[i], &failed), 0);
        CHECK(failed == NULL);
    }
}

TEST(tls_5_pins_find_every_member_and_nobody_else) {
    enum { NUM = 5 };
    uint8_t octets[NUM][RSEC_FINGERPRINT_LEN];
    for (size_t i = 0; i < NUM; i++) {
        memset(octets[i], (int)i, sizeof octets[i]);
    }
    rsec_pins *pins = rsec_pins_new(octets[0], NUM);
    CHECK(pins != NULL);
    for (size_t i = 0; i < NUM; i++) {
        CHECK(rsec_pins_has(pins, octets[i]));
        octets[i][31] ^= 1;
        CHECK(!rsec_pins_has(pins, octets[i])); /* the set holds a copy */
        octets[i][31] ^= 1;
        octets[i][0] ^= 0x80;
        CHECK(!rsec_pins_has(pins, octets[i]));
        octets[i][0] ^= 0x80;
    }
    CHECK(rsec_pins_ref(pins) == pins);
    rsec_pins_unref(pins);
    CHECK(rsec_pins_has(pins, octets[0]));
    rsec_pins_unref(pins);
    rsec_pins_unref(NULL);
    CHECK(rsec_pins_ref(NULL) == NULL);
}

TEST(tls_5_an_empty_set_of_pins_has_nobody) {
    static const uint8_t zeros[RSEC_FINGERPRINT_LEN];
    rsec_pins *pins = rsec_pins_new(NULL, 0);
    CHECK(pins != NULL);
    CHECK(!rsec_pins_has(pins, zeros));
    rsec_pins_unref(pins);
    CHECK(rsec_pins_new(zeros, SIZE_MAX / 8) == NULL); /* a size that would overflow */
}
