#define _GNU_SOURCE
#include "check.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_S = 120, SHOWN_OCTETS = 48 };

static check_case *first, **last = &first;
static unsigned passed, failed;
static jmp_buf *way_out; /* of the running test */
static char **words;     /* only tests with one of them in their name run; ends with NULL */

void check_add(check_case *added) {
    *last = added;
    last = &added->next;
}

static bool is_wanted(const char *name) {
    if (words[0] == NULL) {
        return true;
    }
    for (char **word = words; *word != NULL; word++) {
        if (strstr(name, *word) != NULL) {
            return true;
        }
    }
    return false;
}

static void call(void *arg) {
    ((const check_case *)arg)->run();
}

static void run(const char *name, void (*function)(void *arg), void *arg) {
    jmp_buf *const outer = way_out;
    jmp_buf here;
    if (setjmp(here) == 0) {
        way_out = &here;
        function(arg);
        printf("%s ok\n", name);
        passed++;
    } else {
        printf("%s FAILED\n", name);
        failed++;
    }
    fflush(stdout);
    way_out = outer;
}

void check_each(const char *name, void (*function)(void *arg), void *arg) {
    run(name, function, arg);
}

__attribute__((noreturn)) static void fail(void) {
    if (way_out == NULL) {
        printf("a check outside of any test\n");
        abort();
    }
    longjmp(*way_out, 1);
}

static void print_octets(const char *title, const uint8_t *octets, size_t len) {
    printf("    %s %zu octets:", title, len);
    for (size_t i = 0; i < len && i < SHOWN_OCTETS; i++) {
        printf(" %02x", octets[i]);
    }
    printf("%s\n", len > SHOWN_OCTETS ? " ..." : "");
}

void check_true(bool holds, const char *text, const char *file, int line) {
    if (!holds) {
        printf("%s:%d: %s\n    expected: true\n    found:    false\n", file, line, text);
        fail();
    }
}

void check_int(int64_t found, int64_t expected, const char *text, const char *file, int line) {
    if (found != expected) {
        printf("%s:%d: %s\n    expected: %" PRId64 "\n    found:    %" PRId64 "\n", file, line, text, expected, found);
        fail();
    }
}

void check_text(const char *found, const char *expected, const char *text, const char *file, int line) {
    if (found == NULL || strcmp(found, expected) != 0) {
        printf("%s:%d: %s\n    expected: \"%s\"\n    found:    \"%s\"\n", file, line, text, expected,
               found != NULL ? found : "(NULL)");
        fail();
    }
}

void check_has(const char *found, const char *part, const char *text, const char *file, int line) {
    if (found == NULL || strstr(found, part) == NULL) {
        printf("%s:%d: %s\n    expected: \"...%s...\"\n    found:    \"%s\"\n", file, line, text, part,
               found != NULL ? found : "(NULL)");
        fail();
    }
}

void check_octets(const void *found, size_t found_len, const void *expected, size_t expected_len, const char *text,
                  const char *file, int line) {
    if (found_len != expected_len || (found_len > 0 && memcmp(found, expected, found_len) != 0)) {
        printf("%s:%d: %s\n", file, line, text);
        print_octets("expected:", expected, expected_len);
        print_octets("found:   ", found, found_len);
        fail();
    }
}

int main(int argc, char **argv) {
    (void)argc;
    words = argv + 1;
    (void)alarm(PATIENCE_S); /* nothing here takes that long: a test that hangs ends the run */
    for (check_case *at = first; at != NULL; at = at->next) {
        if (is_wanted(at->name)) {
            run(at->name, call, at);
        }
    }
    printf("%u passed, %u failed\n", passed, failed);
    (void)fflush(stdout);
    if (failed > 0) {
        _exit(1); /* what failed tests leave behind is no news for a leak detector */
    }
    return passed == 0;
}
