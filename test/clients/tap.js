// Test results as TAP, and the totals that are expected.
'use strict';

const fs = require('fs');

let tests = 0;
let failures = 0;

// A test, and what to say if it failed.
function ok(good, name, diagnosis) {
    tests++;
    console.log(`${good ? 'ok' : 'not ok'} ${tests} - ${name}`);
    if (!good) {
        failures++;
        console.log('# ' + String(diagnosis).replace(/\n/g, '\n# '));
    }
}

function same(got, expected, name) {
    ok(JSON.stringify(got) === JSON.stringify(expected), name,
        `got ${JSON.stringify(got)}\nexpected ${JSON.stringify(expected)}`);
}

// Totals of a kind: an object, amount by node.
function expected(kind) {
    const rows = fs.readFileSync(process.env.EXPECTED, 'utf8').trim().split('\n').map((line) => line.split('\t'))
        .filter((row) => row[0] === kind);

    if (rows.length === 0) {
        throw new Error(`no expected totals of kind ${kind}`);
    }
    return Object.fromEntries(rows.map((row) => [row[1], Number(row[2])]));
}

// Compares totals by node; a node without a figure counts as 0.
function totals(got, kind, name) {
    const wanted = expected(kind);
    const wrong = Object.keys(got).filter((node) => !(node in wanted)).map((node) => `node ${node}: not expected`);

    for (const node of Object.keys(wanted)) {
        if (!(Math.abs(Number(got[node] || 0) - wanted[node]) < 1e-6)) {
            wrong.push(`node ${node}: got ${got[node]}, expected ${wanted[node]}`);
        }
    }
    ok(wrong.length === 0, `${name} (${Object.keys(got).length} nodes)`, wrong.join('\n'));
}

// Runs the tests and ends the program: the plan comes last, so what dies early
// has none.
function run(main) {
    main().then(() => {
        console.log(`1..${tests}`);
        process.exit(failures > 0 ? 1 : 0);
    }, (error) => {
        console.error(error);
        process.exit(2);
    });
}

const KINDS = ['tree', 'bridge', 'levels', 'levels_filled', 'entity', 'changes', 'summary'];
const VIEWS = ['care', 'Bill To'].flatMap((hierarchy) => KINDS.map((kind) => `${hierarchy}_${kind}`));

module.exports = { ok, same, totals, run, VIEWS };
