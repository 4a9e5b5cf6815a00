/* A stream of octets (wire/packet.h, PKT-1): however it is cut up, the packets in it are the same. The first octet is the
 * size of the pieces. */
#include "fuzz.h"
#include "wire/packet.h"

/* Packets from the front of `stream`, read in pieces of `piece` octets (0: in one); returns the octets they are, and how it
 * ended. */
static size_t follow(rsec_view stream, size_t piece, size_t *num, rsec_status *status) {
    size_t off = 0, end = piece == 0 ? stream.len : 0;
    *num = 0;
    for (;;) {
        size_t len = SIZE_MAX;
        *status = rsec_packet_frame(rsec_view_of(stream.ptr + off, end - off), &len);
        switch (*status) {
        case RSEC_OK:
            MUST(len >= RSEC_PACKET_MIN && len <= RSEC_PACKET_MAX && len <= end - off);
            off += len;
            (*num)++;
            break;
        case RSEC_MORE:
            MUST(end - off < 4 ? len == 0 : len > end - off && len <= RSEC_PACKET_MAX);
            if (end == stream.len) {
                return off;
            }
            end = stream.len - end > piece ? end + piece : stream.len;
            break;
        case RSEC_TOO_SHORT:
            MUST(len < RSEC_PACKET_MIN);
            return off;
        case RSEC_TOO_LONG:
            MUST(len > RSEC_PACKET_MAX);
            return off;
        default:
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rsec_view rest = rsec_view_of(data, size);
    size_t piece = (size_t)fuzz_octet(&rest) + 1, num, num_cut;
    rsec_status status, status_cut;
    size_t whole = follow(rest, 0, &num, &status), cut = follow(rest, piece, &num_cut, &status_cut);
    MUST(whole == cut && num == num_cut && status == status_cut);
    return 0;
}
