// The hierarchy as columns, for drilling: only primary parents count.
cube(`Level`, {
  sql: `SELECT * FROM bi.care_levels`,

  joins: {
    Figure: {
      relationship: `hasMany`,
      sql: `${Level}.node = ${Figure}.entity_id`
    }
  },

  dimensions: {
    node: { sql: `node`, type: `number`, primaryKey: true },
    level1: { sql: `level1_id`, type: `number` },
    level2: { sql: `level2_id`, type: `number` },
    level3: { sql: `level3_id`, type: `number` },
    level4: { sql: `level4_id`, type: `number` },
    name1: { sql: `level1_name`, type: `string` },
    name2: { sql: `level2_name`, type: `string` }
  }
});
