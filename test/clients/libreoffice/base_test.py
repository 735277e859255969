"""A database document: its tables, a saved query, and their rows."""

import os
import subprocess
import time
import uuid

import uno
from com.sun.star.connection import NoConnectException
from com.sun.star.lang import DisposedException
from tap import VIEWS, done, ok, same, totals

# com.sun.star.sdbc.DataType
BIT, BIGINT, LONGVARCHAR, NUMERIC, INTEGER, VARCHAR, BOOLEAN, DATE, TIMESTAMP = -7, -5, -1, 2, 4, 12, 16, 91, 93
STANDARD = (BIT, BIGINT, LONGVARCHAR, NUMERIC, INTEGER, VARCHAR, BOOLEAN, DATE, TIMESTAMP)
# Other types may pass as texts.
NAMES = ('int8', 'int4', 'text', 'bool', 'numeric', 'date', 'timestamptz')


def start():
    """A LibreOffice of our own, and a connection to it."""
    pipe = 'hierarchy' + uuid.uuid4().hex
    office = subprocess.Popen(['soffice', '--headless', '--invisible', '--norestore', '--nologo', '--nodefault',
                               '--nofirststartwizard',
                               '-env:UserInstallation=file://' + os.environ['TMPDIR'] + '/office',
                               '--accept=pipe,name=' + pipe + ';urp;'])
    local = uno.getComponentContext()
    resolver = local.ServiceManager.createInstanceWithContext('com.sun.star.bridge.UnoUrlResolver', local)
    for _ in range(300):
        try:
            return office, resolver.resolve('uno:pipe,name=' + pipe + ';urp;StarOffice.ComponentContext')
        except NoConnectException:
            if office.poll() is not None:
                raise
            time.sleep(0.2)
    office.kill()
    raise TimeoutError('LibreOffice does not answer')


def stop(office, desktop):
    """Ends it, gently first."""
    try:
        desktop.terminate()
    except DisposedException:
        pass
    try:
        office.wait(20)
    except subprocess.TimeoutExpired:
        office.kill()


def document(create):
    """Makes a database document, saves it and opens it again."""
    context = create('com.sun.star.sdb.DatabaseContext')
    source = context.createInstance()
    source.URL = 'sdbc:postgresql:host={PGHOST} port={PGPORT} dbname={PGDATABASE}'.format(**os.environ)
    source.User = os.environ['PGUSER']
    source.Password = os.environ['PGPASSWORD']

    query = source.QueryDefinitions.createInstance()
    query.Command = ('SELECT "care_bridge"."ancestor" AS "node", SUM( "figure"."amount" ) AS "amount"'
                     ' FROM "bi"."care_bridge", "bi"."figure" WHERE "care_bridge"."descendant" = "figure"."entity_id"'
                     ' GROUP BY "care_bridge"."ancestor"')
    source.QueryDefinitions.insertByName('totals', query)
    url = 'file://' + os.environ['TMPDIR'] + '/care.odb'
    source.DatabaseDocument.storeAsURL(url, ())
    source.DatabaseDocument.close(True)
    source = context.getByName(url)
    source.Password = os.environ['PGPASSWORD']
    return url, source


def read(create, connection, kind, command):
    """Rows of a table (0), a query (1) or a command (2), as a form shows them."""
    rows = create('com.sun.star.sdb.RowSet')
    rows.ActiveConnection = connection
    rows.CommandType = kind
    rows.Command = command
    rows.execute()
    result = []
    while rows.next():
        result.append([rows.getString(i + 1) for i in range(rows.Columns.Count)])
    types = [(rows.Columns.getByIndex(i).Name, rows.Columns.getByIndex(i).Type) for i in range(rows.Columns.Count)]
    rows.dispose()
    return types, result


def look(create):
    """All tests on one document."""
    url, source = document(create)
    ok(source.QueryDefinitions.hasByName('totals'), 'a database document is saved and opened', url)
    connection = source.getConnection(os.environ['PGUSER'], os.environ['PGPASSWORD'])
    names = connection.Tables.ElementNames
    same(sorted(view for view in VIEWS if 'bi.' + view not in names), [], 'all views are listed as tables')

    for view in VIEWS:
        odd = []
        table = connection.Tables.getByName('bi.' + view)
        for name in table.Columns.ElementNames:
            column = table.Columns.getByName(name)
            if column.Type not in STANDARD or column.TypeName not in NAMES:
                odd.append('%s is type %s, %s' % (name, column.Type, column.TypeName))
            if not column.Description and not column.HelpText:
                odd.append('%s has no comment' % name)
        ok(table.Columns.Count > 0 and not odd, view + ': standard types, comments', '\n'.join(odd))
        types, rows = read(create, connection, 0, 'bi.' + view)
        odd = ['%s is type %s' % column for column in types if column[1] not in STANDARD]
        ok(rows and not odd, view + ': rows as a form shows them', '\n'.join(odd))

    _, rows = read(create, connection, 1, 'totals')
    totals({int(row[0]): row[1] for row in rows}, 'distinct', 'totals by the saved query')
    _, rows = read(create, connection, 0, 'bi.care_totals')
    totals({int(row[0]): row[5] for row in rows}, 'weighted', 'weighted totals by a view')
    _, rows = read(create, connection, 2,
                   'SELECT "name" FROM "bi"."care_tree" WHERE "parent_code" = \'O-2\' ORDER BY "sort_key"')
    same([row[0] for row in rows], ['Hope Clinic'], 'children of a node, by code')
    _, rows = read(create, connection, 2, 'SELECT "name" FROM "bi"."care_tree" WHERE "node" = 104')
    same([row[0] for row in rows], ['Bora "Sør" Åsgård'], 'names beyond ASCII')
    connection.close()


def main():
    """Runs LibreOffice around the tests."""
    office, remote = start()

    def create(name):
        return remote.ServiceManager.createInstanceWithContext(name, remote)

    desktop = create('com.sun.star.frame.Desktop')
    try:
        look(create)
    finally:
        stop(office, desktop)
    done()


main()
