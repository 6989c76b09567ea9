//! A development chain of one member with its HTTP interface, and a small world of actors on it.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Mutex;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use utilidor_api::Settings;
use utilidor_chain::{Config, Node};
use utilidor_index::Index;
use utilidor_types::action::{AwardBasis, AwardedQuote, Prepayment};
use utilidor_types::agreement::{Service, SubscriptionTerms, Substitute};
use utilidor_types::encoding::Text;
use utilidor_types::genesis::{ChainKind, GenesisMember, Limits};
use utilidor_types::hash::tagged_hash;
use utilidor_types::key::PrivateKey;
use utilidor_types::meter::{MeterAuthority, MeterRun};
use utilidor_types::offer::{AwardRule, Seal};
use utilidor_types::operator::AdvanceTime;
use utilidor_types::package::*;
use utilidor_types::quote::{QuoteLine, SALT_BYTES, sealed_bytes};
use utilidor_types::session::{MAX_NODE_BYTES, SignIn};
use utilidor_types::time::{Date, HOUR_MS};
use utilidor_types::*;

pub const KWH: u64 = 3_600_000;
pub const OFFSET: i16 = 480;

pub fn at(month: u8, day: u8, hour: u64) -> Timestamp {
    let midnight = Date { year: 2025, month, day }.midnight(OFFSET).unwrap();
    Timestamp(midnight.0 + hour * HOUR_MS)
}

/// What somebody calls something.
pub fn label(text: &str) -> Label {
    Label::of_text(text)
}

fn secret(label: &str) -> [u8; 32] {
    tagged_hash("test key", &[label.as_bytes()]).0
}

pub fn key(label: &str) -> PrivateKey {
    PrivateKey::ed25519(secret(label))
}

pub fn account(label: &str) -> AccountId {
    AccountId::of(&key(label).public_key())
}

/// The gateway's meter of this label.
pub fn meter_id(text: &str) -> MeterId {
    MeterId::of(account("gateway"), label(text))
}

/// The station's offer.
pub fn offer_id() -> OfferId {
    OfferId::of(account("station"), label("o"))
}

/// The agreement that somebody has given this label.
pub fn agreement_of(creator: &str, text: &str) -> AgreementId {
    AgreementId::of(account(creator), label(text))
}

/// Alice's subscription.
pub fn subscription() -> AgreementId {
    agreement_of("alice", "s")
}

/// Alice's purchase.
pub fn purchase() -> AgreementId {
    agreement_of("station", "alice")
}

pub fn genesis(kind: ChainKind) -> Genesis {
    use Role::*;
    genesis_of(
        kind,
        &[
            ("station", &[Owner, Validator]),
            ("alice", &[User]),
            ("bob", &[User]),
            ("gateway", &[MeterOperator]),
            ("issuer", &[Issuer]),
        ],
    )
}

/// A consortium in which each member has one role: the founder admits, the inspector looks on. The tenants come later: whoever
/// founds is named in the genesis document, which is public.
pub fn genesis_of_single_roles() -> Genesis {
    use Role::*;
    genesis_of(
        ChainKind::Development,
        &[
            ("station", &[Owner]),
            ("gateway", &[MeterOperator]),
            ("issuer", &[Issuer]),
            ("founder", &[Validator]),
            ("inspector", &[Supervisor]),
        ],
    )
}

fn genesis_of(kind: ChainKind, members: &[(&str, &[Role])]) -> Genesis {
    let members =
        members.iter().map(|(label, roles)| GenesisMember { account: account(label), roles: Roles::of(roles) });
    let members = members.collect::<Vec<_>>().try_into().unwrap();
    Genesis::alone(kind, at(1, 1, 0), key("validator").public_key(), members, Limits::DEFAULT)
}

pub struct World {
    pub base: String,
    pub http: reqwest::Client,
    pub genesis: Genesis,
    pub dir: TempDir,
    pub node: Option<Node>,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<Result<(), utilidor_api::ServeError>>>,
    nonces: HashMap<String, u64>,
    settings: Settings,
    tokens: Mutex<HashMap<String, String>>,
    /// Who declares capacities and moves time.
    pub validator: &'static str,
}

/// Whom the world's questions come from unless said otherwise: who runs the node.
pub const OPERATOR: &str = "validator";

impl World {
    pub async fn start(kind: ChainKind) -> Self {
        Self::start_with(kind, Settings::default()).await
    }

    pub async fn start_with(kind: ChainKind, settings: Settings) -> Self {
        Self::begin(genesis(kind), settings, "station").await
    }

    pub async fn begin(genesis: Genesis, settings: Settings, validator: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut world = Self {
            base: String::new(),
            http: reqwest::Client::new(),
            genesis,
            dir,
            node: None,
            stop: None,
            served: None,
            nonces: HashMap::new(),
            settings,
            tokens: Mutex::default(),
            validator,
        };
        world.run().await;
        world
    }

    /// Starts node and interface, the first time or again.
    pub async fn run(&mut self) {
        let config = Config::alone(self.dir.path().join("chain"), self.genesis.clone(), secret("validator"));
        let node = tokio::task::spawn_blocking(move || utilidor_chain::start(config).unwrap()).await.unwrap();
        let index = Index::open(self.dir.path().join("index.sqlite"), &self.genesis).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.base = format!("http://{}", listener.local_addr().unwrap());
        self.tokens.lock().unwrap().clear();
        let (stop, stopped) = oneshot::channel::<()>();
        let (handle, settings) = (node.handle(), self.settings.clone());
        let served = async move {
            utilidor_api::serve(listener, handle, index, &settings, async move {
                let _ = stopped.await;
            })
            .await
        };
        self.served = Some(tokio::spawn(served));
        self.stop = Some(stop);
        self.node = Some(node);
    }

    /// Stops interface and node cleanly.
    pub async fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.served.take().unwrap().await.unwrap().unwrap();
        let node = self.node.take().unwrap();
        tokio::task::spawn_blocking(move || node.stop().unwrap()).await.unwrap();
    }

    pub async fn restart(&mut self) {
        self.stop().await;
        self.run().await;
    }

    /// Signs in with somebody's key, and gives the token.
    pub async fn sign_in(&self, actor: &str) -> String {
        let post = |path: &str| self.http.post(format!("{}{path}", self.base));
        let challenge: Value = post("/v1/session/challenge").send().await.unwrap().json().await.unwrap();
        let challenge = serde_json::from_value(challenge["challenge"].clone()).unwrap();
        let answer = SignIn::sign(self.genesis.chain(), self.host(), challenge, &key(actor));
        let response = post("/v1/session").json(&answer).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{actor} signs in");
        response.json::<Value>().await.unwrap()["token"].as_str().unwrap().to_owned()
    }

    /// The node as its clients call it.
    pub fn host(&self) -> Text<MAX_NODE_BYTES> {
        self.base.strip_prefix("http://").unwrap().parse().unwrap()
    }

    /// Somebody's token; the first time, it signs in.
    pub async fn token(&self, actor: &str) -> String {
        let kept = self.tokens.lock().unwrap().get(actor).cloned();
        match kept {
            Some(token) => token,
            None => {
                let token = self.sign_in(actor).await;
                self.tokens.lock().unwrap().insert(actor.into(), token.clone());
                token
            }
        }
    }

    /// A request with a token, or by nobody in particular.
    pub fn ask(&self, method: Method, path: &str, token: Option<&str>) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// A `GET` with a token, or by nobody in particular.
    pub async fn get_with(&self, token: Option<&str>, path: &str) -> (StatusCode, Value) {
        let response = self.ask(Method::GET, path, token).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    /// A `GET` by somebody.
    pub async fn get_as(&self, actor: &str, path: &str) -> (StatusCode, Value) {
        self.get_with(Some(&self.token(actor).await), path).await
    }

    /// A `GET` by who runs the node.
    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.get_as(OPERATOR, path).await
    }

    /// A `GET` that must succeed.
    pub async fn read<T: DeserializeOwned>(&self, path: &str) -> T {
        let (status, body) = self.get(path).await;
        assert!(status.is_success(), "GET {path}: {status} {body}");
        serde_json::from_value(body).unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    pub fn sign(&mut self, actor: &str, action: Action) -> SignedTransaction {
        let nonce = self.nonces.entry(actor.into()).or_default();
        let transaction = Transaction {
            chain: self.genesis.chain(),
            signer: key(actor).public_key(),
            nonce: *nonce,
            expires: 90_000,
            action,
        };
        *nonce += 1;
        transaction.sign(&key(actor))
    }

    pub async fn submit(&self, transactions: &[SignedTransaction], wait_ms: u64) -> Vec<Value> {
        let body: Vec<Vec<u8>> = transactions.iter().map(encode).collect();
        let response = self
            .http
            .post(format!("{}/v1/transactions?wait_ms={wait_ms}", self.base))
            .header("content-type", "application/octet-stream")
            .body(encode(&body))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let answer: Value = response.json().await.unwrap();
        answer["results"].as_array().unwrap().clone()
    }

    /// Submits one action and gives its receipt.
    pub async fn act(&mut self, actor: &str, action: Action) -> Receipt {
        let signed = self.sign(actor, action);
        let results = self.submit(&[signed], 30_000).await;
        serde_json::from_value(results[0]["receipt"].clone()).unwrap_or_else(|_| panic!("{results:?}"))
    }

    /// Submits one action that must be done.
    pub async fn done(&mut self, actor: &str, action: Action) -> Receipt {
        let name = action.name();
        let receipt = self.act(actor, action).await;
        assert_eq!(receipt.refusal(), None, "{name} by {actor}");
        receipt
    }

    pub async fn advance(&self, to: Timestamp) {
        let response = self
            .http
            .post(format!("{}/v1/development/time", self.base))
            .json(&AdvanceTime::sign(self.genesis.chain(), to, &key(self.validator)))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{}", response.text().await.unwrap());
    }

    /// Money for all, capacity for the station, meters for the users.
    pub async fn settle_in(&mut self) {
        for label in ["station", "alice", "bob"] {
            let amount = Money::units(1_000_000);
            self.done("issuer", Action::Issue { to: account(label), amount, reference: Text::default() }).await;
        }
        let (carrier, per_hour) = (Carrier::Electricity, Quantity(1_000_000 * KWH));
        let capacity = Decision::DeclareCapacity { owner: account("station"), carrier, per_hour };
        self.done(self.validator, Action::decide(capacity)).await;
        for (holder, carrier) in
            [("alice", Carrier::Electricity), ("alice", Carrier::Heating), ("bob", Carrier::Electricity)]
        {
            let meter = Meter {
                label: label(&format!("{holder}/{carrier}")),
                carrier,
                holder: account(holder),
                authority: MeterAuthority::Gateway(account("gateway")),
                register_modulus: Quantity(1_000_000_000 * KWH),
                capacity_per_hour: Quantity(10_000 * KWH),
                register: Quantity(0),
                since: at(1, 1, 0),
            };
            self.done("gateway", Action::RegisterMeter(meter)).await;
        }
    }

    /// Hourly readings of a meter from one hour to another, `per_hour` base units each.
    pub async fn readings(&mut self, meter: &str, from: Timestamp, hours: u64, register: &mut u64, per_hour: u64) {
        let times: Vec<u64> = (1..=hours).map(|hour| from.0 + hour * HOUR_MS).collect();
        let runs = times.chunks(96).map(|chunk| {
            let readings = chunk.iter().map(|time| {
                *register += per_hour;
                Reading { time: Timestamp(*time), register: Quantity(*register) }
            });
            MeterRun { meter: meter_id(meter), readings: Bounded::new(readings.collect()).unwrap(), signature: None }
        });
        let runs = Bounded::new(runs.collect()).unwrap();
        self.done("gateway", Action::RecordReadings { runs }).await;
    }

    pub fn package(&self, version: u32, micro_per_kwh: u64) -> Package {
        let steps = vec![Step { from: Money::units(10_000), discount_permille: 20 }];
        let night = BandStretch {
            band: Band::Valley,
            months: EVERY_MONTH,
            days: EVERY_DAY,
            from_half_hour: 0,
            to_half_hour: if version == 1 { 14 } else { 20 },
        };
        let calendar = Calendar { stretches: vec![night].try_into().unwrap(), holidays: Bounded::empty() };
        let options = vec![
            TariffOption {
                carrier: Carrier::Electricity,
                tariff: Tariff::Metered(MeteredTariff {
                    price: Price::micro_per_kwh(micro_per_kwh),
                    steps: steps.try_into().unwrap(),
                    time_of_use: TimeOfUse { factors_permille: [1_000, 1_750, 1_600, 400, 400], calendar },
                    grace: Quantity(100 * KWH),
                    levy: Money(27_000),
                }),
                vat_permille: 130,
            },
            TariffOption {
                carrier: Carrier::Heating,
                tariff: Tariff::FloorArea(FloorAreaTariff {
                    per_m2: Money::units(43),
                    season: Season { from_month: 11, from_day: 15, to_month: 3, to_day: 15 },
                    discounts: PeriodDiscounts { month_permille: 0, quarter_permille: 30, year_permille: 80 },
                }),
                vat_permille: 90,
            },
        ];
        let terms = PackageTerms { offset_minutes: OFFSET, notice_days: 14, charges: Bounded::empty() };
        Package { label: label("p"), version, terms, options: options.try_into().unwrap() }
    }

    pub fn terms(&self, version: u32) -> SubscriptionTerms {
        let service = |carrier, floor_area| Service {
            carrier,
            option: 0,
            meter: Some(meter_id(&format!("alice/{carrier}"))),
            floor_area,
            low_balance: Quantity(10 * KWH),
        };
        let area = Area::square_metres(1_000).unwrap();
        let services = vec![service(Carrier::Electricity, Area(0)), service(Carrier::Heating, area)];
        let package = PackageId::of(account("station"), label("p"));
        SubscriptionTerms { package, version, services: services.try_into().unwrap(), allowance: Money::units(100_000) }
    }

    pub async fn prepay(&mut self, carrier: Carrier, payment: Prepayment) {
        self.done("alice", Action::Prepay { subscription: subscription(), carrier, payment }).await;
    }

    /// Offer, quotes by both users, and an award of alice's as agreement `alice`, proven by her meter.
    pub async fn trade(&mut self, binding: bool) -> [Opening; 2] {
        let offer = Offer {
            label: label("o"),
            lots: vec![Lot {
                carrier: Carrier::Electricity,
                quantity: Quantity(1_000 * KWH),
                asking_price: Price::micro_per_kwh(500_000),
                delivery_meter: None,
                user_metered: true,
            }]
            .try_into()
            .unwrap(),
            window: Window { from: at(1, 10, 0), to: at(1, 11, 0) },
            gate_closes: at(1, 5, 0),
            lapses: at(1, 10, 0),
            seal: Seal::Owner([9; 32]),
            terms: OfferTerms {
                deposit_permille: 200,
                guarantee_permille: 500,
                tolerance_permille: 50,
                grace_ms: 3_600_000,
                substitute: Substitute::ProRata,
                signing_ms: 24 * 3_600_000,
                bond: Money::units(10),
                award_rule: AwardRule::Free,
            },
            notice: Text::default(),
        };
        let offered = offer.digest();
        self.done("station", Action::publish_offer(offer)).await;
        let mut contents = Vec::new();
        for (bidder, micro) in [("alice", 610_000), ("bob", 590_000)] {
            let user_meter = meter_id(&format!("{bidder}/electricity"));
            let line = QuoteLine { quantity: Quantity(1_000 * KWH), price: Money(micro), user_meter };
            let salt = tagged_hash("salt", &[bidder.as_bytes()]).0;
            assert_eq!(salt.len(), SALT_BYTES);
            let content = Opening { salt, lines: vec![line].try_into().unwrap() };
            let quote = SealedQuote {
                offer: offer_id(),
                offered,
                commitment: content.commitment(self.genesis.chain(), offer_id(), account(bidder)),
                sealed: vec![bidder.as_bytes()[0]; sealed_bytes(1)],
                binding,
            };
            self.done(bidder, Action::submit_quote(quote)).await;
            contents.push(content);
        }
        self.advance(at(1, 5, 0)).await;
        let award = AwardedQuote {
            offer: offer_id(),
            bidder: account("alice"),
            label: label("alice"),
            opening: contents[0].clone(),
            basis: AwardBasis::Choice,
        };
        let awards = vec![award].try_into().unwrap();
        self.done("station", Action::Award { awards }).await;
        contents.try_into().unwrap()
    }
}
