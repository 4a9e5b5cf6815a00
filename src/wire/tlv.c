#include "wire/tlv.h"

#include <stdbool.h>
#include <string.h>

void rsec_tlv_begin(rsec_tlv_pack *pack, uint8_t *ptr, size_t cap) {
    pack->ptr = ptr;
    pack->cap = cap;
    pack->len = 0;
    pack->depth = 0;
}

/* Whether `leaf` octets fit when the first `shared` of the open TLVs stay open and the rest of the path is opened. */
static bool fits(const rsec_tlv_pack *pack, unsigned shared, unsigned depth, size_t leaf) {
    size_t added = (size_t)(depth - shared) * RSEC_TLV_HEADER_LEN + leaf;
    if (added > pack->cap - pack->len) {
        return false;
    }
    for (unsigned i = 0; i < shared; i++) {
        if (pack->open[i].len + added > RSEC_TLV_VALUE_MAX) {
            return false;
        }
    }
    return depth == shared || added - RSEC_TLV_HEADER_LEN <= RSEC_TLV_VALUE_MAX;
}

/* Makes the open TLVs those of `path` so that `leaf` octets fit behind them. */
static rsec_status open_path(rsec_tlv_pack *pack, const uint8_t *path, unsigned depth, size_t leaf) {
    if (depth > RSEC_TLV_DEPTH_MAX) {
        return RSEC_TOO_LONG;
    }
    unsigned shared = 0;
    while (shared < depth && shared < pack->depth && pack->open[shared].code == path[shared]) {
        shared++;
    }
    while (!fits(pack, shared, depth, leaf)) {
        if (shared == 0) {
            size_t added = (size_t)depth * RSEC_TLV_HEADER_LEN + leaf;
            bool never = added > pack->cap || (depth > 0 && added - RSEC_TLV_HEADER_LEN > RSEC_TLV_VALUE_MAX);
            return never || pack->len == 0 ? RSEC_ATTR_VALUE : RSEC_MORE;
        }
        shared--;
    }
    pack->depth = shared;
    while (pack->depth < depth) {
        for (unsigned i = 0; i < pack->depth; i++) {
            pack->open[i].len += RSEC_TLV_HEADER_LEN;
        }
        pack->open[pack->depth].code = path[pack->depth];
        pack->open[pack->depth].off = pack->len;
        pack->open[pack->depth].len = 0;
        pack->len += RSEC_TLV_HEADER_LEN;
        pack->depth++;
    }
    for (unsigned i = 0; i < depth; i++) {
        pack->open[i].len += leaf;
        pack->ptr[pack->open[i].off] = path[i];
        pack->ptr[pack->open[i].off + 1] = (uint8_t)(pack->open[i].len + RSEC_TLV_HEADER_LEN);
    }
    return RSEC_OK;
}

rsec_status rsec_tlv_put(rsec_tlv_pack *pack, const uint8_t *path, unsigned depth, uint8_t code, rsec_view value) {
    if (value.len > RSEC_TLV_VALUE_MAX) {
        return RSEC_ATTR_VALUE;
    }
    rsec_status status = open_path(pack, path, depth, RSEC_TLV_HEADER_LEN + value.len);
    if (status != RSEC_OK) {
        return status;
    }
    uint8_t *at = pack->ptr + pack->len;
    at[0] = code;
    at[1] = (uint8_t)(value.len + RSEC_TLV_HEADER_LEN);
    if (value.len > 0) {
        memcpy(at + RSEC_TLV_HEADER_LEN, value.ptr, value.len);
    }
    pack->len += RSEC_TLV_HEADER_LEN + value.len;
    return RSEC_OK;
}

rsec_status rsec_tlv_put_empty(rsec_tlv_pack *pack, const uint8_t *path, unsigned depth) {
    return open_path(pack, path, depth, 0);
}
