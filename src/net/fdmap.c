#define _GNU_SOURCE
#include "net/fdmap.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

enum { WORD_BITS = sizeof(unsigned long) * CHAR_BIT };

rsec_status rsec_fdmap_init(rsec_fdmap *map, size_t num) {
    size_t words = (num + WORD_BITS - 1) / WORD_BITS;
    map->words = calloc(words, sizeof *map->words);
    map->num = map->words != NULL ? words * WORD_BITS : 0;
    return map->words != NULL ? RSEC_OK : RSEC_NO_MEMORY;
}

void rsec_fdmap_clear(rsec_fdmap *map) {
    free(map->words);
    *map = (rsec_fdmap){NULL, 0};
}

void rsec_fdmap_put(rsec_fdmap *map, int fd) {
    if (fd >= 0 && (size_t)fd < map->num) {
        atomic_fetch_or_explicit(&map->words[(size_t)fd / WORD_BITS], 1UL << ((size_t)fd % WORD_BITS),
                                 memory_order_relaxed);
    }
}

void rsec_fdmap_drop(rsec_fdmap *map, int fd) {
    if (fd >= 0 && (size_t)fd < map->num) {
        atomic_fetch_and_explicit(&map->words[(size_t)fd / WORD_BITS], ~(1UL << ((size_t)fd % WORD_BITS)),
                                  memory_order_relaxed);
    }
}

void rsec_fdmap_close_all(rsec_fdmap *map) {
    for (size_t i = 0; i < map->num / WORD_BITS; i++) {
        unsigned long word = atomic_exchange_explicit(&map->words[i], 0, memory_order_relaxed);
        for (size_t bit = 0; word != 0; bit++, word >>= 1) {
            if (word & 1) {
                close((int)(i * WORD_BITS + bit));
            }
        }
    }
}
