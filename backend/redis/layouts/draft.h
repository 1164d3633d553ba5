/*
 * A change of a thread being worked out: made on a copy of its image, asked whether the layout has
 * a place for the outcome, then put into Redis in one step, if nothing has changed meanwhile.
 */
#pragma once

#include "server_step.h"

struct draft_turn {
	struct element *element; /* as it will be */
	bool removed, changed, added;
};

/* A field of the hash with the attachments' contents; `content` NULL: it goes. */
struct draft_content {
	char field[24]; /* an attachment's inode number, or as of struct lost_element */
	struct blob *content;
};

/* How long a thread lives after a step. */
struct life {
	bool renews; /* the deadline is set anew, by ttl_ms */
	bool begins; /* the step makes the thread's key, which has no deadline by itself */
	int64_t ttl_ms, deadline_ms; /* the latter is exact when the step has been made */
};

struct draft {
	struct layout_store *s;
	struct place *place;
	struct image *image; /* as it was */
	uint64_t told;
	struct draft_turn *turns;
	size_t count; /* of turns, added ones included */
	struct side_map side; /* as it will be */
	struct draft_content *contents;
	size_t content_count;
	struct blob *own; /* VALUE: own members to be set, or NULL */
	int64_t time_ns;
	struct life life;
	struct thread_change wanted; /* the times and attributes that were asked for */
};

/*
 * The thread as it is now; with `guess` as it was read last, which the step's own checks find out
 * about. 0 or -errno; either way draft_done() ends it.
 */
int draft_init(struct draft *d, struct layout_store *s, struct thread_ref ref,
	const struct thread_change *change, bool guess);
void draft_done(struct draft *d);
#define CLEAN_DRAFT __attribute__((cleanup(draft_done)))

/* draft_files.c: one change; `expect` is checked against what the changes before it have made. */
int draft_change(struct draft *d, const struct change *change);
/* Whether the outcome has a place: -EPERM if something is gone from the middle. */
int draft_check(const struct draft *d);

/* draft_turn.c. -EINVAL: its number is not the next one, or the tool cannot say it. */
int draft_add(struct draft *d, uint32_t number, const char *role, const struct change *change);
int draft_patch(struct draft *d, uint32_t number, const struct change *change, unsigned set);
struct blob *draft_element(struct draft *d, const char *role, const struct change *change,
	bool *ret_kept); /* its bytes; *ret_kept: all of its metadata is in them; NULL: see errno */
/* A turn that goes, with what is said of it: it is no loss. */
int draft_forget_turn(struct draft *d, uint32_t number);
/* The record of a new turn, if it says more than its bytes; false: it does not. */
bool draft_record(const struct layout_store *s, const struct element *element,
	const struct change *change, bool kept, int64_t time_ns, struct record *ret);

/* draft_thread.c */
int draft_thread(struct draft *d, const struct thread_change *change, unsigned flags, bool appends);
int draft_records(struct draft *d, struct image **image); /* what times the layout does not tell */

/* life.c: commands that a layout's own writes bring along. `there`: the thread's key is. */
void life_set(
	const struct life *life, const struct keys *keys, bool there, struct server_step *step);
void life_session(
	struct layout_store *s, const struct keys *keys, int64_t time_ns, struct server_step *step);
void life_trim(struct layout_store *s, const struct keys *keys, struct server_step *step);

int draft_content(struct draft *d, const char *field, struct blob *content); /* takes a reference */
int draft_content_of(struct draft *d, uint64_t ino, struct blob *content);
int side_put_record(struct side_map *side, const char *name, const struct record *record);

/*
 * draft_commit.c: 0, -EAGAIN (it has changed meanwhile: begin anew), or -errno. *ret (may be NULL)
 * is the thread as it is then, *ret_image its image: the caller's.
 */
int draft_commit(
	struct draft *d, unsigned flags, struct thread_info *ret, struct image **ret_image);
/* draft_image.c: the image that comes of it, not yet stored. */
int draft_image(struct draft *d, struct image **ret);
static inline bool draft_adds(const struct draft *d)
{
	return d->count > 0 && d->turns[d->count - 1].added;
}

/* A turn to be appended as the change that makes it. */
static inline struct change append_put(const struct turn_new *turn)
{
	return (struct change){
		.kind = CHANGE_PUT,
		.set = ~0u,
		.ino = turn->ino,
		.mode = turn->mode,
		.uid = turn->uid,
		.gid = turn->gid,
		.mtime_ns = turn->mtime_ns,
		.meta = turn->meta,
		.content = turn->content,
	};
}

/* push.c: adds turns to a list that has some. -EAGAIN: it has none. */
int append_push(struct layout_store *s, struct thread_ref ref, const struct thread_change *thread,
	struct turn_new *turns, size_t count, unsigned flags, struct thread_info *ret,
	uint32_t *ret_first);
