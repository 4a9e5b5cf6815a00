/* Queues through the objects themselves (net/link.h). */
#include "check.h"
#include "net/link.h"

typedef struct {
    rsec_link link;
    int number;
} item;

static int take_number(rsec_list *list) {
    rsec_link *link = rsec_list_take(list);
    return link != NULL ? ((item *)link->owner)->number : -1;
}

TEST(list_is_first_in_first_out) {
    rsec_list list = {NULL, NULL, 0};
    item items[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    CHECK(rsec_list_take(&list) == NULL);
    for (int i = 0; i < 3; i++) {
        CHECK(!items[i].link.is_linked);
        rsec_list_put(&list, &items[i].link, 10 + i, &items[i]);
        CHECK(items[i].link.is_linked);
        CHECK_INT(items[i].link.kind, 10 + i);
        CHECK_INT(list.len, i + 1);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_INT(take_number(&list), i);
        CHECK(!items[i].link.is_linked && items[i].link.next == NULL);
    }
    CHECK(list.head == NULL && list.tail == NULL && list.len == 0);
    rsec_list_put(&list, &items[1].link, 0, &items[1]); /* an emptied list is as good as a new one */
    CHECK_INT(take_number(&list), 1);
}

TEST(list_moves_behind_another) {
    for (int left = 0; left < 3; left++) {
        for (int right = 0; right < 3; right++) {
            rsec_list a = {NULL, NULL, 0}, b = {NULL, NULL, 0};
            item items[5] = {{.number = 0}};
            for (int i = 0; i < left + right; i++) {
                items[i].number = i;
                rsec_list_put(i < left ? &a : &b, &items[i].link, 0, &items[i]);
            }
            rsec_list_move(&a, &b);
            CHECK_INT(a.len, left + right);
            CHECK(b.head == NULL && b.tail == NULL && b.len == 0);
            items[4].number = 4;
            rsec_list_put(&a, &items[4].link, 0, &items[4]);
            for (int i = 0; i < left + right; i++) {
                CHECK_INT(take_number(&a), i);
            }
            CHECK_INT(take_number(&a), 4);
            CHECK_INT(take_number(&a), -1);
        }
    }
}
