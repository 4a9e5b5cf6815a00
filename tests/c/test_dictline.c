/* Lines of dictionaries: words, comments, line ends, numbers (wire/dictline.h). */
#include "check.h"
#include "wire/dictline.h"

#include <string.h>

static rsec_view text_of(const char *text) {
    return rsec_view_of(text, strlen(text));
}

static void check_word(rsec_view word, const char *expected) {
    CHECK_OCTETS(word.ptr, word.len, expected, strlen(expected));
}

TEST(dictline_words_and_numbers_of_lines) {
    rsec_dictline line;
    rsec_dictline_begin(&line, text_of("# one\n\n\tATTRIBUTE  Name\t1 string# two\r\n \rlast"));
    CHECK_INT(rsec_dictline_next(&line), RSEC_OK);
    CHECK_INT(line.number, 3);
    CHECK_INT(line.num, 4);
    check_word(line.words[0], "ATTRIBUTE");
    check_word(line.words[1], "Name");
    check_word(line.words[2], "1");
    check_word(line.words[3], "string");
    check_word(line.tail, "  Name\t1 string");
    CHECK_INT(rsec_dictline_next(&line), RSEC_OK);
    CHECK_INT(line.number, 5);
    CHECK_INT(line.num, 1);
    check_word(line.words[0], "last");
    CHECK_INT(line.tail.len, 0);
    CHECK_INT(rsec_dictline_next(&line), RSEC_ABSENT);
    CHECK_INT(rsec_dictline_next(&line), RSEC_ABSENT);
    CHECK_INT(line.number, 5);
}

TEST(dictline_of_nothing) {
    static const char *const empty[] = {"", "\n", "#", " \t", "\r\n\r\n", "\xef\xbb\xbf", "# \xff\n#\x80"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        rsec_dictline line;
        rsec_dictline_begin(&line, text_of(empty[i]));
        CHECK_INT(rsec_dictline_next(&line), RSEC_ABSENT);
        CHECK_INT(line.num, 0);
    }
    rsec_dictline line;
    rsec_dictline_begin(&line, (rsec_view){NULL, 0});
    CHECK_INT(rsec_dictline_next(&line), RSEC_ABSENT);
}

TEST(dictline_counts_the_words_it_does_not_keep) {
    rsec_dictline line;
    rsec_dictline_begin(&line, text_of("1 2 3 4 5 6 7 8 9 10"));
    CHECK_INT(rsec_dictline_next(&line), RSEC_OK);
    CHECK_INT(line.num, 10);
    check_word(line.words[RSEC_DICT_WORDS - 1], "8");
    check_word(line.tail, " 2 3 4 5 6 7 8 9 10");
}

TEST(dictline_blanks_of_unicode) {
    /* U+00A0, U+2003, U+3000, and U+00E9, which is a letter of the same first octet as none of them */
    rsec_dictline line;
    rsec_dictline_begin(&line, text_of("\xef\xbb\xbf"
                                       "a\xc2\xa0"
                                       "b\xe2\x80\x83"
                                       "c\xe3\x80\x80"
                                       "caf\xc3\xa9 # \xff"));
    CHECK_INT(rsec_dictline_next(&line), RSEC_OK);
    CHECK_INT(line.num, 4);
    check_word(line.words[1], "b");
    check_word(line.words[3], "caf\xc3\xa9");
    check_word(line.tail, "\xc2\xa0"
                          "b\xe2\x80\x83"
                          "c\xe3\x80\x80"
                          "caf\xc3\xa9");
}

TEST(dictline_goes_on_after_what_is_no_utf8) {
    rsec_dictline line;
    rsec_dictline_begin(&line, text_of("one\ncaf\xe9 x\ntwo"));
    CHECK_INT(rsec_dictline_next(&line), RSEC_OK);
    CHECK_INT(rsec_dictline_next(&line), RSEC_ATTR_VALUE);
    CHECK_INT(line.number, 2);
    CHECK_INT(line.num, 0);
    CHECK_INT(rsec_dictline_next(&line), RSEC_OK);
    check_word(line.words[0], "two");
}

TEST(dictline_parts) {
    rsec_view text = text_of("a,,bc"), part;
    CHECK(rsec_dictline_part(&text, ',', &part));
    check_word(part, "a");
    CHECK(rsec_dictline_part(&text, ',', &part));
    check_word(part, "");
    CHECK(text.ptr != NULL);
    CHECK(rsec_dictline_part(&text, ',', &part));
    check_word(part, "bc");
    CHECK(text.ptr == NULL);
    CHECK(!rsec_dictline_part(&text, ',', &part));
    text = text_of("");
    CHECK(rsec_dictline_part(&text, ',', &part));
    CHECK_INT(part.len, 0);
    CHECK(!rsec_dictline_part(&text, ',', &part));
}

TEST(dictline_keywords) {
    CHECK(rsec_dictline_is(text_of("attRIBUTE"), "ATTRIBUTE"));
    CHECK(rsec_dictline_is(text_of("$include-"), "$INCLUDE-"));
    CHECK(!rsec_dictline_is(text_of("ATTRIBUTES"), "ATTRIBUTE"));
    CHECK(!rsec_dictline_is(text_of("ATTRIBUT"), "ATTRIBUTE"));
    CHECK(!rsec_dictline_is(text_of("END\rTLV"), "END-TLV")); /* 0x0d is '-' without a bit */
    CHECK(rsec_dictline_equals(text_of("tlv"), "tlv"));
    CHECK(!rsec_dictline_equals(text_of("TLV"), "tlv"));
}

TEST(dictline_reads_numbers) {
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {
        {"0", 0},
        {"17", 17},
        {"007", 7},
        {"0x11", 17},
        {"0XfF", 255},
        {"0o21", 17},
        {"-1", -1},
        {"+5", 5},
        {"-0x10", -16},
        {"9223372036854775807", INT64_MAX},
        {"0x7fffffffffffffff", INT64_MAX},
        {"-9223372036854775807", -INT64_MAX},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t value = 99;
        CHECK_INT(rsec_dictline_number(text_of(good[i].text), &value), RSEC_OK);
        CHECK_INT(value, good[i].value);
    }
}

TEST(dictline_refuses_what_is_no_number) {
    static const char *const bad[] = {"",
                                      "-",
                                      "0x",
                                      "0xg",
                                      "1x",
                                      "one",
                                      "1_0",
                                      "0b1",
                                      "08o",
                                      "--1",
                                      " 1",
                                      "0o8",
                                      "9223372036854775808",
                                      "0x8000000000000000",
                                      "99999999999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t value;
        CHECK_INT(rsec_dictline_number(text_of(bad[i]), &value), RSEC_ATTR_VALUE);
    }
}
