// The figures.  By place, each counts once for every place above it.
cube(`Figure`, {
  sql: `SELECT * FROM bi.figure`,

  measures: {
    amount: { sql: `amount`, type: `sum` },
    units: { sql: `units`, type: `sum` },
    count: { type: `count` }
  },

  dimensions: {
    id: { sql: `figure_id`, type: `number`, primaryKey: true },
    product: { sql: `product`, type: `string` },
    day: { sql: `day`, type: `time` }
  }
});
