/* The text of .turnfs/config: all that is in force, without a password. */
#include "config.h"

#include "base/text.h"
#include "option_value.h"
#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_span(FILE *out, const char *key, int64_t ms)
{
	char text[TEXT_TIME_MAX];
	text_span_format(ms, text);
	fprintf(out, "%s = %s\n", key, text);
}

static void print_flag(FILE *out, const char *key, bool on)
{
	fprintf(out, "%s = %s\n", key, on ? "on" : "off");
}

static void print_id(FILE *out, const char *key, bool set, unsigned id)
{
	if (set)
		fprintf(out, "%s = %u\n", key, id);
}

/* A path may have a newline in it; a line may not. */
static void print_text(FILE *out, const char *key, const char *value)
{
	char *clean = terminal_clean(strdup(value));
	fprintf(out, "%s = %s\n", key, clean ? clean : "?");
	free(clean);
}

static void print_times(FILE *out, const struct cli_options *options)
{
	print_span(out, "ttl", options->mount.ttl_ms);
	print_text(out, "ttl_source", options->ttl_source);
	print_span(out, "grace", options->mount.grace_ms);
	print_span(out, "warn", options->mount.warn_ms);
	print_span(out, "timeout", options->mount.timeout_ms);
}

static void print_mount(FILE *out, const struct mount_options *mount)
{
	static const char *const announce[] = {"off", "auto", "on"};
	char size[TEXT_TIME_MAX];
	text_size_format(mount->max_file_size, size);
	fprintf(out, "sync = %s\n", mount->sync_fsync ? "fsync" : "close");
	fprintf(out, "max_file_size = %s\n", size);
	print_flag(out, "ro", mount->read_only);
	print_flag(out, "noexec", mount->no_exec);
	print_flag(out, "allow_other", mount->allow_other);
	print_flag(out, "allow_root", mount->allow_root);
	print_id(out, "uid", mount->uid_set, mount->uid);
	print_id(out, "gid", mount->gid_set, mount->gid);
	if (mount->umask_set)
		fprintf(out, "umask = %03o\n", mount->umask);
	fprintf(out, "announce = %s\n", announce[mount->announce]);
}

static void print_server(FILE *out, const struct server_options *server)
{
	print_text(out, "prefix", server->prefix ? server->prefix : OPTION_PREFIX_DEFAULT);
	print_text(out, "layout", server->layout ? server->layout : "own");
	if (server->match)
		print_text(out, "match", server->match);
	if (server->max_turns)
		fprintf(out, "max_turns = %u\n", server->max_turns);
	fprintf(out, "replicas = %u\n", server->replicas);
	print_flag(out, "allow_eviction", server->allow_eviction);
}

char *config_text(
	const struct cli_options *options, const struct store_name *store, const char *mountpoint)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	fprintf(out, "turnfs = %s\npid = %d\n", TURNFS_VERSION, (int)getpid());
	print_text(out, "storage", store->shown);
	print_text(out, "mountpoint", mountpoint);
	print_times(out, options);
	print_mount(out, &options->mount);
	if (store->kind == STORE_KIND_SERVER)
		print_server(out, &options->server);
	bool failed = ferror(out);
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}
