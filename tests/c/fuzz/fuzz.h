/* What the fuzz targets share; their corpora began as the vectors of tests/vectors. A target aborts when a promise of a
 * header does not hold; the sanitizers find the rest. */
#ifndef RSEC_TESTS_FUZZ_H
#define RSEC_TESTS_FUZZ_H

#include "crypto/digest.h"
#include "wire/view.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(holds)                                                                                                    \
    do {                                                                                                               \
        if (!(holds)) {                                                                                                \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #holds);                                  \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* Takes at most `len` octets off the front of `rest`. */
static inline rsec_view fuzz_take(rsec_view *rest, size_t len) {
    rsec_view taken = {rest->ptr, len < rest->len ? len : rest->len};
    rest->ptr += taken.len;
    rest->len -= taken.len;
    return taken;
}

/* One octet off the front, 0 when there is none. */
static inline uint8_t fuzz_octet(rsec_view *rest) {
    rsec_view taken = fuzz_take(rest, 1);
    return taken.len > 0 ? taken.ptr[0] : 0;
}

/* The digests of the process, made at the first call and freed at exit. */
static rsec_digest *fuzz_digest_kept;

static inline void fuzz_let_go(void) {
    rsec_digest_free(fuzz_digest_kept);
}

static inline rsec_digest *fuzz_digest(void) {
    if (fuzz_digest_kept == NULL) {
        MUST(rsec_digest_new(&fuzz_digest_kept) == RSEC_OK);
        MUST(atexit(fuzz_let_go) == 0);
    }
    return fuzz_digest_kept;
}

#endif
