/* The benchmark's policy in C: user0042@example.org has the password hunter0042 and is answered with Access-Accept and
 * "Hello user0042@example.org", accounting with Accounting-Response, Status-Server with Access-Accept. Checks and signs
 * what the protocol asks for. One thread. */
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACKET_HEADER = 20, PACKET_MAX = 4096 };

/* Once, before anything else. The text is borrowed for good. Digests go through EVP, or `with_md5_init` through MD5_Init() and its
 * like. */
void answer_init(const char *shared_secret, bool with_md5_init);

/* Writes the reply (PACKET_MAX octets at most) to the packet of `len` octets, which is changed on the way. Its length;
 * 0: what arrived does not verify, or is no request. */
size_t answer(uint8_t *pkt, size_t len, uint8_t *out);

#endif
