/* A test harness of one page. Tests register themselves, run one after the other in one process, and end at their first
 * failure, which is printed with its place, what was expected and what was found.
 *
 *   TEST(pkt_2_length_below_20_closes) {
 *       CHECK_INT(rsec_packet_frame(stream, &len), RSEC_TOO_SHORT);
 *   }
 *
 * The runner (check.c) takes words: only tests whose name contains one of them run. Its last line is
 * "N passed, N failed". Checks belong to the main thread; a helper thread hands its findings back to be checked there.
 */
#ifndef RSEC_TESTS_CHECK_H
#define RSEC_TESTS_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct check_case {
    const char *name;
    void (*run)(void);
    struct check_case *next;
} check_case;

void check_add(check_case *added);

/* Runs `run(arg)` as a test of its own right away, called `name`: for tests that come out of data files. May be called
 * inside a TEST, which goes on afterwards. */
void check_each(const char *name, void (*run)(void *arg), void *arg);

/* Each ends the running test when it does not hold. */
void check_true(bool holds, const char *text, const char *file, int line);
void check_int(int64_t found, int64_t expected, const char *text, const char *file, int line);
void check_text(const char *found, const char *expected, const char *text, const char *file, int line);
void check_has(const char *found, const char *part, const char *text, const char *file, int line);
void check_octets(const void *found, size_t found_len, const void *expected, size_t expected_len, const char *text,
                  const char *file, int line);

#define TEST(test)                                                                                                     \
    static void test(void);                                                                                            \
    __attribute__((constructor)) static void add_##test(void) {                                                        \
        static check_case added = {#test, test, NULL};                                                                 \
        check_add(&added);                                                                                             \
    }                                                                                                                  \
    static void test(void)

#define CHECK(holds) check_true((holds), #holds, __FILE__, __LINE__)
#define CHECK_INT(found, expected) check_int((int64_t)(found), (int64_t)(expected), #found, __FILE__, __LINE__)
#define CHECK_TEXT(found, expected) check_text((found), (expected), #found, __FILE__, __LINE__)
/* The text contains `part`. */
#define CHECK_HAS(found, part) check_has((found), (part), #found, __FILE__, __LINE__)
#define CHECK_OCTETS(found, found_len, expected, expected_len)                                                         \
    check_octets((found), (found_len), (expected), (expected_len), #found, __FILE__, __LINE__)

/* The repository's root, for files beside the tests. */
#ifndef RSEC_ROOT
#error "RSEC_ROOT is set by the Makefile"
#endif

#endif
