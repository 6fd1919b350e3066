//! Numbers that are added.

use smallvec::SmallVec;

use super::decimal::Decimal;

/// A number to be added. Equal are those of the same bits.
#[derive(Debug, Clone, Copy)]
pub enum Amount {
    /// To a number of 4 bytes.
    Int(i32),
    /// To a double.
    Double(f64),
    /// To a number in decimal text. Integers and others have sums of their own; both are parts of one number.
    Decimal(Decimal),
}

const INT: u8 = 1;
const DOUBLE: u8 = 2;
const DECIMAL_INT: u8 = 3;
const DECIMAL_REAL: u8 = 4;

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        (self.kind(), self.to_bits()) == (other.kind(), other.to_bits())
    }
}

impl Amount {
    pub(super) fn kind(self) -> u8 {
        match self {
            Self::Int(_) => INT,
            Self::Double(_) => DOUBLE,
            Self::Decimal(Decimal::Int(_)) => DECIMAL_INT,
            Self::Decimal(Decimal::Real(_)) => DECIMAL_REAL,
        }
    }

    /// Whether it is of that family; the other is that of binary numbers.
    pub(super) fn is_decimal(self) -> bool {
        self.decimal().is_some()
    }

    /// The number in decimal text.
    pub fn decimal(self) -> Option<Decimal> {
        if let Self::Decimal(num) = self { Some(num) } else { None }
    }

    pub(super) fn to_bits(self) -> u64 {
        match self {
            Self::Int(num) => num as u32 as u64,
            Self::Double(num) | Self::Decimal(Decimal::Real(num)) => num.to_bits(),
            Self::Decimal(Decimal::Int(num)) => num as u64,
        }
    }

    pub(super) fn of(kind: u8, bits: u64) -> Option<Self> {
        match kind {
            INT => Some(Self::Int(bits as u32 as i32)),
            DOUBLE => Some(Self::Double(f64::from_bits(bits))),
            DECIMAL_INT => Some(Self::Decimal(Decimal::Int(bits as i64))),
            DECIMAL_REAL => {
                Some(Decimal::Real(f64::from_bits(bits))).filter(|num| num.is_finite()).map(Self::Decimal)
            }
            _ => None,
        }
    }

    /// Nothing, of the same family.
    pub(super) fn zero(self) -> Self {
        match self {
            Self::Int(_) => Self::Int(0),
            Self::Double(_) => Self::Double(0.0),
            Self::Decimal(_) => Self::Decimal(Decimal::Int(0)),
        }
    }

    /// As a client sees it.
    pub fn to_bytes(self) -> SmallVec<[u8; 8]> {
        match self {
            Self::Int(num) => SmallVec::from_slice(&num.to_le_bytes()),
            Self::Double(num) => SmallVec::from_slice(&num.to_le_bytes()),
            Self::Decimal(num) => SmallVec::from_vec(num.to_string().into_bytes()),
        }
    }

    /// Both together, integers of 4 bytes wrapping; none where they are of different kinds, or it is too large for
    /// a sum.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(Self::Int(a.wrapping_add(b))),
            (Self::Double(a), Self::Double(b)) => Some(Self::Double(a + b)),
            (Self::Decimal(a), Self::Decimal(b)) => a.plus(b).map(Self::Decimal),
            _ => None,
        }
    }
}

/// A value as a number of the kind of another.
pub fn number(value: &[u8], kind: Amount) -> Option<Amount> {
    match kind {
        Amount::Int(_) => value.try_into().ok().map(|bytes| Amount::Int(i32::from_le_bytes(bytes))),
        Amount::Double(_) => value.try_into().ok().map(|bytes| Amount::Double(f64::from_le_bytes(bytes))),
        Amount::Decimal(_) => Decimal::parse(value).map(Amount::Decimal),
    }
}

/// What an addition to a value makes of it; none where it is refused. A number in decimal text takes the place of any
/// value: one that is not canonical is as `lenient` reads it, or 0.
pub fn added(
    value: Option<&[u8]>,
    amount: Amount,
    lenient: &dyn Fn(&[u8]) -> Option<Decimal>,
) -> Option<Amount> {
    let old = match value {
        None => amount.zero(),
        Some(value) => match number(value, amount) {
            None if amount.is_decimal() => lenient(value).map_or(amount.zero(), Amount::Decimal),
            old => old?,
        },
    };
    match (old, amount) {
        (Amount::Decimal(old), Amount::Decimal(amount)) => old.total([amount]).number().map(Amount::Decimal),
        _ => old.plus(amount),
    }
}
