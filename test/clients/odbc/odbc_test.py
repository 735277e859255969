"""The views through SQLTables, SQLColumns and SQLGetData."""

import datetime
import decimal
import subprocess

import pyodbc
from tap import VIEWS, done, ok, same, totals

STANDARD = {
    pyodbc.SQL_BIGINT: int, pyodbc.SQL_INTEGER: int, pyodbc.SQL_WVARCHAR: str, pyodbc.SQL_WLONGVARCHAR: str,
    pyodbc.SQL_BIT: bool, pyodbc.SQL_NUMERIC: decimal.Decimal, pyodbc.SQL_TYPE_DATE: datetime.date,
    pyodbc.SQL_TYPE_TIMESTAMP: datetime.datetime,
}
# Booleans are texts unless asked for otherwise.
TEXTS = (pyodbc.SQL_VARCHAR, pyodbc.SQL_WVARCHAR)

# The driver calls everything that it does not know a text.
NAMES = ('int8', 'int4', 'text', 'bool', 'numeric', 'date', 'timestamptz')


def look(source):
    """All views of the schema through one data source."""
    connection = pyodbc.connect('DSN=' + source, readonly=True, autocommit=True)
    cursor = connection.cursor()
    tables = {row.table_name: row for row in cursor.tables(schema='bi', tableType='VIEW')}
    ok(set(VIEWS) <= set(tables), source + ': all views are listed', sorted(tables))
    for view in VIEWS:
        odd = []
        columns = cursor.columns(table=view, schema='bi').fetchall()
        for column in columns:
            number = column.type_name == 'numeric'
            standard = column.data_type in STANDARD or source == 'plain' and column.data_type in TEXTS
            if not standard or column.type_name not in NAMES:
                odd.append('%s is type %s, %s' % (column.column_name, column.data_type, column.type_name))
            if number and not (1 <= column.column_size <= 38 and column.decimal_digits > 0):
                odd.append('%s is numeric(%s,%s)' % (column.column_name, column.column_size, column.decimal_digits))
            if source == 'recommended' and column.data_type == pyodbc.SQL_WLONGVARCHAR:
                odd.append('%s is a long text' % column.column_name)
        ok(columns and not odd, '%s: %s: standard types' % (source, view), '\n'.join(odd))

        odd = []
        rows = cursor.execute('SELECT * FROM bi."%s"' % view).fetchall()
        for row in rows:
            for column, value in zip(cursor.description, row):
                if value is not None and not isinstance(value, column[1]):
                    odd.append('%s is %r' % (column[0], value))
        ok(rows and not odd, '%s: %s: values are of the types announced' % (source, view), '\n'.join(odd))
    return connection


def figures(connection):
    """Totals with a parameter, and as one list."""
    cursor = connection.cursor()
    sql = ('SELECT b.ancestor, sum(f.amount), sum(f.amount * b.share) FROM bi.care_bridge b'
           ' JOIN bi.figure f ON f.entity_id = b.descendant GROUP BY b.ancestor')
    rows = cursor.execute(sql).fetchall()
    totals({row[0]: row[1] for row in rows}, 'distinct', 'totals over the bridge')
    totals({row[0]: row[2] for row in rows}, 'weighted', 'weighted totals over the bridge')
    row = cursor.execute('SELECT sum(f.amount) FROM bi.care_bridge b JOIN bi.figure f ON f.entity_id = b.descendant'
                         ' WHERE b.ancestor = ?', 103).fetchone()
    same(row[0], decimal.Decimal('873.99'), 'a total with a parameter')
    rows = cursor.execute('SELECT node, amount_total FROM bi.care_rollup').fetchall()
    totals({row[0]: row[1] for row in rows}, 'distinct', 'totals of the rollup view')
    names = [row[0] for row in cursor.execute('SELECT name FROM bi.care_tree ORDER BY sort_key')]
    ok('Bora "Sør" Åsgård' in names and 'South | East' in names, 'names beyond ASCII', names)


def isql():
    """The same by the command line tool."""
    run = subprocess.run(['isql', '-b', '-d\t', 'recommended'], encoding='utf-8',
                         input='SELECT node, amount FROM bi.care_totals\n\n', stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, check=False)
    rows = [line.split('\t') for line in run.stdout.splitlines() if '\t' in line]
    totals({int(row[0]): row[1] for row in rows if row[0].isdigit()}, 'distinct', 'totals by isql')


look('plain')
figures(look('recommended'))
isql()
done()
