/* The rows of threads and files as they lie in the store, and the checksums that guard them. */
#pragma once

#include "backend.h"
#include "conn.h"

/*
 * Checksums are XXH3 (64 bits). A row's covers its identity and all columns but a file's content,
 * which has its own, so that a stat need not read it. A row copied to another place, or half a row,
 * does not verify.
 */
uint64_t row_sum(const void *data, size_t size, uint64_t seed);

enum thread_row_state {
	THREAD_ROW_KEPT,
	THREAD_ROW_ERASING, /* the grace is over; its files go step by step, nobody sees it */
};

/* Reads (gen, id, attrs) of the statement's row. 0, or -EIO if it does not verify. */
int thread_row_read(sqlite3_stmt *stmt, struct thread_info *ret, uint32_t *ret_state);

/* Binds ?1 gen, ?2 id, ?3 attrs. SQLite's code: it may lack memory. */
int thread_row_bind(sqlite3_stmt *stmt, const struct thread_info *info, uint32_t state);

/* A file as its row has it, without the content. */
struct file_row {
	struct file_info info; /* info.meta is owned: file_info_done() */
	uint64_t gen;
	uint64_t content_sum;
};

/*
 * Reads (ino, gen, name, attrs, meta) of the statement's row. 0, -ENOMEM, or -EIO if it does not
 * verify.
 */
int file_row_read(sqlite3_stmt *stmt, struct file_row *ret);

/*
 * Binds ?1 ino, ?2 gen, ?3 name, ?4 attrs, ?5 meta. The row must live until the statement ran.
 * SQLite's code.
 */
int file_row_bind(sqlite3_stmt *stmt, const struct file_row *row);

/* Binds the content at ?`column` and sets size and content_sum of the row: before file_row_bind. */
void file_row_bind_content(
	sqlite3_stmt *stmt, int column, struct file_row *row, const struct blob *content);

/* The content in `column` of the statement's row as a blob. 0, -ENOMEM, or -EIO. */
int file_row_content(sqlite3_stmt *stmt, int column, const struct file_row *row, struct blob **ret);

/* The same without a copy. */
bool file_row_content_valid(sqlite3_stmt *stmt, int column, const struct file_row *row);

/* The checksum of a document's row. */
uint64_t doc_row_sum(uint64_t gen, uint64_t revision, const void *text, size_t size);

/*
 * Copies a name out of a column if it is text, whole and passes `check` (name_thread_check or
 * name_file_check). 0 or -EIO.
 */
int row_name(sqlite3_stmt *stmt, int column, int (*check)(const char *name),
	char ret[STORE_NAME_MAX + 1]);
