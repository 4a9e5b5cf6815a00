/* The BIO over two shared buffers (net/pipe.h). */
#include "check.h"
#include "net/pipe.h"

#include <string.h>

TEST(pipe_reads_what_is_there_and_asks_for_more) {
    rsec_pipe pipe;
    CHECK_INT(rsec_pipe_init(&pipe), RSEC_OK);
    BIO *bio = rsec_pipe_bio(&pipe);
    CHECK(bio != NULL);
    char out[8];
    size_t got = 9;
    CHECK_INT(BIO_read_ex(bio, out, sizeof out, &got), 0);
    CHECK(BIO_should_read(bio)); /* never an end of file: OpenSSL must not see one */
    pipe.rx = (const uint8_t *)"abcdefghij";
    pipe.rx_len = 10;
    CHECK_INT(BIO_read_ex(bio, out, sizeof out, &got), 1);
    CHECK_OCTETS(out, got, "abcdefgh", 8);
    CHECK_INT(BIO_read_ex(bio, out, sizeof out, &got), 1);
    CHECK_OCTETS(out, got, "ij", 2);
    CHECK_INT(BIO_read_ex(bio, out, sizeof out, &got), 0);
    CHECK(BIO_should_retry(bio));
    BIO_free(bio);
    rsec_pipe_clear(&pipe);
    rsec_pipe_clear(&pipe);
}

TEST(pipe_writes_whole_or_not_at_all) {
    static uint8_t octets[RSEC_PIPE_TX];
    rsec_pipe pipe;
    CHECK_INT(rsec_pipe_init(&pipe), RSEC_OK);
    BIO *bio = rsec_pipe_bio(&pipe);
    CHECK(bio != NULL);
    size_t put = 0;
    memset(octets, 'x', sizeof octets);
    CHECK_INT(BIO_write_ex(bio, "ab", 2, &put), 1);
    CHECK_INT(BIO_write_ex(bio, octets, RSEC_PIPE_TX - 3, &put), 1);
    CHECK_INT(pipe.tx_len, RSEC_PIPE_TX - 1);
    CHECK_INT(BIO_write_ex(bio, "yz", 2, &put), 0);
    CHECK(BIO_should_write(bio));
    CHECK_INT(pipe.tx_len, RSEC_PIPE_TX - 1);
    CHECK_INT(BIO_write_ex(bio, "y", 1, &put), 1);
    CHECK_INT(pipe.tx_len, RSEC_PIPE_TX);
    CHECK(pipe.tx[0] == 'a' && pipe.tx[2] == 'x' && pipe.tx[RSEC_PIPE_TX - 1] == 'y');
    CHECK_INT(BIO_flush(bio), 1);
    BIO_free(bio);
    rsec_pipe_clear(&pipe);
}
