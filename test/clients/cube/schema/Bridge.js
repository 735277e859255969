// Every node with everything below it: between a place and its figures.
cube(`Bridge`, {
  sql: `SELECT * FROM bi.care_bridge`,

  joins: {
    Figure: {
      relationship: `hasMany`,
      sql: `${Bridge}.descendant = ${Figure}.entity_id`
    }
  },

  dimensions: {
    id: { sql: `${CUBE}.ancestor || '-' || ${CUBE}.descendant`, type: `string`, primaryKey: true },
    depth: { sql: `depth`, type: `number` },
    share: { sql: `share`, type: `number` }
  }
});
