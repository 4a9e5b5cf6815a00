/* rsec_view: octets that somebody else owns, and their count. Nothing here allocates or copies.
 *
 * A view is valid as long as its owner keeps the octets; an empty view may hold a NULL pointer.
 */
#ifndef RSEC_WIRE_VIEW_H
#define RSEC_WIRE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const uint8_t *ptr;
    size_t len; /* octets */
} rsec_view;

static inline rsec_view rsec_view_of(const void *ptr, size_t len) {
    return (rsec_view){(const uint8_t *)ptr, len};
}

/* The octets of `view` from `off` on, `len` of them; an empty view when they are not all there. */
static inline rsec_view rsec_view_part(rsec_view view, size_t off, size_t len) {
    if (off > view.len || len > view.len - off) {
        return (rsec_view){NULL, 0};
    }
    return (rsec_view){view.ptr + off, len};
}

/* Big-endian numbers; `ptr` holds at least 2, 4 or 8 octets. */
static inline uint16_t rsec_get_u16(const uint8_t *ptr) {
    return (uint16_t)((ptr[0] << 8) | ptr[1]);
}

static inline uint32_t rsec_get_u32(const uint8_t *ptr) {
    return ((uint32_t)ptr[0] << 24) | ((uint32_t)ptr[1] << 16) | ((uint32_t)ptr[2] << 8) | (uint32_t)ptr[3];
}

static inline uint64_t rsec_get_u64(const uint8_t *ptr) {
    return ((uint64_t)rsec_get_u32(ptr) << 32) | rsec_get_u32(ptr + 4);
}

static inline void rsec_put_u16(uint8_t *ptr, uint16_t value) {
    ptr[0] = (uint8_t)(value >> 8);
    ptr[1] = (uint8_t)value;
}

static inline void rsec_put_u32(uint8_t *ptr, uint32_t value) {
    rsec_put_u16(ptr, (uint16_t)(value >> 16));
    rsec_put_u16(ptr + 2, (uint16_t)value);
}

static inline void rsec_put_u64(uint8_t *ptr, uint64_t value) {
    rsec_put_u32(ptr, (uint32_t)(value >> 32));
    rsec_put_u32(ptr + 4, (uint32_t)value);
}

#endif
