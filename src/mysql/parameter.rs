//! Values as parameters of prepared statements (the binary protocol): exact as the literals are, in the same sessions.

use mysql_async::Value as Parameter;

use super::{
    literal::{Encoding, literal},
    value::{Date, Value},
};

/// How a value goes into a prepared statement.
#[derive(Clone, PartialEq, Debug)]
pub enum Bound {
    /// `sql` with one `?` in it, and what it stands for.
    Value { sql: &'static str, parameter: Parameter },
    /// No parameter carries this value unchanged: an expression to write into the statement.
    Expression(String),
}

/// A completed value (see [`super::literal::complete`]) as a parameter.
pub fn bind(value: &Value, encoding: &Encoding) -> Bound {
    let parameter = match value {
        Value::Null => Parameter::NULL,
        Value::Int(n) => Parameter::Int(*n),
        Value::UInt(n) => Parameter::UInt(*n),
        Value::Float(n) => Parameter::Float(*n),
        Value::Double(n) => Parameter::Double(*n),
        Value::Decimal(n) => Parameter::Bytes(n.as_bytes().to_vec()),
        Value::Bytes(bytes) => return bind_bytes(value, bytes, encoding),
        Value::Bit { bits, .. } => Parameter::UInt(*bits),
        Value::Enum(_) if matches!(encoding, Encoding::EnumNames(_)) => return expression(value, encoding),
        Value::Set(_) if matches!(encoding, Encoding::SetNames(_)) => return expression(value, encoding),
        Value::Enum(index) => Parameter::UInt((*index).into()),
        Value::Set(mask) => Parameter::UInt(*mask),
        Value::Year(year) => Parameter::UInt((*year).into()),
        Value::Date(date) => of_date(*date, [0; 3], 0),
        // As text: MySQL refuses the longest times in their binary form (error 1690).
        Value::Time(time) => Parameter::Bytes(time.to_string().into_bytes()),
        Value::DateTime(time) => of_date(time.date, [time.hour, time.minute, time.second], time.micros),
        Value::Timestamp(time) => {
            let time = time.to_datetime();
            of_date(time.date, [time.hour, time.minute, time.second], time.micros)
        }
        Value::Json(json) if *encoding == Encoding::TypedJson && !json.typed().is_empty() => {
            return expression(value, encoding);
        }
        Value::Json(json) => Parameter::Bytes(json.as_bytes().to_vec()),
    };
    Bound::Value { sql: "?", parameter }
}

fn expression(value: &Value, encoding: &Encoding) -> Bound {
    let mut sql = String::new();
    literal(value, encoding, &mut sql);
    Bound::Expression(sql)
}

/// A parameter is text of the connection (utf8mb4); as bytes it must be made binary.
fn bind_bytes(value: &Value, bytes: &[u8], encoding: &Encoding) -> Bound {
    let utf8 = std::str::from_utf8(bytes).is_ok();
    let sql = match encoding {
        Encoding::Text if utf8 => "?",
        Encoding::Charset(_) | Encoding::Ascii if bytes.is_ascii() => "?",
        Encoding::Plain | Encoding::Padded(_) => "CAST(? AS BINARY)",
        // Only a literal with an introducer is checked: a conversion would put question marks where it can't.
        _ => return expression(value, encoding),
    };
    Bound::Value { sql, parameter: Parameter::Bytes(bytes.to_vec()) }
}

fn of_date(date: Date, [hour, minute, second]: [u8; 3], micros: u32) -> Parameter {
    Parameter::Date(date.year, date.month, date.day, hour, minute, second, micros)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::mysql::value::Time;

    fn value(value: Value, encoding: Encoding) -> (&'static str, Parameter) {
        match bind(&value, &encoding) {
            Bound::Value { sql, parameter } => (sql, parameter),
            Bound::Expression(sql) => panic!("{sql}"),
        }
    }

    #[test]
    fn most_values_are_one_parameter() {
        let time = Time { negative: true, hours: 838, minutes: 59, seconds: 58, micros: 7, fsp: 6 };
        assert_eq!(value(Value::Time(time), Encoding::Plain).1, Parameter::Bytes(b"-838:59:58.000007".to_vec()));
        let date = Date { year: 2024, month: 0, day: 0 };
        assert_eq!(value(Value::Date(date), Encoding::Plain).1, Parameter::Date(2024, 0, 0, 0, 0, 0, 0));
        let blob = value(Value::Bytes(Bytes::from_static(b"\xff\0")), Encoding::Plain);
        assert_eq!(blob, ("CAST(? AS BINARY)", Parameter::Bytes(b"\xff\0".to_vec())));
        let text = value(Value::Bytes(Bytes::from_static("é".as_bytes())), Encoding::Text);
        assert_eq!(text, ("?", Parameter::Bytes("é".into())));
    }

    #[test]
    fn what_no_parameter_carries_is_an_expression() {
        let gbk = bind(&Value::Bytes(Bytes::from_static(b"\xd6\xd0")), &Encoding::of_charset("gbk"));
        assert_eq!(gbk, Bound::Expression("_gbk x'd6d0'".into()));
        let name = bind(&Value::Enum(1), &Encoding::EnumNames(vec!["a".into()]));
        assert_eq!(name, Bound::Expression("'a'".into()));
    }
}
