/*-------------------------------------------------------------------------
 *
 * rollup_fuzz.c
 *	  Fuzzing of rollups: graphs and facts as the input says, every mode and way
 *	  compared with the model of test/unit/rollup_test.c.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#define TEST_HAS_BELOW
#define below fuzz_below
#define main unit_main
#include "../unit/rollup_test.c"
#undef main

/* One graph with facts, or a few of them */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void) unit_main;
	host_init();
	seed = 1;
	failures = 0;
	fuzz_begin(data, size);
	do
	{
		HgKeyKind	kind = HG_KEY_INT + fuzz_below(3);

		model_round(kind, fuzz_below(2), 0);
	} while (fuzz_left() > 0 && failures == 0);
	fuzz_check(failures == 0);
	return 0;
}
