/* The command line of radsec_load. */
#ifndef BENCH_LOAD_OPTIONS_H
#define BENCH_LOAD_OPTIONS_H

#include "request.h"

#include <stdbool.h>
#include <sys/types.h>

typedef struct {
    const char *host, *port, *cert, *key, *ca, *kind;
    int tls_version; /* TLS1_2_VERSION, TLS1_3_VERSION, or 0: what both sides like best */
    unsigned conns;
    unsigned window; /* closed loop: requests in flight on each connection */
    double rate;     /* open loop: requests per second over all connections; 0: closed loop */
    double seconds, warm;
    long requests;       /* ends after so many replies; 0: after `seconds` */
    unsigned full_check; /* one reply in so many has all of it checked; 0: none */
    pid_t server_pid;    /* whose CPU time to take; 0: nobody's */
    bool coalesce, handshakes, resume;
    unsigned connecting; /* handshakes at once while the connections are opened */
    bool hold;           /* opens connections and keeps them idle */
    bool spoil;          /* sends what does not verify */
    request_settings like;
} load_options;

/* Prints help and exits, or dies with a sentence, when the command line asks for it. The texts are borrowed from argv.
 */
load_options load_options_parse(int argc, char **argv);

#endif
