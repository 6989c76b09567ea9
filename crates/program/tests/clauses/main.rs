//! Clause sheets: what is printed is read again as the same, what is written wrongly is refused, and what they settle.

mod hostile;
mod printed;
mod settled;
mod support;
