//! The native program `subscription`, by the rules of retail: energy is billed by when it flowed.

mod capabilities;
mod cases;
mod further;
mod hostile;
mod late;
mod rules;
mod world;
