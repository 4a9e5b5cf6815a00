#include "net/pipe.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

static int pipe_read(BIO *bio, char *out, size_t cap, size_t *got) {
    rsec_pipe *pipe = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    size_t left = pipe->rx_len - pipe->rx_off;
    *got = cap < left ? cap : left;
    if (*got == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(out, pipe->rx + pipe->rx_off, *got);
    pipe->rx_off += *got;
    return 1;
}

static int pipe_write(BIO *bio, const char *octets, size_t len, size_t *put) {
    rsec_pipe *pipe = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *put = 0;
    if (len > RSEC_PIPE_TX - pipe->tx_len) {
        BIO_set_retry_write(bio);
        return 0;
    }
    memcpy(pipe->tx + pipe->tx_len, octets, len);
    pipe->tx_len += len;
    *put = len;
    return 1;
}

static long pipe_ctrl(BIO *bio, int cmd, long num, void *ptr) {
    (void)bio;
    (void)num;
    (void)ptr;
    return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

rsec_status rsec_pipe_init(rsec_pipe *pipe) {
    *pipe = (rsec_pipe){.tx = malloc(RSEC_PIPE_TX), .method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "pyradsec pipe")};
    if (pipe->tx == NULL || pipe->method == NULL || BIO_meth_set_read_ex(pipe->method, pipe_read) != 1 ||
        BIO_meth_set_write_ex(pipe->method, pipe_write) != 1 || BIO_meth_set_ctrl(pipe->method, pipe_ctrl) != 1) {
        rsec_pipe_clear(pipe);
        return RSEC_NO_MEMORY;
    }
    return RSEC_OK;
}

void rsec_pipe_clear(rsec_pipe *pipe) {
    free(pipe->tx);
    BIO_meth_free(pipe->method);
    *pipe = (rsec_pipe){.tx = NULL};
}

BIO *rsec_pipe_bio(rsec_pipe *pipe) {
    BIO *bio = BIO_new(pipe->method);
    if (bio != NULL) {
        BIO_set_data(bio, pipe);
        BIO_set_init(bio, 1);
    }
    return bio;
}
