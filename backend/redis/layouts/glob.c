/* Redis' own patterns of keys, as SCAN's MATCH takes them, for keys that come by other ways. */
#include "layout.h"

/* A pattern that takes longer than this matches nothing: keys and patterns are short. */
enum { STEPS_MAX = 100000 };

struct glob {
	const unsigned char *pattern, *pattern_end, *text, *text_end;
};

/* The set at *pattern ("[…]", behind the '['): whether it has `c`; *pattern moves behind the ']'.
 */
static bool set_has(const unsigned char **pattern, const unsigned char *end, unsigned char c)
{
	const unsigned char *p = *pattern;
	bool negated = p < end && *p == '^', found = false;
	if (negated)
		p++;
	for (; p < end && *p != ']'; p++) {
		if (*p == '\\' && p + 1 < end) {
			p++;
			found = found || *p == c;
		} else if (p + 2 < end && p[1] == '-') {
			unsigned char low = p[0] < p[2] ? p[0] : p[2];
			unsigned char high = p[0] < p[2] ? p[2] : p[0];
			found = found || (c >= low && c <= high);
			p += 2;
		} else {
			found = found || *p == c;
		}
	}
	*pattern = p < end ? p + 1 : p;
	return found != negated;
}

/* One character of the text against one element of the pattern that is not a star. */
static bool one_matches(struct glob *g)
{
	unsigned char c = *g->text++, p = *g->pattern++;
	if (p == '?')
		return true;
	if (p == '[')
		return set_has(&g->pattern, g->pattern_end, c);
	if (p == '\\' && g->pattern < g->pattern_end)
		p = *g->pattern++;
	return p == c;
}

/* Greedy with one place to go back to, the last star: enough, and never exponential. */
bool layout_glob(const char *pattern, size_t pattern_size, const char *text, size_t size)
{
	struct glob g = {.pattern = (const unsigned char *)pattern,
		.pattern_end = (const unsigned char *)pattern + pattern_size,
		.text = (const unsigned char *)text,
		.text_end = (const unsigned char *)text + size};
	struct glob star = {0};
	for (unsigned steps = 0; steps < STEPS_MAX; steps++) {
		if (g.pattern < g.pattern_end && *g.pattern == '*') {
			g.pattern++;
			star = g;
			continue;
		}
		if (g.text == g.text_end && g.pattern == g.pattern_end)
			return true;
		if (g.text < g.text_end && g.pattern < g.pattern_end && one_matches(&g))
			continue;
		if (!star.pattern || star.text == star.text_end)
			return false;
		star.text++;
		g = star;
	}
	return false;
}
