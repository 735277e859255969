/*-------------------------------------------------------------------------
 *
 * input.c
 *	  Bytes of a file or of stdin, unpacked if they are gzip.
 *
 * zlib reads what is not gzip as it is, so there is one way for both.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "connect.h"
#include "input.h"
#include "memory.h"
#include "message.h"

#define PEEK_BYTES ((size_t) 1024 * 1024)

struct Input
{
	char	   *path;
	gzFile		file;
	long long	size;			/* -1: not a regular file */
	long long	modified;		/* 0: not a regular file */
	Buffer		ahead;			/* what input_peek() read */
	size_t		taken;			/* of it, by input_read() */
	bool		peeked;
};

/*
 * input_open opens a file, or stdin.
 */
Input *
input_open(const char *path)
{
	Input	   *input = x_malloc(sizeof(Input));
	bool		is_stdin = strcmp(path, "-") == 0;
	int			fd = is_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	memset(input, 0, sizeof(*input));
	input->path = x_strdup(is_stdin ? "stdin" : path);
	if (fd < 0 || fstat(fd, &st) != 0)
		die(EXIT_FILE, "could not open \"%s\": %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		die(EXIT_FILE, "could not open \"%s\": %s", path, strerror(EISDIR));
	input->size = S_ISREG(st.st_mode) ? (long long) st.st_size : -1;
	input->modified = S_ISREG(st.st_mode) ? (long long) st.st_mtime : 0;
	input->file = gzdopen(fd, "rb");
	if (!input->file || gzbuffer(input->file, 128 * 1024) != 0)
		die(EXIT_FILE, "out of memory");
	return input;
}

/*
 * read_file reads until there is enough or no more.
 */
static size_t
read_file(Input *input, char *to, size_t room)
{
	size_t		length = 0;

	while (length < room)
	{
		int			n = gzread(input->file, to + length, (unsigned) (room - length));
		int			code;
		const char *text = gzerror(input->file, &code);

		/* With the last bytes there are: the next call may have forgotten it. */
		if (code == Z_BUF_ERROR)
			die(EXIT_FILE, "could not read \"%s\": the compressed data ends too early",
				input->path);
		if (n > 0)
		{
			length += n;
			continue;
		}
		if (interrupted)
			die(EXIT_INTERRUPTED, "interrupted");
		if (code == Z_ERRNO)
			die(EXIT_FILE, "could not read \"%s\": %s", input->path, strerror(errno));
		if (code != Z_OK && code != Z_STREAM_END)
			die(EXIT_FILE, "could not unpack \"%s\": %s", input->path, text);
		break;
	}
	return length;
}

/*
 * input_peek reads ahead.
 */
const char *
input_peek(Input *input, size_t *length)
{
	if (!input->peeked)
	{
		buffer_reserve(&input->ahead, PEEK_BYTES);
		input->ahead.length = read_file(input, input->ahead.data, PEEK_BYTES);
		input->peeked = true;
	}
	*length = input->ahead.length;
	return input->ahead.data;
}

/*
 * input_read hands out the next bytes.
 */
size_t
input_read(void *context, char *to, size_t room)
{
	Input	   *input = context;
	size_t		ready = input->ahead.length - input->taken;

	if (ready == 0)
	{
		if (input->ahead.data)
		{
			buffer_free(&input->ahead);
			input->taken = 0;
		}
		return read_file(input, to, room);
	}
	if (ready > room)
		ready = room;
	memcpy(to, input->ahead.data + input->taken, ready);
	input->taken += ready;
	return ready;
}

/*
 * input_is_file tells a file from a pipe.
 */
bool
input_is_file(const Input *input)
{
	return input->size >= 0 && strcmp(input->path, "stdin") != 0;
}

/*
 * input_size is the size of the file.
 */
long long
input_size(const Input *input)
{
	return input->size;
}

/*
 * input_modified is when the file was changed last.
 */
long long
input_modified(const Input *input)
{
	return input->modified;
}

/*
 * input_position is how much of it has been used.
 */
long long
input_position(const Input *input)
{
	long long	at = input->size < 0 ? -1 : (long long) gzoffset(input->file);

	/* Of what was read ahead, packed or not, so much is still to come. */
	if (at > 0 && input->ahead.length > input->taken)
		at = at * (long long) input->taken / (long long) input->ahead.length;
	return at;
}

/*
 * input_is_packed tells gzip from plain text.
 */
bool
input_is_packed(Input *input)
{
	return !gzdirect(input->file);
}

/*
 * input_close gives everything back.
 */
void
input_close(Input *input)
{
	gzclose(input->file);
	buffer_free(&input->ahead);
	free(input->path);
	free(input);
}
