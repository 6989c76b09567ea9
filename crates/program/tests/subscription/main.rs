//! The native program `subscription`, by the rules of retail: energy is billed by when it flowed.

mod amended;
mod capabilities;
mod cases;
mod further;
mod handover;
mod hostile;
mod kept;
mod late;
mod notices;
mod rules;
mod world;
