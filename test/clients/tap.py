"""Test results as TAP, and the totals that are expected."""

import os
import sys
from decimal import Decimal

_tests = 0
_failures = 0


def ok(good, name, diagnosis=''):
    """A test, and what to say if it failed."""
    global _tests, _failures
    _tests += 1
    print('ok' if good else 'not ok', _tests, '-', name)
    if not good:
        _failures += 1
        print('# ' + str(diagnosis).replace('\n', '\n# '))
    sys.stdout.flush()


def same(got, expected, name):
    ok(got == expected, name, 'got %r\nexpected %r' % (got, expected))


def expected(kind):
    """Totals of a kind by node."""
    with open(os.environ['EXPECTED'], encoding='utf-8') as file:
        rows = (line.rstrip('\n').split('\t') for line in file)
        result = {int(node): Decimal(amount) for k, node, amount in rows if k == kind}
    if not result:
        raise ValueError('no expected totals of kind ' + kind)
    return result


def totals(got, kind, name):
    """Compares totals by node; a node without a figure counts as 0."""
    wanted = expected(kind)
    wrong = ['node %s: not expected' % node for node in got if node not in wanted]
    for node, amount in wanted.items():
        seen = got.get(node)
        if abs(Decimal(str(seen or 0)) - amount) > Decimal('0.000001'):
            wrong.append('node %s: got %s, expected %s' % (node, seen, amount))
    ok(not wrong, '%s (%d nodes)' % (name, len(got)), '\n'.join(wrong))


def done():
    """Ends the program: the plan comes last, so what dies early has none."""
    print('1..%d' % _tests, flush=True)
    sys.exit(_failures > 0)


VIEWS = ['%s_%s' % (hierarchy, kind) for hierarchy in ('care', 'Bill To')
         for kind in ('tree', 'bridge', 'levels', 'levels_filled', 'entity', 'changes', 'summary')]
