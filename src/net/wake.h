/* rsec_wake: a descriptor that one thread makes readable to wake another. An eventfd where there is one, else a pipe. */
#ifndef RSEC_NET_WAKE_H
#define RSEC_NET_WAKE_H

typedef struct {
    int read_fd, write_fd; /* the same one for an eventfd; -1: closed */
} rsec_wake;

/* 0, or an errno value with both descriptors -1. Non-blocking, close-on-exec. */
int rsec_wake_init(rsec_wake *wake);
void rsec_wake_clear(rsec_wake *wake);

/* Makes it readable. Any thread; async-signal-safe; never blocks: when it is readable already that is enough. */
void rsec_wake_set(const rsec_wake *wake);
/* Makes it unreadable. */
void rsec_wake_reset(const rsec_wake *wake);

#endif
