/* A binary heap. A thread may be in it several times; equal entries leave together. */
#include "deadlines.h"

#include <stdlib.h>

static bool before(struct deadline a, struct deadline b)
{
	return a.at_ms != b.at_ms ? a.at_ms < b.at_ms : a.gen < b.gen;
}

bool deadlines_push(struct deadlines *heap, int64_t at_ms, uint64_t gen)
{
	if (heap->count == heap->capacity) {
		size_t capacity = heap->capacity ? 2 * heap->capacity : 256;
		struct deadline *items = realloc(heap->items, capacity * sizeof *items);
		if (!items)
			return false;
		heap->items = items;
		heap->capacity = capacity;
	}
	const struct deadline d = {at_ms, gen};
	size_t i = heap->count++;
	while (i && before(d, heap->items[(i - 1) / 2])) {
		heap->items[i] = heap->items[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	heap->items[i] = d;
	return true;
}

static struct deadline take_first(struct deadlines *heap)
{
	struct deadline *items = heap->items;
	struct deadline top = items[0], last = items[--heap->count];
	size_t i = 0;
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= heap->count)
			break;
		if (child + 1 < heap->count && before(items[child + 1], items[child]))
			child++;
		if (!before(items[child], last))
			break;
		items[i] = items[child];
		i = child;
	}
	items[i] = last;
	return top;
}

bool deadlines_pop(struct deadlines *heap, int64_t now_ms, struct deadline *ret)
{
	if (deadlines_nearest_ms(heap) > now_ms || !heap->count)
		return false;
	*ret = take_first(heap);
	while (heap->count && !before(*ret, heap->items[0]))
		take_first(heap);
	return true;
}

void deadlines_drop_after(struct deadlines *heap, int64_t now_ms)
{
	size_t count = heap->count;
	heap->count = 0;
	for (size_t i = 0; i < count; i++) /* what is kept never overtakes what is looked at */
		if (heap->items[i].at_ms <= now_ms)
			deadlines_push(heap, heap->items[i].at_ms, heap->items[i].gen);
}

int64_t deadlines_nearest_ms(const struct deadlines *heap)
{
	return heap->count ? heap->items[0].at_ms : INT64_MAX;
}

void deadlines_done(struct deadlines *heap)
{
	free(heap->items);
	*heap = (struct deadlines){0};
}
