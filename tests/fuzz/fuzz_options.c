/* What a person or a file hands in: options, queries, .env files, store names, mountinfo, secrets.
 */
#include "fuzz.h"

#include "envfile.h"
#include "mountinfo.h"
#include "option_value.h"
#include "secret.h"
#include "store_name.h"
#include "terminal.h"

#include "base/utf8.h"

#include <sys/mman.h>
#include <unistd.h>

static void options(const char *text, bool query)
{
	struct cli_options options;
	struct errtext error = {""};
	options_init(&options);
	int rc = query ? options_set_query(&options, text, &error)
		       : options_set_list(&options, text, &error);
	CHECK(rc == 0 || error.text[0]);
	error.text[0] = '\0';
	rc = options_set_hours(&options, text, &error);
	CHECK(rc == 0 || error.text[0]);
	options_check(&options, query, &error);
	options_done(&options);
}

static void env(const uint8_t *data, size_t size)
{
	struct environment environment = {0};
	struct errtext error = {""};
	char path[64];
	int fd = memfd_create("env", 0);
	CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (environment_read(&environment, path, &error) < 0)
		CHECK(error.text[0] && !strchr(error.text, '\n'));
	environment_done(&environment);
	close(fd);
}

static void store_name(const char *text)
{
	struct store_name name = {0};
	struct errtext error = {""};
	store_name_has_scheme(text);
	if (store_name_parse(text, &name, &error) < 0) {
		CHECK(error.text[0]);
		return;
	}
	CHECK(name.where && name.shown);
	if (name.is_secret)
		CHECK(strcmp(name.where, name.shown));
	if (name.query)
		options(name.query, true);
	store_name_done(&name);
}

static void lines(char *text)
{
	struct mount_entry entry;
	char *copy = strdup(text);
	if (mount_entry_parse(copy, &entry)) {
		CHECK(strlen(entry.mountpoint) + strlen(entry.options) + strlen(entry.type) <
			1 << 20);
		mount_entry_is_ours(&entry);
	}
	free(copy);
	copy = secret_hidden(text);
	CHECK(copy && strlen(copy) <= strlen(text) + 16);
	free(copy);
	copy = strdup(text);
	secret_hide_words(copy);
	terminal_clean(copy);
	CHECK(utf8_valid(copy, strlen(copy)));
	terminal_width(copy);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	char *text = fuzz_string(data + 1, size - 1);
	switch (data[0] % 5) {
	case 0:
		options(text, false);
		break;
	case 1:
		options(text, true);
		break;
	case 2:
		env(data + 1, size - 1);
		break;
	case 3:
		store_name(text);
		break;
	default:
		lines(text);
	}
	free(text);
	return 0;
}
