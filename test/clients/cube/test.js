// Totals over Cube's REST interface are those of SQL.
'use strict';

const { createRequire } = require('module');
const http = require('http');
const express = require('express');
const core = require('@cubejs-backend/server-core');
const jwt = createRequire(require.resolve('@cubejs-backend/server-core'))('jsonwebtoken');
const { ok, same, totals, run } = require('../tap.js');

const CubejsServerCore = core.default || core;
let base;

function get(path, token) {
    return new Promise((resolve, reject) => {
        http.get(`${base}${path}`, { headers: token ? { Authorization: token } : {} }, (response) => {
            let body = '';

            response.setEncoding('utf8');
            response.on('data', (piece) => { body += piece; });
            response.on('end', () => resolve({ status: response.statusCode, body: JSON.parse(body) }));
        }).on('error', reject);
    });
}

// Asks until the answer is there; Cube says "Continue wait" meanwhile.
async function load(query) {
    const token = jwt.sign({}, process.env.CUBEJS_API_SECRET, { expiresIn: '10m' });
    let answer;

    for (let tries = 0; tries < 20; tries++) {
        answer = await get(`/cubejs-api/v1/load?query=${encodeURIComponent(JSON.stringify(query))}`, token);
        if (answer.body.error !== 'Continue wait') {
            break;
        }
    }
    if (answer.status !== 200) {
        throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`);
    }
    return answer.body.data;
}

async function byNode(dimension, measure, more) {
    const rows = await load({ measures: [measure], dimensions: [dimension], limit: 1000, ...more });

    return Object.fromEntries(rows.filter((row) => row[dimension] !== null)
        .map((row) => [row[dimension], row[measure]]));
}

run(async () => {
    const app = express();
    const server = http.createServer(app);
    const cube = CubejsServerCore.create({ telemetry: false, scheduledRefreshTimer: false, logger: () => {} });

    await cube.initApp(app);
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${server.address().port}`;

    same(require('@cubejs-backend/server-core/package.json').version, '0.28.67', 'this is Cube 0.28.67');
    same((await get('/cubejs-api/v1/meta')).status, 403, 'no answer without a token');

    totals(await byNode('Place.node', 'Figure.amount'), 'distinct', 'totals over the bridge');
    totals(await byNode('Place.node', 'Weighted.amount'), 'weighted', 'weighted totals');
    for (const product of ['tea', 'rice', 'salt']) {
        totals(await byNode('Place.node', 'Figure.amount',
            { filters: [{ member: 'Figure.product', operator: 'equals', values: [product] }] }),
        `distinct ${product}`, `totals of ${product}`);
    }
    totals({ 0: (await load({ measures: ['Figure.amount'] }))[0]['Figure.amount'] }, 'all', 'the grand total');

    let primary = {};

    for (const level of [1, 2, 3, 4]) {
        primary = { ...primary, ...await byNode(`Level.level${level}`, 'Figure.amount') };
    }
    totals(primary, 'primary', 'totals by level, along primary parents');

    let rows = await load({ dimensions: ['Place.name', 'Place.sortKey', 'Place.isLeaf'],
        order: { 'Place.sortKey': 'asc' },
        filters: [{ member: 'Place.parent', operator: 'equals', values: ['105'] }] });
    same(rows.map((row) => row['Place.name']), ['Iris Clinic', 'Empty [Ward]'], 'drilling down by parent, in order');
    // what works at Iris Clinic is listed elsewhere
    same(rows.map((row) => String(row['Place.isLeaf'])), ['true', 'true'], 'booleans: true');
    rows = await load({ dimensions: ['Place.name', 'Place.isLeaf'],
        filters: [{ member: 'Place.code', operator: 'equals', values: ['O-3'] }] });
    same(rows.map((row) => String(row['Place.isLeaf'])), ['false'], 'booleans: false');

    rows = await load({ measures: ['Figure.amount'], dimensions: ['Place.name'],
        filters: [{ member: 'Place.code', operator: 'equals', values: ['O-1'] }] });
    same(rows, [{ 'Place.name': 'Alba Hospitals', 'Figure.amount': '873.99' }], 'the total of one node');

    rows = await load({ measures: ['Place.count'] });
    ok(Number(rows[0]['Place.count']) === 14, 'each node counts once', JSON.stringify(rows));
    rows = await load({ measures: ['Place.count', 'Figure.amount'], dimensions: ['Place.level'],
        filters: [{ member: 'Place.level', operator: 'equals', values: ['1'] }] });
    same(rows.map((row) => [row['Place.count'], row['Figure.amount']]), [['4', '2924.48']],
        'also beside a measure from beyond the bridge');
});
