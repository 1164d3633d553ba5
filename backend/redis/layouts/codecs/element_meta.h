/* What of an element is shown as a turn's metadata. */
#pragma once

#include "element.h"

/*
 * A JSON object of the members that are not hidden, and as "blocks" those that are no text
 * (`blocks`: elements of an array, or empty). *ret stays as it is (NULL) when there are none.
 */
int element_meta(const struct form *form, const char *data, const struct element *element,
	const struct blob *blocks, struct blob **ret);
