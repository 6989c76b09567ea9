//! Expressions: trees of whole numbers with units, kept as the list that their evaluation goes through (operands before what is
//! done with them), so that neither reading, checking nor evaluating one needs a stack as deep as a stranger likes.

use super::{Sheet, check::BadSheet};
use borsh::{BorshDeserialize, BorshSerialize};
use utilidor_types::carrier::BaseUnit;
use utilidor_types::price_index::IndexUnit;
use utilidor_types::{Bounded, PriceUnit};

/// Most nodes of an expression.
pub const MAX_NODES: usize = 64;
/// Most operands that wait at once: bounds how deep an expression can be to the right, and with the nodes to the left.
pub const MAX_DEPTH: usize = 16;
/// Most rows of a table.
pub const MAX_ROWS: usize = 16;
/// Millionths in a whole.
pub const WHOLE: i64 = 1_000_000;

/// An expression in the order of its evaluation.
pub type Expression = Bounded<Node, MAX_NODES>;

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Unit {
    /// Millionths of the settlement currency.
    Money,
    /// Millionths of it for each of these.
    Price(PriceUnit),
    /// Joules.
    Energy,
    /// Millilitres.
    Volume,
    /// Millionths of one.
    Share,
    /// Milliseconds.
    Time,
}

impl Unit {
    /// What a meter of this base unit brings.
    pub const fn of_base(base: BaseUnit) -> Self {
        match base {
            BaseUnit::Joule => Self::Energy,
            BaseUnit::Millilitre => Self::Volume,
        }
    }

    /// What it is as the unit of an index, if an index can have it.
    pub const fn of_index(self) -> Option<IndexUnit> {
        match self {
            Self::Price(per) => Some(IndexUnit::Price(per)),
            Self::Money => Some(IndexUnit::Money),
            Self::Share => Some(IndexUnit::Share),
            Self::Energy | Self::Volume | Self::Time => None,
        }
    }

    /// What the product of two units is, and what the product of their numbers is divided by; none where there is none.
    pub const fn times(self, other: Self) -> Option<(Self, u64)> {
        match (self, other) {
            (Self::Share, unit) | (unit, Self::Share) => Some((unit, WHOLE as u64)),
            (Self::Price(per), quantity) | (quantity, Self::Price(per)) => match (per, quantity) {
                (PriceUnit::KilowattHour | PriceUnit::Gigajoule, Self::Energy)
                | (PriceUnit::CubicMetre, Self::Volume) => Some((Self::Money, per.base_units())),
                _ => None,
            },
            _ => None,
        }
    }
}

/// A part of an expression. What takes operands takes them from those before it, the last one last.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Node {
    /// A number.
    Number(i64, Unit),
    /// What a meter has brought in the period, in a band or over all hours. A band's place is counted from 1; 0 are the hours that
    /// are in none.
    Sum {
        /// The meter's place.
        meter: u8,
        /// The band.
        band: Option<u8>,
    },
    /// The value of an index for the period, if it was published so many hours before the period began; with 0 at any time.
    Index {
        /// The index's place.
        index: u8,
        /// The hours.
        notice_hours: u32,
    },
    /// What an earlier definition comes to.
    Defined(u8),
    /// What a definition, this one included, came to in the period settled before.
    Before(u8),
    /// How long the period is.
    Length,
    /// The sum of two.
    Add,
    /// The first less the second.
    Subtract,
    /// The smaller of two.
    Min,
    /// The larger of two.
    Max,
    /// A price times a quantity, or anything times a share; half to even.
    Times,
    /// The first times the second for each of the third; half to even. Nothing where the third is nothing.
    Share,
    /// The first if it is there, else the second.
    Else,
    /// By the size of one: the value of the first row whose limit it does not exceed, else the last value.
    Table {
        /// What the limits are, as the operand is.
        of: Unit,
        /// Limits, rising, with their values.
        rows: Bounded<(i64, i64), MAX_ROWS>,
        /// The value above all limits.
        above: i64,
        /// What the values are.
        unit: Unit,
    },
}

impl Node {
    /// How many operands it takes.
    pub const fn operands(&self) -> usize {
        match self {
            Self::Number(..)
            | Self::Sum { .. }
            | Self::Index { .. }
            | Self::Defined(_)
            | Self::Before(_)
            | Self::Length => 0,
            Self::Table { .. } => 1,
            Self::Add | Self::Subtract | Self::Min | Self::Max | Self::Times | Self::Else => 2,
            Self::Share => 3,
        }
    }
}

/// The unit that an expression's number has. `own` is the place of the definition that it belongs to: it can use those before it,
/// and what it was itself before.
pub fn unit_of(sheet: &Sheet, own: usize, expression: &[Node]) -> Result<Unit, BadSheet> {
    // The unit and the depth of each operand that waits.
    let mut waiting: Vec<(Unit, usize)> = Vec::new();
    for node in expression {
        let operands = waiting.split_off(waiting.len().checked_sub(node.operands()).ok_or(BadSheet::Shape)?);
        let depth = 1 + operands.iter().map(|(_, depth)| *depth).max().unwrap_or(0);
        let units: Vec<Unit> = operands.into_iter().map(|(unit, _)| unit).collect();
        waiting.push((unit_of_node(sheet, own, node, &units)?, depth));
        if depth > MAX_DEPTH || waiting.len() > MAX_DEPTH {
            return Err(BadSheet::TooDeep);
        }
    }
    match *waiting {
        [(unit, _)] => Ok(unit),
        _ => Err(BadSheet::Shape),
    }
}

fn unit_of_node(sheet: &Sheet, own: usize, node: &Node, units: &[Unit]) -> Result<Unit, BadSheet> {
    let definition = |place: u8, before: usize| {
        let found = sheet.definitions.get(usize::from(place)).filter(|_| usize::from(place) < before);
        found.map(|definition| definition.unit).ok_or(BadSheet::Unknown)
    };
    match (node, units) {
        (Node::Number(_, unit), _) => Ok(*unit),
        (Node::Sum { meter, band }, _) => {
            if band.is_some_and(|band| usize::from(band) > sheet.bands.len()) {
                return Err(BadSheet::Unknown);
            }
            let meter = sheet.meters.get(usize::from(*meter)).ok_or(BadSheet::Unknown)?;
            Ok(Unit::of_base(meter.carrier.base_unit()))
        }
        (Node::Index { index, .. }, _) => {
            sheet.indices.get(usize::from(*index)).map(|index| index.unit).ok_or(BadSheet::Unknown)
        }
        (Node::Defined(place), _) => definition(*place, own),
        (Node::Before(place), _) => definition(*place, own.saturating_add(1)),
        (Node::Length, _) => Ok(Unit::Time),
        (Node::Add | Node::Subtract | Node::Min | Node::Max | Node::Else, [one, other]) if one == other => Ok(*one),
        (Node::Times, [one, other]) => one.times(*other).map(|(unit, _)| unit).ok_or(BadSheet::Units),
        (Node::Share, [value, part, whole]) if part == whole => Ok(*value),
        (Node::Table { of, rows, unit, .. }, [operand]) if of == operand => {
            if rows.is_empty() || !rows.windows(2).all(|pair| pair[0].0 < pair[1].0) {
                return Err(BadSheet::Table);
            }
            Ok(*unit)
        }
        _ => Err(BadSheet::Units),
    }
}
