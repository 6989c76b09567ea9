//! The Huadian demonstration.

pub mod adviser;
pub mod cast;
pub mod data;
pub mod meters;
pub mod platform;
pub mod scenario;
pub mod solar;
pub mod tariff;
pub mod tender;
