/* Names of threads, turns and attachments: the rules N1 to N3 of SEMANTICS.md. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	NAME_MAX_BYTES = 255,
	ROLE_MAX_BYTES = 32,
	TURN_NUMBER_MAX = 999999,
};

/* 0, -EINVAL, or -ENAMETOOLONG: N1. `name` is a C string. */
int name_thread_check(const char *name);

/* 0, -EINVAL, or -ENAMETOOLONG: what a file in a thread may be called (N2, N3). */
int name_file_check(const char *name);

/* N2's [a-z][a-z0-9_-]{0,31}. */
bool name_role_valid(const char *role);

/*
 * Whether `name` is a turn's (NNNNNN-role.md, 000001 to 999999); then its number and role (room for
 * ROLE_MAX_BYTES + 1) are set. Either may be NULL.
 */
bool name_turn_parse(const char *name, uint32_t *ret_number, char *ret_role);

/* Writes "%06u-%s.md" into `name` (room for NAME_MAX_BYTES + 1). */
void name_turn_format(char *name, uint32_t number, const char *role);

/* Whether it is an editor's scratch file, which neither renews nor need be durable: N3. */
bool name_is_scratch(const char *name);

/*
 * How an id of `size` bytes, read from a store, is shown (N4). One that keeps N1 is shown as it is,
 * unless it is how another one is shown; else each byte that is not allowed becomes %XX, and '%'
 * too. `ret` has room for NAME_MAX_BYTES + 1. 0; -ENAMETOOLONG: it does not fit; -EINVAL: empty.
 */
int name_encode(const char *id, unsigned long size, char *ret);

/*
 * The reverse: the id that a shown name stands for, and its size (it may contain NUL). Names that
 * name_encode() never made stand for themselves.
 */
void name_decode(const char *name, char *ret, unsigned long *ret_size);
