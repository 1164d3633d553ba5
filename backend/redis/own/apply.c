/* Changing threads and files of the own layout: one script, one round trip, all or nothing. */
#include "inside.h"

#include "base/name.h"

#include <errno.h>

static const struct redis_script script_apply = {"apply", SCRIPT_WRITES, lua_apply};
static const struct redis_script script_move = {"move", SCRIPT_WRITES, lua_move};
static const struct redis_script script_append = {"append", SCRIPT_WRITES, lua_append};

/* Places in a thread's row, as lua/thread.lua has them. */
enum {
	PLACE_MODE = 7,
	PLACE_UID,
	PLACE_GID,
	PLACE_CREATED,
	PLACE_MTIME,
	PLACE_TTL = 13,
	PLACE_DOC_FLAGS = 19,
	PLACE_DOC_MODE,
	PLACE_DOC_UID,
	PLACE_DOC_GID,
	PLACE_DOC_MTIME,
	PLACE_DOC_CTIME,
};

struct patch {
	size_t count;
	int64_t places[16], values[16];
};

static void patch_add(struct patch *patch, int64_t place, int64_t value)
{
	patch->places[patch->count] = place;
	patch->values[patch->count++] = value;
}

static void patch_thread(struct patch *patch, const struct thread_change *change)
{
	if (change->set & SET_MODE)
		patch_add(patch, PLACE_MODE, change->mode);
	if (change->set & SET_OWNER) {
		patch_add(patch, PLACE_UID, change->uid);
		patch_add(patch, PLACE_GID, change->gid);
	}
	if (change->set & SET_MTIME)
		patch_add(patch, PLACE_MTIME, change->mtime_ns);
	if (change->set & SET_CREATED)
		patch_add(patch, PLACE_CREATED, change->created_ns);
	if (change->set & SET_TTL)
		patch_add(patch, PLACE_TTL, change->ttl_ms);
}

static void patch_doc(struct patch *patch, const struct thread_change *change)
{
	if (change->set & SET_DOC)
		patch_add(patch, PLACE_DOC_FLAGS, change->doc.flags);
	if (change->set & SET_DOC_MODE)
		patch_add(patch, PLACE_DOC_MODE, change->doc.mode);
	if (change->set & SET_DOC_OWNER) {
		patch_add(patch, PLACE_DOC_UID, change->doc.uid);
		patch_add(patch, PLACE_DOC_GID, change->doc.gid);
	}
	if (change->set & SET_DOC_MTIME)
		patch_add(patch, PLACE_DOC_MTIME, change->doc.mtime_ns);
	if (change->set & (SET_DOC | SET_DOC_MODE | SET_DOC_OWNER | SET_DOC_MTIME))
		patch_add(patch, PLACE_DOC_CTIME, change->time_ns);
}

static void add_expect(struct redis_args *args, uint64_t expect)
{
	if (expect == STORE_REVISION_ANY)
		redis_args_add(args, "*");
	else
		redis_args_add_unsigned(args, expect);
}

/* step_begin()'s arguments. -EINVAL: a ttl that is none. */
static int add_thread(struct redis_args *args, const struct thread_change *change)
{
	static const struct thread_change nothing;
	struct patch patch = {0};
	if (!change)
		change = &nothing;
	if (change->set & SET_TTL && change->ttl_ms <= 0 && change->ttl_ms != STORE_TTL_NEVER)
		return -EINVAL;
	patch_thread(&patch, change);
	patch_doc(&patch, change);
	redis_args_add_unsigned(args, patch.count);
	for (size_t i = 0; i < patch.count; i++) {
		redis_args_add_number(args, patch.places[i]);
		redis_args_add_number(args, patch.values[i]);
	}
	bool doc = change->set & SET_DOC;
	add_expect(args, doc ? change->doc.expect : STORE_REVISION_ANY);
	redis_args_add(args, !doc ? "" : change->doc.text ? "+" : "-");
	redis_args_add_blob(args, doc ? change->doc.text : NULL);
	return 0;
}

static void add_file(struct redis_args *args, const struct change *change)
{
	static const char kinds[][2] = {
		[CHANGE_PUT] = "P", [CHANGE_REMOVE] = "D", [CHANGE_RENAME] = "R"};
	bool rename = change->kind == CHANGE_RENAME;
	redis_args_add(args, kinds[change->kind]);
	redis_args_add(args, change->name);
	add_expect(args, change->expect);
	redis_args_add(args, rename ? change->to : "");
	add_expect(args, rename ? change->to_expect : STORE_REVISION_ANY);
	redis_args_add_unsigned(args, change->set);
	redis_args_add_unsigned(args, change->ino);
	redis_args_add_unsigned(args, change->mode);
	redis_args_add_unsigned(args, change->uid);
	redis_args_add_unsigned(args, change->gid);
	redis_args_add_number(args, change->mtime_ns);
	redis_args_add_blob(args, change->meta);
	redis_args_add_blob(args, change->content);
}

static int check_names(const struct change *changes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (name_file_check(changes[i].name) < 0)
			return -EINVAL;
		if (changes[i].kind == CHANGE_RENAME && name_file_check(changes[i].to) < 0)
			return -EINVAL;
	}
	return 0;
}

static int64_t time_of(struct own_store *s, const struct thread_change *change)
{
	if (change)
		return change->time_ns;
	return s->clock ? s->clock->now_ns(s->clock) : clock_wall_ns();
}

int own_apply(struct store *store, struct thread_ref ref, const struct thread_change *thread,
	struct change *changes, size_t count, unsigned flags, struct thread_info *ret)
{
	struct own_store *s = (struct own_store *)store;
	struct own_call call CLEAN_CALL = {0};
	struct thread_info info;
	int rc = check_names(changes, count);
	if (rc < 0)
		return rc;
	own_write_begin(s, &call, ref.gen, s->options.grace_ms, flags, time_of(s, thread));
	rc = add_thread(&call.args, thread);
	for (size_t i = 0; i < count; i++)
		add_file(&call.args, &changes[i]);
	if (rc == 0)
		rc = own_write(s, &script_apply, &call, flags & STORE_DURABLE, ref.id);
	if (rc == 0 && call.reply->elements != count + 1)
		rc = -EIO;
	if (rc == 0)
		rc = own_take_row(s, call.reply, 0, ref.gen, &info);
	for (size_t i = 0; rc == 0 && i < count; i++)
		if (changes[i].kind != CHANGE_REMOVE)
			rc = own_number_parse(call.reply->element[i + 1], &changes[i].ret_revision);
	if (rc == 0 && ret)
		*ret = info;
	return rc;
}

int own_move(struct store *store, struct thread_ref from, struct thread_ref to,
	struct change *change, const struct thread_change *from_thread,
	const struct thread_change *to_thread, unsigned flags, struct thread_info *ret_from,
	struct thread_info *ret_to)
{
	struct own_store *s = (struct own_store *)store;
	struct own_call call CLEAN_CALL = {0};
	struct thread_info a, b;
	if (from.gen == to.gen || change->kind != CHANGE_RENAME || check_names(change, 1) < 0)
		return -EINVAL;
	/* A thread to be moved into is live: reviving is not for this. */
	own_write_begin(s, &call, from.gen, s->options.grace_ms, flags & ~(unsigned)STORE_REVIVE,
		time_of(s, from_thread));
	redis_args_add_unsigned(&call.args, to.gen);
	int rc = add_thread(&call.args, from_thread);
	if (rc == 0)
		rc = add_thread(&call.args, to_thread);
	add_file(&call.args, change);
	if (rc == 0)
		rc = own_write(s, &script_move, &call, flags & STORE_DURABLE, from.id);
	if (rc == 0 && call.reply->elements != 3)
		rc = -EIO;
	if (rc == 0)
		rc = own_take_row(s, call.reply, 0, from.gen, &a);
	if (rc == 0)
		rc = own_take_row(s, call.reply, 1, to.gen, &b);
	if (rc == 0)
		rc = own_number_parse(call.reply->element[2], &change->ret_revision);
	if (rc == 0 && ret_from)
		*ret_from = a;
	if (rc == 0 && ret_to)
		*ret_to = b;
	return rc;
}

static void add_turn(struct redis_args *args, const struct turn_new *turn)
{
	redis_args_add(args, turn->role);
	redis_args_add_unsigned(args, turn->ino);
	redis_args_add_unsigned(args, turn->mode);
	redis_args_add_unsigned(args, turn->uid);
	redis_args_add_unsigned(args, turn->gid);
	redis_args_add_number(args, turn->mtime_ns);
	redis_args_add_blob(args, turn->meta);
	redis_args_add_blob(args, turn->content);
}

int own_append(struct store *store, struct thread_ref ref, const struct thread_change *thread,
	struct turn_new *turns, size_t count, unsigned flags, struct thread_info *ret,
	uint32_t *ret_first)
{
	struct own_store *s = (struct own_store *)store;
	struct own_call call CLEAN_CALL = {0};
	struct thread_info info;
	uint64_t first;
	for (size_t i = 0; i < count; i++)
		if (!name_role_valid(turns[i].role))
			return -EINVAL;
	own_write_begin(s, &call, ref.gen, s->options.grace_ms, flags, time_of(s, thread));
	int rc = add_thread(&call.args, thread);
	for (size_t i = 0; i < count; i++)
		add_turn(&call.args, &turns[i]);
	if (rc == 0)
		rc = own_write(s, &script_append, &call, flags & STORE_DURABLE, ref.id);
	if (rc == 0 && call.reply->elements != count + 2)
		rc = -EIO;
	if (rc == 0)
		rc = own_take_row(s, call.reply, 0, ref.gen, &info);
	if (rc == 0)
		rc = own_number_parse(call.reply->element[1], &first);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = own_number_parse(call.reply->element[i + 2], &turns[i].ret_revision);
	if (rc < 0)
		return rc;
	*ret_first = (uint32_t)first;
	if (ret)
		*ret = info;
	return 0;
}
