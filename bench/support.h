/* What both programs of the benchmark need beside TLS: a way to give up, a clock, options. One thread. */
#ifndef BENCH_SUPPORT_H
#define BENCH_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "PROGRAM: " and the sentence on standard error, then exit status 2. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* CLOCK_MONOTONIC. */
int64_t now_ns(void);

/* The value of an option; dies with a sentence that names `option` when it is no number or out of range. */
long long_option(const char *option, const char *text, long min, long max);
double real_option(const char *option, const char *text, double min, double max);

/* "0" or "1". */
bool flag_option(const char *option, const char *text);

/* Copies `text` to `out` (of `cap` octets) as the inside of a JSON string. Cut short when it does not fit. */
void json_escape(char *out, size_t cap, const char *text);

#endif
