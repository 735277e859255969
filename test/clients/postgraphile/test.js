// The schema that PostGraphile builds, and queries with totals.
'use strict';

const path = require('path');
const { createRequire } = require('module');
const { Pool } = require('pg');
const { createPostGraphileSchema, withPostGraphileContext } = require('postgraphile');
const { makeJSONPgSmartTagsPlugin } = require('graphile-utils');
// The copy of graphql that PostGraphile uses, wherever npm has put it.
const { graphql, validateSchema } = createRequire(require.resolve('postgraphile'))('graphql');
const { ok, same, totals, run, VIEWS } = require('../tap.js');

const pool = new Pool();

async function ask(schema, source) {
    const result = await withPostGraphileContext({ pgPool: pool },
        (context) => graphql(schema, source, null, { ...context }));

    if (result.errors) {
        throw new Error(result.errors.map((error) => error.message).join('\n'));
    }
    return result.data;
}

// The views as they are: no keys, no relations.
async function plain() {
    const schema = await createPostGraphileSchema(pool, ['bi'], { dynamicJson: true });
    const fields = Object.keys(schema.getQueryType().getFields());
    const singular = (name) => name.replace(/ies$/, 'y').replace(/s$/, '');
    const standard = ['BigInt', 'Int', 'String', 'Boolean', 'BigFloat', 'Date', 'Datetime'];

    same(validateSchema(schema).map(String), [], 'the schema of the views is valid');
    for (const view of VIEWS) {
        const name = singular(view.split(/[_ ]/).map((word) => word[0].toUpperCase() + word.slice(1)).join(''));
        const type = schema.getType(name);
        const odd = Object.values(type ? type.getFields() : {})
            .filter((field) => !standard.includes(String(field.type)) || !field.description)
            .map((field) => `${field.name}: ${field.type}, ${field.description}`);

        ok(type && odd.length === 0 && fields.some((field) => singular(field) === `all${name}`),
            `${view}: standard types, comments`, type ? odd.join('\n') : `there is no type ${name}`);
    }

    let data = await ask(schema, '{ allCareTotals { nodes { node amount amountWeighted } } }');

    totals(Object.fromEntries(data.allCareTotals.nodes.map((row) => [row.node, row.amount])), 'distinct',
        'totals over the bridge');
    totals(Object.fromEntries(data.allCareTotals.nodes.map((row) => [row.node, row.amountWeighted])), 'weighted',
        'weighted totals over the bridge');
    data = await ask(schema, '{ allCareRollups { nodes { node amountTotal } } }');
    totals(Object.fromEntries(data.allCareRollups.nodes.map((row) => [row.node, row.amountTotal])), 'distinct',
        'totals of the rollup view');
    data = await ask(schema,
        '{ allCareTrees(condition: { parent: "105" }, orderBy: SORT_KEY_ASC) { nodes { name } } }');
    same(data.allCareTrees.nodes.map((row) => row.name), ['Iris Clinic', 'Empty [Ward]'], 'filter and order');
    data = await ask(schema, '{ allCareBridges(condition: { ancestor: "105" }) { nodes { descendant depth share } } }');
    same(data.allCareBridges.nodes.length, 6, 'everything below a node');
}

// With keys and relations as smart tags: one query walks the hierarchy.
async function related() {
    const tags = require(path.join(__dirname, 'tags.json'));
    const schema = await createPostGraphileSchema(pool, ['bi'], { appendPlugins: [makeJSONPgSmartTagsPlugin(tags)] });
    const data = await ask(schema, `{
        careTreeByNode(node: "103") {
            name
            above { name }
            below(orderBy: SORT_KEY_ASC) { nodes { name } }
            everythingBelow { nodes { lower { node } depth } }
            total { amount amountWeighted }
        }
    }`);
    const node = data.careTreeByNode;

    same(validateSchema(schema).map(String), [], 'the schema with relations is valid');
    same([node.name, node.above.name], ['Alba Hospitals', 'Nordic Care'], 'a node and the one above');
    same(node.below.nodes.map((row) => row.name), ["Mercy's Hospital", 'Grace Clinic'], 'the ones below');
    same(node.everythingBelow.nodes.length, 4, 'everything below, over the bridge');
    same([node.total.amount, node.total.amountWeighted], ['873.99', '613.224500'], 'its totals');
}

// The tables and functions of the extension as an API of its own.
async function directory() {
    const schema = await createPostGraphileSchema(pool, ['hierarchy'], {
        dynamicJson: true,
        includeExtensionResources: true,
        // The verbs are the mutations; those for plain rows would clash with some by name.
        disableDefaultMutations: true,
    });
    const verbs = ['createHierarchy', 'addEntity', 'assign', 'unassign', 'reassign', 'setShare', 'mergeEntity', 'undo'];
    const mutations = Object.keys(schema.getMutationType().getFields());
    const data = await ask(schema, '{ allEntities(condition: { code: "A-2" }) { nodes { entityId name } } }');

    same(validateSchema(schema).map(String), [], 'the schema of the directory is valid');
    same(verbs.filter((verb) => !mutations.includes(verb)), [], 'the verbs are mutations');
    same(data.allEntities.nodes, [{ entityId: '107', name: 'Grace Clinic' }], 'an entity');
}

run(async () => {
    await plain();
    await related();
    await directory();
    await pool.end();
});
