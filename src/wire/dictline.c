#include "wire/dictline.h"

#include "wire/value.h"

#include <string.h>

/* What an octet is in a line. The separators 0x1c to 0x1f are blanks, as Unicode has them. */
enum { PLAIN, BLANK, END, COMMENT, WIDE };

#define WIDE_4(c) [c] = WIDE, [(c) + 1] = WIDE, [(c) + 2] = WIDE, [(c) + 3] = WIDE
#define WIDE_16(c) WIDE_4(c), WIDE_4((c) + 4), WIDE_4((c) + 8), WIDE_4((c) + 12)

static const uint8_t classes[256] = {
    ['\t'] = BLANK, ['\n'] = END,   ['\v'] = BLANK, ['\f'] = BLANK,  ['\r'] = END,  [0x1c] = BLANK, [0x1d] = BLANK,
    [0x1e] = BLANK, [0x1f] = BLANK, [' '] = BLANK,  ['#'] = COMMENT, WIDE_16(0x80), WIDE_16(0x90),  WIDE_16(0xa0),
    WIDE_16(0xb0),  WIDE_16(0xc0),  WIDE_16(0xd0),  WIDE_16(0xe0),   WIDE_16(0xf0),
};

/* Octets of the blank outside ASCII that `text` begins with, 0 for none. */
static size_t wide_blank(rsec_view text) {
    const uint8_t *ptr = text.ptr;
    if (text.len >= 2 && ptr[0] == 0xc2) {
        return ptr[1] == 0x85 || ptr[1] == 0xa0 ? 2 : 0; /* U+0085, U+00A0 */
    }
    if (text.len < 3 || ptr[0] < 0xe1 || ptr[0] > 0xe3) {
        return 0;
    }
    uint32_t point = (ptr[0] & 0x0fU) << 12 | (ptr[1] & 0x3fU) << 6 | (ptr[2] & 0x3fU);
    bool is_one = point == 0x1680 || (point >= 0x2000 && point <= 0x200a) || point == 0x2028 || point == 0x2029 ||
                  point == 0x202f || point == 0x205f || point == 0x3000;
    return is_one ? 3 : 0;
}

static size_t blank_len(rsec_view text) {
    if (text.len == 0) {
        return 0;
    }
    uint8_t is = classes[text.ptr[0]];
    return is == WIDE ? wide_blank(text) : is == BLANK || is == END;
}

static void skip(rsec_view *text, size_t len) {
    text->ptr += len;
    text->len -= len;
}

bool rsec_dictline_word(rsec_view *text, rsec_view *word) {
    for (size_t len; (len = blank_len(*text)) > 0;) {
        skip(text, len);
    }
    *word = rsec_view_of(text->ptr, 0);
    while (text->len > 0 && blank_len(*text) == 0) {
        skip(text, 1);
        word->len++;
    }
    return word->len > 0;
}

bool rsec_dictline_part(rsec_view *text, char mark, rsec_view *part) {
    if (text->ptr == NULL) {
        return false;
    }
    const uint8_t *found = text->len > 0 ? memchr(text->ptr, mark, text->len) : NULL;
    if (found == NULL) {
        *part = *text;
        *text = (rsec_view){NULL, 0};
    } else {
        *part = rsec_view_of(text->ptr, (size_t)(found - text->ptr));
        skip(text, part->len + 1);
    }
    return true;
}

void rsec_dictline_begin(rsec_dictline *line, rsec_view text) {
    memset(line, 0, sizeof *line);
    if (text.len >= 3 && memcmp(text.ptr, "\xef\xbb\xbf", 3) == 0) {
        skip(&text, 3);
    }
    line->rest = text;
}

/* The end of the line that `ptr` is in. */
static const uint8_t *line_end(const uint8_t *ptr, const uint8_t *end) {
    const uint8_t *feed = ptr < end ? memchr(ptr, '\n', (size_t)(end - ptr)) : NULL;
    end = feed != NULL ? feed : end;
    const uint8_t *ret = ptr < end ? memchr(ptr, '\r', (size_t)(end - ptr)) : NULL;
    return ret != NULL ? ret : end;
}

/* Splits a line that is ASCII before its comment, the usual one: where it ends, or NULL when it is not. */
static const uint8_t *split_ascii(rsec_dictline *line, const uint8_t *ptr, const uint8_t *end) {
    line->num = 0;
    for (;;) {
        while (ptr < end && classes[*ptr] == BLANK) {
            ptr++;
        }
        if (ptr == end || classes[*ptr] == END) {
            return ptr;
        }
        if (*ptr == '#') {
            return line_end(ptr, end);
        }
        const uint8_t *begin = ptr;
        while (ptr < end && classes[*ptr] == PLAIN) {
            ptr++;
        }
        if (ptr < end && classes[*ptr] == WIDE) {
            return NULL;
        }
        if (line->num < RSEC_DICT_WORDS) {
            line->words[line->num] = rsec_view_of(begin, (size_t)(ptr - begin));
        }
        if (line->num++ == 0) {
            line->tail = rsec_view_of(ptr, 0);
        } else {
            line->tail.len = (size_t)(ptr - line->tail.ptr);
        }
    }
}

static void split_text(rsec_dictline *line, rsec_view text) {
    rsec_view word;
    line->num = 0;
    while (rsec_dictline_word(&text, &word)) {
        if (line->num < RSEC_DICT_WORDS) {
            line->words[line->num] = word;
        }
        if (line->num++ >= 1) {
            line->tail.len = (size_t)(text.ptr - line->tail.ptr);
        } else {
            line->tail = rsec_view_of(text.ptr, 0);
        }
    }
}

rsec_status rsec_dictline_next(rsec_dictline *line) {
    while (line->rest.ptr != NULL && line->rest.len > 0) {
        const uint8_t *ptr = line->rest.ptr, *end = ptr + line->rest.len, *stop = split_ascii(line, ptr, end);
        rsec_status status = RSEC_OK;
        if (stop == NULL) {
            stop = line_end(ptr, end);
            const uint8_t *comment = memchr(ptr, '#', (size_t)(stop - ptr));
            rsec_view text = rsec_view_of(ptr, (size_t)((comment != NULL ? comment : stop) - ptr));
            line->num = 0;
            if (rsec_utf8_is_valid(text)) {
                split_text(line, text);
            } else {
                status = RSEC_ATTR_VALUE;
            }
        }
        if (stop < end) {
            stop += *stop == '\r' && stop + 1 < end && stop[1] == '\n' ? 2 : 1;
        }
        line->rest = rsec_view_of(stop, (size_t)(end - stop));
        line->number++;
        if (line->num > 0 || status != RSEC_OK) {
            return status;
        }
    }
    line->num = 0;
    return RSEC_ABSENT;
}

bool rsec_dictline_is(rsec_view word, const char *keyword) {
    size_t i = 0;
    for (; i < word.len && keyword[i] != '\0'; i++) {
        uint8_t c = word.ptr[i];
        if (c != (uint8_t)keyword[i] && (c < 'a' || c > 'z' || c - ('a' - 'A') != keyword[i])) {
            return false;
        }
    }
    return i == word.len && keyword[i] == '\0';
}

bool rsec_dictline_equals(rsec_view word, const char *text) {
    return strlen(text) == word.len && memcmp(word.ptr, text, word.len) == 0;
}

rsec_status rsec_dictline_number(rsec_view word, int64_t *value) {
    bool is_negative = false;
    if (word.len > 0 && (word.ptr[0] == '-' || word.ptr[0] == '+')) {
        is_negative = word.ptr[0] == '-';
        skip(&word, 1);
    }
    unsigned base = 10;
    if (word.len > 2 && word.ptr[0] == '0') {
        uint8_t letter = word.ptr[1] | 0x20;
        base = letter == 'x' ? 16 : letter == 'o' ? 8 : 10;
        skip(&word, base == 10 ? 0 : 2);
    }
    uint64_t found = 0;
    for (size_t i = 0; i < word.len; i++) {
        unsigned digit = (unsigned)rsec_hex_digit((char)word.ptr[i]); /* what is none is above every base */
        if (digit >= base || found > ((uint64_t)INT64_MAX - digit) / base) {
            return RSEC_ATTR_VALUE;
        }
        found = found * base + digit;
    }
    if (word.len == 0) {
        return RSEC_ATTR_VALUE;
    }
    *value = is_negative ? -(int64_t)found : (int64_t)found;
    return RSEC_OK;
}
