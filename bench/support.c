#define _GNU_SOURCE
#include "support.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

_Noreturn void die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)fprintf(stderr, "%s: ", program_invocation_short_name);
    (void)vfprintf(stderr, format, args); /* NOLINT(clang-analyzer-valist.Uninitialized) */
    (void)fputc('\n', stderr);
    va_end(args);
    exit(2);
}

int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

long long_option(const char *option, const char *text, long min, long max) {
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || value < min || value > max) {
        die("--%s %s: a whole number from %ld to %ld is wanted", option, text, min, max);
    }
    return value;
}

double real_option(const char *option, const char *text, double min, double max) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || isnan(value) || value < min || value > max) {
        die("--%s %s: a number from %g to %g is wanted", option, text, min, max);
    }
    return value;
}

bool flag_option(const char *option, const char *text) {
    if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0) {
        die("--%s %s: 0 or 1 is wanted", option, text);
    }
    return *text == '1';
}

void json_escape(char *out, size_t cap, const char *text) {
    size_t len = 0;
    for (; *text != '\0' && len + 3 < cap; text++) {
        if (*text == '"' || *text == '\\') {
            out[len++] = '\\';
        }
        out[len] = *text;
        if ((unsigned char)*text < ' ') {
            out[len] = ' ';
        }
        len++;
    }
    out[len] = '\0';
}
