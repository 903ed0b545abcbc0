//! The syntax tree of an expression, before the table's structure gives its columns types.

/// A node of the tree. Depth is bounded by the parser.
#[derive(Clone, PartialEq, Debug)]
pub enum Ast {
    Null,
    Bool(bool),
    /// As written: digits, point, exponent.
    Number(String),
    Text(String),
    /// `_latin1'..'`, `_binary 0x..`, `n'..'`: bytes that are said to be of a character set.
    Introduced {
        charset: String,
        bytes: Vec<u8>,
    },
    /// `x'41'`, `0x41`.
    Hex(Vec<u8>),
    /// `b'101'`, `0b101`.
    Bits(Vec<u8>),
    /// `DATE '2024-01-01'` and its like.
    Temporal(TemporalKind, String),
    /// The name's parts: `column`, `table.column`, `schema.table.column`.
    Column(Vec<String>),
    Unary(Unary, Box<Ast>),
    Binary(Binary, Box<Ast>, Box<Ast>),
    /// Chains are flat, so that long ones need no depth.
    And(Vec<Ast>),
    Or(Vec<Ast>),
    Is {
        value: Box<Ast>,
        what: Truth,
        negated: bool,
    },
    Between {
        value: Box<Ast>,
        low: Box<Ast>,
        high: Box<Ast>,
        negated: bool,
    },
    In {
        value: Box<Ast>,
        list: Vec<Ast>,
        negated: bool,
    },
    Like {
        value: Box<Ast>,
        pattern: Box<Ast>,
        escape: Option<Box<Ast>>,
        negated: bool,
    },
    Regexp {
        value: Box<Ast>,
        pattern: Box<Ast>,
        negated: bool,
    },
    Case {
        operand: Option<Box<Ast>>,
        branches: Vec<(Ast, Ast)>,
        otherwise: Option<Box<Ast>>,
    },
    Cast(Box<Ast>, CastType),
    ConvertUsing(Box<Ast>, String),
    Collate(Box<Ast>, String),
    /// `INTERVAL value unit`, only as an argument or beside `+` and `-`.
    Interval(Box<Ast>, Unit),
    /// A unit as an argument: `TIMESTAMPDIFF(SECOND, ..)`.
    Unit(Unit),
    /// The name in lower case.
    Call(String, Vec<Ast>),
}

/// What IS asks for.
#[allow(missing_docs)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Truth {
    Null,
    True,
    False,
}

#[allow(missing_docs)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unary {
    Minus,
    Plus,
    BitNot,
    Not,
}

#[allow(missing_docs)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    IntDiv,
    Mod,
    BitAnd,
    BitOr,
    BitXor,
    ShiftLeft,
    ShiftRight,
    Xor,
    Equal,
    NullSafe,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    JsonPath,
    JsonText,
}

#[allow(missing_docs)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TemporalKind {
    Date,
    Time,
    DateTime,
}

/// Target of a cast.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CastType {
    Signed,
    Unsigned,
    Decimal(u8, u8),
    Double,
    Float,
    /// Characters, and the character set if one is named.
    Char(Option<u32>, Option<String>),
    Binary(Option<u32>),
    Date,
    Time(u8),
    DateTime(u8),
    Year,
    Json,
}

macro_rules! units {
    ($($variant:ident = $name:literal,)*) => {
        /// Units of INTERVAL and of the functions that count time.
        #[allow(missing_docs)]
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Unit { $($variant,)* }

        impl Unit {
            /// By name; `SQL_TSI_` before it is allowed.
            pub fn from_name(name: &str) -> Option<Unit> {
                let upper = name.to_ascii_uppercase();
                let bare = upper.strip_prefix("SQL_TSI_").unwrap_or(&upper);
                Some(match bare { $($name => Unit::$variant,)* _ => return None })
            }
        }
    };
}

units! {
    Microsecond = "MICROSECOND", Second = "SECOND", Minute = "MINUTE", Hour = "HOUR", Day = "DAY", Week = "WEEK",
    Month = "MONTH", Quarter = "QUARTER", Year = "YEAR",
    SecondMicrosecond = "SECOND_MICROSECOND", MinuteMicrosecond = "MINUTE_MICROSECOND", MinuteSecond = "MINUTE_SECOND",
    HourMicrosecond = "HOUR_MICROSECOND", HourSecond = "HOUR_SECOND", HourMinute = "HOUR_MINUTE",
    DayMicrosecond = "DAY_MICROSECOND", DaySecond = "DAY_SECOND", DayMinute = "DAY_MINUTE", DayHour = "DAY_HOUR",
    YearMonth = "YEAR_MONTH",
}
