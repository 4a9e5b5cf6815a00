/* Hidden attributes (crypto/hide.h, PKT-16): what is hidden uncovers, and any octets uncover to something or are refused.
 * The first octet is the secret's length; secret, 16 octets of authenticator, 2 of salt and the value follow. */
#include "fuzz.h"
#include "crypto/hide.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rsec_view rest = rsec_view_of(data, size);
    rsec_view secret = fuzz_take(&rest, fuzz_octet(&rest)), auth = fuzz_take(&rest, 16), salt = fuzz_take(&rest, 2);
    rsec_digest *digest = fuzz_digest();
    static uint8_t hidden[8192], plain[8192];
    size_t hidden_len = sizeof hidden, len = sizeof plain;
    if (salt.len < 2 || rest.len > 4096) {
        return 0;
    }
    MUST(rsec_password_hide(digest, secret, auth, rest, hidden, &hidden_len) == RSEC_OK);
    MUST(hidden_len % 16 == 0 && hidden_len >= rest.len && hidden_len < rest.len + 16);
    MUST(rsec_password_unhide(digest, secret, auth, rsec_view_of(hidden, hidden_len), plain, &len) == RSEC_OK);
    MUST(len == hidden_len && (rest.len == 0 || memcmp(plain, rest.ptr, rest.len) == 0));
    len = sizeof plain;
    MUST(rsec_password_unhide(digest, secret, auth, rest, plain, &len) == RSEC_OK && len == rest.len);

    hidden_len = sizeof hidden;
    rsec_status status = rsec_salted_hide(digest, secret, auth, salt.ptr, rest, hidden, &hidden_len);
    MUST(status == (rest.len <= 239 ? RSEC_OK : RSEC_TOO_LONG));
    if (status == RSEC_OK) {
        len = sizeof plain;
        MUST((hidden[0] & 0x80) != 0 && hidden_len <= 242);
        MUST(rsec_salted_unhide(digest, secret, auth, rsec_view_of(hidden, hidden_len), plain, &len) == RSEC_OK);
        MUST(len == rest.len && (len == 0 || memcmp(plain, rest.ptr, len) == 0));
    }
    len = sizeof plain;
    status = rsec_salted_unhide(digest, secret, auth, rest, plain, &len);
    MUST(status == RSEC_OK ? len < rest.len : len == 0 && (status == RSEC_ATTR_VALUE || status == RSEC_BAD_SECRET));
    return 0;
}
