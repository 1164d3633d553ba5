/* What a server's error means; see errors.h. */
#include "errors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct known {
	const char *code;
	enum reply_kind kind;
	int rc;
	const char *sentence;
} known[] = {
	{"OOM", REPLY_FAILED, -ENOSPC,
		"its memory is full: raise maxmemory (redis-cli CONFIG SET maxmemory …)"},
	{"MISCONF", REPLY_FAILED, -ENOSPC,
		"it cannot save to its disk and refuses writes: see its log and free disk space"},
	{"READONLY", REPLY_READONLY, -EROFS, "it is a read-only replica: name its master"},
	{"NOAUTH", REPLY_FAILED, -EACCES, "it wants a password: redis://:PASSWORD@host"},
	{"WRONGPASS", REPLY_FAILED, -EACCES, "user or password are wrong"},
	{"NOPERM", REPLY_FAILED, -EACCES,
		"its ACL forbids this to our user: see docs/redis-schema.md for what is needed"},
	{"DENIED", REPLY_FAILED, -EACCES,
		"its protected mode refuses connections from other machines without a password"},
	{"WRONGTYPE", REPLY_FAILED, -EIO, "a key of ours holds something of another kind"},
	{"NOSCRIPT", REPLY_NOSCRIPT, -EIO, "it forgets scripts as soon as they are loaded"},
	{"LOADING", REPLY_LATER, -EIO, "it is still loading its data"},
	{"BUSY", REPLY_LATER, -EIO, "a script keeps it busy"},
	{"MASTERDOWN", REPLY_LATER, -EIO, "it is a replica that has lost its master"},
	{"TRYAGAIN", REPLY_LATER, -EIO, "it is moving keys between servers"},
	{"CLUSTERDOWN", REPLY_LATER, -EIO, "its cluster is down"},
	{"NOREPLICAS", REPLY_LATER, -EIO,
		"it has fewer replicas than its min-replicas-to-write wants"},
};

/* Our scripts' own answers. */
static const struct {
	const char *name;
	int rc;
} ours[] = {
	{"ENOENT", -ENOENT},
	{"EEXIST", -EEXIST},
	{"ENOTEMPTY", -ENOTEMPTY},
	{"ESTALE", -ESTALE},
	{"EDQUOT", -EDQUOT},
	{"EFBIG", -EFBIG},
	{"EINVAL", -EINVAL},
	{"EPERM", -EPERM},
	{"EACCES", -EACCES},
	{"EROFS", -EROFS},
	{"EXDEV", -EXDEV},
	{"ENOSPC", -ENOSPC},
	{"EIO", -EIO},
};

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))

static bool word_is(const char *text, const char *word)
{
	size_t size = strlen(word);

	return strncmp(text, word, size) == 0 && (text[size] == ' ' || text[size] == '\0');
}

/* 0: no name of ours. */
static int ours_errno(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(ours); i++)
		if (word_is(name, ours[i].name))
			return ours[i].rc;
	return 0;
}

/* The code of an error inside a script, as Redis 6 words it: "…: 1: -OOM command not …". */
static const char *script_error_find(const char *text)
{
	for (const char *at = strstr(text, "@user_script"); at; at = strstr(at + 1, ": ")) {
		const char *word = at + strspn(at, ": -");
		for (size_t i = 0; i < COUNT_OF(known); i++)
			if (word_is(word, known[i].code))
				return word;
	}
	return text;
}

/* Inside a script the ACL's refusal has no code: Redis 6 and 7.0, then 7.2 and Valkey. */
static bool is_acl_failure(const char *text)
{
	return strncmp(text, "ERR ", 4) == 0 &&
	       (strstr(text, "The user executing the script can't ") ||
		       strstr(text, "ACL failure in script"));
}

static void set(struct reply_error *ret, enum reply_kind kind, int rc, const char *sentence)
{
	ret->kind = kind;
	ret->rc = rc;
	ret->sentence = sentence;
}

/* Only words of a code's form are repeated: what else an error says may be an argument of ours. */
static void code_set(struct reply_error *ret, const char *text)
{
	size_t size = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

	if (size == 0 || size >= sizeof(ret->code) || (text[size] && text[size] != ' ')) {
		snprintf(ret->code, sizeof(ret->code), "an error");
		return;
	}
	snprintf(ret->code, sizeof(ret->code), "%.*s", (int)size, text);
}

/* "user_script:12: …", where Redis 7 says it at the end. */
static unsigned line_find(const char *text)
{
	const char *at = strstr(text, "user_script:");

	return at ? (unsigned)strtoul(at + strlen("user_script:"), NULL, 10) : 0;
}

void reply_error_read(const char *text, struct reply_error *ret)
{
	text += *text == '-';
	ret->line = line_find(text);
	if (strncmp(text, "ERR Error running script", 24) == 0)
		text = script_error_find(text);
	if (is_acl_failure(text))
		text = "NOPERM";
	code_set(ret, text);
	if (strncmp(text, "TURNFS ", 7) == 0 && ours_errno(text + 7)) {
		set(ret, REPLY_OURS, ours_errno(text + 7), "our script refused");
		return;
	}
	for (size_t i = 0; i < COUNT_OF(known); i++)
		if (word_is(text, known[i].code)) {
			set(ret, known[i].kind, known[i].rc, known[i].sentence);
			return;
		}
	if (strncmp(text, "ERR max number of clients", 25) == 0)
		set(ret, REPLY_LATER, -EIO, "it has too many clients: raise its maxclients");
	else if (strncmp(text, "ERR unknown command", 19) == 0)
		set(ret, REPLY_FAILED, -EIO, "it does not know a command: is it Redis 6 or later?");
	else
		set(ret, REPLY_FAILED, -EIO, "see its log");
}

int link_errno(int rc)
{
	switch (rc) {
	case -ETIMEDOUT:
	case -ENOMEM:
	case -EMFILE:
	case -EACCES:
	case -EINVAL:
		return rc;
	case -ENFILE:
		return -EMFILE;
	case -ENOBUFS:
		return -ENOMEM;
	case -ENETUNREACH:
	case -EHOSTUNREACH:
	default:
		return -EIO;
	}
}
