//! The fast way from a row image to SQL text: a plan made once for each table layout says for every column how long its
//! value is and how it is written; a row is first cut into fields, and then only the fields that are asked for are
//! written (or decoded) straight out of the image.
//!
//! Whatever has no fast form (JSON, compressed columns, times of servers before MySQL 5.6, SETs with other members)
//! goes through [`Value`] and [`literal`]; the text is the same either way.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    column,
    cursor::{Cursor, Malformed, Parsed},
    plan_print::{IntegerAt, Print, Short, Size},
    rows::ColumnSet,
    table_map::TableMap,
};
use crate::mysql::{
    literal::{Encoding, complete, literal},
    sql_text::SqlText,
    value::Value,
};

/// How the rows of one table layout are read and written.
#[derive(Debug)]
pub struct RowPlan {
    map: Arc<TableMap>,
    encodings: Vec<Encoding>,
    sizes: Vec<Size>,
    prints: Vec<Print>,
    /// The same, short.
    shorts: Vec<Short>,
    /// Of the columns before the first whose length the row says: where each is behind the bits for NULL.
    fixed: Vec<Field>,
    /// Of the integers that the row begins with, the same in short.
    integers: Vec<IntegerAt>,
}

/// Where a value stands in the image; `start` is [`ABSENT`] for NULL and for columns outside of the image.
#[derive(Clone, Copy, Debug)]
struct Field {
    start: u32,
    end: u32,
}

const ABSENT: u32 = u32::MAX;
/// Longer row data does not exist; so no sum of places in it overflows.
const LONGEST: usize = 1 << 31;
const SHORT: Malformed = Malformed("it ends too early");

/// The fields of one row; used again for the next.
#[derive(Debug)]
pub struct Fields {
    /// Where the columns of fixed places begin that the plan knows; [`ABSENT`]: the row has a NULL or lacks a column.
    origin: u32,
    /// All others.
    places: Vec<Field>,
}

impl Default for Fields {
    fn default() -> Self {
        Fields { origin: ABSENT, places: Vec::new() }
    }
}

impl RowPlan {
    /// `encodings`: one for each column, as the target wants it; a column without one is written as its value is.
    pub fn new(map: Arc<TableMap>, encodings: &[Encoding]) -> RowPlan {
        let of = |i: usize| encodings.get(i).cloned().unwrap_or(Encoding::Plain);
        let encodings: Vec<Encoding> = (0..map.columns.len()).map(of).collect();
        let sizes: Vec<Size> = map.columns.iter().map(Size::of_column).collect();
        let fixed = fixed(&sizes);
        let prints: Vec<Print> =
            map.columns.iter().zip(&encodings).map(|(column, encoding)| Print::of_column(column, encoding)).collect();
        let shorts: Vec<Short> = prints.iter().map(Short::of).collect();
        let integers = shorts.iter().zip(&fixed).map_while(|(short, field)| short.at(field.start)).collect();
        RowPlan { map, encodings, sizes, prints, shorts, fixed, integers }
    }

    /// Whether the plan is for rows with this layout.
    pub fn is_for(&self, map: &Arc<TableMap>) -> bool {
        Arc::ptr_eq(&self.map, map)
    }

    /// Cuts the row at byte `at` of `data` into fields; gives where the next begins.
    pub fn cut(&self, data: &Bytes, at: usize, set: &ColumnSet, fields: &mut Fields) -> Parsed<usize> {
        let bytes: &[u8] = data;
        if bytes.len() > LONGEST {
            return Err(Malformed("it is longer than 2 GiB"));
        }
        let nulls_end = at + set.present().div_ceil(8);
        let nulls = bytes.get(at..nulls_end).ok_or(SHORT)?;
        let (mut at, mut bit) = (nulls_end, 0);
        fields.places.clear();
        fields.origin = ABSENT;
        if set.is_full() && nulls.iter().all(|byte| *byte == 0) {
            fields.origin = at as u32;
            at += self.fixed.last().map_or(0, |last| last.end as usize);
            for size in self.sizes.get(self.fixed.len()..).unwrap_or_default() {
                let end = at + size.of(bytes, at)?;
                fields.places.push(Field { start: at as u32, end: end as u32 });
                at = end;
            }
            return Self::within(at, bytes);
        }
        for (i, size) in self.sizes.iter().enumerate() {
            if !set.contains(i) {
                fields.places.push(Field { start: ABSENT, end: 0 });
                continue;
            }
            let is_null = nulls.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1);
            bit += 1;
            if is_null {
                fields.places.push(Field { start: ABSENT, end: 0 });
                continue;
            }
            let end = at + size.of(bytes, at)?;
            fields.places.push(Field { start: at as u32, end: end as u32 });
            at = end;
        }
        Self::within(at, bytes)
    }

    /// Each field lies before the next: one check for all. Events of 4 GiB don't exist.
    fn within(at: usize, bytes: &[u8]) -> Parsed<usize> {
        if at > bytes.len() || at >= ABSENT as usize { Err(SHORT) } else { Ok(at) }
    }

    /// Columns of the layout.
    pub fn width(&self) -> usize {
        self.sizes.len()
    }
}

/// Where the columns are that come before the first of no fixed length.
fn fixed(sizes: &[Size]) -> Vec<Field> {
    let mut end = 0;
    let length = |size: &Size| match size {
        Size::Fixed(length) => Some(*length),
        _ => None,
    };
    let field = |length| {
        let start = end;
        end += length;
        Field { start, end }
    };
    sizes.iter().map_while(length).map(field).collect()
}

/// One row of an event, cut into fields.
#[derive(Clone, Copy)]
pub struct RowImage<'a> {
    plan: &'a RowPlan,
    data: &'a Bytes,
    fields: &'a Fields,
}

impl<'a> RowImage<'a> {
    pub fn new(plan: &'a RowPlan, data: &'a Bytes, fields: &'a Fields) -> RowImage<'a> {
        RowImage { plan, data, fields }
    }

    /// Where a column is stored; None for NULL.
    #[inline(always)]
    fn field(&self, column: usize) -> Option<Field> {
        let (origin, places) = (self.fields.origin, &self.fields.places);
        let field = if origin == ABSENT {
            *places.get(column)?
        } else if let Some(field) = self.plan.fixed.get(column) {
            Field { start: field.start + origin, end: field.end + origin }
        } else {
            *places.get(column - self.plan.fixed.len())?
        };
        Some(field).filter(|field| field.start < field.end)
    }

    /// Columns of the layout.
    pub fn width(&self) -> usize {
        self.plan.width()
    }

    pub fn is_null(&self, column: usize) -> bool {
        self.field(column).is_none()
    }

    /// The column's value, completed as its encoding says; NULL beyond the last column.
    pub fn value(&self, column: usize) -> Parsed<Value> {
        let plan = self.plan;
        let (Some(field), Some(layout)) = (self.field(column), plan.map.columns.get(column)) else {
            return Ok(Value::Null);
        };
        let cursor = &mut Cursor::between(self.data, field.start as usize, field.end as usize);
        let value = column::decode(cursor, layout, layout.unsigned.unwrap_or(false))?;
        Ok(complete(value, plan.encodings.get(column).unwrap_or(&Encoding::Plain)))
    }

    /// All values.
    pub fn values(&self) -> Parsed<Vec<Value>> {
        (0..self.plan.width()).map(|column| self.value(column)).collect()
    }

    /// The stored bytes of a column; None for NULL. Equal bytes are equal values.
    pub fn stored(&self, column: usize) -> Option<&'a [u8]> {
        let field = self.field(column)?;
        self.data.get(field.start as usize..field.end as usize)
    }

    /// Appends the column's value as a literal; NULL beyond the last column.
    #[inline]
    pub fn write(&self, column: usize, out: &mut SqlText) -> Parsed<()> {
        let (Some(field), Some(print)) = (self.field(column), self.plan.prints.get(column)) else {
            out.null();
            return Ok(());
        };
        let more = self.data.get(field.start as usize..).unwrap_or_default();
        let stored = more.get(..(field.end - field.start) as usize).unwrap_or_default();
        print.write(stored, more, out).unwrap_or_else(|| self.write_value(column, out))
    }

    /// Appends the values of these columns: `first` before the first, commas before the others.
    pub fn write_list(&self, columns: &[usize], first: u8, out: &mut SqlText) -> Parsed<()> {
        let data: &[u8] = self.data;
        let written = self.write_integers(columns, first, out);
        let mut before = if written == 0 { first } else { b',' };
        let mut pen = out.pen();
        for &column in columns.get(written..).unwrap_or_default() {
            let separator = std::mem::replace(&mut before, b',');
            let (Some(field), Some(short)) = (self.field(column), self.plan.shorts.get(column)) else {
                pen.separator(separator);
                pen.null();
                continue;
            };
            let more = data.get(field.start as usize..).unwrap_or_default();
            if !short.write(separator, more, (field.end - field.start) as usize, &mut pen) {
                pen.separator(separator);
                let out = pen.out();
                self.write(column, out)?;
                pen = out.pen();
            }
        }
        pen.out();
        Ok(())
    }

    /// Writes the integers that the row and the list begin with, as far as nothing but their places must be known; gives how
    /// many.
    #[inline]
    fn write_integers(&self, columns: &[usize], first: u8, out: &mut SqlText) -> usize {
        let plan = self.plan;
        if self.fields.origin == ABSENT || plan.integers.is_empty() {
            return 0;
        }
        let row = self.data.get(self.fields.origin as usize..).unwrap_or_default();
        let mut next = plan.integers.iter().zip(columns).enumerate();
        let mut separator = first;
        out.integers(plan.integers.len(), || {
            let (i, (integer, column)) = next.next()?;
            let integer = integer.read(row).filter(|_| *column == i)?;
            Some((std::mem::replace(&mut separator, b','), integer))
        })
    }

    #[cold]
    fn write_value(&self, column: usize, out: &mut SqlText) -> Parsed<()> {
        let mut text = String::new();
        literal(&self.value(column)?, self.plan.encodings.get(column).unwrap_or(&Encoding::Plain), &mut text);
        out.push_str(&text);
        Ok(())
    }
}
