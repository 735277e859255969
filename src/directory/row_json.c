/*-------------------------------------------------------------------------
 *
 * row_json.c
 *	  Rows as jsonb objects, for change_log.
 *
 * to_jsonb(row) says the same, but looks up how to write each column for each
 * row, sorts the keys each time, and writes dates and ranges as the session
 * likes to see them.  Here the keys of a table are sorted once, and the bytes
 * of the object are laid down directly: a header, an entry for each key and
 * each value, the keys, the values (see utils/jsonb.h).
 *
 * jsonb_populate_record() makes the very same row of the object.  Numbers stay
 * numbers with all their digits, dates are ISO.  Generated columns are left
 * out: they follow from the others.  Only documents that a JSON value cannot
 * hold come back changed: json with white space or doubled keys, and a JSON
 * null as the whole value, which becomes NULL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "directory/row_json.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/rangetypes.h"
#include "utils/typcache.h"

/* How a column is written. */
typedef enum ColumnKind
{
	COLUMN_INT2,
	COLUMN_INT4,
	COLUMN_INT8,
	COLUMN_NUMERIC,
	COLUMN_BOOL,
	COLUMN_TEXT,
	COLUMN_JSONB,
	COLUMN_DATERANGE,
	COLUMN_TEXTUAL,				/* by its output function */
	COLUMN_ARRAY,				/* by to_jsonb, or as text if it must be */
	COLUMN_OTHER				/* by to_jsonb */
} ColumnKind;

typedef struct Column
{
	AttrNumber	attno;
	ColumnKind	kind;
	const char *name;
	int			name_len;
	FmgrInfo	output;			/* for text */
	FmgrInfo	to_jsonb;
} Column;

struct HgRowJson
{
	int			ncolumns;
	int			last_attno;		/* of the columns */
	Column	   *columns;		/* in the order of keys */
	TypeCacheEntry *daterange;
	int			guc_level;		/* 0: no setting was changed */
	int			head;			/* bytes before the first value */
	StringInfoData object;		/* being built */
};

/* Bytes of an object before its keys: the varlena header is one of them. */
#define OBJECT_HEAD(n) \
	(VARHDRSZ + sizeof(uint32) + sizeof(JEntry) * 2 * (n))

/* Where the entry of a key or value is. */
#define ENTRY(object, i) \
	((JEntry *) ((object)->data + VARHDRSZ + sizeof(uint32)) + (i))

/*
 * compare_columns puts keys in the order of jsonb: short ones first.
 */
static int
compare_columns(const void *a, const void *b)
{
	const Column *x = a;
	const Column *y = b;

	if (x->name_len != y->name_len)
		return x->name_len < y->name_len ? -1 : 1;
	return memcmp(x->name, y->name, x->name_len);
}

/*
 * classify decides how to write the values of a type.
 */
static ColumnKind
classify(Oid type)
{
	switch (type)
	{
		case INT2OID:
			return COLUMN_INT2;
		case INT4OID:
			return COLUMN_INT4;
		case INT8OID:
			return COLUMN_INT8;
		case NUMERICOID:
			return COLUMN_NUMERIC;
		case BOOLOID:
			return COLUMN_BOOL;
		case TEXTOID:
		case VARCHAROID:
			return COLUMN_TEXT;
		case JSONBOID:
			return COLUMN_JSONB;
		case DATERANGEOID:
			return COLUMN_DATERANGE;
		default:
			break;
	}
	if (type_is_array(type))
		return COLUMN_ARRAY;
	switch (get_typtype(type))
	{
		case TYPTYPE_RANGE:
		case TYPTYPE_MULTIRANGE:
			return COLUMN_TEXTUAL;
		case TYPTYPE_BASE:
			/* nobody's cast to json shall have a say */
			return type >= FirstNormalObjectId ? COLUMN_TEXTUAL : COLUMN_OTHER;
		default:
			return COLUMN_OTHER;
	}
}

/*
 * prepare_column looks up what writing a column takes.
 */
static void
prepare_column(Column *column, Form_pg_attribute attr)
{
	Oid			type = getBaseType(attr->atttypid);
	Oid			output;
	bool		is_varlena;

	column->attno = attr->attnum;
	column->kind = classify(type);
	column->name = NameStr(attr->attname);
	column->name_len = strlen(column->name);

	if (column->kind == COLUMN_TEXTUAL || column->kind == COLUMN_ARRAY)
	{
		getTypeOutputInfo(type, &output, &is_varlena);
		fmgr_info(output, &column->output);
	}
	if (column->kind == COLUMN_OTHER || column->kind == COLUMN_ARRAY)
	{
		Param	   *arg = makeNode(Param);

		/* it asks for the type of its argument */
		arg->paramkind = PARAM_EXTERN;
		arg->paramid = 1;
		arg->paramtype = type;
		arg->paramtypmod = -1;
		arg->location = -1;
		fmgr_info(F_TO_JSONB, &column->to_jsonb);
		fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID,
												 list_make1(arg), InvalidOid,
												 InvalidOid,
												 COERCE_EXPLICIT_CALL),
						   &column->to_jsonb);
	}
}

/*
 * set_option changes a setting until the end of the nesting level.
 */
static void
set_option(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/*
 * hg_row_json_begin prepares for rows of a table.
 */
HgRowJson *
hg_row_json_begin(TupleDesc desc)
{
	HgRowJson  *rows = palloc0(sizeof(HgRowJson));
	uint32		total = 0;
	bool		settings = false;

	rows->columns = palloc0(sizeof(Column) * Max(desc->natts, 1));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);
		Column	   *column = &rows->columns[rows->ncolumns];

		if (attr->attisdropped || attr->attgenerated)
			continue;
		prepare_column(column, attr);
		if (column->kind == COLUMN_DATERANGE)
			rows->daterange = lookup_type_cache(DATERANGEOID,
												TYPECACHE_RANGE_INFO);
		if (column->kind >= COLUMN_TEXTUAL)
			settings = true;
		rows->last_attno = attr->attnum;
		rows->ncolumns++;
	}
	qsort(rows->columns, rows->ncolumns, sizeof(Column), compare_columns);

	initStringInfo(&rows->object);
	rows->head = OBJECT_HEAD(rows->ncolumns);
	enlargeStringInfo(&rows->object, rows->head);
	memset(rows->object.data, 0, rows->head);
	*(uint32 *) (rows->object.data + VARHDRSZ) = rows->ncolumns | JB_FOBJECT;
	rows->object.len = rows->head;
	for (int i = 0; i < rows->ncolumns; i++)
	{
		Column	   *column = &rows->columns[i];

		appendBinaryStringInfo(&rows->object, column->name, column->name_len);
		total += column->name_len;
		*ENTRY(&rows->object, i) = JENTRY_ISSTRING |
			(i % JB_OFFSET_STRIDE == 0 ?
			 total | JENTRY_HAS_OFF : (JEntry) column->name_len);
	}
	rows->head = rows->object.len;

	if (settings)
	{
		rows->guc_level = NewGUCNestLevel();
		set_option("search_path", "pg_catalog, pg_temp");
		set_option("datestyle", "ISO, YMD");
		set_option("intervalstyle", "postgres");
		set_option("extra_float_digits", "1");
		set_option("bytea_output", "hex");
	}
	return rows;
}

/*
 * hg_row_json_end puts settings back.
 */
void
hg_row_json_end(HgRowJson *rows)
{
	if (rows->guc_level != 0)
		AtEOXact_GUC(true, rows->guc_level);
}

/*
 * add_text appends a string.
 */
static JEntry
add_text(StringInfo object, const char *text, int len)
{
	appendBinaryStringInfo(object, text, len);
	return JENTRY_ISSTRING;
}

/*
 * add_aligned appends what has to start at a multiple of four.
 */
static void
add_aligned(StringInfo object, const void *data, int len)
{
	static const char zeros[ALIGNOF_INT] = {0};

	appendBinaryStringInfo(object, zeros, INTALIGN(object->len) - object->len);
	appendBinaryStringInfo(object, data, len);
}

/*
 * add_numeric appends a number, or the name of what is none in JSON.
 */
static JEntry
add_numeric(StringInfo object, Numeric number)
{
	if (numeric_is_nan(number) || numeric_is_inf(number))
	{
		char	   *text = numeric_normalize(number);

		return add_text(object, text, strlen(text));
	}
	add_aligned(object, number, VARSIZE(number));
	return JENTRY_ISNUMERIC;
}

/*
 * add_jsonb appends a document.
 */
static JEntry
add_jsonb(StringInfo object, Jsonb *json)
{
	JsonbContainer *root = &json->root;
	JEntry		entry;
	char	   *data;

	if (!JB_ROOT_IS_SCALAR(json))
	{
		add_aligned(object, root, VARSIZE(json) - VARHDRSZ);
		return JENTRY_ISCONTAINER;
	}

	/* a scalar is an array of one: take that out */
	entry = root->children[0];
	data = (char *) &root->children[1];
	if (JBE_ISNUMERIC(entry))
		add_aligned(object, data, VARSIZE_ANY(data));
	else
		appendBinaryStringInfo(object, data, JBE_OFFLENFLD(entry));
	return entry & JENTRY_TYPEMASK;
}

/*
 * append_day appends a bound of a range of days.
 */
static void
append_day(StringInfo object, const RangeBound *bound)
{
	char		buf[MAXDATELEN + 1];

	if (bound->infinite)
		return;
	JsonEncodeDateTime(buf, bound->val, DATEOID, NULL);
	/* "0044-03-15 BC" */
	if (strchr(buf, ' ') != NULL)
		appendStringInfo(object, "\"%s\"", buf);
	else
		appendBinaryStringInfo(object, buf, strlen(buf));
}

/*
 * add_daterange appends a range of days as its type writes it.
 */
static JEntry
add_daterange(HgRowJson *rows, const RangeType *range)
{
	StringInfo	object = &rows->object;
	RangeBound	lower;
	RangeBound	upper;
	bool		empty;

	range_deserialize(rows->daterange, range, &lower, &upper, &empty);
	if (empty)
		return add_text(object, "empty", 5);
	appendStringInfoChar(object, lower.inclusive ? '[' : '(');
	append_day(object, &lower);
	appendStringInfoChar(object, ',');
	append_day(object, &upper);
	appendStringInfoChar(object, upper.inclusive ? ']' : ')');
	return JENTRY_ISSTRING;
}

/*
 * starts_at_one: do the subscripts of an array start as in JSON's?
 */
static bool
starts_at_one(ArrayType *array)
{
	for (int i = 0; i < ARR_NDIM(array); i++)
		if (ARR_LBOUND(array)[i] != 1)
			return false;
	return true;
}

/*
 * add_value appends the value of a column, and returns the type of its entry.
 */
static JEntry
add_value(HgRowJson *rows, Column *column, Datum value)
{
	StringInfo	object = &rows->object;
	ColumnKind	kind = column->kind;
	text	   *t;
	char	   *output;

	if (kind == COLUMN_ARRAY)
		kind = starts_at_one(DatumGetArrayTypeP(value)) ?
			COLUMN_OTHER : COLUMN_TEXTUAL;
	switch (kind)
	{
		case COLUMN_INT2:
			return add_numeric(object, int64_to_numeric(DatumGetInt16(value)));
		case COLUMN_INT4:
			return add_numeric(object, int64_to_numeric(DatumGetInt32(value)));
		case COLUMN_INT8:
			return add_numeric(object, int64_to_numeric(DatumGetInt64(value)));
		case COLUMN_NUMERIC:
			return add_numeric(object, DatumGetNumeric(value));
		case COLUMN_BOOL:
			return DatumGetBool(value) ? JENTRY_ISBOOL_TRUE : JENTRY_ISBOOL_FALSE;
		case COLUMN_TEXT:
			t = DatumGetTextPP(value);
			return add_text(object, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
		case COLUMN_JSONB:
			return add_jsonb(object, DatumGetJsonbP(value));
		case COLUMN_DATERANGE:
			return add_daterange(rows, DatumGetRangeTypeP(value));
		case COLUMN_TEXTUAL:
			output = OutputFunctionCall(&column->output, value);
			return add_text(object, output, strlen(output));
		case COLUMN_ARRAY:
		case COLUMN_OTHER:
			return add_jsonb(object,
							 DatumGetJsonbP(FunctionCall1(&column->to_jsonb, value)));
	}
	pg_unreachable();
}

/*
 * hg_row_json writes a row.
 */
Jsonb *
hg_row_json(HgRowJson *rows, TupleTableSlot *slot)
{
	StringInfo	object = &rows->object;
	int			n = rows->ncolumns;
	int			body = OBJECT_HEAD(n);
	Jsonb	   *result;

	slot_getsomeattrs(slot, rows->last_attno);
	object->len = rows->head;
	for (int i = 0; i < n; i++)
	{
		Column	   *column = &rows->columns[i];
		int			start = object->len;
		JEntry		entry;

		if (slot->tts_isnull[column->attno - 1])
			entry = JENTRY_ISNULL;
		else
			entry = add_value(rows, column, slot->tts_values[column->attno - 1]);
		if (object->len - body > JENTRY_OFFLENMASK)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("row is too large for change_log")));
		*ENTRY(object, n + i) = (n + i) % JB_OFFSET_STRIDE == 0 ?
			entry | (JEntry) (object->len - body) | JENTRY_HAS_OFF :
			entry | (JEntry) (object->len - start);
	}

	result = palloc(object->len);
	memcpy(result, object->data, object->len);
	SET_VARSIZE(result, object->len);
	return result;
}
