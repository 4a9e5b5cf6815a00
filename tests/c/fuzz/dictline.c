/* Dictionary text (wire/dictline.h): every word lies in the text, holds no blank, and is there again when its line is split
 * once more; what a number is read as is written as a text that reads the same. */
#include "fuzz.h"
#include "wire/dictline.h"
#include "wire/value.h"

#include <inttypes.h>
#include <string.h>

static void check_inside(rsec_view text, rsec_view part) {
    MUST(part.len == 0 ||
         (part.ptr >= text.ptr && part.len <= text.len && (size_t)(part.ptr - text.ptr) <= text.len - part.len));
}

static void check_number(rsec_view word) {
    int64_t value, again;
    char text[32];
    if (rsec_dictline_number(word, &value) == RSEC_OK) {
        int len = snprintf(text, sizeof text, "%" PRId64, value);
        MUST(rsec_dictline_number(rsec_view_of(text, (size_t)len), &again) == RSEC_OK && again == value);
    }
}

/* Parts, put together again with their marks, are the word. */
static void check_parts(rsec_view word) {
    rsec_view rest = word, part;
    size_t len = 0, num = 0;
    while (rsec_dictline_part(&rest, '.', &part)) {
        check_inside(word, part);
        MUST(part.len == 0 || memchr(part.ptr, '.', part.len) == NULL);
        len += part.len;
        num++;
        check_number(part);
    }
    MUST(num > 0 && len + num - 1 == word.len);
}

static void check_line(rsec_view text, const rsec_dictline *line) {
    rsec_view tail = line->tail, word;
    MUST(line->num > 0);
    check_inside(text, line->tail);
    for (size_t i = 0; i < line->num && i < RSEC_DICT_WORDS; i++) {
        const rsec_view *found = &line->words[i];
        check_inside(text, *found);
        MUST(found->len > 0 && rsec_utf8_is_valid(*found));
        MUST(memchr(found->ptr, '#', found->len) == NULL && memchr(found->ptr, '\n', found->len) == NULL);
        if (i > 0) {
            MUST(rsec_dictline_word(&tail, &word) && word.ptr == found->ptr && word.len == found->len);
        }
        check_parts(*found);
        (void)rsec_dictline_is(*found, "BEGIN-VENDOR");
    }
    for (size_t i = RSEC_DICT_WORDS; i < line->num; i++) {
        MUST(rsec_dictline_word(&tail, &word));
    }
    MUST(!rsec_dictline_word(&tail, &word));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rsec_view text = rsec_view_of(data, size);
    rsec_dictline line;
    size_t lines = 1, before = 0;
    for (size_t i = 0; i < size; i++) {
        lines += data[i] == '\n' || data[i] == '\r';
    }
    rsec_dictline_begin(&line, text);
    rsec_status status;
    while ((status = rsec_dictline_next(&line)) != RSEC_ABSENT) {
        MUST(line.number > before && line.number <= lines);
        before = line.number;
        if (status == RSEC_OK) {
            check_line(text, &line);
        } else {
            MUST(status == RSEC_ATTR_VALUE && line.num == 0);
        }
    }
    MUST(line.rest.len == 0);
    return 0;
}
