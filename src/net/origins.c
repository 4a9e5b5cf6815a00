#define _GNU_SOURCE
#include "net/origins.h"

#include "net/peer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1024 };

typedef struct origin {
    struct origin *next;
    size_t num;
    char address[RSEC_ADDRESS_TEXT];
} origin;

struct rsec_origins {
    origin *bucket[BUCKETS];
};

/* The place that points at the origin of `address`, or at the NULL where it would be added. */
static origin **find(rsec_origins *origins, const char *address) {
    uint32_t hash = UINT32_C(2166136261); /* FNV-1a */
    for (const char *c = address; *c != '\0'; c++) {
        hash = (hash ^ (uint8_t)*c) * UINT32_C(16777619);
    }
    origin **at = &origins->bucket[hash % BUCKETS];
    while (*at != NULL && strcmp((*at)->address, address) != 0) {
        at = &(*at)->next;
    }
    return at;
}

rsec_origins *rsec_origins_new(void) {
    return calloc(1, sizeof(rsec_origins));
}

void rsec_origins_free(rsec_origins *origins) {
    if (origins == NULL) {
        return;
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        for (origin *at = origins->bucket[i]; at != NULL;) {
            origin *next = at->next;
            free(at);
            at = next;
        }
    }
    free(origins);
}

rsec_status rsec_origins_add(rsec_origins *origins, const char *address, size_t max) {
    if (max == 0) {
        return RSEC_TOO_LONG;
    }
    origin **at = find(origins, address);
    if (*at == NULL) {
        origin *fresh = calloc(1, sizeof *fresh);
        if (fresh == NULL) {
            return RSEC_NO_MEMORY;
        }
        memcpy(fresh->address, address, strnlen(address, sizeof fresh->address - 1));
        *at = fresh;
    }
    if ((*at)->num >= max) {
        return RSEC_TOO_LONG;
    }
    (*at)->num++;
    return RSEC_OK;
}

void rsec_origins_drop(rsec_origins *origins, const char *address) {
    origin **at = find(origins, address);
    origin *found = *at;
    if (found != NULL && --found->num == 0) {
        *at = found->next;
        free(found);
    }
}
