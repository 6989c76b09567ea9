//! A published program for tests: what a command says is its answer, and what it answers at other times is in its code.
#![allow(dead_code)] // every test file uses a part of it

use super::*;
use std::fmt::Write as _;
use utilidor_program::wasm;
use utilidor_program_sdk as wire;
use utilidor_program_sdk::{Effect, Party as P, Purpose as Pot, Source};
use utilidor_types::program::*;
use utilidor_types::time::DAY_MS;

pub const OWNER: P = P::OWNER;
pub const USER: P = P::USER;

pub fn done(effects: Vec<Effect>) -> Vec<u8> {
    borsh::to_vec(&wire::Answer::Done(wire::Done { effects, ..wire::Done::default() })).unwrap()
}

pub fn money(units: u64) -> wire::Money {
    wire::Money(Money::units(units).0)
}

pub fn reserve(party: P, units: u64) -> Effect {
    Effect::Reserve(party, Pot::Deposit, money(units))
}

pub fn pay(from: P, to: P, units: u64) -> Effect {
    Effect::Pay { from, source: Source::Allowance, to, amount: money(units) }
}

/// What the puppet answers when all have signed, and at its time. In between it says what commands say.
pub struct Puppet {
    pub signed: Vec<Effect>,
    pub due: Vec<Effect>,
    /// What it does at its time instead of answering.
    pub acts: &'static str,
    /// Bytes of its code that nobody reads.
    pub ballast: usize,
}

impl Puppet {
    pub fn answering(signed: Vec<Effect>, due: Vec<Effect>) -> Self {
        Self { signed, due, acts: "", ballast: 0 }
    }

    pub fn code(&self) -> Code {
        let data = |place: u32, bytes: &[u8]| {
            let mut text = String::new();
            bytes.iter().for_each(|byte| write!(text, "\\{byte:02x}").unwrap());
            format!(r#"(data (i32.const {place}) "{text}")"#)
        };
        let answers =
            [(131_072, done(self.signed.clone())), (139_264, done(self.due.clone())), (147_456, done(vec![]))];
        let mut segments: String = answers.iter().map(|(place, bytes)| data(*place, bytes)).collect();
        if self.ballast > 0 {
            segments.push_str(&data(150_000, &vec![b'z'; self.ballast]));
        }
        let [signed, due, other] = answers.map(|(place, bytes)| u64::from(place) << 32 | bytes.len() as u64);
        // The first byte of the input is the event's number: 0 signed, 4 due, 7 a command with its party and its bytes.
        let text = format!(
            r#"(module (memory (export "memory") 3) (global (export "buffer") i32 (i32.const 0)) {segments}
               (func (export "act") (param i32) (result i64) (local $event i32)
                 (local.set $event (i32.load8_u (i32.const 0)))
                 (if (i32.eqz (local.get $event)) (then (return (i64.const {signed}))))
                 (if (i32.eq (local.get $event) (i32.const 4)) (then {} (return (i64.const {due}))))
                 (if (i32.eq (local.get $event) (i32.const 7)) (then
                   (return (i64.or (i64.const {}) (i64.extend_i32_u (i32.load (i32.const 2)))))))
                 (i64.const {other})))"#,
            self.acts,
            6u64 << 32,
        );
        Code::new(wat::parse_str(text).unwrap()).unwrap()
    }

    pub fn publication(&self) -> Publication {
        let manifest = Manifest { name: Text::new("puppet").unwrap(), ..Manifest::default() };
        Publication { engine: wasm::ENGINE, code: self.code(), manifest }
    }
}

pub fn publish(publication: &Publication) -> Action {
    Action::PublishProgram(Box::new(publication.clone()))
}

/// Terms of the station and alice: 100 of each can be reserved, 50 taken; alice's meter brings all it has.
pub fn terms(world: &World, program: ProgramId) -> AgreementTerms {
    let grant = |party| Grant { party, reserve: Money::units(100), allowance: Money::units(50), renews: false };
    let meter = CodedMeter {
        meter: meter_id("alice/electricity"),
        carrier: Carrier::Electricity,
        party: Party::USER,
        window: Window { from: world.now, to: Timestamp(world.now.0 + 10 * DAY_MS) },
        metered: Metered::Rest,
    };
    let coded = CodedTerms {
        code: ProgramCode::Published(program),
        grants: vec![grant(Party::OWNER), grant(Party::USER)].try_into().unwrap(),
        meters: vec![meter].try_into().unwrap(),
        parameters: vec![1, 2, 3].try_into().unwrap(),
    };
    let hard_end = HardEnd { at: Timestamp(world.now.0 + 3 * DAY_MS), fallback: Fallback::GiveBack };
    let terms = AgreementTerms::between(account("station"), account("alice"), Program::Coded(coded));
    AgreementTerms { hard_end: Some(hard_end), ..terms }
}

/// An agreement `a` on the puppet, signed by both.
pub fn signed(world: &mut World, puppet: &Puppet) -> AgreementId {
    let publication = puppet.publication();
    world.done("station", publish(&publication));
    let terms = terms(world, publication.id());
    let digest = terms.digest();
    world.done("station", Action::ProposeAgreement { label: label("a"), terms, signing_ms: 1_000 });
    world.done("alice", Action::SignAgreement { agreement: agreement_id("a"), terms: digest });
    agreement_id("a")
}

pub fn command(agreement: AgreementId, effects: Vec<Effect>) -> Action {
    Action::Command { agreement, command: done(effects).try_into().unwrap() }
}

pub fn wire_time(time: Timestamp) -> wire::Time {
    wire::Time(time.0)
}

pub fn statement_of(from: P, to: P, amount: wire::Money) -> Effect {
    let period = wire::Window { from: wire::Time(1), to: wire::Time(2) };
    let line =
        wire::Line { clause: 1, period, carrier: None, quantity: wire::Quantity(4), price: None, from, to, amount };
    Effect::Issue(wire::Statement { closing: wire::Closing::Period, period, lines: vec![line], substituted: false })
}
