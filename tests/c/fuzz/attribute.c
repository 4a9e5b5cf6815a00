/* Attributes (wire/packet.h, PKT-3): a walk over any octets ends, stays inside them, and what it read is what the writer
 * writes. */
#include "fuzz.h"
#include "wire/packet.h"
#include "wire/writer.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t authenticator[RSEC_AUTHENTICATOR_LEN];
    uint8_t out[RSEC_PACKET_MAX];
    rsec_writer writer;
    rsec_attr_walk walk = rsec_attr_walk_of(rsec_view_of(data, size));
    rsec_attr attr;
    rsec_status status, written = RSEC_OK;
    size_t end = 0;
    MUST(rsec_writer_begin(&writer, out, sizeof out, 1, 7, authenticator) == RSEC_OK);
    while ((status = rsec_attr_next(&walk, &attr)) == RSEC_OK) {
        MUST(attr.off == end && attr.value.len <= RSEC_ATTR_VALUE_MAX);
        MUST(attr.value.ptr == data + end + 2 && attr.type == data[end] && data[end + 1] == attr.value.len + 2);
        end += attr.value.len + 2;
        MUST(end <= size && walk.off == end);
        if (written == RSEC_OK) {
            written = rsec_writer_attr(&writer, attr.type, attr.value);
            MUST(written == (RSEC_HEADER_LEN + end <= RSEC_PACKET_MAX ? RSEC_OK : RSEC_TOO_LONG));
        }
    }
    if (end == size) {
        MUST(status == RSEC_ABSENT);
    } else {
        MUST(status == (end + 1 < size && data[end + 1] < 2 ? RSEC_ATTR_LENGTH : RSEC_ATTR_OVERRUN));
    }
    if (written == RSEC_OK) {
        rsec_packet_facts facts;
        MUST(rsec_writer_finish(&writer) == RSEC_OK && writer.len == RSEC_HEADER_LEN + end);
        MUST(end == 0 || memcmp(out + RSEC_HEADER_LEN, data, end) == 0);
        MUST(rsec_packet_scan(rsec_view_of(out, writer.len), &facts, NULL) == RSEC_OK);
    }
    return 0;
}
