//! Rows for expression filters, from JSON objects: `{"id": 1, "name": "x", "at": "2024-01-31 10:00:00"}`.

use serde_json::Value as Json;

use crate::{
    mysql::value::{Date, DateTime, Time, Timestamp, Value},
    schema::{BaseType, Column, TableInfo},
};

/// The values of a row in the order of the columns; columns that aren't named are NULL. Texts stand for everything that
/// isn't a number: decimals, dates (TIMESTAMP in UTC), members of ENUM and SET. Err names the column.
pub fn row(text: &str, table: &TableInfo) -> Result<Vec<Value>, String> {
    let object: serde_json::Map<String, Json> =
        serde_json::from_str(text).map_err(|e| format!("the row is no JSON object: {e}"))?;
    let known = |name: &str| table.column(name).is_some();
    if let Some(name) = object.keys().find(|name| !known(name)) {
        return Err(format!("table {} has no column `{name}`", table.id()));
    }
    let given = |column: &Column| {
        object
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&column.name))
            .map_or(Json::Null, |(_, value)| value.clone())
    };
    let values = table.columns.iter().map(|column| {
        let json = given(column);
        value(&json, column)
            .ok_or_else(|| format!("column `{}`: {json} is no value of {}", column.name, column.ty.text()))
    });
    values.collect()
}

fn value(json: &Json, column: &Column) -> Option<Value> {
    if json.is_null() {
        return Some(Value::Null);
    }
    let ty = &column.ty;
    let text = match json {
        Json::String(text) => text.clone(),
        Json::Bool(yes) => u8::from(*yes).to_string(),
        other => other.to_string(),
    };
    let text = text.as_str();
    Some(match ty.base {
        base if base.is_integer() && ty.unsigned => Value::UInt(text.parse().ok()?),
        base if base.is_integer() => Value::Int(text.parse().ok()?),
        BaseType::Float => Value::Float(text.parse().ok()?),
        BaseType::Double => Value::Double(text.parse().ok()?),
        BaseType::Decimal => decimal(text).map(|text| Value::Decimal(text.as_str().into()))?,
        BaseType::Bit => Value::Bit { bits: text.parse().ok()?, len: u8::try_from(ty.length.unwrap_or(1)).ok()? },
        BaseType::Year => Value::Year(text.parse().ok()?),
        BaseType::Date => Value::Date(date(text)?),
        BaseType::Time => Value::Time(time(text)?),
        BaseType::DateTime => Value::DateTime(datetime(text, ty.decimals)?),
        BaseType::Timestamp => Value::Timestamp(timestamp(text, ty.decimals)?),
        BaseType::Enum => {
            let at = ty.elems.iter().position(|member| member.eq_ignore_ascii_case(text))?;
            Value::Enum(u16::try_from(at + 1).ok()?)
        }
        BaseType::Set => Value::Set(members(text, &ty.elems)?),
        BaseType::Json => Value::Json(text.into()),
        // Bytes are in the column's character set; what is the same in all of them can be given.
        _ => {
            let unicode = matches!(column.charset.as_deref(), None | Some("utf8mb4" | "utf8mb3" | "utf8"));
            (unicode || text.is_ascii()).then(|| Value::Bytes(text.as_bytes().to_vec().into()))?
        }
    })
}

fn decimal(text: &str) -> Option<String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    (plain && digits.matches('.').count() <= 1).then(|| text.to_owned())
}

fn members(text: &str, elems: &[String]) -> Option<u64> {
    text.split(',').filter(|member| !member.is_empty()).try_fold(0, |mask, member| {
        let at = elems.iter().position(|known| known.eq_ignore_ascii_case(member))?;
        Some(mask | 1u64.checked_shl(u32::try_from(at).ok()?)?)
    })
}

fn date(text: &str) -> Option<Date> {
    let mut parts = text.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let date = Date { year: year.parse().ok()?, month: month.parse().ok()?, day: day.parse().ok()? };
    (date.month <= 12 && date.day <= 31).then_some(date)
}

/// Hours, minutes, seconds, microseconds, and how many digits follow the point.
fn clock(text: &str) -> Option<(u16, u8, u8, u32, u8)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = whole.splitn(3, ':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next().unwrap_or("0"));
    let (minutes, seconds): (u8, u8) = (minutes.parse().ok()?, seconds.parse().ok()?);
    if fraction.len() > 6 || minutes > 59 || seconds > 59 {
        return None;
    }
    let micros = format!("{fraction:0<6}").parse().ok()?;
    Some((hours.parse().ok()?, minutes, seconds, micros, u8::try_from(fraction.len()).ok()?))
}

fn time(text: &str) -> Option<Time> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (hours, minutes, seconds, micros, fsp) = clock(text)?;
    Some(Time { negative, hours, minutes, seconds, micros, fsp })
}

fn datetime(text: &str, fsp: Option<u32>) -> Option<DateTime> {
    let (day, rest) = text.split_once([' ', 'T']).unwrap_or((text, "00:00:00"));
    let (hour, minute, second, micros, given) = clock(rest)?;
    let fsp = fsp.and_then(|fsp| u8::try_from(fsp).ok()).unwrap_or(given);
    Some(DateTime { date: date(day)?, hour: u8::try_from(hour).ok().filter(|h| *h < 24)?, minute, second, micros, fsp })
}

fn timestamp(text: &str, fsp: Option<u32>) -> Option<Timestamp> {
    let DateTime { date, hour, minute, second, micros, fsp } = datetime(text, fsp)?;
    let day = chrono::NaiveDate::from_ymd_opt(i32::from(date.year), u32::from(date.month), u32::from(date.day))?;
    let at = day.and_hms_opt(u32::from(hour), u32::from(minute), u32::from(second))?;
    Some(Timestamp { seconds: u32::try_from(at.and_utc().timestamp()).ok()?, micros, fsp })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{
        Tracker,
        ddl::{ParseContext, parse},
        server::ServerInfo,
    };

    fn table() -> std::sync::Arc<TableInfo> {
        let context = ParseContext { default_schema: "d".into(), ..ParseContext::default() };
        let mut tracker = Tracker::new(ServerInfo::default(), 0);
        let sql = "CREATE TABLE t (id BIGINT UNSIGNED, n INT, d DECIMAL(9,2), e ENUM('x','y'), s SET('a','b','c'), \
                   at DATETIME(3), ts TIMESTAMP NULL, tm TIME, j JSON, v VARCHAR(9) CHARACTER SET utf8mb4, g VARCHAR(9) CHARACTER SET gbk)";
        tracker.apply(&parse(sql, &context).unwrap()).unwrap();
        tracker.get("d", "t").unwrap()
    }

    #[test]
    fn values_of_each_kind() {
        let text = r#"{"ID": 18446744073709551615, "n": -5, "d": "1.50", "e": "Y", "s": "a,c", "at": "2024-02-29 10:00:00.5",
            "ts": "1970-01-02 00:00:01", "tm": "-838:59:59", "j": {"a": 1}, "v": "é", "g": null}"#;
        let values = row(text, &table()).unwrap();
        assert_eq!(values[0], Value::UInt(u64::MAX));
        assert_eq!((&values[1], &values[3], &values[4]), (&Value::Int(-5), &Value::Enum(2), &Value::Set(5)));
        assert_eq!(values[2], Value::Decimal("1.50".into()));
        assert!(matches!(&values[5], Value::DateTime(d) if d.micros == 500_000 && d.fsp == 3));
        assert!(matches!(&values[6], Value::Timestamp(t) if t.seconds == 86_401));
        assert!(matches!(&values[7], Value::Time(t) if t.negative && t.hours == 838));
        assert_eq!(values[9], Value::Bytes("é".as_bytes().to_vec().into()));
        assert_eq!(row("{}", &table()).unwrap()[10], Value::Null);
    }

    #[test]
    fn mistakes_name_their_column() {
        for (text, part) in [
            ("[1]", "no JSON object"),
            (r#"{"x": 1}"#, "has no column `x`"),
            (r#"{"id": -1}"#, "column `id`: -1 is no value of bigint"),
            (r#"{"e": "z"}"#, "column `e`"),
            (r#"{"at": "2024-13-01"}"#, "column `at`"),
            (r#"{"d": "1.5.0"}"#, "column `d`"),
            (r#"{"g": "é"}"#, "column `g`"),
        ] {
            let error = row(text, &table()).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
