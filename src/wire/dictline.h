/* Lines of a RADIUS dictionary, as FreeRADIUS writes them: words between blanks, "#" to the end of the line is a comment.
 *
 * Nothing is copied and nothing is changed: words are views of the text, which outlives them. Lines end with LF, CR LF or
 * CR. Blanks are those of Unicode, so that a no-break space out of a web page does not end up in a name. Comments may be
 * in any encoding, the rest is UTF-8.
 */
#ifndef RSEC_WIRE_DICTLINE_H
#define RSEC_WIRE_DICTLINE_H

#include "wire/status.h"
#include "wire/view.h"

enum { RSEC_DICT_WORDS = 8 }; /* more than any directive has */

typedef struct {
    rsec_view rest;                   /* what has not been read */
    size_t number;                    /* of this line, from 1 */
    size_t num;                       /* words on it; more than RSEC_DICT_WORDS are counted, not kept */
    rsec_view words[RSEC_DICT_WORDS]; /* the first ones */
    rsec_view tail;                   /* everything after the first word, comment and outer blanks taken off */
} rsec_dictline;

/* Makes `line` the place before the first line of `text`. A byte order mark is skipped. */
void rsec_dictline_begin(rsec_dictline *line, rsec_view text);

/* Goes on to the next line with a word on it. RSEC_ABSENT: there is none left; RSEC_ATTR_VALUE: line->number is not UTF-8
 * outside its comment, and the line after it can still be read. */
RSEC_CHECK rsec_status rsec_dictline_next(rsec_dictline *line);

/* Takes the next word off the front of `text`, which holds no line end; false when there is none. */
bool rsec_dictline_word(rsec_view *text, rsec_view *word);

/* Takes what stands before the first `mark` off the front of `text`, and the mark with it; all of it when there is no
 * mark. False when `text` has ended: its ptr is NULL then. "a,,b" has an empty middle part, and "" one empty part. */
bool rsec_dictline_part(rsec_view *text, char mark, rsec_view *part);

/* Whether `word` is `keyword` (upper case, ASCII) in any case. */
bool rsec_dictline_is(rsec_view word, const char *keyword);
/* Whether `word` is exactly `text`. */
bool rsec_dictline_equals(rsec_view word, const char *text);

/* A decimal (leading zeros allowed), 0x or 0o number with an optional sign, of less than 2^63. RSEC_ATTR_VALUE for
 * anything else, a larger number among it. */
RSEC_CHECK rsec_status rsec_dictline_number(rsec_view word, int64_t *value);

#endif
