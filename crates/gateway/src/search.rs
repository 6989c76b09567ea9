//! Finding the devices of an M-Bus by what is printed on them.
//!
//! A selection may leave digits of the identification open. Whoever is meant acknowledges; where it is one device, its answer says who
//! it is. Where several are, their answers lie over each other and are none: then each digit that can come next is asked for.
//! Silence ends a branch. So the search asks about ten selections for each digit in which two devices differ, and is not misled by
//! two acknowledgements that look like one.

use crate::line::{ExchangeError, Line};
use crate::protocol::mbus::{self, Secondary};
use crate::protocol::{Refused, Telegram};

/// Most devices that a segment has.
pub const MAX_DEVICES: usize = 250;

/// A device that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What is printed on it.
    pub device: Secondary,
    /// What it says, or why that is not taken.
    pub telegram: Result<Telegram, Refused>,
    /// Its answer, as received.
    pub answer: Vec<u8>,
}

/// What a search came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Devices, by their identification.
    pub found: Vec<Found>,
    /// Identifications that answer and that nobody could be told apart by.
    pub indistinct: Vec<String>,
    /// Selections that were asked.
    pub selections: usize,
}

/// What a selection came to.
enum Selected {
    Nobody,
    One(Box<Found>),
    Several,
}

/// Finds the devices of a bus. Ends with [`MAX_DEVICES`]: then there may be more.
pub async fn search(line: &mut Line) -> Result<Findings, ExchangeError> {
    let mut findings = Findings::default();
    // Digits that are still to be asked for, the next one last.
    let mut waiting: Vec<Vec<u8>> = vec![Vec::new()];
    while let Some(digits) = waiting.pop() {
        if findings.found.len() + findings.indistinct.len() >= MAX_DEVICES {
            break;
        }
        findings.selections += 1;
        match select(line, Secondary::beginning(&digits)).await? {
            Selected::Nobody => {}
            Selected::One(found) => findings.found.push(*found),
            // The same identification in devices of several makers or media, or noise.
            Selected::Several if digits.len() == mbus::DIGITS => {
                findings.indistinct.push(digits.iter().map(|digit| char::from(b'0' + digit)).collect());
            }
            Selected::Several => {
                waiting.extend((0..10).rev().map(|next| [digits.as_slice(), &[next]].concat()));
            }
        }
    }
    Ok(findings)
}

/// Selects the devices that are meant, and asks whoever it is for its values.
async fn select(line: &mut Line, meant: Secondary) -> Result<Selected, ExchangeError> {
    match line.exchange(&mbus::select_request(meant), mbus::arrival).await {
        Ok(answer) if mbus::parse(&answer) == Ok(mbus::Parsed::Acknowledged) => {}
        Ok(_) | Err(ExchangeError::Refused { .. }) => {
            line.hang_up();
            return Ok(Selected::Several);
        }
        Err(ExchangeError::Silent { bytes: 0, .. }) => return Ok(Selected::Nobody),
        Err(ExchangeError::Silent { .. }) => return Ok(Selected::Several),
        Err(error) => return Err(error),
    }
    let answer = match line.exchange(&mbus::read_request(mbus::SELECTED, true), mbus::arrival).await {
        Ok(answer) => answer,
        Err(ExchangeError::Refused { .. } | ExchangeError::Silent { .. }) => return Ok(Selected::Several),
        Err(error) => return Err(error),
    };
    match Secondary::answering(&answer).filter(|device| meant.means(*device)) {
        Some(device) => {
            let telegram = mbus::decode_selected(&answer, device);
            Ok(Selected::One(Box::new(Found { device, telegram, answer })))
        }
        None => {
            // What lies over the rest of a frame may still come.
            line.hang_up();
            Ok(Selected::Several)
        }
    }
}
