/* A change goes into Redis: the checks and commands that make the thread what it is to be. */
#include "draft.h"
#include "value.h"

#include <stdlib.h>

static void add_key(struct redis_args *args, const struct keys *keys)
{
	redis_args_add_bytes(args, keys->place->key, keys->place->key_size);
}

static void add_side(struct redis_args *args, const struct keys *keys)
{
	redis_args_add_bytes(args, keys->side, keys->side_size);
}

static void put_value(struct draft *d, const struct keys *keys, const struct image *image,
	struct server_step *step)
{
	const struct blob *was = d->image->raw.value, *now = image->raw.value;
	if (draft_adds(d) && value_write_into(was, now, keys, step))
		return;
	struct redis_args *args = server_step_check_blob(step, was, 2);
	redis_args_add(args, "GET");
	add_key(args, keys);
	if (blob_equal(was, now))
		return;
	args = server_step_command(step, 4);
	redis_args_add(args, "SET");
	add_key(args, keys);
	redis_args_add_blob(args, now);
	redis_args_add(args, "KEEPTTL");
}

/* Where turn `number` lies: from the end in a list whose newest is first, for there it stays. */
static int64_t list_index(const struct draft *d, size_t number)
{
	return d->s->layout->newest_first ? -(int64_t)number : (int64_t)number - 1;
}

static void check_element(
	struct draft *d, const struct keys *keys, size_t number, struct server_step *step)
{
	const struct raw *was = &d->image->raw;
	struct redis_args *args = server_step_check_blob(step, was->elements[number - 1]->bytes, 3);
	redis_args_add(args, "LINDEX");
	add_key(args, keys);
	redis_args_add_number(args, list_index(d, number));
}

static void list_changed(struct draft *d, const struct keys *keys, struct server_step *step)
{
	for (size_t i = 0; i < d->count; i++) {
		const struct draft_turn *turn = &d->turns[i];
		if (turn->added || !(turn->changed || turn->removed))
			continue;
		check_element(d, keys, i + 1, step);
		if (turn->removed)
			continue;
		struct redis_args *args = server_step_command(step, 4);
		redis_args_add(args, "LSET");
		add_key(args, keys);
		redis_args_add_number(args, list_index(d, i + 1));
		redis_args_add_blob(args, turn->element->bytes);
	}
}

static void list_pushed(struct draft *d, const struct keys *keys, struct server_step *step)
{
	bool first = d->s->layout->newest_first;
	for (size_t i = d->count; i-- > 0 && d->turns[i].removed;) {
		struct redis_args *args = server_step_command(step, 2);
		redis_args_add(args, first ? "LPOP" : "RPOP");
		add_key(args, keys);
	}
	for (size_t i = 0; i < d->count; i++) {
		if (!d->turns[i].added)
			continue;
		struct redis_args *args = server_step_command(step, 3);
		redis_args_add(args, first ? "LPUSH" : "RPUSH");
		add_key(args, keys);
		redis_args_add_blob(args, d->turns[i].element->bytes);
	}
}

static void put_list(struct draft *d, const struct keys *keys, struct server_step *step)
{
	bool sized = d->count > 0 && (draft_adds(d) || d->turns[d->count - 1].removed);
	struct redis_args *args;
	if (sized || !d->image->raw.there) {
		args = server_step_check_number(step, d->image->raw.count, 2);
		redis_args_add(args, "LLEN");
		add_key(args, keys);
	} else {
		args = server_step_check(step, "1", 2);
		redis_args_add(args, "EXISTS");
		add_key(args, keys);
	}
	if (!d->image->raw.there) {
		args = server_step_check(step, "1", 3);
		redis_args_add(args, "HEXISTS");
		add_side(args, keys);
		redis_args_add(args, "made");
	}
	list_changed(d, keys, step);
	list_pushed(d, keys, step);
}

static bool is_quiet(const struct side_field *field)
{
	return side_name_after(field, "ours:") || side_name_after(field, "claim:");
}

/* Both maps are in order of name: what differs is set or dropped. Whether others must know. */
static bool put_side(struct draft *d, const struct keys *keys, struct server_step *step)
{
	const struct side_map *was = &d->image->raw.side, *now = &d->side;
	bool loud = false;
	for (size_t i = 0; i < now->count; i++) {
		const struct side_field *field = &now->items[i];
		const struct blob *before = side_get(was, blob_data(field->name));
		if (before && blob_equal(before, field->value))
			continue;
		struct redis_args *args = server_step_command(step, 4);
		redis_args_add(args, "HSET");
		add_side(args, keys);
		redis_args_add_blob(args, field->name);
		redis_args_add_blob(args, field->value);
		loud = loud || !is_quiet(field);
	}
	for (size_t i = 0; i < was->count; i++) {
		const struct side_field *field = &was->items[i];
		if (side_get(now, blob_data(field->name)))
			continue;
		struct redis_args *args = server_step_command(step, 3);
		redis_args_add(args, "HDEL");
		add_side(args, keys);
		redis_args_add_blob(args, field->name);
		loud = loud || !is_quiet(field);
	}
	return loud;
}

/* No two steps that change what turnfs keeps may cross. `image` is nobody else's yet. */
static int put_rev(
	struct draft *d, const struct keys *keys, struct image *image, struct server_step *step)
{
	char rev[24];
	snprintf(rev, sizeof(rev), "%llu", (unsigned long long)random_number());
	int r = side_put_text(&image->raw.side, "rev", rev);
	if (r < 0)
		return r;
	struct redis_args *args =
		server_step_check_blob(step, side_get(&d->image->raw.side, "rev"), 3);
	redis_args_add(args, "HGET");
	add_side(args, keys);
	redis_args_add(args, "rev");
	args = server_step_command(step, 4);
	redis_args_add(args, "HSET");
	add_side(args, keys);
	redis_args_add(args, "rev");
	redis_args_add_blob(args, side_get(&image->raw.side, "rev"));
	return 0;
}

static void put_contents(struct draft *d, const struct keys *keys, struct server_step *step)
{
	for (size_t i = 0; i < d->content_count; i++) {
		const struct draft_content *c = &d->contents[i];
		struct redis_args *args = server_step_command(step, c->content ? 4 : 3);
		redis_args_add(args, c->content ? "HSET" : "HDEL");
		redis_args_add_bytes(args, keys->files, keys->files_size);
		redis_args_add(args, c->field);
		if (c->content)
			redis_args_add_blob(args, c->content);
	}
}

static int emit(
	struct draft *d, const struct keys *keys, struct image *image, struct server_step *step)
{
	const struct layout *layout = d->s->layout;
	if (layout->kind == LAYOUT_VALUE)
		put_value(d, keys, image, step);
	else
		put_list(d, keys, step);
	if (draft_adds(d))
		life_trim(d->s, keys, step);
	if (draft_adds(d))
		life_session(d->s, keys, d->time_ns, step);
	bool loud = put_side(d, keys, step);
	put_contents(d, keys, step);
	int r = loud ? put_rev(d, keys, image, step) : 0;
	d->life.begins = image->raw.there && !d->image->raw.there;
	life_set(&d->life, keys, image->raw.there, step);
	return r;
}

/* Nothing is left of turns that go but what they were. */
static int forget_removed(struct draft *d)
{
	int r = 0;
	for (size_t i = 0; i < d->count && r == 0; i++)
		if (d->turns[i].removed)
			r = draft_forget_turn(d, (uint32_t)i + 1);
	return r;
}

int draft_commit(struct draft *d, unsigned flags, struct thread_info *ret, struct image **ret_image)
{
	CLEAN_IMAGE struct image *image = NULL;
	CLEAN_KEYS struct keys keys = {0};
	CLEAN_SERVER_STEP struct server_step step = {0};
	int r = forget_removed(d);
	if (r == 0)
		r = draft_check(d);
	if (r == 0)
		r = draft_image(d, &image);
	if (r == 0)
		r = draft_records(d, &image);
	if (r == 0)
		r = keys_init(d->s, d->place, &keys);
	if (r == 0)
		r = emit(d, &keys, image, &step);
	if (r == 0)
		r = server_step_run(
			d->s, &keys, &step, flags & STORE_DURABLE, &d->life.deadline_ms, NULL);
	if (r < 0)
		return r;
	image->raw.deadline_ms = image->info.deadline_ms = d->life.deadline_ms;
	layout_wrote(d->s, d->place->gen, d->told, image, d->life.deadline_ms, ret);
	*ret_image = image;
	image = NULL;
	return 0;
}
