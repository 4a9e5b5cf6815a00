/* Waiting for descriptors (net/poller.h): the same tests for epoll(7) and for poll(2). */
#define _GNU_SOURCE
#include "check.h"
#include "net/clock.h"
#include "net/poller.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    int here, there;
} pair;

static pair make_pair(void) {
    int fds[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    return (pair){fds[0], fds[1]};
}

static void close_pair(pair *both) {
    close(both->here);
    if (both->there >= 0) {
        close(both->there);
    }
}

/* The events of `data` among what is ready now; 0: none. */
static unsigned ready(rsec_poller *poller, const void *data) {
    rsec_poll_event events[16];
    unsigned found = 0;
    int num = rsec_poller_wait(poller, events, 16, 0);
    CHECK(num >= 0);
    for (int i = 0; i < num; i++) {
        if (events[i].data == data) {
            found |= events[i].events;
        }
    }
    return found;
}

TEST(poller_name) {
#ifdef RSEC_POLLER_POLL
    CHECK_TEXT(rsec_poller_name(), "poll");
#else
    CHECK_TEXT(rsec_poller_name(), "epoll");
#endif
}

TEST(poller_is_level_triggered) {
    rsec_poller *poller = rsec_poller_new();
    CHECK(poller != NULL);
    pair both = make_pair();
    CHECK_INT(rsec_poller_add(poller, both.here, RSEC_POLL_IN, &both), 0);
    CHECK_INT(ready(poller, &both), 0);
    CHECK_INT(write(both.there, "x", 1), 1);
    CHECK_INT(ready(poller, &both), RSEC_POLL_IN);
    CHECK_INT(ready(poller, &both), RSEC_POLL_IN); /* until it is read */
    char octet;
    CHECK_INT(read(both.here, &octet, 1), 1);
    CHECK_INT(ready(poller, &both), 0);
    close_pair(&both);
    rsec_poller_free(poller);
}

TEST(poller_watches_what_it_was_told_last) {
    rsec_poller *poller = rsec_poller_new();
    CHECK(poller != NULL);
    pair both = make_pair();
    int other = 0;
    CHECK_INT(write(both.there, "x", 1), 1);
    CHECK_INT(rsec_poller_add(poller, both.here, 0, &both), 0);
    CHECK_INT(ready(poller, &both), 0);
    CHECK_INT(rsec_poller_change(poller, both.here, RSEC_POLL_OUT, &both), 0);
    CHECK_INT(ready(poller, &both), RSEC_POLL_OUT);
    CHECK_INT(rsec_poller_change(poller, both.here, RSEC_POLL_IN | RSEC_POLL_OUT, &other), 0);
    CHECK_INT(ready(poller, &both), 0);
    CHECK_INT(ready(poller, &other), RSEC_POLL_IN | RSEC_POLL_OUT);
    rsec_poller_remove(poller, both.here);
    CHECK_INT(ready(poller, &other), 0);
    rsec_poller_remove(poller, both.here); /* not watched: nothing happens */
    CHECK_INT(rsec_poller_change(poller, both.here, RSEC_POLL_IN, &both), ENOENT);
    CHECK_INT(rsec_poller_add(poller, both.here, RSEC_POLL_IN, &both), 0);
    CHECK_INT(ready(poller, &both), RSEC_POLL_IN);
    close_pair(&both);
    rsec_poller_free(poller);
}

TEST(poller_reports_a_hang_up_unasked) {
    rsec_poller *poller = rsec_poller_new();
    CHECK(poller != NULL);
    pair both = make_pair();
    CHECK_INT(rsec_poller_add(poller, both.here, 0, &both), 0);
    CHECK_INT(ready(poller, &both), 0);
    close(both.there);
    both.there = -1;
    CHECK((ready(poller, &both) & RSEC_POLL_ERR) != 0);
    rsec_poller_remove(poller, both.here);
    CHECK_INT(ready(poller, &both), 0);
    close_pair(&both);
    rsec_poller_free(poller);
}

TEST(poller_gives_at_most_as_many_as_asked_for_and_favours_none) {
    enum { NUM = 40 };
    rsec_poller *poller = rsec_poller_new();
    CHECK(poller != NULL);
    pair all[NUM];
    unsigned seen[NUM] = {0};
    for (int i = 0; i < NUM; i++) {
        all[i] = make_pair();
        CHECK_INT(write(all[i].there, "x", 1), 1);
        CHECK_INT(rsec_poller_add(poller, all[i].here, RSEC_POLL_IN, &seen[i]), 0);
    }
    for (int turn = 0; turn < 10 * NUM; turn++) {
        rsec_poll_event events[3];
        int num = rsec_poller_wait(poller, events, 3, 0);
        CHECK_INT(num, 3);
        for (int i = 0; i < num; i++) {
            (*(unsigned *)events[i].data)++;
        }
    }
    for (int i = 0; i < NUM; i++) {
        CHECK(seen[i] > 0); /* all of them are ready all the time */
        close_pair(&all[i]);
    }
    rsec_poller_free(poller);
}

TEST(poller_forgets_the_right_one_of_many) {
    enum { NUM = 100 };
    rsec_poller *poller = rsec_poller_new();
    CHECK(poller != NULL);
    pair all[NUM];
    for (int i = 0; i < NUM; i++) {
        all[i] = make_pair();
        CHECK_INT(rsec_poller_add(poller, all[i].here, RSEC_POLL_IN, &all[i]), 0);
    }
    for (int i = 0; i < NUM; i += 2) {
        rsec_poller_remove(poller, all[i].here);
    }
    for (int i = 0; i < NUM; i++) {
        CHECK_INT(write(all[i].there, "x", 1), 1);
        char octet;
        CHECK_INT(ready(poller, &all[i]), i % 2 == 0 ? 0 : RSEC_POLL_IN);
        CHECK_INT(read(all[i].here, &octet, 1), 1);
    }
    for (int i = 0; i < NUM; i++) {
        close_pair(&all[i]);
    }
    rsec_poller_free(poller);
}

TEST(poller_waits_no_less_than_told) {
    rsec_poller *poller = rsec_poller_new();
    CHECK(poller != NULL);
    rsec_poll_event event;
    int64_t start_ns = rsec_now_ns();
    CHECK_INT(rsec_poller_wait(poller, &event, 1, 1500000), 0); /* 1.5 ms: rounded up, not down */
    CHECK(rsec_now_ns() - start_ns >= 1500000);
    CHECK_INT(rsec_poller_wait(poller, &event, 1, 0), 0);
    rsec_poller_free(poller);
    rsec_poller_free(NULL);
}

TEST(poller_own_descriptor_is_not_inherited) {
    rsec_poller *poller = rsec_poller_new();
    CHECK(poller != NULL);
    int fd = rsec_poller_fd(poller);
    CHECK(fd < 0 || (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    rsec_poller_free(poller);
}
