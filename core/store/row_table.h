/*
 * Tables of rows. A kind of row has a list of its columns, XS(FIRST, X): FIRST(x_row, TYPE, column) and then
 * X(x_row, TYPE, column) for each but `id`, which stands before them. Struct, select, insert and update
 * follow from that: column and field have the same name, and a LENGTH is that of the TEXT before it, of which
 * the table knows nothing. Where an index is of the first columns and these hardly ever change, they are a
 * list of their own, and the rest is written alone (ROW_SAME). Private to core/store.
 */
#ifndef RUNFS_STORE_ROW_TABLE_H
#define RUNFS_STORE_ROW_TABLE_H

#include "store_internal.h"

#define ROW_FIELD(row, type, field)                                                                          \
    ,                                                                                                        \
    {                                                                                                        \
        COLUMN_##type, offsetof(struct row, field)                                                           \
    }
#define ROW_FIELDS(row, XS)                                                                                  \
    (const struct column[])                                                                                  \
    {                                                                                                        \
        {COLUMN_I64, offsetof(struct row, id)} XS(ROW_FIELD, ROW_FIELD)                                      \
    }

#define ROW_IN_I64(text) text
#define ROW_IN_INT(text) text
#define ROW_IN_BOOL(text) text
#define ROW_IN_TEXT(text) text
#define ROW_IN_LENGTH(text) ""

#define ROW_NAME_1(row, type, field) #field
#define ROW_NAME(row, type, field) ROW_IN_##type(", " #field)
#define ROW_MARK_1(row, type, field) "?2"
#define ROW_MARK(row, type, field) ROW_IN_##type(", ?") /* one more than the one before */
#define ROW_SET_1(row, type, field) #field " = ?2"
#define ROW_SET(row, type, field) ROW_IN_##type(", " #field " = ?")
#define ROW_SET_3(row, type, field) #field " = ?3"
#define ROW_SET_4(row, type, field) #field " = ?4"
#define ROW_SET_5(row, type, field) #field " = ?5"
#define ROW_NEW_1(row, type, field) #field " = excluded." #field
#define ROW_NEW(row, type, field) ROW_IN_##type(", " #field " = excluded." #field)

/* What a struct row_table is filled with: one that is read; what writes it, too; and with ids of its own. */
#define ROW_READ(table, row, XS)                                                                             \
    .columns = ROW_FIELDS(row, XS), .n_columns = sizeof(ROW_FIELDS(row, XS)) / sizeof(struct column),        \
    .size = sizeof(struct row),                                                                              \
    .get_sql = "SELECT id, " XS(ROW_NAME_1, ROW_NAME) " FROM " table " WHERE id = ?1"
#define ROW_WRITE(table, XS)                                                                                 \
    .insert_sql =                                                                                            \
        "INSERT INTO " table " (" XS(ROW_NAME_1, ROW_NAME) ") VALUES (" XS(ROW_MARK_1, ROW_MARK) ")",        \
    .update_sql = "UPDATE " table " SET " XS(ROW_SET_1, ROW_SET) " WHERE id = ?1"
/* Those whose ids are given before they are written. */
#define ROW_COUNTED(table, XS) .sequence = table, ROW_UPSERT(table, XS)
/* `keys`: a condition on the columns before those of XS, whose first has the number n. It finds nothing if
 * they have changed. */
#define ROW_SAME(table, keys, n, XS)                                                                         \
    .same_sql = "UPDATE " table " SET " XS(ROW_SET_##n, ROW_SET) " WHERE id = ?1 AND " keys
#define ROW_UPSERT(table, XS)                                                                                \
    .update_sql = "INSERT INTO " table " (id, " XS(ROW_NAME_1, ROW_NAME) ") VALUES (?1, " XS(                \
        ROW_MARK_1, ROW_MARK) ")"                                                                            \
                              " ON CONFLICT (id) DO UPDATE SET " XS(ROW_NEW_1, ROW_NEW)

#define ROW_READER(x)                                                                                        \
    const struct x##_row *store_get_##x(struct store *st, int64_t id)                                        \
    {                                                                                                        \
        return row_get(st, &x##_table, id);                                                                  \
    }                                                                                                        \
    void x##_row_unref(const struct x##_row *r)                                                              \
    {                                                                                                        \
        row_unref(r);                                                                                        \
    }

#define ROW_WRITER(x)                                                                                        \
    int store_put_##x(struct store *st, struct x##_row *row, struct err *err)                                \
    {                                                                                                        \
        return row_put(st, &x##_table, row, err);                                                            \
    }

#endif
