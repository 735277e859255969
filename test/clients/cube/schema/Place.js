// Every node of the hierarchy, once.
cube(`Place`, {
  sql: `SELECT * FROM bi.care_tree`,

  joins: {
    Bridge: {
      relationship: `hasMany`,
      sql: `${Place}.node = ${Bridge}.ancestor`
    }
  },

  measures: {
    count: { type: `count` }
  },

  dimensions: {
    node: { sql: `node`, type: `number`, primaryKey: true, shown: true },
    parent: { sql: `parent`, type: `number` },
    code: { sql: `code`, type: `string` },
    name: { sql: `name`, type: `string` },
    kind: { sql: `entity_type`, type: `string` },
    level: { sql: `level`, type: `number` },
    path: { sql: `path`, type: `string` },
    sortKey: { sql: `sort_key`, type: `string` },
    isLeaf: { sql: `is_leaf`, type: `boolean` }
  }
});
