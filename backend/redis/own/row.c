/* Rows of the own layout: words of decimal numbers with one space between, a name or JSON behind.
 */
#include "inside.h"

#include "base/name.h"

#include <errno.h>
#include <string.h>

struct cursor {
	const char *at, *end;
	bool bad;
};

static uint64_t take_digits(struct cursor *c, uint64_t max)
{
	uint64_t value = 0;
	const char *from = c->at;
	for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
		uint64_t digit = (uint64_t)(*c->at - '0');
		if (value > (max - digit) / 10)
			c->bad = true;
		value = value * 10 + digit;
	}
	if (c->at == from)
		c->bad = true;
	return value;
}

static void take_space(struct cursor *c)
{
	if (c->at < c->end && *c->at == ' ')
		c->at++;
	else
		c->bad = true;
}

static uint64_t take_unsigned(struct cursor *c)
{
	uint64_t value = take_digits(c, UINT64_MAX);
	take_space(c);
	return value;
}

static uint32_t take_u32(struct cursor *c)
{
	uint64_t value = take_digits(c, UINT32_MAX);
	take_space(c);
	return (uint32_t)value;
}

static int64_t take_signed(struct cursor *c)
{
	bool negative = c->at < c->end && *c->at == '-';
	if (negative)
		c->at++;
	uint64_t value = take_digits(c, INT64_MAX);
	take_space(c);
	return negative ? -(int64_t)value : (int64_t)value;
}

static int64_t never_if_negative(int64_t ms)
{
	return ms < 0 ? STORE_DEADLINE_NEVER : ms;
}

int own_row_parse(const char *text, size_t size, uint64_t gen, struct own_row *ret)
{
	struct cursor c = {.at = text, .end = text + size};
	struct own_row row = {.info = {.gen = gen}};
	struct thread_info *i = &row.info;
	i->revision = take_unsigned(&c);
	i->life = take_u32(&c);
	i->last_turn = take_u32(&c);
	i->turns = take_u32(&c);
	i->files = take_u32(&c);
	i->bytes = take_unsigned(&c);
	i->mode = take_u32(&c);
	i->uid = take_u32(&c);
	i->gid = take_u32(&c);
	i->created_ns = take_signed(&c);
	i->mtime_ns = take_signed(&c);
	i->ctime_ns = take_signed(&c);
	i->ttl_ms = take_signed(&c);
	i->deadline_ms = never_if_negative(take_signed(&c));
	row.erase_ms = never_if_negative(take_signed(&c));
	(void)take_signed(&c); /* when its keys go: the scripts' own */
	i->doc.ino = take_unsigned(&c);
	i->doc.revision = take_unsigned(&c);
	i->doc.flags = take_u32(&c);
	i->doc.mode = take_u32(&c);
	i->doc.uid = take_u32(&c);
	i->doc.gid = take_u32(&c);
	i->doc.mtime_ns = take_signed(&c);
	i->doc.ctime_ns = take_signed(&c);
	row.doc_size = take_signed(&c);
	size_t left = (size_t)(c.end - c.at);
	bool ttl_valid = i->ttl_ms > 0 || i->ttl_ms == STORE_TTL_NEVER;
	if (c.bad || left > STORE_NAME_MAX || memchr(c.at, '\0', left) || !ttl_valid ||
		i->last_turn > STORE_TURN_MAX || i->mode > 07777 || i->turns > i->files ||
		i->revision > OWN_REVISION_MAX)
		return -EIO;
	memcpy(i->id, c.at, left);
	i->id[left] = '\0';
	if (name_thread_check(i->id) < 0)
		return -EIO;
	*ret = row;
	return 0;
}

int own_file_parse(
	const char *name, size_t name_size, const char *text, size_t size, struct file_info *ret)
{
	struct cursor c = {.at = text, .end = text + size};
	struct file_info info = {.revision = take_unsigned(&c)};
	info.size = take_unsigned(&c);
	info.mtime_ns = take_signed(&c);
	info.ctime_ns = take_signed(&c);
	info.mode = take_u32(&c);
	info.uid = take_u32(&c);
	info.gid = take_u32(&c);
	info.ino = take_unsigned(&c);
	if (c.bad || name_size > STORE_NAME_MAX || memchr(name, '\0', name_size) ||
		info.mode > 07777 || info.ino == 0 || info.revision == STORE_REVISION_NONE ||
		info.revision == STORE_REVISION_ANY)
		return -EIO;
	memcpy(info.name, name, name_size);
	info.name[name_size] = '\0';
	if (name_file_check(info.name) < 0)
		return -EIO;
	if (c.at < c.end) {
		info.meta = blob_new(c.at, (size_t)(c.end - c.at));
		if (!info.meta)
			return -ENOMEM;
	}
	*ret = info;
	return 0;
}

int own_number_parse(const redisReply *reply, uint64_t *ret)
{
	if (reply->type == REDIS_REPLY_INTEGER && reply->integer >= 0) {
		*ret = (uint64_t)reply->integer;
		return 0;
	}
	if (reply->type != REDIS_REPLY_STRING)
		return -EIO;
	struct cursor c = {.at = reply->str, .end = reply->str + reply->len};
	uint64_t value = take_digits(&c, UINT64_MAX);
	if (c.bad || c.at != c.end)
		return -EIO;
	*ret = value;
	return 0;
}

const redisReply *own_string_at(const redisReply *reply, size_t at)
{
	if (reply->type != REDIS_REPLY_ARRAY || at >= reply->elements)
		return NULL;
	const redisReply *element = reply->element[at];
	return element->type == REDIS_REPLY_STRING ? element : NULL;
}
