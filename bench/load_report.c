#define _GNU_SOURCE
#include "load.h"

#include "support.h"

#include <inttypes.h>
#include <stdio.h>

static int64_t clock_ns(clockid_t clock) {
    struct timespec time;
    return clock_gettime(clock, &time) == 0 ? (int64_t)time.tv_sec * SECOND_NS + time.tv_nsec : 0;
}

mark load_mark_now(const load *ld) {
    return (mark){
        .at_ns = now_ns(),
        .own_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID),
        .server_cpu_ns = ld->options->server_pid > 0 ? clock_ns(ld->server_clock) : 0,
        .ok = ld->ok,
        .handshakes = ld->handshakes,
        .resumed = ld->resumed,
    };
}

/* Left out, it would make the latencies look better. */
static void note_one(load *ld, int64_t due_ns, int64_t now) {
    note_latency(ld, due_ns, now);
    ld->unanswered++;
}

void load_note_unanswered(load *ld) {
    int64_t now = now_ns();
    for (; ld->up_ns != 0 && ld->due_num < ld->schedule_len; ld->due_num++) {
        note_one(ld, ld->up_ns + (int64_t)((double)ld->due_num * (1e9 / ld->options->rate)), now);
    }
    for (unsigned i = 0; i < ld->options->conns; i++) {
        const conn *cn = &ld->conns[i];
        if (is_paced(ld) && (cn->state == CONN_DIALLING || cn->state == CONN_HANDSHAKE)) {
            note_one(ld, cn->dialled_ns, now);
        }
        for (unsigned id = 0; id < IDS; id++) {
            if (cn->slots[id].is_used) {
                note_one(ld, cn->slots[id].sent_ns, now);
            }
        }
    }
}

static double us(int64_t ns) {
    return (double)ns / 1e3;
}

void load_report(const load *ld) {
    const load_options *options = ld->options;
    char error[2 * sizeof ld->first_error];
    json_escape(error, sizeof error, ld->first_error);
    double window_ns = ld->begin.at_ns != 0 ? (double)(ld->end.at_ns - ld->begin.at_ns) : 0;
    double per_s = window_ns > 0 ? 1e9 / window_ns : 0;
    uint64_t ok = ld->end.ok - ld->begin.ok;
    printf("{\"kind\": \"%s\", \"conns\": %u, \"window\": %u, \"offered_rate\": %.6g, \"secs\": %.3f, ", options->kind,
           options->conns, options->rate > 0 ? 0 : options->window, options->rate, window_ns / 1e9);
    printf("\"rate\": %.1f, \"handshake_rate\": %.1f, \"resumed_rate\": %.1f, ", (double)ok * per_s,
           (double)(ld->end.handshakes - ld->begin.handshakes) * per_s,
           (double)(ld->end.resumed - ld->begin.resumed) * per_s);
    printf("\"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f, ",
           us(latency_quantile_ns(&ld->lat, 0.5)), us(latency_quantile_ns(&ld->lat, 0.9)),
           us(latency_quantile_ns(&ld->lat, 0.99)), us(latency_quantile_ns(&ld->lat, 0.999)), us(ld->lat.max_ns));
    printf("\"load_busy\": %.3f, ", (double)(ld->end.own_cpu_ns - ld->begin.own_cpu_ns) * per_s / 1e9);
    if (options->server_pid > 0 && ok > 0) {
        double server_ns = (double)(ld->end.server_cpu_ns - ld->begin.server_cpu_ns);
        printf("\"server_busy\": %.3f, \"server_cpu_us\": %.3f, ", server_ns * per_s / 1e9,
               server_ns / 1e3 / (double)ok);
    }
    printf("\"ok\": %" PRIu64 ", \"bad\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"unanswered\": %" PRIu64 ", ", ld->ok,
           ld->bad, ld->lost, ld->unanswered);
    printf("\"sent\": %" PRIu64 ", \"rejects\": %" PRIu64 ", \"unexpected\": %" PRIu64 ", \"errors\": %" PRIu64
           ", \"handshakes\": %" PRIu64 ", \"reconnects\": %" PRIu64 ", ",
           ld->sent, ld->rejects, ld->unexpected, ld->errors, ld->handshakes, ld->reconnects);
    printf("\"up\": %u, \"all_up_s\": %.3f, \"first_error\": \"%s\"}\n", ld->up_num,
           ld->up_ns != 0 ? (double)(ld->up_ns - ld->dialled_ns) / 1e9 : 0, error);
    (void)fflush(stdout);
}
