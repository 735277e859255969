// LISTEN, the log behind the bell, and the types of the views' columns.
'use strict';

const { Client, types } = require('pg');
const { ok, same, totals, run, VIEWS } = require('../tap.js');

async function connect(settings) {
    const client = new Client(settings);

    await client.connect();
    return client;
}

// bell(client): hears notifications; next() waits for one, silence() makes sure
// that none is on its way.
function bell(client) {
    const heard = [];
    let waiting = null;

    client.on('notification', (message) => {
        heard.push(message);
        if (waiting) {
            waiting();
        }
    });
    return {
        async next() {
            if (heard.length === 0) {
                await new Promise((resolve, reject) => {
                    const timer = setTimeout(() => reject(new Error('no notification within 20 s')), 20000);

                    waiting = () => { clearTimeout(timer); resolve(); };
                });
                waiting = null;
            }
            return heard.shift();
        },
        // Notifications come before the answer to what is asked later.
        async silence() {
            await client.query('SELECT 1');
            return heard.length === 0;
        },
    };
}

const changes = (client, payload) => client.query(
    'SELECT change_id, operation, child, parent, child_code, parent_code, reason, share FROM bi.care_changes'
    + ' WHERE change_id BETWEEN $1 AND $2 ORDER BY change_id', [payload.first, payload.last]);

async function feed() {
    const listener = await connect({});
    const editor = await connect({ user: 'editor' });
    const ear = bell(listener);

    await listener.query('LISTEN hierarchy_change');
    await editor.query(`SELECT hierarchy.assign('care', 111, 102, share => 0.25)`).then(
        () => ok(false, 'a share that breaks a rule', 'accepted'),
        (error) => same([error.code, error.schema, error.constraint],
            ['23514', 'hierarchy', 'relationship_share_sum_check'], 'an error has its code, schema and constraint'));
    ok(await ear.silence(), 'no notification of what failed', 'there is one');

    await editor.query(`SELECT hierarchy.reassign('care', 111, 105, 104, reason => 'moved by node-pg')`);
    let message = await ear.next();
    let payload = JSON.parse(message.payload);
    let rows = (await changes(listener, payload)).rows;

    same(message.channel, 'hierarchy_change', 'a notification on the channel');
    same(Object.keys(payload), ['txid', 'changes', 'first', 'last', 'hierarchies'],
        'its payload is JSON with the documented keys');
    same(payload.hierarchies, ['care'], 'it names the hierarchy');
    same([payload.changes, rows.length], [rows.length, payload.last - payload.first + 1],
        'it counts the changes that the view shows');
    ok(rows.some((row) => row.child === '111' && row.parent === '104' && row.child_code === 'A-6'
        && row.parent_code === 'O-2' && row.reason === 'moved by node-pg'), 'the view of changes shows the move',
    JSON.stringify(rows));
    same((await listener.query('SELECT parent_code FROM bi.care_tree WHERE node = $1', [111])).rows,
        [{ parent_code: 'O-2' }], 'the tree shows it, too');

    await editor.query('BEGIN');
    await editor.query(`SELECT hierarchy.reassign('care', 111, 104, 105)`);
    ok(await ear.silence(), 'no notification before the commit', 'there is one');
    await editor.query('ROLLBACK');
    ok(await ear.silence(), 'none after a rollback', 'there is one');

    await editor.query('BEGIN');
    await editor.query(`SELECT hierarchy.reassign('care', 111, 104, 105, reason => 'and back')`);
    await editor.query(`SELECT hierarchy.set_shares('care', 112, '{"106": 0.6, "107": 0.4}')`);
    await editor.query(`SELECT hierarchy.set_shares('care', 112, '{"106": 0.7, "107": 0.3}')`);
    await editor.query('COMMIT');
    message = await ear.next();
    payload = JSON.parse(message.payload);
    rows = (await changes(listener, payload)).rows;
    ok(payload.changes >= 5 && payload.changes === rows.length, 'a transaction of several verbs rings once',
        message.payload);
    ok(await ear.silence(), 'and once only', 'there is another');
    rows = (await listener.query('SELECT change_id, reason FROM hierarchy.changes_since($1)',
        [payload.first - 1])).rows;
    ok(rows.length === payload.changes && rows[0].reason === 'and back',
        'changes_since() reads on from there', JSON.stringify(rows));
    await listener.end();
    await editor.end();
}

async function views() {
    const client = await connect({});
    const names = Object.fromEntries(Object.entries(types.builtins).map(([name, oid]) => [oid, name]));
    const standard = ['INT8', 'INT4', 'TEXT', 'BOOL', 'NUMERIC', 'DATE', 'TIMESTAMPTZ'];

    for (const view of VIEWS) {
        const result = await client.query(`SELECT * FROM bi."${view}"`);
        const odd = result.fields.filter((field) => !standard.includes(names[field.dataTypeID]));

        ok(result.rows.length > 0 && odd.length === 0, `${view}: rows of standard types`, JSON.stringify(odd));
    }
    const sum = async (sql) => Object.fromEntries((await client.query({ text: sql, rowMode: 'array' })).rows);
    const from = 'FROM bi.care_bridge b JOIN bi.figure f ON f.entity_id = b.descendant GROUP BY b.ancestor';

    totals(await sum(`SELECT b.ancestor, sum(f.amount) ${from}`), 'distinct', 'totals over the bridge');
    totals(await sum(`SELECT b.ancestor, sum(f.amount * b.share) ${from}`), 'weighted',
        'weighted totals over the bridge');
    await client.end();
}

run(async () => {
    await feed();
    await views();
});
