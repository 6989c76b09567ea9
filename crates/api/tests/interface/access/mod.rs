//! Who may see what: every endpoint as every role, and two tenants who must find nothing of each other.

mod planted;
mod sessions;
mod supervision;
mod table;
mod town;
