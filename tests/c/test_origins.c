/* Connections by source address (net/origins.h). */
#include "check.h"
#include "net/origins.h"

#include <stdio.h>

TEST(lim_1_each_address_has_its_own_count) {
    rsec_origins *origins = rsec_origins_new();
    CHECK(origins != NULL);
    CHECK_INT(rsec_origins_add(origins, "192.0.2.1", 2), RSEC_OK);
    CHECK_INT(rsec_origins_add(origins, "192.0.2.1", 2), RSEC_OK);
    CHECK_INT(rsec_origins_add(origins, "192.0.2.1", 2), RSEC_TOO_LONG);
    CHECK_INT(rsec_origins_add(origins, "192.0.2.2", 2), RSEC_OK);
    rsec_origins_drop(origins, "192.0.2.1");
    CHECK_INT(rsec_origins_add(origins, "192.0.2.1", 2), RSEC_OK);
    CHECK_INT(rsec_origins_add(origins, "192.0.2.1", 2), RSEC_TOO_LONG); /* refused ones were not counted */
    rsec_origins_free(origins);
}

TEST(lim_1_an_address_that_has_no_connection_is_ignored) {
    rsec_origins *origins = rsec_origins_new();
    CHECK(origins != NULL);
    rsec_origins_drop(origins, "2001:db8::1");
    CHECK_INT(rsec_origins_add(origins, "2001:db8::1", 1), RSEC_OK);
    rsec_origins_drop(origins, "2001:db8::1");
    rsec_origins_drop(origins, "2001:db8::1");
    CHECK_INT(rsec_origins_add(origins, "2001:db8::1", 1), RSEC_OK);
    CHECK_INT(rsec_origins_add(origins, "2001:db8::1", 1), RSEC_TOO_LONG);
    rsec_origins_free(origins);
    rsec_origins_free(NULL);
}

TEST(lim_1_many_addresses_share_buckets) {
    enum { NUM = 5000 };
    rsec_origins *origins = rsec_origins_new();
    CHECK(origins != NULL);
    char address[32];
    for (int turn = 0; turn < 2; turn++) {
        for (unsigned i = 0; i < NUM; i++) {
            (void)snprintf(address, sizeof address, "10.0.%u.%u", i / 256, i % 256);
            CHECK_INT(rsec_origins_add(origins, address, 1), RSEC_OK);
        }
        for (unsigned i = 0; i < NUM; i++) {
            (void)snprintf(address, sizeof address, "10.0.%u.%u", i / 256, i % 256);
            CHECK_INT(rsec_origins_add(origins, address, 1), RSEC_TOO_LONG);
        }
        for (unsigned i = NUM; i-- > 0;) {
            (void)snprintf(address, sizeof address, "10.0.%u.%u", i / 256, i % 256);
            rsec_origins_drop(origins, address);
        }
    }
    rsec_origins_free(origins);
}
