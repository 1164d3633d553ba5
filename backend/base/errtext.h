/* A one-line sentence for a person, carried beside a -errno: what happened and what to do. */
#pragma once

struct errtext {
	char text[768];
};

/* Sets the sentence (cut if too long; control characters become '?'). Returns `rc`; takes NULL. */
int errtext_set(struct errtext *error, int rc, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
