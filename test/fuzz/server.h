/*-------------------------------------------------------------------------
 *
 * server.h
 *	  As much of a server as code needs that decodes what came from outside:
 *	  memory, errors, function calls, strings, numerics.  Every piece of memory
 *	  is one of malloc's, so that the sanitizer sees each byte read too many.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TEST_FUZZ_SERVER_H
#define TEST_FUZZ_SERVER_H

#include "postgres.h"

#include <setjmp.h>

/* Runs something; the SQLSTATE of the error that ended it, or 0. */
extern int	server_try(void (*run) (void *arg), void *arg);

/* What the last error said. */
extern const char *server_message(void);

/* Did the last error have a hint? */
extern bool server_hinted(void);

/* Frees all memory. */
extern void server_clean(void);

/*
 * Between the encodings of client and server: letters change places, so keys are
 * in another order, and capitals become small ones, so two keys may be the same.
 */
extern bool server_converts;

/* Encoding of the database; PG_UTF8 unless set */
extern int	server_encoding;

#endif							/* TEST_FUZZ_SERVER_H */
