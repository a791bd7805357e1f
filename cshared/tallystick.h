/*
 * tallystick.h - the C interface of the Tallystick core.
 *
 * One function does everything: an operation's name, a JSON request and raw body
 * bytes in, a JSON answer out. The operations, their members, the needs and the
 * error codes are described in docs/reference/abi.md.
 *
 * Threads: every function may be called from any thread at any time.
 * Forks: a process that forks after its first call must not call in the child;
 * the child loads a fresh copy of the library (another file or a memfd).
 * Memory: inputs are borrowed for the length of a call and never kept; every
 * answer belongs to the caller until tally_free.
 * Unloading: the library stays loaded until the process ends; dlclose does nothing.
 */
#ifndef TALLYSTICK_H
#define TALLYSTICK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The ABI version that this header describes. */
#define TALLY_ABI_VERSION 1

/* The release that this header belongs to; the operation "version" has the library's. */
#define TALLY_VERSION "0.1.0"

/* tally_abi_version returns the library's ABI version; refuse to go on when it
 * is not TALLY_ABI_VERSION. */
uint32_t tally_abi_version(void);

/*
 * tally_call runs one operation.
 *
 *   op, op_len            ASCII name, for example "request.verify"; needs no NUL
 *   request, request_len  one UTF-8 JSON object, at most 16 MiB
 *   body, body_len        raw bytes, at most 64 MiB; NULL with 0 for none
 *   answer_len            must not be NULL; receives the length in bytes
 *
 * Returns a JSON object: {"ok":...}, {"need":...,"ticket":...}, {"need":{...,"claimed":...}}
 * (the claim that ends a verification, without a ticket) or {"error":...}.
 * It is not NUL-terminated. Never returns NULL. Free it with tally_free.
 */
char *tally_call(const char *op, size_t op_len,
                 const char *request, size_t request_len,
                 const void *body, size_t body_len,
                 size_t *answer_len);

/* tally_free frees an answer; NULL is allowed. Each answer exactly once. */
void tally_free(void *answer);

#ifdef __cplusplus
}
#endif

#endif
