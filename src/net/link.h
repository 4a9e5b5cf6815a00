/* rsec_link and rsec_list: singly linked queues through the objects themselves, so that putting something into one can
 * never fail. Not locked: whoever owns the list says under which lock or on which thread it lives.
 */
#ifndef RSEC_NET_LINK_H
#define RSEC_NET_LINK_H

#include <stdbool.h>
#include <stddef.h>

typedef struct rsec_link {
    struct rsec_link *next;
    void *owner;    /* the object this link is part of; set by rsec_list_put */
    int kind;       /* what the owner is, in lists that hold several kinds */
    bool is_linked; /* in a list now */
} rsec_link;

typedef struct {
    rsec_link *head, *tail;
    size_t len;
} rsec_list;

/* Appends `link`, which is in no list. */
static inline void rsec_list_put(rsec_list *list, rsec_link *link, int kind, void *owner) {
    *link = (rsec_link){.next = NULL, .owner = owner, .kind = kind, .is_linked = true};
    if (list->tail != NULL) {
        list->tail->next = link;
    } else {
        list->head = link;
    }
    list->tail = link;
    list->len++;
}

/* Takes the first link, or NULL from an empty list. */
static inline rsec_link *rsec_list_take(rsec_list *list) {
    rsec_link *link = list->head;
    if (link != NULL) {
        list->head = link->next;
        if (list->head == NULL) {
            list->tail = NULL;
        }
        list->len--;
        link->next = NULL;
        link->is_linked = false;
    }
    return link;
}

/* Moves everything in `from` to the end of `to`, in order. */
static inline void rsec_list_move(rsec_list *to, rsec_list *from) {
    if (from->head == NULL) {
        return;
    }
    if (to->tail != NULL) {
        to->tail->next = from->head;
    } else {
        to->head = from->head;
    }
    to->tail = from->tail;
    to->len += from->len;
    *from = (rsec_list){NULL, NULL, 0};
}

#endif
