/*-------------------------------------------------------------------------
 *
 * little.h
 *	  Numbers from and to little-endian, on any machine.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_LITTLE_H
#define HGRAPH_LITTLE_H

#include "port/pg_bswap.h"

#ifdef WORDS_BIGENDIAN
#define little16(x)	pg_bswap16(x)
#define little32(x)	pg_bswap32(x)
#define little64(x)	pg_bswap64(x)
#else
#define little16(x)	(x)
#define little32(x)	(x)
#define little64(x)	(x)
#endif

#endif							/* HGRAPH_LITTLE_H */
