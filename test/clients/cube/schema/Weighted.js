// Figures times share, for each place above: what is divided adds up.
cube(`Weighted`, {
  sql: `
    SELECT b.ancestor, b.descendant, f.figure_id, f.day, f.product, f.amount * b.share AS amount
    FROM bi.care_bridge b JOIN bi.figure f ON f.entity_id = b.descendant`,

  joins: {
    Place: {
      relationship: `belongsTo`,
      sql: `${Weighted}.ancestor = ${Place}.node`
    }
  },

  measures: {
    amount: { sql: `amount`, type: `sum` }
  },

  dimensions: {
    id: { sql: `${CUBE}.ancestor || '-' || ${CUBE}.figure_id`, type: `string`, primaryKey: true },
    product: { sql: `product`, type: `string` }
  }
});
