/*-------------------------------------------------------------------------
 *
 * export_formats.c
 *	  The formats of pg_hierarchy export.
 *
 * Names of entities can hold any character but NUL. Each format gets what means
 * something to it escaped, and everything else as it is:
 *
 * CSV		quotes doubled, in quotes where needed (RFC 4180); an empty text is
 *			quoted, no value is not
 * JSON		made by the server
 * DOT		labels: quote, backslash, newline, & (Graphviz reads entities); other
 *			control characters are spelled out
 * Mermaid	everything that is not a letter, a digit or harmless, by its number
 * GraphML	as XML; control characters, which XML 1.0 cannot hold, become U+FFFD
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "export.h"
#include "term.h"

/* ---- CSV ---- */

const char	csv_header[] =
"entity_id,entity_type,code,name,status,parent_id,parent_type,parent_code,parent_name,"
"relationship_type,share,is_primary,influence_level,valid_from,valid_to";

#define CSV_COLUMNS		15

/*
 * csv_begin writes the header.
 */
static void
csv_begin(Buffer *b, const Export *e)
{
	(void) e;
	buffer_text(b, csv_header);
	buffer_char(b, '\n');
}

/*
 * csv_value writes one value.
 */
static void
csv_value(Buffer *b, const char *value)
{
	if (!value)
		return;
	if (*value && strcspn(value, "\",\r\n") == strlen(value) &&
		value[0] != ' ' && value[strlen(value) - 1] != ' ')
	{
		buffer_text(b, value);
		return;
	}
	buffer_char(b, '"');
	for (; *value; value++)
	{
		if (*value == '"')
			buffer_char(b, '"');
		buffer_char(b, *value);
	}
	buffer_char(b, '"');
}

/*
 * csv_row writes a row.
 */
static void
csv_row(Buffer *b, const Export *e, const Cursor *row)
{
	int			i;

	(void) e;
	for (i = 0; i < CSV_COLUMNS; i++)
	{
		if (i > 0)
			buffer_char(b, ',');
		csv_value(b, field(row, i));
	}
	buffer_char(b, '\n');
}

/* ---- JSON ---- */

/*
 * json_begin opens the object.
 */
static void
json_begin(Buffer *b, const Export *e)
{
	buffer_text(b, "{\"hierarchy\": ");
	add_json(b, e->about);
	buffer_text(b, ",\n\"entities\": [");
}

/*
 * json_node writes an entity.
 */
static void
json_node(Buffer *b, const Export *e, const Cursor *row)
{
	buffer_text(b, e->nodes > 0 ? ",\n" : "\n");
	add_json(b, field(row, N_JSON));
}

/*
 * json_between begins the relationships.
 */
static void
json_between(Buffer *b, const Export *e)
{
	(void) e;
	buffer_text(b, "\n],\n\"relationships\": [");
}

/*
 * json_edge writes a relationship.
 */
static void
json_edge(Buffer *b, const Export *e, const Cursor *row)
{
	buffer_text(b, e->edges > 0 ? ",\n" : "\n");
	add_json(b, field(row, E_JSON));
}

/*
 * json_end closes the object.
 */
static void
json_end(Buffer *b, const Export *e)
{
	(void) e;
	buffer_text(b, "\n]}\n");
}

/* ---- DOT ---- */

/*
 * dot_text writes a text into a quoted label.
 */
static void
dot_text(Buffer *b, const char *text)
{
	for (; *text; text++)
	{
		unsigned char c = *text;

		if (c == '"')
			buffer_text(b, "\\\"");
		else if (c == '\\')
			buffer_text(b, "\\\\");
		else if (c == '&')
			buffer_text(b, "&amp;");
		else if (c == '\n')
			buffer_text(b, "\\n");
		else if (c < 0x20 || c == 0x7f)
			buffer_printf(b, "\\\\x%02x", c);
		else
			buffer_char(b, c);
	}
}

/*
 * dot_begin opens the graph.
 */
static void
dot_begin(Buffer *b, const Export *e)
{
	buffer_text(b, "digraph \"");
	dot_text(b, e->name);
	buffer_text(b, "\" {\n\tnode [shape=box];\n");
}

/*
 * dot_node writes an entity.
 */
static void
dot_node(Buffer *b, const Export *e, const Cursor *row)
{
	const char *status = field(row, N_STATUS);

	(void) e;
	buffer_printf(b, "\t%s [label=\"", field(row, N_ID));
	if (field(row, N_NAME))
	{
		dot_text(b, field(row, N_NAME));
		buffer_text(b, "\\n");
		dot_text(b, field(row, N_TYPE));
		buffer_char(b, ':');
		dot_text(b, field(row, N_CODE));
	}
	else
		buffer_printf(b, "entity %s", field(row, N_ID));
	buffer_text(b, status && strcmp(status, "active") != 0 ? "\", style=dotted];\n" : "\"];\n");
}

/*
 * dot_edge writes a relationship.
 */
static void
dot_edge(Buffer *b, const Export *e, const Cursor *row)
{
	const char *share = field(row, E_SHARE);
	const char *type = field(row, E_TYPE);
	bool		primary = *field(row, E_PRIMARY) == 't';

	(void) e;
	buffer_printf(b, "\t%s -> %s [", field(row, E_PARENT), field(row, E_CHILD));
	if (share || type)
	{
		buffer_printf(b, "label=\"%s", share ? share : "");
		if (share && type)
			buffer_text(b, "\\n");
		if (type)
			dot_text(b, type);
		buffer_text(b, "\", ");
	}
	if (share)
		buffer_printf(b, "share=\"%s\", ", share);
	if (field(row, E_INFLUENCE))
		buffer_printf(b, "influence_level=\"%s\", ", field(row, E_INFLUENCE));
	if (field(row, E_FROM))
		buffer_printf(b, "valid_from=\"%s\", ", field(row, E_FROM));
	if (field(row, E_TO))
		buffer_printf(b, "valid_to=\"%s\", ", field(row, E_TO));
	buffer_text(b, primary ? "is_primary=true];\n" : "is_primary=false, style=dashed];\n");
}

/*
 * dot_end closes the graph.
 */
static void
dot_end(Buffer *b, const Export *e)
{
	(void) e;
	buffer_text(b, "}\n");
}

/* ---- Mermaid ---- */

/*
 * mermaid_text writes a text into a quoted label.
 */
static void
mermaid_text(Buffer *b, const char *text)
{
	for (; *text; text++)
	{
		unsigned char c = *text;

		if (c == '\n')
			buffer_text(b, "<br/>");
		else if (c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
				 strchr(" -_.,/:+()", c))
			buffer_char(b, c);
		else
			buffer_printf(b, "#%d;", c);
	}
}

/*
 * mermaid_begin begins the chart.
 */
static void
mermaid_begin(Buffer *b, const Export *e)
{
	(void) e;
	buffer_text(b, "flowchart TD\n");
}

/*
 * mermaid_node writes an entity.
 */
static void
mermaid_node(Buffer *b, const Export *e, const Cursor *row)
{
	(void) e;
	buffer_printf(b, "\tn%s[\"", field(row, N_ID));
	if (field(row, N_NAME))
	{
		mermaid_text(b, field(row, N_NAME));
		buffer_text(b, "<br/>");
		mermaid_text(b, field(row, N_TYPE));
		buffer_char(b, ':');
		mermaid_text(b, field(row, N_CODE));
	}
	else
		buffer_printf(b, "entity %s", field(row, N_ID));
	buffer_text(b, "\"]\n");
}

/*
 * mermaid_edge writes a relationship.
 */
static void
mermaid_edge(Buffer *b, const Export *e, const Cursor *row)
{
	const char *share = field(row, E_SHARE);
	const char *type = field(row, E_TYPE);

	(void) e;
	buffer_printf(b, "\tn%s %s", field(row, E_PARENT), *field(row, E_PRIMARY) == 't' ? "-->" : "-.->");
	if (share || type)
	{
		buffer_printf(b, "|\"%s%s", share ? share : "", share && type ? " " : "");
		mermaid_text(b, type ? type : "");
		buffer_text(b, "\"|");
	}
	buffer_printf(b, " n%s\n", field(row, E_CHILD));
}

/* ---- GraphML ---- */

/*
 * xml_text writes a text as content of an element.
 */
static void
xml_text(Buffer *b, const char *text)
{
	while (*text)
	{
		const char *start = text;
		unsigned int c = next_character(&text);

		switch (c)
		{
			case '&':
				buffer_text(b, "&amp;");
				break;
			case '<':
				buffer_text(b, "&lt;");
				break;
			case '>':
				buffer_text(b, "&gt;");
				break;
			case '\t':
			case '\n':
			case '\r':
				buffer_printf(b, "&#%u;", c);
				break;
			default:
				if (c < 0x20 || c == 0xfffe || c == 0xffff || c >= BAD_BYTE)
					buffer_text(b, "\xef\xbf\xbd");
				else if (c >= 0x7f && c < 0xa0)
					buffer_printf(b, "&#%u;", c);
				else
					buffer_add(b, start, text - start);
		}
	}
}

/*
 * xml_data writes a value of a node or an edge, if there is one.
 */
static void
xml_data(Buffer *b, const char *key, const char *value)
{
	if (!value)
		return;
	buffer_printf(b, "<data key=\"%s\">", key);
	xml_text(b, value);
	buffer_text(b, "</data>");
}

/*
 * xml_key declares a value.
 */
static void
xml_key(Buffer *b, const char *for_what, const char *name, const char *type)
{
	buffer_printf(b, "<key id=\"%s\" for=\"%s\" attr.name=\"%s\" attr.type=\"%s\"/>\n", name, for_what, name, type);
}

/*
 * graphml_begin declares values and opens the graph.
 */
static void
graphml_begin(Buffer *b, const Export *e)
{
	buffer_text(b,
				"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
				"<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\""
				" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\""
				" xsi:schemaLocation=\"http://graphml.graphdrawing.org/xmlns"
				" http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd\">\n");
	xml_key(b, "graph", "hierarchy", "string");
	xml_key(b, "node", "entity_type", "string");
	xml_key(b, "node", "code", "string");
	xml_key(b, "node", "name", "string");
	xml_key(b, "node", "status", "string");
	xml_key(b, "edge", "relationship_type", "string");
	xml_key(b, "edge", "share", "double");
	xml_key(b, "edge", "is_primary", "boolean");
	xml_key(b, "edge", "influence_level", "double");
	xml_key(b, "edge", "valid_from", "string");
	xml_key(b, "edge", "valid_to", "string");
	buffer_text(b, "<graph id=\"G\" edgedefault=\"directed\">");
	xml_data(b, "hierarchy", e->name);
	buffer_char(b, '\n');
}

/*
 * graphml_node writes an entity.
 */
static void
graphml_node(Buffer *b, const Export *e, const Cursor *row)
{
	(void) e;
	buffer_printf(b, "<node id=\"n%s\">", field(row, N_ID));
	xml_data(b, "entity_type", field(row, N_TYPE));
	xml_data(b, "code", field(row, N_CODE));
	xml_data(b, "name", field(row, N_NAME));
	xml_data(b, "status", field(row, N_STATUS));
	buffer_text(b, "</node>\n");
}

/*
 * graphml_edge writes a relationship.
 */
static void
graphml_edge(Buffer *b, const Export *e, const Cursor *row)
{
	(void) e;
	buffer_printf(b, "<edge source=\"n%s\" target=\"n%s\">", field(row, E_PARENT), field(row, E_CHILD));
	xml_data(b, "relationship_type", field(row, E_TYPE));
	xml_data(b, "share", field(row, E_SHARE));
	xml_data(b, "is_primary", field(row, E_PRIMARY));
	xml_data(b, "influence_level", field(row, E_INFLUENCE));
	xml_data(b, "valid_from", field(row, E_FROM));
	xml_data(b, "valid_to", field(row, E_TO));
	buffer_text(b, "</edge>\n");
}

/*
 * graphml_end closes all.
 */
static void
graphml_end(Buffer *b, const Export *e)
{
	(void) e;
	buffer_text(b, "</graph>\n</graphml>\n");
}

const Format formats[] = {
	{"csv", csv_begin, NULL, NULL, csv_row, NULL},
	{"json", json_begin, json_node, json_between, json_edge, json_end},
	{"dot", dot_begin, dot_node, NULL, dot_edge, dot_end},
	{"mermaid", mermaid_begin, mermaid_node, NULL, mermaid_edge, NULL},
	{"graphml", graphml_begin, graphml_node, NULL, graphml_edge, graphml_end},
	{NULL, NULL, NULL, NULL, NULL, NULL}
};
