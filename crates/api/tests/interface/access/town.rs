//! A month of two tenants with the same station.

use crate::common::*;
use utilidor_api::Settings;
use utilidor_program::wasm;
use utilidor_types::action::{NewAccount, Prepayment};
use utilidor_types::agreement::{Service, SubscriptionTerms};
use utilidor_types::price_index::{IndexUnit, IndexValue, PriceIndex};
use utilidor_types::program::{Code, Manifest, Publication};
use utilidor_types::time::DAY_MS;
use utilidor_types::*;

/// What a tenant has paid ahead, and uses in an hour: values that stand nowhere else.
pub const PAID: [(&str, u64); 2] = [("alice", 1_000_777_331), ("bob", 1_000_555_117)];
pub const HOURLY: [(&str, u64); 2] = [("alice", 41 * KWH + 7_731), ("bob", 17 * KWH + 5_517)];

pub fn reference(tenant: &str) -> String {
    format!("rent of the office of {tenant}")
}

pub struct Town {
    pub world: World,
    /// Content of the quotes of alice and of bob.
    pub openings: [Opening; 2],
    /// Transfers of alice and of bob.
    pub transfers: [TransactionHash; 2],
}

/// A program that the station has published: it does nothing. Its answer, behind its input, is as many zeros as say so.
pub fn publication() -> Publication {
    let code = r#"(module (memory (export "memory") 3) (global (export "buffer") i32 (i32.const 0))
                    (func (export "act") (param i32) (result i64) (i64.const 0x0002_0000_0000_000a)))"#;
    let manifest = Manifest { name: "idle".parse().unwrap(), ..Manifest::default() };
    Publication { engine: wasm::ENGINE, code: Code::new(wat::parse_str(code).unwrap()).unwrap(), manifest }
}

/// A value of an index that the station has published.
pub fn index_value() -> IndexValue {
    let index = PriceIndex { name: "spot".parse().unwrap(), unit: IndexUnit::Price(PriceUnit::KilowattHour) };
    let period = Window { from: Timestamp(0), to: Timestamp(DAY_MS) };
    IndexValue { index, period, micro: -20_000 }
}

/// The station's index.
pub fn price_index() -> PriceIndexId {
    index_value().index.id(account("station"))
}

fn terms_of(world: &World, tenant: &str) -> SubscriptionTerms {
    let terms = world.terms(1);
    let service = Service { meter: Some(meter_id(&format!("{tenant}/electricity"))), ..terms.services[0].clone() };
    SubscriptionTerms { services: vec![service].try_into().unwrap(), ..terms }
}

/// The founder's motion that a tenant be admitted.
pub fn admission(chain: ChainId, tenant: &str) -> Motion {
    let account = NewAccount::first(chain, &key(tenant));
    Motion::of(Decision::AdmitMember { account, roles: Roles::of(&[Role::User]) })
}

impl Town {
    pub async fn play() -> Self {
        let mut world = World::begin(genesis_of_single_roles(), Settings::default(), "founder").await;
        for (tenant, _) in PAID {
            world.done("founder", Action::ProposeMotion(admission(world.genesis.chain(), tenant))).await;
        }
        world.settle_in().await;
        world.done("station", Action::PublishPackage(world.package(1, 800_000))).await;
        world.done("station", Action::PublishProgram(Box::new(publication()))).await;
        world.done("station", Action::PublishIndex(index_value())).await;
        for (tenant, paid) in PAID {
            let second = NewAccount::sign(
                world.genesis.chain(),
                MemberId::of(account(tenant)),
                &key(&format!("{tenant}, second")),
            );
            world.done(tenant, Action::OpenAccount { account: second }).await;
            let terms = terms_of(&world, tenant);
            world.done(tenant, Action::Subscribe { label: label("s"), terms }).await;
            let (subscription, carrier) = (agreement_of(tenant, "s"), Carrier::Electricity);
            let payment = Prepayment::Amount(Money(paid));
            world.done(tenant, Action::Prepay { subscription, carrier, payment }).await;
            // Refused: she is no issuer.
            let amount = Money(paid);
            world.act(tenant, Action::Issue { to: account(tenant), amount, reference: Text::default() }).await;
        }
        let openings = world.trade(true).await;
        let mut transfers = Vec::new();
        for (tenant, paid) in PAID {
            let reference = reference(tenant).parse().unwrap();
            let signed =
                world.sign(tenant, Action::Transfer { to: account("station"), amount: Money(paid), reference });
            world.submit(std::slice::from_ref(&signed), 30_000).await;
            transfers.push(signed.hash());
        }
        world.advance(at(1, 11, 0)).await;
        let mut registers = [0, 0];
        for (place, (tenant, hourly)) in HOURLY.into_iter().enumerate() {
            let meter = format!("{tenant}/electricity");
            world.readings(&meter, at(1, 1, 0), 240, &mut registers[place], hourly).await;
        }
        world.advance(at(1, 11, 2)).await;
        world.advance(at(2, 1, 1)).await;
        for (place, (tenant, hourly)) in HOURLY.into_iter().enumerate() {
            let meter = format!("{tenant}/electricity");
            world.readings(&meter, at(1, 11, 0), 21 * 24, &mut registers[place], hourly).await;
        }
        world.advance(at(2, 1, 7)).await;
        Self { world, openings, transfers: transfers.try_into().unwrap() }
    }

    /// Digest of the last entry of the log of oversight.
    pub async fn last_entry(&self) -> Digest {
        let log: serde_json::Value = self.world.read("/v1/oversight?order=newest&limit=1").await;
        log["items"][0]["digest"].as_str().map_or_else(Digest::default, |digest| digest.parse().unwrap())
    }
}
