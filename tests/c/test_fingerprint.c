/* Certificate fingerprints as text (crypto/fingerprint.h). */
#include "check.h"
#include "crypto/fingerprint.h"

#include <string.h>

static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; /* FIPS 180-2 §B.1 */

TEST(tls_5_fingerprint_is_sha_256) {
    uint8_t fingerprint[RSEC_FINGERPRINT_LEN];
    char text[RSEC_FINGERPRINT_TEXT];
    CHECK_INT(rsec_fingerprint_of(rsec_view_of("abc", 3), fingerprint), RSEC_OK);
    rsec_fingerprint_format(fingerprint, text);
    CHECK_TEXT(text, abc);
}

TEST(tls_5_fingerprint_text_in_any_dress) {
    static const char *const texts[] = {
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "SHA256:BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD",
        " \tsha256: ba78 16bf 8f01 cfea 4141 40de 5dae 2223 b003 61a3 9617 7a9c b410 ff61 f200 15ad\r\n",
        "::ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a:d:",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint8_t fingerprint[RSEC_FINGERPRINT_LEN];
        char text[RSEC_FINGERPRINT_TEXT];
        CHECK_INT(rsec_fingerprint_parse(texts[i], strlen(texts[i]), fingerprint), RSEC_OK);
        rsec_fingerprint_format(fingerprint, text);
        CHECK_TEXT(text, abc);
    }
}

TEST(tls_5_fingerprint_text_that_is_none) {
    static const char *const texts[] = {
        "",
        "sha256:",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a",   /* 63 digits */
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0", /* 65 */
        "sha1:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad.",
        "sha256:sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "ba-78-16bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint8_t fingerprint[RSEC_FINGERPRINT_LEN];
        CHECK_INT(rsec_fingerprint_parse(texts[i], strlen(texts[i]), fingerprint), RSEC_ATTR_VALUE);
    }
    uint8_t fingerprint[RSEC_FINGERPRINT_LEN];
    CHECK_INT(rsec_fingerprint_parse(abc, sizeof abc, fingerprint), RSEC_ATTR_VALUE); /* with its NUL */
}
