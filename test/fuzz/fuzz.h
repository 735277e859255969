/*-------------------------------------------------------------------------
 *
 * fuzz.h
 *	  What the fuzzing programs share: an input that is drawn from, and memory
 *	  that is gone when the input has been dealt with.
 *
 * Programs of test/unit become fuzzing programs here: where they draw a random
 * number, bytes of the input decide, so that the fuzzer, which sees what code an
 * input reaches, leads them to states that chance would hardly find.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TEST_FUZZ_H
#define TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t *fuzz_at;
static const uint8_t *fuzz_end;
static uint8_t fuzz_behind;		/* what bytes behind the end are */

/* The server's headers bring their own. */
#undef fprintf

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Begins with an input. */
static inline void
fuzz_begin(const uint8_t *data, size_t size)
{
	fuzz_at = data;
	fuzz_end = data + size;
	fuzz_behind = 0;
}

/* How many bytes are left? */
static inline size_t
fuzz_left(void)
{
	return (size_t) (fuzz_end - fuzz_at);
}

/* The next byte; behind the end one after the other, so that whoever waits for
 * a certain one gets it. */
static inline uint8_t
fuzz_byte(void)
{
	return fuzz_at < fuzz_end ? *fuzz_at++ : fuzz_behind++;
}

/* A number below n. */
static inline uint32_t
fuzz_below(uint32_t n)
{
	uint32_t	value = fuzz_byte();

	if (n > 256)
		value = value << 8 | fuzz_byte();
	if (n > 65536)
		value = (value << 8 | fuzz_byte()) << 8 | fuzz_byte();
	return n > 0 ? value % n : 0;
}

/* For what only judges an input: the fuzzer need not see, branch by branch, what
 * it reaches there. */
#define fuzz_aside	__attribute__((noinline, no_sanitize("coverage")))

/* What must be true of every input. */
#define fuzz_check(good) \
	do \
	{ \
		if (!(good)) \
		{ \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #good); \
			abort(); \
		} \
	} while (0)

#endif							/* TEST_FUZZ_H */
