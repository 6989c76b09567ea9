//! Programs that parties have published: what code is admitted, what it can do, and what it cannot. Each row of the list of
//! faults that other systems had is a test here, or in the ledger's tests of programs.

mod admission;
mod answers;
mod calls;
mod fuel;
mod fuzzing;
mod grants;
mod play;
mod select;
mod support;
mod window;
