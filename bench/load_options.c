#define _GNU_SOURCE
#include "load_options.h"

#include "support.h"

#include <getopt.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: radsec_load --port N --cert FILE --key FILE --ca FILE [options]\n"
    "\n"
    "Loads a RADIUS/TLS server, checks every reply, prints one line of JSON.\n"
    "\n"
    "  --host TEXT          127.0.0.1\n"
    "  --port N             2083\n"
    "  --cert, --key, --ca  PEM files: our certificate and key, and the CA of the server's certificate\n"
    "  --secret TEXT        radsec\n"
    "how much\n"
    "  --conns N            connections (1)\n"
    "  --window N           closed loop: requests in flight on each, up to 256 (1)\n"
    "  --rate R             open loop instead: requests per second, all connections together; latencies\n"
    "                       count from the moment a request was due, sent or not\n"
    "  --seconds S          length of the measurement (3), after\n"
    "  --warm S             as long a run-up (0.5)\n"
    "  --requests N         closed loop: end after N replies, no run-up, 60 s at most\n"
    "  --handshakes 1       connect, full handshake, one request, close, again; latency is that of all of it; with\n"
    "                       --rate so many a second, as far as --conns are enough\n"
    "  --resume 1           offer the last session when connecting\n"
    "  --connecting N       at most N handshakes at once while the connections are opened (64)\n"
    "  --hold 1             open the connections, print the line, and keep them, idle, until standard input ends\n"
    "  --tls 1.2|1.3        this version only\n"
    "what\n"
    "  --kind KIND          auth (default), acct, status, coa, disconnect, mix (auth and acct)\n"
    "  --users N            1000 different users, user0000@example.org and so on\n"
    "  --password TEXT      the same for all; otherwise user0042@example.org has hunter0042\n"
    "  --wrong N            one password in N is wrong (none)\n"
    "  --attrs N            N Class attributes more in every request (0)\n"
    "  --coalesce 1         as many packets to a TLS record as fit; otherwise one, as real peers send\n"
    "  --spoil 1            with --handshakes and --rate: connections that send 64 Access-Requests whose\n"
    "                       Message-Authenticator is wrong, and end\n"
    "what is looked at\n"
    "  --full-check N       one reply in N has its Message-Authenticator and Reply-Message checked as well (16;\n"
    "                       0: none); code and Response Authenticator are checked in all\n"
    "  --server-pid PID     CPU time of that process during the measurement\n"
    "\n"
    "Exit status 0: there were replies, and none of them was bad.\n"
    "\n"
    "  ok         replies that verify, from start to end    rate        of them in the window, per second\n"
    "  bad        replies that do not                       rejects     Access-Reject and NAKs, part of ok\n"
    "  lost       requests whose connection ended           unexpected  accepted with a wrong password, rejected with\n"
    "  unanswered open loop: due, and no reply in 5 s after the end     the right one, or not greeted by name\n"
    "  load_busy  share of the window this generator ran: near 1, the figures are the generator's own\n"
    "  handshake_rate, resumed_rate  handshakes in the window per second, and of them those that resumed a session\n"
    "  server_cpu_us, server_busy   CPU time of --server-pid for each reply, and its share of the window\n";

enum {
    OPT_HOST = 256,
    OPT_PORT,
    OPT_CERT,
    OPT_KEY,
    OPT_CA,
    OPT_SECRET,
    OPT_CONNS,
    OPT_WINDOW,
    OPT_RATE,
    OPT_SECONDS,
    OPT_WARM,
    OPT_REQUESTS,
    OPT_HANDSHAKES,
    OPT_RESUME,
    OPT_CONNECTING,
    OPT_HOLD,
    OPT_SPOIL,
    OPT_TLS,
    OPT_KIND,
    OPT_USERS,
    OPT_PASSWORD,
    OPT_WRONG,
    OPT_ATTRS,
    OPT_COALESCE,
    OPT_FULL_CHECK,
    OPT_SERVER_PID,
    OPT_HELP,
};

static const struct option known[] = {
    {"host", required_argument, NULL, OPT_HOST},
    {"port", required_argument, NULL, OPT_PORT},
    {"cert", required_argument, NULL, OPT_CERT},
    {"key", required_argument, NULL, OPT_KEY},
    {"ca", required_argument, NULL, OPT_CA},
    {"secret", required_argument, NULL, OPT_SECRET},
    {"conns", required_argument, NULL, OPT_CONNS},
    {"window", required_argument, NULL, OPT_WINDOW},
    {"rate", required_argument, NULL, OPT_RATE},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"warm", required_argument, NULL, OPT_WARM},
    {"requests", required_argument, NULL, OPT_REQUESTS},
    {"handshakes", required_argument, NULL, OPT_HANDSHAKES},
    {"resume", required_argument, NULL, OPT_RESUME},
    {"connecting", required_argument, NULL, OPT_CONNECTING},
    {"hold", required_argument, NULL, OPT_HOLD},
    {"spoil", required_argument, NULL, OPT_SPOIL},
    {"tls", required_argument, NULL, OPT_TLS},
    {"kind", required_argument, NULL, OPT_KIND},
    {"users", required_argument, NULL, OPT_USERS},
    {"password", required_argument, NULL, OPT_PASSWORD},
    {"wrong", required_argument, NULL, OPT_WRONG},
    {"attrs", required_argument, NULL, OPT_ATTRS},
    {"coalesce", required_argument, NULL, OPT_COALESCE},
    {"full-check", required_argument, NULL, OPT_FULL_CHECK},
    {"server-pid", required_argument, NULL, OPT_SERVER_PID},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static int tls_version(const char *text) {
    if (strcmp(text, "1.2") == 0) {
        return TLS1_2_VERSION;
    }
    if (strcmp(text, "1.3") == 0) {
        return TLS1_3_VERSION;
    }
    die("--tls %s: 1.2 or 1.3 is wanted", text);
}

static void take(load_options *options, int opt, const char *name, const char *text) {
    switch (opt) {
    case OPT_HOST:
        options->host = text;
        break;
    case OPT_PORT:
        options->port = text;
        (void)long_option(name, text, 1, 65535);
        break;
    case OPT_CERT:
        options->cert = text;
        break;
    case OPT_KEY:
        options->key = text;
        break;
    case OPT_CA:
        options->ca = text;
        break;
    case OPT_SECRET:
        options->like.secret = text;
        break;
    case OPT_CONNS:
        options->conns = (unsigned)long_option(name, text, 1, 100000);
        break;
    case OPT_WINDOW:
        options->window = (unsigned)long_option(name, text, 1, 256);
        break;
    case OPT_RATE:
        options->rate = real_option(name, text, 0.1, 1e7);
        break;
    case OPT_SECONDS:
        options->seconds = real_option(name, text, 0.01, 86400);
        break;
    case OPT_WARM:
        options->warm = real_option(name, text, 0, 3600);
        break;
    case OPT_REQUESTS:
        options->requests = long_option(name, text, 1, 1000000000);
        break;
    case OPT_HANDSHAKES:
        options->handshakes = flag_option(name, text);
        break;
    case OPT_RESUME:
        options->resume = flag_option(name, text);
        break;
    case OPT_CONNECTING:
        options->connecting = (unsigned)long_option(name, text, 1, 100000);
        break;
    case OPT_HOLD:
        options->hold = flag_option(name, text);
        break;
    case OPT_SPOIL:
        options->spoil = flag_option(name, text);
        break;
    case OPT_TLS:
        options->tls_version = tls_version(text);
        break;
    case OPT_KIND:
        options->kind = text;
        if (!request_kind_parse(text, &options->like.kind)) {
            die("--kind %s: auth, acct, status, coa, disconnect or mix is wanted", text);
        }
        break;
    case OPT_USERS:
        options->like.users = (unsigned)long_option(name, text, 1, USERS_MAX);
        break;
    case OPT_PASSWORD:
        options->like.password = text;
        if (strlen(text) > 16) {
            die("--password: more than 16 octets");
        }
        break;
    case OPT_WRONG:
        options->like.wrong = (unsigned)long_option(name, text, 1, 1000000);
        break;
    case OPT_ATTRS:
        options->like.more_attrs = (unsigned)long_option(name, text, 0, REQUEST_MORE_MAX);
        break;
    case OPT_COALESCE:
        options->coalesce = flag_option(name, text);
        break;
    case OPT_FULL_CHECK:
        options->full_check = (unsigned)long_option(name, text, 0, 1000000);
        break;
    case OPT_SERVER_PID:
        options->server_pid = (pid_t)long_option(name, text, 1, INT32_MAX);
        break;
    case OPT_HELP:
        (void)fputs(help, stdout);
        exit(0);
    default:
        exit(2); /* getopt_long has said why */
    }
}

load_options load_options_parse(int argc, char **argv) {
    load_options options = {
        .host = "127.0.0.1",
        .port = "2083",
        .kind = "auth",
        .conns = 1,
        .window = 1,
        .seconds = 3,
        .warm = 0.5,
        .full_check = 16,
        .connecting = 64,
        .like = {.secret = "radsec", .users = 1000},
    };
    int opt, index = 0;
    while ((opt = getopt_long(argc, argv, "", known, &index)) != -1) {
        take(&options, opt, known[index].name, optarg);
    }
    if (optind < argc) {
        die("%s: not an option", argv[optind]);
    }
    if (options.cert == NULL || options.key == NULL || options.ca == NULL) {
        die("--cert, --key and --ca are needed");
    }
    if (options.rate > 0 && options.requests > 0) {
        die("--rate does not go with --requests");
    }
    if (options.spoil && !(options.handshakes && options.rate > 0 && options.like.kind == KIND_AUTH)) {
        die("--spoil goes with --handshakes 1, a --rate and --kind auth");
    }
    if (options.hold && (options.handshakes || options.rate > 0 || options.requests > 0)) {
        die("--hold goes without --handshakes, --rate and --requests");
    }
    if (options.handshakes) {
        options.window = 1;
    }
    if (options.requests > 0) {
        options.warm = 0;
    }
    return options;
}
