/* Changes of files, one after the other, on the copy: which turn or attachment each is about. */
#include "draft.h"
#include "image_inside.h"

#include "rules.h"

#include "base/name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A name as it stands in the draft: a turn (`number`), an attachment (`record`), or nothing yet. */
struct target {
	const char *name;
	uint32_t number; /* of the name; 0: an attachment's */
	char role[ROLE_MAX_BYTES + 1];
	bool there;
	uint64_t revision; /* NONE: not there */
	struct record record; /* ATTACHMENT */
	char field[STORE_NAME_MAX + 8];
};

static void target_done(struct target *t)
{
	record_done(&t->record);
}
#define CLEAN_TARGET __attribute__((cleanup(target_done)))

static void find_turn(const struct draft *d, struct target *t)
{
	const struct draft_turn *turn = t->number <= d->count ? &d->turns[t->number - 1] : NULL;
	if (!turn || turn->removed)
		return;
	bool unreadable = !turn->element->readable;
	t->there = !strcmp(t->role, unreadable ? "unreadable" : turn->element->turn.role);
	const struct image_file *file =
		t->there && !turn->changed ? image_find(d->image, t->name) : NULL;
	/* What an earlier change of the same step has made has no revision that anybody knows. */
	t->revision = file ? file->info.revision : t->there ? 1 : STORE_REVISION_NONE;
}

static int find(const struct draft *d, const char *name, struct target *ret)
{
	*ret = (struct target){.name = name};
	if (name_file_check(name) < 0)
		return -EINVAL;
	if (name_turn_parse(name, &ret->number, ret->role)) {
		find_turn(d, ret);
		return 0;
	}
	snprintf(ret->field, sizeof(ret->field), "file:%s", name);
	ret->there = image_find(d->image, name) || side_get(&d->side, ret->field);
	ret->there = ret->there && record_read(side_get(&d->side, ret->field), &ret->record);
	ret->revision = ret->there ? builder_revision(ret->record.revision) : STORE_REVISION_NONE;
	return 0;
}

static int put_turn(struct draft *d, struct target *t, const struct change *change)
{
	struct draft_turn *turn = t->number <= d->count ? &d->turns[t->number - 1] : NULL;
	if (t->there)
		return draft_patch(d, t->number, change, change->set);
	if (!turn)
		return draft_add(d, t->number, t->role, change);
	if (!turn->removed)
		return -EEXIST; /* its number is another role's */
	if (strcmp(turn->element->turn.role, t->role) != 0)
		return -EPERM;
	turn->removed = false; /* taken away by the same step: written over */
	return draft_patch(d, t->number, change,
		SET_CONTENT | SET_MODE | SET_OWNER | SET_MTIME | (change->meta ? SET_META : 0));
}

/* An attachment's record with what `set` names, as new. */
static int put_record(struct draft *d, struct target *t, const struct change *change, unsigned set,
	struct blob *content)
{
	struct record *record = &t->record;
	if (set & SET_MODE)
		record->mode = change->mode;
	if (set & SET_OWNER) {
		record->uid = change->uid;
		record->gid = change->gid;
	}
	if (set & SET_MTIME)
		record->mtime_ns = change->mtime_ns;
	if (set & SET_META) {
		blob_ref(change->meta);
		blob_unref(record->meta);
		record->meta = change->meta;
	}
	record->set |= set & (SET_MODE | SET_OWNER | SET_MTIME | SET_META);
	record->ctime_ns = d->time_ns;
	record->revision = random_number();
	int r = 0;
	if (set & SET_CONTENT) {
		CLEAN_BLOB struct blob *kept = content ? blob_ref(content) : blob_new(NULL, 0);
		record->size = blob_size(content);
		r = kept ? draft_content_of(d, record->ino, kept) : -ENOMEM;
	}
	return r < 0 ? r : side_put_record(&d->side, t->field, record);
}

static int put_attachment(struct draft *d, struct target *t, const struct change *change)
{
	unsigned set = change->set;
	if (!t->there) {
		t->record = (struct record){.ino = change->ino};
		set = SET_CONTENT | SET_MODE | SET_OWNER | SET_MTIME | SET_META;
	}
	return put_record(d, t, change, set, change->content);
}

/* Made and taken away by the same step: as if it had not been. */
static int drop_added(struct draft *d, uint32_t number)
{
	if (number != d->count)
		return -EPERM;
	int r = draft_forget_turn(d, number);
	element_unref(d->turns[--d->count].element);
	return r;
}

static int drop(struct draft *d, struct target *t)
{
	if (!t->there)
		return 0;
	if (t->number) {
		struct draft_turn *turn = &d->turns[t->number - 1];
		turn->removed = true;
		return turn->added ? drop_added(d, t->number) : 0;
	}
	side_remove(&d->side, t->field);
	return draft_content_of(d, t->record.ino, NULL);
}

/* An attachment's content, which an earlier change of the same step may have made. */
static int content_of(struct draft *d, const struct target *t, struct blob **ret)
{
	char field[24];
	snprintf(field, sizeof(field), "%llu", (unsigned long long)t->record.ino);
	for (size_t i = 0; i < d->content_count; i++) {
		if (strcmp(d->contents[i].field, field) != 0 || !d->contents[i].content)
			continue;
		*ret = blob_ref(d->contents[i].content);
		return 0;
	}
	return layout_content(d->s, d->place, t->record.ino, t->record.size, ret);
}

/* An editor's new text: the attachment becomes the turn, with its own attributes. */
static int attachment_to_turn(
	struct draft *d, struct target *from, struct target *to, const struct change *change)
{
	CLEAN_BLOB struct blob *content = NULL;
	const struct record *record = &from->record;
	int r = content_of(d, from, &content);
	if (r < 0)
		return r;
	struct change put = {
		.name = to->name,
		.set = SET_CONTENT | SET_MODE | SET_OWNER | SET_MTIME,
		.mode = change->set & SET_MODE ? change->mode : record->mode,
		.uid = change->set & SET_OWNER ? change->uid : record->uid,
		.gid = change->set & SET_OWNER ? change->gid : record->gid,
		.mtime_ns = change->set & SET_MTIME ? change->mtime_ns : record->mtime_ns,
		.meta = change->set & SET_META ? change->meta : record->meta,
		.content = content,
	};
	if (change->set & SET_META || record->meta)
		put.set |= SET_META;
	r = put_turn(d, to, &put);
	return r < 0 ? r : drop(d, from);
}

static int rename_attachment(
	struct draft *d, struct target *from, struct target *to, const struct change *change)
{
	int r = drop(d, to);
	if (r < 0)
		return r;
	side_remove(&d->side, from->field);
	record_done(&to->record);
	to->record = from->record;
	from->record.meta = NULL;
	return put_record(d, to, change, change->set & ~(unsigned)SET_CONTENT, NULL);
}

static int change_rename(struct draft *d, struct target *from, const struct change *change)
{
	CLEAN_TARGET struct target to = {0};
	int r = find(d, change->to, &to);
	if (r < 0)
		return r;
	if (!from->there)
		return change->expect == STORE_REVISION_ANY || change->expect == STORE_REVISION_NONE
			       ? -ENOENT
			       : -ESTALE;
	if (!strcmp(change->name, change->to))
		return from->number ? draft_patch(d, from->number, change, change->set)
				    : put_attachment(d, from, change);
	r = rules_expect(change->to_expect, to.revision);
	if (r < 0)
		return r;
	if (from->number)
		return -EPERM; /* a turn's place and role are the tool's */
	return to.number ? attachment_to_turn(d, from, &to, change)
			 : rename_attachment(d, from, &to, change);
}

int draft_change(struct draft *d, const struct change *change)
{
	CLEAN_TARGET struct target target = {0};
	int r = find(d, change->name, &target);
	if (r == 0)
		r = rules_expect(change->expect, target.revision);
	if (r < 0 && !(change->kind == CHANGE_RENAME && !target.there))
		return r;
	switch (change->kind) {
	case CHANGE_PUT:
		return target.number ? put_turn(d, &target, change)
				     : put_attachment(d, &target, change);
	case CHANGE_REMOVE:
		return drop(d, &target);
	default:
		return change_rename(d, &target, change);
	}
}

int draft_check(const struct draft *d)
{
	bool removed = false;
	for (size_t i = 0; i < d->count; i++) {
		if (removed && !d->turns[i].removed)
			return -EPERM;
		removed = d->turns[i].removed;
	}
	return 0;
}
