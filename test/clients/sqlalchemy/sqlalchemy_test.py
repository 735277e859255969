"""The views reflected as tables, and queries written with those."""

import os

import sqlalchemy as sa
from sqlalchemy.sql import sqltypes
from tap import VIEWS, done, ok, same, totals

STANDARD = (sqltypes.BigInteger, sqltypes.Integer, sqltypes.Text, sqltypes.Boolean, sqltypes.Numeric, sqltypes.Date,
            sqltypes.TIMESTAMP)

url = sa.engine.URL.create('postgresql+psycopg2', os.environ['PGUSER'], os.environ['PGPASSWORD'], os.environ['PGHOST'],
                           int(os.environ['PGPORT']), os.environ['PGDATABASE'])
engine = sa.create_engine(url, future=True)
inspector = sa.inspect(engine)

ok(set(VIEWS) <= set(inspector.get_view_names('bi')), 'all views are listed', inspector.get_view_names('bi'))
for view in VIEWS:
    odd = []
    columns = inspector.get_columns(view, 'bi')
    for column in columns:
        if not isinstance(column['type'], STANDARD):
            odd.append('%s is %r' % (column['name'], column['type']))
        if isinstance(column['type'], sqltypes.Numeric) and not (column['type'].precision and column['type'].scale):
            odd.append('%s is %r' % (column['name'], column['type']))
        if not column['comment']:
            odd.append('%s has no comment' % column['name'])
    ok(columns and not odd, view + ': standard types, comments', '\n'.join(odd))
    same(bool(inspector.get_table_comment(view, 'bi')['text']), True, view + ': a comment')

metadata = sa.MetaData(schema='bi')
metadata.reflect(engine, views=True)
same(set('bi.' + view for view in VIEWS) - set(metadata.tables), set(), 'all views are reflected')
tree, bridge, figure = (metadata.tables['bi.' + name] for name in ('care_tree', 'care_bridge', 'figure'))

with engine.connect() as connection:
    join = tree.join(bridge, bridge.c.ancestor == tree.c.node).join(figure, figure.c.entity_id == bridge.c.descendant)
    query = sa.select(tree.c.node, sa.func.sum(figure.c.amount), sa.func.sum(figure.c.amount * bridge.c.share))
    rows = connection.execute(query.select_from(join).group_by(tree.c.node)).all()
    totals({row[0]: row[1] for row in rows}, 'distinct', 'totals over tree and bridge')
    totals({row[0]: row[2] for row in rows}, 'weighted', 'weighted totals over tree and bridge')

    query = sa.select(tree.c.name).where(tree.c.parent_code == 'O-3').order_by(tree.c.sort_key)
    same(connection.execute(query).scalars().all(), ['Iris Clinic', 'Empty [Ward]'], 'children of a node, by code')
    for view in VIEWS:
        table = metadata.tables['bi.' + view]
        row = connection.execute(sa.select(table).limit(1)).mappings().first()
        same(set(row or ()), set(table.c.keys()), view + ': a row')
done()
