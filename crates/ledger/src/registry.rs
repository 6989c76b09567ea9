//! The registry of programs that parties write [M15]: code in the state, by its digest, with proofs and state sync like
//! everything else; and how much their programs may use.
//!
//! ```text
//! PublishProgram ──> ProgramRecord (id) ──> CodeChunk (digest of the code, part)
//!                        \──> ManifestRecord (id)
//! ```
//!
//! A program's id is the hash of its code and its manifest, so nobody can put another text beside a code that parties have
//! signed. Code is compiled when it is published, and again wherever it is not at hand; both cost the same fuel, once in a
//! block.

use crate::context::{Caller, Ledger};
use crate::record::{AgreementRecord, CHUNK_BYTES, CodeChunk, FuelRecord, ManifestRecord, MemberRecord, ProgramRecord};
use crate::store::Ruled;
use crate::work::Work;
use std::sync::Arc;
use utilidor_program::wasm::{self, COMPILE_FUEL_PER_BYTE, EVENT_FUEL, Module};
use utilidor_program::{Case, Event as Told, Facts, Step};
use utilidor_types::agreement::Party;
use utilidor_types::event::{Event, Filled};
use utilidor_types::program::{Fuel, MAX_MANIFEST_BYTES, Publication};
use utilidor_types::refusal::Limited;
use utilidor_types::time::DAY_MS;
use utilidor_types::{AgreementId, AgreementTerms, Bounded, MemberId, Program, ProgramId, Refusal, Timestamp, encode};

/// What a written cell counts in the daily quota. By [`Limits::DEFAULT`](utilidor_types::genesis::Limits) a member can so write
/// 1,562,500 cells of 128 bytes in a day, which is 200 MB: as much as the transactions that it can send in that time, at 8 MiB an
/// hour (docs/adr/0021).
pub const CELL_FUEL: u64 = 12_800;
/// So many written cells of an event are in its fuel: the agreement's state, the accounts between which it moves money, the fuel's own.
const FREE_CELLS: u64 = 8;

impl ProgramRecord {
    /// The numbers of its code's parts.
    fn chunks(&self) -> std::ops::Range<u8> {
        // 128 KiB are nine parts.
        0..(self.bytes as usize).div_ceil(CHUNK_BYTES) as u8
    }
}

/// Publishing.
impl Ledger<'_> {
    /// Order: engine, manifest, code, limit. A repeated publication gives the first result.
    pub fn publish_program(&mut self, caller: Caller, publication: &Publication) -> Ruled<()> {
        let Publication { engine, code, manifest } = publication;
        let id = publication.id();
        self.store.want::<ManifestRecord>(&id);
        if self.store.view::<ProgramRecord>(&id)?.is_some() {
            return Ok(());
        }
        if !wasm::is_engine(*engine) {
            return Err(Refusal::UnknownEngine { engine: *engine, last: wasm::ENGINE }.into());
        }
        let bytes = encode(manifest).len();
        if bytes > MAX_MANIFEST_BYTES {
            return Err(Refusal::ManifestTooLong { bytes: bytes as u32, max: MAX_MANIFEST_BYTES as u32 }.into());
        }
        let digest = code.digest();
        wasm::load(*engine, digest, || code.to_vec()).map_err(Refusal::from)?;
        let is_stored = self.store.view::<CodeChunk>(&(digest, 0))?.is_some();
        self.keep(caller.member, Limited::Programs)?;

        let record = ProgramRecord {
            engine: *engine,
            code: digest,
            bytes: code.len() as u32,
            publisher: caller.account,
            published: self.now,
        };
        if !is_stored {
            for (number, bytes) in (0u8..).zip(code.chunks(CHUNK_BYTES)) {
                let bytes = Bounded::new(bytes.to_vec()).map_err(|_| Refusal::Overflow)?;
                self.store.create_unread(&(digest, number), CodeChunk { bytes });
            }
        }
        self.store.create_unread(&id, ManifestRecord { manifest: manifest.clone() });
        self.store.put(&id, record);
        Ok(())
    }
}

/// Using what is published.
impl Ledger<'_> {
    /// Asks for a program and, once its record is there, its code.
    pub fn want_program(&mut self, program: ProgramId) {
        if let Ok(Some(record)) = self.store.view::<ProgramRecord>(&program) {
            for chunk in record.chunks() {
                let _ = self.store.view_shared::<CodeChunk>(&(record.code, chunk));
            }
        }
    }

    /// What an agreement's terms name must be published.
    pub fn need_program(&mut self, program: &Program) -> Ruled<()> {
        let Some(program) = program.published() else { return Ok(()) };
        match self.store.view::<ProgramRecord>(&program)? {
            Some(_) => Ok(()),
            None => Err(Refusal::UnknownPublication { program }.into()),
        }
    }

    /// A program's compiled code.
    pub fn module(&mut self, program: ProgramId) -> Ruled<Arc<Module>> {
        self.want_program(program);
        let unknown = Refusal::UnknownPublication { program };
        let Some(record) = self.store.view::<ProgramRecord>(&program)? else { return Err(unknown.into()) };
        let mut chunks = Vec::with_capacity(record.chunks().len());
        for chunk in record.chunks() {
            let chunk = self.store.view_shared::<CodeChunk>(&(record.code, chunk))?;
            chunks.push(chunk.ok_or_else(|| unknown.clone())?);
        }
        let compiling = Work { fuel: COMPILE_FUEL_PER_BYTE * u64::from(record.bytes), ..Work::default() };
        self.store.spend_once::<CodeChunk>(&(record.code, 0), compiling);
        let code = || chunks.iter().flat_map(|chunk| chunk.bytes.iter().copied()).collect();
        Ok(wasm::load(record.engine, record.code, code).map_err(Refusal::from)?)
    }

    /// Runs the program, and counts what that takes if it is a published one.
    pub fn run_program(&mut self, case: Case<'_>, event: &Told) -> Ruled<Step> {
        let read = &case.facts.indices;
        if !read.is_empty() {
            let values = Bounded::new(read.clone()).map_err(|_| Refusal::BadReach)?;
            self.events.push(Event::IndicesRead { agreement: case.agreement, values });
        }
        if let Some(to) = case.facts.follower {
            self.events.push(Event::DayPassedOn { subscription: case.agreement, to });
        }
        let answer = utilidor_program::act(event, case);
        if !case.terms.program.is_written() {
            return Ok(answer?);
        }
        let fuel = answer.as_ref().map_or(EVENT_FUEL, |step| step.fuel);
        self.store.spend(Work { fuel, ..Work::default() });
        self.burnt = self.burnt.saturating_add(fuel);
        let step = answer?;
        self.use_fuel(case.terms, event, fuel)?;
        let Facts { available, sums, .. } = case.facts;
        let sums = sums.iter().map(|sum| Filled { binding: sum.binding, bands: sum.bands, until: sum.until });
        self.events.push(Event::ProgramRan {
            agreement: case.agreement,
            fuel: u32::try_from(fuel).map_err(|_| Refusal::Overflow)?,
            available: Bounded::new(available.clone()).map_err(|_| Refusal::BadParties)?,
            sums: Bounded::new(sums.collect()).map_err(|_| Refusal::BadParties)?,
        });
        Ok(step)
    }
}

/// Fair use: what a party asks of a program is counted for that party's member, and what comes by itself for the owner's. What is
/// refused is counted for who asked it.
impl Ledger<'_> {
    /// Asks for what fuel is counted by.
    pub fn want_fuel(&mut self, terms: &AgreementTerms, event: &Told) {
        if let Ok(Some(member)) = self.payer(terms, event) {
            self.store.want::<FuelRecord>(&member);
            self.store.want::<MemberRecord>(&member);
        }
    }

    fn payer(&mut self, terms: &AgreementTerms, event: &Told) -> Ruled<Option<MemberId>> {
        let party = match event {
            Told::Command { by, .. } | Told::EndingWithdrawn { by } | Told::Ending { by: Some(by), .. } => *by,
            Told::Prepaid { .. } => Party::USER,
            _ => Party::OWNER,
        };
        match terms.account(party).filter(|_| terms.program.is_written()) {
            Some(account) => self.member_of(account).map(Some),
            None => Ok(None),
        }
    }

    fn fuel_today(&mut self, member: MemberId) -> Ruled<Fuel> {
        let record = self.store.view::<FuelRecord>(&member)?;
        let today = self.today();
        Ok(record.filter(|record| record.day == today).map_or(Fuel(0), |record| Fuel(record.used)))
    }

    /// The same of who asks.
    pub fn want_fuel_of(&mut self, asks: MemberId, id: AgreementId) {
        if let Ok(Some(record)) = self.store.view::<AgreementRecord>(&id)
            && record.agreement.terms.program.is_written()
        {
            self.store.want::<FuelRecord>(&asks);
        }
    }

    /// Refuses what a member asks of a published program if no fuel is left for today: of who pays, or of who asks.
    pub fn need_fuel(&mut self, terms: &AgreementTerms, event: &Told, asks: MemberId) -> Ruled<()> {
        let Some(pays) = self.payer(terms, event)? else { return Ok(()) };
        for member in [pays, asks] {
            let (used, max) = (self.fuel_today(member)?, self.daily_fuel(member)?);
            if used >= max {
                return Err(Refusal::FuelSpent { used, max }.into());
            }
        }
        Ok(())
    }

    /// When what is due of a published program can be done, if no fuel is left for today: on the next day.
    pub fn waits_for_fuel(&mut self, terms: &AgreementTerms) -> Ruled<Option<Timestamp>> {
        let Some(member) = self.payer(terms, &Told::Due)? else { return Ok(None) };
        if self.fuel_today(member)? < self.daily_fuel(member)? {
            return Ok(None);
        }
        Ok(Some(Timestamp((u64::from(self.today()) + 1) * DAY_MS)))
    }

    /// Counts fuel.
    pub fn use_fuel(&mut self, terms: &AgreementTerms, event: &Told, fuel: u64) -> Ruled<()> {
        match self.payer(terms, event)? {
            Some(member) => self.use_fuel_of(member, fuel),
            None => Ok(()),
        }
    }

    /// Counts what carrying out an event has written, as fuel.
    pub fn pay_for_cells(&mut self, terms: &AgreementTerms, event: &Told, cells: u64) -> Ruled<()> {
        match cells.saturating_sub(FREE_CELLS) {
            0 => Ok(()),
            cells => self.use_fuel(terms, event, CELL_FUEL.saturating_mul(cells)),
        }
    }

    /// Counts fuel of a member.
    pub fn use_fuel_of(&mut self, member: MemberId, fuel: u64) -> Ruled<()> {
        let used = self.fuel_today(member)?.0.saturating_add(fuel);
        self.store.put(&member, FuelRecord { day: self.today(), used });
        Ok(())
    }
}
