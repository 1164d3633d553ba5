/*
 * thread.json: the thread's metadata document, composed from the thread, its own keys and its
 * turns' metadata; and what is said there of turns that are not there (yet).
 *
 * What the store keeps as the thread's document is a JSON object of ours with these members:
 *   own      the thread's own keys (title, tool_name, …: all that is not computed)
 *   pending  by number: metadata said of a turn that is not there yet (M1)
 *   away     by number: {"ino", "meta"} of a turn that was renamed to a name that is no turn's (M6)
 * doc_flags tells, without reading it, whether the last two have something.
 */
#pragma once

#include "fs.h"

#include <jansson.h>

enum { DOC_PENDING = 1 << 0, DOC_AWAY = 1 << 1 };

/* thread.json as it reads now. 0 or -errno. */
int doc_text(struct fs *fs, struct thread *thread, struct blob **ret);

/* Its exact size, and the thread as it was then. 0 or -errno. */
int doc_size(struct fs *fs, struct thread *thread, struct thread_info *ret, uint64_t *ret_size);

/* How it was when an edit of it began; below. */
struct doc_seen;

/*
 * Takes a whole new thread.json (M3). `source`, if not NULL, is the file that was renamed over it:
 * its mode and owner become thread.json's, and if it has a name it is removed in the same step.
 * `mtime_ns`: thread.json's time, NULL: now. 0; -EBADMSG: no JSON object, or a member of the wrong
 * kind; -ESTALE: another mount has changed the own keys since they were `seen` (NULL: never mind),
 * and the text is kept as an attachment; else the store's.
 */
int doc_write(struct fs *fs, struct thread *thread, struct blob *text,
	const struct file_info *source, const int64_t *mtime_ns, const struct doc_seen *seen);

/* The document opened for a change that is to go along with others of the same thread. */
struct doc_edit {
	json_t *root; /* never NULL once loaded */
	uint64_t revision;
	bool changed;
	struct blob *text; /* what doc_edit_into() has handed out */
};

int doc_edit_load(struct fs *fs, struct thread *thread, struct doc_edit *edit);
void doc_edit_done(struct doc_edit *edit);

/* Puts the changed document into `change`; nothing if it did not change. 0 or -ENOMEM. */
int doc_edit_into(struct doc_edit *edit, struct thread_change *change);

/* The thread's own keys; what is said of turns that are not there, by number. Borrowed. */
json_t *doc_own(struct doc_edit *edit);
json_t *doc_pending(struct doc_edit *edit);

/*
 * The metadata of a turn of that number that comes now: its own (may be NULL) together with what
 * was kept for it, which is kept no more. A new reference; NULL: none.
 */
struct blob *doc_take(struct doc_edit *edit, uint32_t number, struct blob *own);

/*
 * The metadata of a turn that takes another's place: its own, else the other's (both may be NULL).
 * A tool that brings the other's attributes as text changes no type: what shows the same stays what
 * it is. A new reference; NULL: none.
 */
struct blob *doc_inherit(struct blob *own, struct blob *other);

/*
 * A turn has come, or thread.json was written, while the other was under way: what is kept for that
 * number (0: for any) and whose turn is there goes to the turn. 0 or -errno.
 */
int doc_settle(struct fs *fs, struct thread *thread, uint32_t number);

/* Remembers the number and metadata of a turn renamed away, till that file is gone or a turn again.
 */
void doc_away(struct doc_edit *edit, uint32_t number, uint64_t ino, struct blob *meta);
void doc_away_forget(struct doc_edit *edit, uint64_t ino);

/* Keys that are computed or kept elsewhere, so that no attribute sets them. */
bool doc_key_reserved(const char *key);

/* Keys that every thread.json has; null there is the same as never said. */
bool doc_key_usual(const char *key);

/*
 * The thread's own keys as they were when an edit of thread.json began (W8), and which changes of
 * them since were this mount's: doc_lineage.c. Only in a store that others write to; else *ret is
 * NULL, and the rest does nothing. 0 or -errno.
 */
int doc_see(struct fs *fs, struct thread *thread, struct doc_seen **ret);

/* Whether another mount has changed them since. Waits for changes of ours that are under way. */
bool doc_overtaken(
	struct fs *fs, struct thread *thread, struct doc_edit *edit, const struct doc_seen *seen);

/* Around a change of them: from what `edit` has to what it has then. `rc`: what came of it. */
struct doc_step {
	uint64_t from;
	bool counted;
};
void doc_step_begin(
	struct fs *fs, struct thread *thread, struct doc_edit *edit, struct doc_step *step);
void doc_step_end(struct fs *fs, struct thread *thread, struct doc_edit *edit,
	const struct doc_step *step, int rc);
